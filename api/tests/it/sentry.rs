//! Sentry's protocol from outside: recorded requests of real SDKs, the real SDK for Python, and what no SDK should send.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::crowd::{Crowd, Reply, expect};
use crate::python;
use crate::server::{Server, Setup};

const DEADLINE: Duration = Duration::from_secs(30);
const RECORDED_KEY: &str = "pubkey0123456789abcdef0123456789";
const ID: &str = "fc6d8c0c43fc4630ad850ee518f1b9d0";

/// Sends a body with headers and gives back the answer.
pub(crate) async fn post(
    server: &Server,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> Reply {
    let mut request = server.http.post(format!("{}{path}", server.url)).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let name = |name: &reqwest::header::HeaderName| name.as_str().to_owned();
    let headers = answer.headers().iter().map(|(key, value)| (name(key), value.to_str().unwrap().to_owned())).collect();
    let text = answer.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or_default();
    Reply { status, headers, text, body }
}

/// Asks until the answer is as wanted: the ledger and issues follow the events by a moment.
pub(crate) async fn until(server: &Server, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let body = expect(server, Method::GET, path, None, 200).await;
        if wanted(&body) {
            return body;
        }
        assert!(Instant::now() < deadline, "{path} stays {body:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) fn event(id: &str) -> String {
    let event =
        json!({ "event_id": id, "level": "error", "exception": { "values": [{ "type": "E", "value": "broke" }] } });
    format!("{{\"event_id\":\"{id}\"}}\n{{\"type\":\"event\"}}\n{event}\n")
}

#[tokio::test]
async fn recorded_requests_of_real_sdks_are_stored_and_read_back() {
    let Some(corpus) = std::env::var_os("TEPHRA_CORPUS").map(PathBuf::from) else {
        println!("skipped: TEPHRA_CORPUS is not set");
        return;
    };
    let server = Server::start().await;
    let mut files: Vec<_> = fs::read_dir(corpus.join("real-sdk")).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let mut ids = BTreeMap::new();
    for round in 0..2 {
        for file in &files {
            let request: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            let path =
                request["path"].as_str().unwrap().replace("/api/7/", "/api/1/").replace(RECORDED_KEY, &server.key);
            let mut headers = Vec::new();
            for (name, value) in request["headers"].as_object().unwrap() {
                let name = name.to_ascii_lowercase();
                if !["host", "content-length", "connection", "transfer-encoding", "accept-encoding"].contains(&&*name) {
                    headers.push((name, value.as_str().unwrap().replace(RECORDED_KEY, &server.key)));
                }
            }
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let reply = post(&server, &path, &headers, fs::read(file.with_extension("body")).unwrap()).await;
            assert_eq!(reply.status, 200, "{} round {round}: {}", file.display(), reply.text);
            assert_eq!(reply.headers["access-control-allow-origin"], "*");
            assert!(reply.headers["access-control-expose-headers"].contains("x-sentry-rate-limits"));
            if let Some(id) = reply.body["id"].as_str() {
                ids.insert(id.to_owned(), file.clone());
            } else {
                assert_eq!(reply.body, json!({}), "{}", file.display());
            }
        }
        let rows = server.rows("SELECT kind, count(*) AS n FROM events GROUP BY kind ORDER BY kind").await;
        let kinds: Vec<_> =
            rows.iter().map(|row| (row["kind"].as_str().unwrap(), row["n"].as_u64().unwrap())).collect();
        assert_eq!(kinds, [("error", 9), ("feedback", 2), ("log", 4), ("message", 5)], "round {round}");
    }
    let rows = server.rows("SELECT event_id, kind, platform, sdk_name FROM events WHERE kind <> 'log'").await;
    for row in &rows {
        let id = row["event_id"].as_str().unwrap();
        assert!(ids.contains_key(id), "{row:#}");
        assert!(row["sdk_name"].as_str().is_some_and(|name| name.starts_with("sentry.")), "{row:#}");
        let read = expect(&server, Method::GET, &format!("/api/v1/projects/1/events/{id}"), None, 200).await;
        assert!(read.to_string().contains(id), "{read:#}");
    }
    let ledger = until(&server, "/api/v1/ledger?step=day", |ledger| ledger["total"]["filtered"] == 58).await;
    assert_eq!((&ledger["total"]["stored"], &ledger["balanced"]), (&json!(20), &json!(true)), "{ledger:#}");
    assert_eq!(ledger["items"][0]["reasons"]["filtered:session/unsupported"], 20, "{ledger:#}");
}

#[tokio::test]
async fn every_place_of_the_key_opens_the_project_of_the_key_alone() {
    let crowd = Crowd::gather().await;
    let server = &crowd.server;
    let (key, other) = (&server.key, &crowd.other_key);
    let header = format!("Sentry sentry_key={key}, sentry_version=7, sentry_client=tests/1");
    let query = format!("?sentry_version=7&sentry_key={key}&sentry_client=tests%2F1");
    let dsn = format!("{{\"dsn\":\"{}/{}\"}}\n", server.url.replace("://", &format!("://{key}@")), crowd.shop);
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zipped.write_all(dsn.as_bytes()).unwrap();
    let zipped = zipped.finish().unwrap();
    let before = server.log().matches(key.as_str()).count();
    for slash in ["", "/"] {
        let path = format!("/api/1/envelope{slash}");
        for reply in [
            post(server, &path, &[("x-sentry-auth", &header)], "{}\n").await,
            post(server, &path, &[("authorization", &header)], "{}").await,
            post(server, &format!("{path}{query}"), &[], "{}").await,
            post(server, &path, &[], dsn.clone()).await,
            post(server, &path, &[("content-encoding", "gzip")], zipped.clone()).await,
        ] {
            assert_eq!((reply.status, &reply.body), (200, &json!({})), "{}", reply.text);
            assert!(!reply.headers.contains_key("x-sentry-rate-limits"));
        }
    }
    let last = if key.ends_with('x') { "y" } else { "x" };
    let stranger = header.replace(key.as_str(), &format!("{}{last}", &key[..key.len() - 1]));
    let foreign = header.replace(key.as_str(), other);
    let token = header.replace(key.as_str(), &server.token);
    for (path, header) in [
        ("/api/1/envelope/", ""),
        ("/api/1/store/", ""),
        ("/api/1/security/", ""),
        ("/api/1/envelope/", "Sentry sentry_version=7"),
        ("/api/1/envelope/", "Sentry sentry_key=unknown"),
        ("/api/1/envelope/", &stranger),
        ("/api/1/envelope/", &token),
        ("/api/1/store/", &foreign),
        ("/api/999/envelope/", &header),
        ("/api/shop/csp-report/", &header),
    ] {
        let reply = post(server, path, &[("x-sentry-auth", header)], event(ID)).await;
        assert_eq!(reply.status, 403, "{path} {}", reply.text);
        let detail = reply.body["detail"].as_str().unwrap();
        assert_eq!(reply.headers["x-sentry-error"], detail);
        assert!(!detail.contains(&key[15..]) && !detail.contains(&server.token[15..]), "{detail}");
    }
    assert_eq!(server.count("true").await, 0);
    assert_eq!(server.log().matches(key.as_str()).count(), before, "{}", server.log());
    let (_, metrics) = server.get("/metrics").await;
    assert!(!metrics.contains(key.as_str()) && !metrics.contains("sentry_key"), "{metrics}");
    assert!(metrics.contains("route=\"/api/{project}/envelope/\""), "{metrics}");
}

#[tokio::test]
async fn what_no_sdk_should_send_is_refused_in_the_form_that_sdks_read() {
    let server =
        Setup::default().set("ingest.wire_bytes_max", 100_000).set("ingest.request_bytes_max", 200_000).start().await;
    let auth = format!("Sentry sentry_key={}, sentry_version=7", server.key);
    let check = async |path: &str, encoding: &str, body: Vec<u8>, status: u16, said: &str| {
        let headers = [("x-sentry-auth", &*auth), ("content-encoding", encoding)];
        let reply = post(&server, path, &headers, body).await;
        assert_eq!(reply.status, status, "{said}: {}", reply.text);
        if status == 200 {
            assert_eq!(reply.text, said);
        } else {
            let detail = reply.body["detail"].as_str().unwrap();
            assert!(detail.contains(said), "{detail}");
            assert_eq!(reply.headers["x-sentry-error"], detail);
            assert!(reply.body["causes"].is_array());
        }
    };
    let (envelope, store) = ("/api/1/envelope/", "/api/1/store/");
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    bomb.write_all(&vec![b' '; 4 << 20]).unwrap();
    let sent = format!("{{\"id\":\"{ID}\"}}");
    check(envelope, "", vec![b'x'; 150_000], 413, "ingest.wire_bytes_max").await;
    check(envelope, "gzip", bomb.finish().unwrap(), 413, "").await;
    check(envelope, "lzma", event(ID).into(), 415, "lzma").await;
    check(envelope, "gzip", event(ID).into(), 400, "gzip").await;
    check(envelope, "", b"no envelope".to_vec(), 400, "invalid event envelope").await;
    check(envelope, "", b"{}\n{\"type\":\"event\",\"length\":99}\n{}".to_vec(), 400, "invalid event envelope").await;
    check(envelope, "", b"{}\n{\"type\":\"event\"}\nno JSON".to_vec(), 400, "invalid event").await;
    check(store, "", b"no JSON".to_vec(), 400, "invalid event").await;
    check("/api/1/security/", "", b"no JSON".to_vec(), 400, "invalid security report").await;
    check(envelope, "", b"{}".to_vec(), 200, "{}").await;
    check(envelope, "", b"{}\n{\"type\":\"hologram\"}\n{}\n".to_vec(), 200, "{}").await;
    check(envelope, "", event(ID).into(), 200, &sent).await;
    check(envelope, "", event(ID).into(), 200, &sent).await;
    check(store, "", format!("{{\"event_id\":\"{ID}\",\"message\":\"again\"}}").into(), 200, &sent).await;
    assert_eq!(server.count("true").await, 1);
    let ledger = until(&server, "/api/v1/ledger?step=day", |ledger| ledger["total"]["received"] == 13).await;
    let total = &ledger["total"];
    let found = [&total["stored"], &total["duplicate"], &total["rejected"], &total["filtered"]];
    assert_eq!(found, [1, 2, 9, 1], "{ledger:#}");
}

#[tokio::test]
async fn what_is_not_kept_is_counted_and_its_sdk_is_told() {
    let server = Setup::default().set("log.level", "debug").start().await;
    let logged = server.log().matches(&server.key).count();
    let auth = format!("Sentry sentry_key={}, sentry_version=7", server.key);
    let report = json!({ "discarded_events": [
        { "category": "error", "reason": "ratelimit_backoff", "quantity": 3 },
        { "category": "error", "reason": "a whim", "quantity": u64::MAX },
        { "category": "log_byte", "reason": "queue_overflow", "quantity": 7 },
    ] });
    let envelope = format!(
        "{}{{\"type\":\"attachment\",\"length\":4,\"filename\":\"a.txt\"}}\nfile\n{{\"type\":\"transaction\"}}\n{{}}\n\
         {{\"type\":\"client_report\"}}\n{report}\n",
        event(ID)
    );
    let reply = post(&server, "/api/1/envelope/", &[("x-sentry-auth", &auth)], envelope).await;
    assert_eq!((reply.status, &reply.body), (200, &json!({ "id": ID })), "{}", reply.text);
    let limits = &reply.headers["x-sentry-rate-limits"];
    assert!(limits.starts_with("3600:transaction;") && limits.ends_with(":project:unsupported"), "{limits}");
    assert!(!limits.contains("attachment"), "{limits}");
    let ledger = until(&server, "/api/v1/ledger?step=day", |ledger| ledger["total"]["received"] == 2).await;
    let reasons = json!({
        "filtered:transaction/unsupported": 1,
        "client_dropped:error/ratelimit_backoff": 3, "client_dropped:error/other": 1_000_000_000,
    });
    assert_eq!((&ledger["items"][0]["reasons"], &ledger["balanced"]), (&reasons, &json!(true)), "{ledger:#}");

    let csp = json!({ "csp-report": {
        "document-uri": "https://shop.example/cart", "violated-directive": "script-src", "blocked-uri": "https://evil.example/x.js",
        "effective-directive": "script-src", "original-policy": "script-src 'self'",
    } });
    for path in ["security", "csp-report/"] {
        let path = format!("/api/1/{path}?sentry_key={}&sentry_release=shop%402", server.key);
        let reply = post(&server, &path, &[("content-type", "application/csp-report")], csp.to_string()).await;
        assert_eq!((reply.status, &reply.body), (200, &json!({})), "{}", reply.text);
    }
    assert_eq!(server.count("release = 'shop@2'").await, 2);
    for row in server.rows("SELECT * FROM events").await {
        assert!(!row.to_string().contains(&server.key), "{row:#}");
    }
    assert_eq!(server.log().matches(&server.key).count(), logged, "{}", server.log());
}

#[tokio::test]
async fn pages_of_any_origin_may_ask_before_they_send() {
    let server = Server::start().await;
    let wanted = "x-sentry-auth, content-encoding, sentry-trace, baggage";
    let request = server.http.request(Method::OPTIONS, format!("{}/api/1/envelope/", server.url));
    let request = request.header("origin", "https://shop.example").header("access-control-request-method", "POST");
    let answer = request.header("access-control-request-headers", wanted).send().await.unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(header("access-control-allow-origin"), "*");
    assert_eq!(header("access-control-allow-methods"), "POST");
    assert_eq!(header("access-control-allow-headers"), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_python_needs_nothing_but_the_dsn() {
    if !python::has_module("sentry_sdk") {
        println!("skipped: sentry-sdk is not installed; scripts/setup.sh installs it");
        return;
    }
    let server = Server::start().await;
    let dsn = server.first_run()["TEPHRA_DSN"].clone();
    let printed = tokio::task::spawn_blocking(move || python::run("sentry_errors.py", &[&dsn])).await.unwrap();
    let ids: Vec<_> = printed.lines().collect();
    let rows = server.rows("SELECT * FROM events ORDER BY timestamp").await;
    assert_eq!(rows.len(), 2, "{rows:#?}\n{}", server.log());
    let column = |row: usize, name: &str| rows[row][name].as_str().unwrap_or_default().to_owned();
    for (row, id) in ids.iter().enumerate() {
        for (name, expected) in [
            ("event_id", *id),
            ("release", "shop@2.7.1"),
            ("environment", "production"),
            ("server_name", "web-3"),
            ("user_id", "u-42"),
            ("user_email", "ada@example.com"),
            ("platform", "python"),
        ] {
            assert_eq!(column(row, name), expected, "{name} of {:#}", rows[row]);
        }
        assert_eq!(rows[row]["tags"]["region"], "eu", "{:#}", rows[row]);
        // The packages that it finds beside it are part of its name.
        assert!(column(row, "sdk_name").starts_with("sentry.python"), "{:#}", rows[row]);
        assert!(column(row, "breadcrumbs").contains("cart 17 opened"), "{:#}", rows[row]);
    }
    assert_eq!((column(0, "kind"), column(0, "exception_type")), ("error".to_owned(), "RuntimeError".to_owned()));
    assert_eq!(column(0, "exception_value"), "could not check out");
    assert!(column(0, "stack").contains("card of order 1009 was declined"), "{}", column(0, "stack"));
    assert_eq!((column(1, "kind"), column(1, "level")), ("message".to_owned(), "warning".to_owned()));
    assert_eq!(column(1, "message"), "stock is low");

    let issues = until(&server, "/api/v1/issues?project=1", |page| page["items"].as_array().unwrap().len() == 2).await;
    assert!(issues.to_string().contains("RuntimeError"), "{issues:#}");
    let read = expect(&server, Method::GET, &format!("/api/v1/projects/1/events/{}", ids[0]), None, 200).await;
    assert!(read.to_string().contains("could not check out"), "{read:#}");
}
