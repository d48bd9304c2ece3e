//! What is taken out of events before they are stored, by every protocol, and what is left alone: two tables.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};
use tephra_ingest::{GroupRules, Limits, Receipt, Rules, ScrubRules, Scrubber, native, ndjson, otlp};
use tephra_storage::{Event, ProjectId};

use crate::sample::{pairs, receipt, text};

/// `column|text|secret`; of a tag `tag|name|value`, whose value is the secret.
const SECRETS: &str = include_str!("scrub/secrets.txt");

/// `column|text`
const HARMLESS: &str = include_str!("scrub/harmless.txt");

fn line(row: &str) -> (Value, String, bool) {
    let (column, rest) = row.split_once('|').unwrap();
    let unescaped = |text: &str| text.replace("\\n", "\n");
    match column {
        "tag" => {
            let (name, value) = rest.split_once('|').unwrap();
            (json!({"tags": {name: value}}), value.to_owned(), true)
        }
        "message" | "stack" | "exception_value" => (json!({column: unescaped(rest)}), rest.to_owned(), false),
        _ => (json!({column: serde_json::from_str::<Value>(rest).unwrap()}), rest.to_owned(), false),
    }
}

fn store(line: &Value) -> (Event, u64) {
    let limits = Limits::default();
    let mut decoded = ndjson::lines(&receipt(&limits), &Bytes::from(line.to_string())).unwrap();
    assert_eq!(decoded.rejected, []);
    (decoded.events.pop().unwrap(), decoded.scrubbed)
}

fn holds(event: &Event, secret: &str) -> bool {
    format!("{event:?}").replace("\\\\", "\\").contains(secret)
}

#[test]
#[expect(clippy::print_stdout, reason = "precision and recall are what the table is for")]
fn secrets_go_and_the_rest_stays() {
    let mut missed = Vec::new();
    let mut secrets = 0;
    for row in SECRETS.lines() {
        secrets += 1;
        let (row, secret) = if row.starts_with("tag|") {
            (row, row.rsplit('|').next())
        } else {
            let (row, secret) = row.rsplit_once('|').unwrap();
            (row, Some(secret))
        };
        let (event, count) = store(&line(row).0);
        let secret = secret.unwrap().strip_prefix("bearer ").unwrap_or(secret.unwrap());
        if holds(&event, secret) || count == 0 {
            missed.push(row);
        }
    }
    let mut hurt = Vec::new();
    let mut harmless = 0;
    for row in HARMLESS.lines() {
        harmless += 1;
        if store(&line(row).0).1 > 0 {
            hurt.push(row);
        }
    }
    let found = secrets - missed.len();
    let recall = found as f64 / secrets as f64;
    let precision = found as f64 / (found + hurt.len()) as f64;
    println!("{secrets} secrets, {harmless} harmless: recall {recall:.3}, precision {precision:.3}");
    println!("missed {missed:#?}\nhurt {hurt:#?}");
    assert!(secrets >= 100 && harmless >= 100);
    assert!(missed.is_empty() && hurt.is_empty(), "missed {missed:#?}\nhurt {hurt:#?}");
}

const SECRET: &str = "zz17secret";

#[test]
fn every_protocol_passes_the_scrubber() {
    let limits = Limits::default();
    let words = format!("password={SECRET}");
    let stack = format!("E: x\n    at f (https://x.io/a/b.js?token={SECRET}:1:2)");
    // OTLP: record, resource, body.
    let mut attributes = pairs(&[("db.password", SECRET), ("exception.stacktrace", &stack), ("tag.secret", SECRET)]);
    attributes.extend(pairs(&[("exception.message", &words), ("exception.type", "E")]));
    let record = LogRecord { body: Some(text(&words)), attributes, ..LogRecord::default() };
    let resource =
        Resource { attributes: pairs(&[("api_key", SECRET), ("service.name", "shop")]), ..Resource::default() };
    let scopes = vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }];
    let logs = ResourceLogs { resource: Some(resource), scope_logs: scopes, ..ResourceLogs::default() };
    let request = ExportLogsServiceRequest { resource_logs: vec![logs] };
    let otlp = otlp::logs_protobuf(&receipt(&limits), &request.encode_to_vec().into()).unwrap();
    // Native: event, resource, table of stacks as text and as frames.
    let frame = native::proto::Frame {
        function: "f".into(),
        filename: format!("https://x.io/b.js?token={SECRET}"),
        ..Default::default()
    };
    let by_frames = native::proto::Stack { frames: vec![frame], ..Default::default() };
    let by_text = native::proto::Stack { text: stack.clone(), ..Default::default() };
    let event = |stack| native::proto::Event {
        message: words.clone(),
        exception_value: words.clone(),
        attributes_json: json!({"secret": SECRET}).to_string(),
        fingerprint: vec![words.clone()],
        stack,
        ..Default::default()
    };
    let request = native::proto::AppendRequest {
        resource: Some(native::proto::Resource {
            attributes_json: json!({"token": SECRET}).to_string(),
            ..Default::default()
        }),
        stacks: vec![by_frames, by_text],
        events: vec![event(1), event(2), event(1)],
        ..Default::default()
    };
    let native = native::batch(&receipt(&limits), &request.encode_to_vec().into()).unwrap().decoded;
    let line = json!({
        "message": words, "stack": stack, "extra": {"password": SECRET}, "timestamp": words, "fingerprint": [words],
        "request": {"cookies": SECRET}, "tags": {"token": SECRET}, "other": {"secret": [SECRET]}, "culprit": words,
    });
    let ndjson = ndjson::lines(&receipt(&limits), &Bytes::from(line.to_string())).unwrap();
    for (name, decoded) in [("otlp", otlp), ("native", native), ("ndjson", ndjson)] {
        assert!(decoded.rejected.is_empty() && decoded.scrubbed > 0, "{name}");
        for event in &decoded.events {
            assert!(!holds(event, SECRET), "{name}: {event:?}");
            assert_eq!(Scrubber::default().explain(event), [], "{name}");
        }
    }
}

#[test]
fn a_project_without_defaults_keeps_what_came() {
    let rules: ScrubRules = serde_json::from_str(r#"{"defaults":false}"#).unwrap();
    let rules = Rules::new(Scrubber::new(&rules).unwrap(), GroupRules::default());
    let limits = Limits::default();
    let receipt = Receipt { project_id: ProjectId(1), received_at: 1, limits: &limits, rules: &rules };
    let line = json!({"message": "password=hunter2", "extra": {"password": "hunter2"}});
    let decoded = ndjson::lines(&receipt, &Bytes::from(line.to_string())).unwrap();
    assert_eq!(decoded.events[0].message.as_deref(), Some("password=hunter2"));
    assert_eq!(decoded.scrubbed, 0);
}

#[test]
fn a_secret_is_gone_before_the_middle_of_a_text_is_cut() {
    let key = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", "QUJD".repeat(30_000));
    let (event, _) = store(&json!({"message": format!("{} {key} {}", "a ".repeat(20_000), "b ".repeat(20_000))}));
    let message = event.message.unwrap();
    assert!(message.len() <= 64 << 10 && !message.contains("QUJD"), "{}", message.len());
}

proptest! {
    #[test]
    fn any_event_is_taken(text in "\\PC{0,120}", name in "\\PC{0,20}", value in "[ -~]{0,80}") {
        let line = json!({"message": text, "extra": {&name: value, "x": [value, {"password": text}]}, "tags": {"t": value}, "stack": value});
        let (event, _) = store(&line);
        if let Some(extra) = &event.extra {
            prop_assert!(serde_json::from_str::<Value>(extra).is_ok());
        }
        let mut again = event.clone();
        let found = Scrubber::default().explain(&event);
        prop_assert_eq!(Scrubber::default().scrub(&mut again).count as usize, found.len());
    }

    #[test]
    fn a_password_goes_wherever_it_stands(before in "[a-z ,.]{0,30}", secret in "[a-zA-Z0-9]{8,20}", after in "[ ,;&][a-z ]{0,30}") {
        let secret = format!("Q{secret}9");
        let message = format!("{before} password={secret}{after}");
        let (event, count) = store(&json!({"message": message}));
        prop_assert!(count >= 1 && !holds(&event, &secret), "{:?}", event.message);
    }
}
