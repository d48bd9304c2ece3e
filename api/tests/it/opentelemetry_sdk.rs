//! The OpenTelemetry SDKs for Python and Node.js, the real packages, send their errors; SQL sees them at once, hot and cold
//! alike.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::python;
use crate::sdk::{cache, installed};
use crate::server::{Server, text};

const ALL: &str = "SELECT * FROM events ORDER BY timestamp, event_id";

#[tokio::test]
async fn logs_by_grpc_land_in_their_columns() {
    let server = Server::start().await;
    check_logs(&server, "grpc", &server.grpc).await;
}

#[tokio::test]
async fn logs_by_http_land_in_their_columns() {
    let server = Server::start().await;
    check_logs(&server, "http", &server.url).await;
}

#[tokio::test]
async fn an_exception_in_a_span_by_grpc_is_an_event() {
    let server = Server::start().await;
    check_span(&server, "grpc", &server.grpc).await;
}

#[tokio::test]
async fn an_exception_in_a_span_by_http_is_an_event() {
    let server = Server::start().await;
    check_span(&server, "http", &server.url).await;
}

#[tokio::test]
async fn logs_of_node_by_grpc_land_in_their_columns() {
    let server = Server::start().await;
    check_node(&server, "grpc", &server.grpc).await;
}

#[tokio::test]
async fn logs_of_node_by_http_land_in_their_columns() {
    let server = Server::start().await;
    check_node(&server, "http", &server.url).await;
}

async fn check_node(server: &Server, protocol: &str, endpoint: &str) {
    let program = cache().join("sdk-node/otel.mjs");
    let Some(program) = installed(program.exists(), program) else { return };
    let mut command = Command::new("node");
    let output = command.arg(program).args([protocol, endpoint, &server.key]).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}\n{}", text(&output), server.log());
    let rows = server.rows(ALL).await;
    let [info, error] = &rows[..] else { panic!("{rows:#?}") };
    for row in [info, error] {
        check(row, "service", "checkout");
        check(row, "release", "2.7.1");
        check(row, "environment", "production");
        check(row, "server_name", "web-3");
        check(row, "logger", "shop.cart");
        check(row, "sdk_name", "opentelemetry");
        check(row, "user_id", "u-42");
        assert!(row.to_string().contains("payments"), "the resource's own attribute is lost: {row:#}");
    }
    check(info, "level", "info");
    check(info, "kind", "log");
    check(info, "message", "cart 17 opened");
    check(info, "session_id", "s-7");
    assert_eq!(attributes(info)["coupon"], "SPRING", "{info:#}");
    check(error, "level", "error");
    check(error, "kind", "error");
    check(error, "message", "could not charge order 1009");
    check(error, "exception_type", "TypeError");
    check(error, "exception_value", "card of order 1009 was declined");
    let stack = error["stack"].as_str().unwrap_or_default();
    assert!(stack.contains("charge") && stack.contains("otel.mjs"), "{error:#}");
    server.roll().await;
    assert_eq!(server.rows(ALL).await, rows, "the answer changed with the roll");
}

async fn check_logs(server: &Server, protocol: &str, endpoint: &str) {
    python::run("otel_logs.py", &[protocol, endpoint, &server.key]);
    let rows = server.rows(ALL).await;
    assert_eq!(rows.len(), 3, "{rows:#?}");
    for row in &rows {
        check(row, "service", "checkout");
        check(row, "release", "2.7.1");
        check(row, "environment", "production");
        check(row, "server_name", "web-3");
        check(row, "logger", "shop.cart");
        check(row, "platform", "python");
        check(row, "sdk_name", "opentelemetry");
        assert!(row["sdk_version"].is_string(), "{row:#}");
        assert!(row.to_string().contains("payments"), "the resource's own attribute is lost: {row:#}");
        assert!(row["timestamp"].as_str() <= row["received_at"].as_str(), "{row:#}");
    }
    let (info, warning, error) = (&rows[0], &rows[1], &rows[2]);
    check(info, "level", "info");
    check(info, "kind", "log");
    check(info, "message", "cart 17 opened");
    check(info, "user_id", "u-42");
    check(info, "session_id", "s-7");
    assert_eq!(attributes(info)["coupon"], "SPRING", "{info:#}");

    check(warning, "level", "warning");
    check(warning, "message", "stock is low: 3 left");

    check(error, "level", "error");
    check(error, "kind", "error");
    check(error, "message", "could not charge order 1009");
    check(error, "exception_type", "ValueError");
    check(error, "exception_value", "card of order 1009 was declined");
    let stack = error["stack"].as_str().unwrap_or_default();
    assert!(stack.contains("in charge") && stack.contains("otel_logs.py"), "{error:#}");
    assert_eq!(error["severity"], 17);
    assert!(is_hex(&error["event_id"], 32) && is_hex(&error["group_hash"], 16), "{error:#}");

    check_cli(server);
    server.roll().await;
    assert_eq!(server.rows("SELECT 1 FROM events").await.len(), 3);
    assert_eq!(server.rows(ALL).await, rows, "the answer changed with the roll");
    check_cli(server);
}

fn check_cli(server: &Server) {
    let sql = "SELECT exception_type, count(*) AS n FROM events WHERE level = 'error' GROUP BY exception_type";
    let table = server.cli(&["sql", sql]);
    let shown = text(&table);
    assert!(table.status.success() && shown.contains("ValueError") && shown.contains("exception_type"), "{shown}");
    let lines = server.cli(&["sql", "--format", "ndjson", sql]);
    assert!(lines.status.success(), "{}", text(&lines));
    let row: Value = serde_json::from_slice(&lines.stdout).unwrap_or_else(|_| panic!("not JSON: {}", text(&lines)));
    assert_eq!(row, json!({ "exception_type": "ValueError", "n": 1 }));
}

async fn check_span(server: &Server, protocol: &str, endpoint: &str) {
    let printed = python::run("otel_span.py", &[protocol, endpoint, &server.key]);
    let (trace_id, span_id) = printed.split_once(' ').unwrap();
    let by_trace = format!("SELECT * FROM events WHERE trace_id = '{trace_id}'");
    let rows = server.rows(&by_trace).await;
    assert_eq!(rows.len(), 1, "{rows:#?}");
    assert_eq!(server.count("true").await, 1, "a span without an exception became an event");
    let row = &rows[0];
    check(row, "kind", "error");
    check(row, "level", "error");
    check(row, "exception_type", "KeyError");
    check(row, "exception_value", "'no customer 77'");
    check(row, "service", "billing");
    check(row, "release", "1.0.4");
    check(row, "trace_id", trace_id);
    check(row, "span_id", span_id);
    assert!(row["stack"].as_str().unwrap_or_default().contains("otel_span.py"), "{row:#}");

    server.roll().await;
    assert_eq!(server.rows(&by_trace).await, rows, "the answer changed with the roll");
}

fn check(row: &Value, column: &str, expected: &str) {
    assert_eq!(row[column], expected, "`{column}` of {row:#}");
}

fn attributes(row: &Value) -> Value {
    serde_json::from_str(row["attributes"].as_str().unwrap_or("null")).unwrap()
}

fn is_hex(value: &Value, digits: usize) -> bool {
    value.as_str().is_some_and(|text| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
