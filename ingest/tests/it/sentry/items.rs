//! What becomes of each item, and of requests without an envelope.

use std::io::Write;

use base64::Engine;
use bytes::Bytes;
use tephra_ingest::sentry::{self, Category, Policy, Sender};
use tephra_ingest::{ErrorKind, Limits};
use tephra_storage::{Kind, Level};

use super::{envelope, json, sender, store, stored};
use crate::sample::{NOW, receipt};

const ID: &str = "9ec79c33ec9942ab8353589fcb2e04dc";

fn counted(body: &str) -> Vec<(Category, &'static str, u64)> {
    let batch = envelope(body.to_owned()).unwrap();
    assert_eq!((batch.decoded.events.len(), batch.decoded.rejected.len()), (0, 0), "{body}");
    batch.counted.into_iter().map(|row| (row.category, row.reason, row.quantity)).collect()
}

#[test]
fn what_is_not_kept_is_counted() {
    for (kind, category) in [
        ("transaction", Category::Transaction),
        ("session", Category::Session),
        ("sessions", Category::Session),
        ("check_in", Category::Monitor),
        ("span", Category::Span),
        ("otel_span", Category::Span),
        ("profile", Category::Profile),
        ("profile_chunk", Category::ProfileChunk),
        ("profile_chunk_ui", Category::ProfileChunk),
        ("replay_event", Category::Replay),
        ("replay_recording", Category::Replay),
        ("replay_video", Category::Replay),
        ("trace_metric", Category::TraceMetric),
        ("statsd", Category::MetricBucket),
        ("metric_buckets", Category::MetricBucket),
        ("nel", Category::Security),
        ("form_data", Category::Default),
        ("hologram", Category::Unknown),
    ] {
        let body =
            format!("{{}}\n{{\"type\":\"{kind}\",\"item_count\":3}}\n\u{0}not json\n{{\"type\":\"{kind}\"}}\n{{}}");
        assert_eq!(counted(&body), [(category, "unsupported", 4)], "{kind}");
    }
}

#[test]
fn an_envelope_may_be_empty() {
    let batch = envelope("{}").unwrap();
    assert_eq!((batch.event_id, batch.decoded.events.len(), batch.counted.len()), (None, 0, 0));
    let batch = envelope(format!("{{\"event_id\":\"{ID}\"}}\n")).unwrap();
    assert_eq!(hex::encode(batch.event_id.unwrap()), ID);
}

#[test]
fn the_envelopes_id_wins() {
    let batch = envelope(format!(
        "{{\"event_id\":\"{ID}\"}}\n{{\"type\":\"event\"}}\n{{\"event_id\":\"00000000000000000000000000000001\"}}\n"
    ))
    .unwrap();
    assert_eq!(batch.decoded.events[0].event_id.map(hex::encode).as_deref(), Some(ID));
    let batch =
        envelope("{}\n{\"type\":\"event\"}\n{\"event_id\":\"9EC79C33-ec99-42ab-8353-589fcb2e04dc\"}\n").unwrap();
    assert_eq!(batch.event_id.map(hex::encode).as_deref(), Some(ID));
    let batch = envelope("{}\n{\"type\":\"event\"}\n{}\n").unwrap();
    assert_eq!(batch.event_id, batch.decoded.events[0].event_id);
    assert!(batch.event_id.is_some());
}

#[test]
fn one_event_takes_the_envelopes_id() {
    let event = "{\"type\":\"event\"}\n{\"message\":\"a\"}\n";
    let body = format!("{{\"event_id\":\"{ID}\"}}\n{event}{{\"type\":\"event\"}}\n{{\"event_id\":\"{ID}\"}}\n{event}");
    let batch = envelope(body).unwrap();
    assert_eq!(batch.decoded.events.len(), 2);
    assert_ne!(batch.decoded.events[0].event_id, batch.decoded.events[1].event_id);
    assert_eq!((batch.counted[0].reason, batch.counted[0].quantity), ("duplicate_item", 1));
}

#[test]
fn a_broken_item_costs_itself_and_a_broken_frame_the_envelope() {
    let batch = envelope("{}\n{\"type\":\"event\"}\nnot json\n{\"type\":\"feedback\"}\n{}\n").unwrap();
    assert_eq!(batch.decoded.events.len(), 1);
    assert!(batch.decoded.rejected[0].reason.starts_with("invalid event: "), "{:?}", batch.decoded.rejected);
    let error = envelope("{}\n{\"type\":\"event\"}\n{}\n{\"type\":\"event\",\"length\":99}\n{}\n").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.message().starts_with("invalid event envelope: "), "{error}");
}

#[test]
fn attachments_are_slices_with_clean_names() {
    let body = Bytes::from(format!(
        "{{\"event_id\":\"{ID}\"}}\n{{\"type\":\"attachment\",\"length\":5,\"filename\":\"../x/a\\u0000.txt\",\"content_type\":\"text/plain\"}}\nhe\nlo\n{{\"type\":\"attachment\"}}\nhi"
    ));
    let batch = envelope(body.clone()).unwrap();
    let [first, second] = &batch.attachments[..] else { panic!("{:?}", batch.attachments) };
    assert_eq!((first.filename.as_str(), &first.bytes[..]), ("a\u{fffd}.txt", &b"he\nlo"[..]));
    assert_eq!(first.attachment_type, "event.attachment");
    assert!(body.as_ptr_range().contains(&first.bytes.as_ptr()));
    assert_eq!((second.filename.as_str(), &second.bytes[..]), ("unnamed", &b"hi"[..]));
    assert_eq!(hex::encode(second.event_id), ID);
    assert_eq!(counted("{}\n{\"type\":\"attachment\"}\nhi"), [(Category::Attachment, "missing_event_id", 1)]);

    let limits = Limits::default();
    for (policy, reason) in [
        (Policy { attachments: false, ..Policy::default() }, "disabled"),
        (Policy { attachment_bytes_max: 1, ..Policy::default() }, "too_large"),
        (Policy { attachments_max: 0, ..Policy::default() }, "too_many"),
    ] {
        let batch = sentry::envelope(&receipt(&limits), &policy, &sender(), &body).unwrap();
        assert_eq!((batch.attachments.len(), batch.counted[0].reason, batch.counted[0].quantity), (0, reason, 2));
    }
}

#[test]
fn logs_are_events() {
    let body = "{\"sdk\":{\"name\":\"sentry.x\",\"version\":\"1\"}}\n{\"type\":\"log\",\"item_count\":2}\n{\"items\":[\
        {\"timestamp\":1759999999.5,\"level\":\"warn\",\"body\":\"slow %s\",\"trace_id\":\"cc5d2920126c468987f2d1800ccb674f\",\"attributes\":{\
        \"sentry.message.template\":{\"value\":\"slow {x}\",\"type\":\"string\"},\"server.address\":{\"value\":\"vm\"},\"sentry.release\":{\"value\":\"r\"},\
        \"n\":{\"value\":3,\"type\":\"integer\"},\"sentry.trace.parent_span_id\":{\"value\":\"a201faf4dcf4ff75\"}}},{\"level\":\"debug\",\"body\":\"x\"},7],\
        \"ingest_settings\":{\"infer_ip\":\"auto\"}}";
    let batch = envelope(body).unwrap();
    let event = &batch.decoded.events[0];
    assert_eq!((event.kind, event.level, event.timestamp), (Kind::Log, Level::Warning, 1_759_999_999_500_000));
    assert_eq!((event.message.as_deref(), event.template.as_deref()), (Some("slow %s"), Some("slow {x}")));
    assert_eq!((event.server_name.as_deref(), event.release.as_deref()), (Some("vm"), Some("r")));
    assert_eq!((event.sdk_name.as_deref(), event.user_ip.as_deref()), (Some("sentry.x"), Some("203.0.113.9")));
    assert_eq!(event.span_id.map(hex::encode).as_deref(), Some("a201faf4dcf4ff75"));
    assert_eq!(json(&event.attributes), serde_json::json!({"n": 3}));
    assert_eq!(batch.categories, [Category::LogItem; 2]);
    assert_eq!((batch.counted[0].reason, batch.counted[0].quantity), ("malformed", 1));

    let limits = Limits::default();
    let with = |logs_from| {
        let policy = Policy { logs_from, ..Policy::default() };
        let batch = sentry::envelope(&receipt(&limits), &policy, &sender(), &Bytes::from(body)).unwrap();
        (batch.decoded.events.len(), batch.counted.iter().map(|row| (row.reason, row.quantity)).collect::<Vec<_>>())
    };
    assert_eq!(with(None), (0, vec![("disabled", 2)]));
    assert_eq!(with(Some(Level::Warning)), (1, vec![("filtered_level", 1), ("malformed", 1)]));
}

#[test]
fn feedback_of_both_forms_is_an_event() {
    let report = format!("{{\"event_id\":\"{ID}\",\"name\":\"Jo\",\"email\":\"jo@x\",\"comments\":\"it broke\"}}");
    let body = format!("{{\"event_id\":\"{ID}\"}}\n{{\"type\":\"user_report\"}}\n{report}");
    let batch = envelope(body.clone()).unwrap();
    let event = &batch.decoded.events[0];
    assert_eq!((event.kind, event.level), (Kind::Feedback, Level::Info));
    assert_eq!((event.message.as_deref(), event.user_email.as_deref()), (Some("it broke"), Some("jo@x")));
    assert_eq!(json(&event.contexts)["feedback"]["associated_event_id"], ID);
    assert_ne!(event.event_id.map(hex::encode).as_deref(), Some(ID), "the id is that of the event it is about");
    assert_eq!(envelope(body).unwrap().decoded.events[0].event_id, event.event_id, "a retry has the same id");
    assert_eq!(batch.categories, [Category::Feedback]);

    let newer = "{}\n{\"type\":\"feedback\"}\n{\"contexts\":{\"feedback\":{\"message\":\"hm\",\"contact_email\":\"a@b\"}},\"level\":\"info\"}";
    let event = envelope(newer).unwrap().decoded.events.remove(0);
    assert_eq!(
        (event.kind, event.message.as_deref(), event.user_email.as_deref()),
        (Kind::Feedback, Some("hm"), Some("a@b"))
    );
}

#[test]
fn client_reports_are_added_up() {
    let report = "{\"type\":\"client_report\"}\n{\"discarded_events\":[{\"reason\":\"queue_overflow\",\"category\":\"error\",\"quantity\":2}]}\n";
    let batch = envelope(format!("{{}}\n{report}{report}{{\"type\":\"client_report\"}}\nnope\n")).unwrap();
    assert_eq!(batch.client_reports.len(), 1);
    assert_eq!((batch.client_reports[0].reason.as_str(), batch.client_reports[0].quantity), ("queue_overflow", 4));
    assert_eq!((batch.counted[0].category, batch.counted[0].reason), (Category::Internal, "malformed"));
    let many = envelope(format!("{{}}\n{}", report.repeat(20))).unwrap();
    assert_eq!(
        (many.client_reports[0].quantity, many.counted[0].reason, many.counted[0].quantity),
        (32, "too_many", 4)
    );
}

#[test]
fn store_reads_json_and_the_first_sdks_form() {
    let json = format!("{{\"event_id\":\"{ID}\",\"message\":\"hi\"}}");
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(json.as_bytes()).unwrap();
    let zlib = zlib.finish().unwrap();
    let base64 = base64::prelude::BASE64_STANDARD.encode(&zlib);
    let wrapped = format!("{}\n{}\n", &base64[..20], base64[20..].trim_end_matches('='));
    let plain = base64::prelude::BASE64_STANDARD.encode(&json);
    let expected = store(json).unwrap();
    assert_eq!(expected.decoded.events[0].message.as_deref(), Some("hi"));
    for body in [base64, wrapped, plain] {
        assert_eq!(store(body).unwrap().decoded.events, expected.decoded.events);
    }
    for bad in ["", "hello", "[]", "{", "eJw", "7"] {
        assert_eq!(store(bad).unwrap_err().kind(), ErrorKind::Malformed, "{bad}");
    }
    let transaction = store("{\"type\":\"transaction\"}").unwrap();
    assert_eq!((transaction.decoded.events.len(), transaction.counted[0].category), (0, Category::Transaction));
}

#[test]
fn security_reports_group_by_rule_and_origin() {
    let limits = Limits::default();
    let sender = Sender {
        user_agent: Some("Firefox"),
        query: Some("sentry_key=k&sentry_release=1.0&sentry_environment=pre%20prod"),
        ..sender()
    };
    let report = |page: &str| {
        let body = format!(
            "{{\"csp-report\":{{\"document-uri\":\"{page}\",\"effective-directive\":\"img-src\",\"blocked-uri\":\"https://evil.example/x.png\"}}}}"
        );
        let batch = sentry::security(&receipt(&limits), &Policy::default(), &sender, &Bytes::from(body)).unwrap();
        assert_eq!(batch.categories, [Category::Security]);
        batch.decoded.events.into_iter().next().unwrap()
    };
    let event = report("https://a.example/1?token=x");
    assert_eq!(event.message.as_deref(), Some("Blocked 'img' from 'evil.example'"));
    assert_eq!((event.release.as_deref(), event.environment.as_deref()), (Some("1.0"), Some("pre prod")));
    assert_eq!((event.kind, event.logger.as_deref()), (Kind::Message, Some("csp")));
    assert_eq!(json(&event.request)["headers"]["User-Agent"], "Firefox");
    assert_eq!(event.group_hash, report("https://a.example/2").group_hash);
}

#[test]
fn a_wrong_clock_is_corrected_and_a_late_event_believed() {
    let at = |sent_at: &str, timestamp: &str| {
        let body = format!(
            "{{\"sent_at\":{sent_at}}}\n{{\"type\":\"event\"}}\n{{\"timestamp\":{timestamp},\"breadcrumbs\":[{{\"timestamp\":{timestamp}}}]}}"
        );
        envelope(body).unwrap().decoded.events.remove(0)
    };
    let now = NOW / 1_000_000;
    // The clock is right: an event from the offline cache keeps its time.
    assert_eq!(at(&now.to_string(), &(now - 86_400).to_string()).timestamp, NOW - 86_400_000_000);
    assert_eq!(at(&(now - 5).to_string(), &(now - 6).to_string()).timestamp, NOW - 6_000_000);
    // An hour behind, and an hour ahead.
    let event = at(&(now - 3_600).to_string(), &(now - 3_610).to_string());
    assert_eq!(event.timestamp, NOW - 10_000_000);
    assert_eq!(json(&event.attributes), serde_json::json!({"clock_drift_ms": 3_600_000}));
    assert_eq!(json(&event.breadcrumbs)[0]["timestamp"], (now - 10) as f64);
    assert_eq!(at(&(now + 3_600).to_string(), &(now + 3_600).to_string()).timestamp, NOW);
    assert_eq!(at("\"2025-10-09T07:53:20Z\"", "\"2025-10-09T07:53:20Z\"").timestamp, NOW);
    assert_eq!(at("\"soon\"", "null").timestamp, NOW);
}

#[test]
fn nothing_is_refused_for_its_size_or_depth() {
    let deep = format!("{}1{}", "{\"a\":".repeat(300), "}".repeat(300));
    assert!(json(&stored(&format!("{{\"extra\":{{\"x\":{deep}}}}}")).extra)["x"].is_object());
    let text = "x".repeat(200_000);
    let tags = (0..100_000).map(|n| format!("\"tag{n}\":\"v\"")).collect::<Vec<_>>().join(",");
    let frame = format!("{{\"function\":\"f\",\"context_line\":\"{text}\",\"vars\":{{\"v\":\"{text}\"}}}}");
    let event = stored(&format!(
        "{{\"message\":\"{text}\",\"tags\":{{{tags}}},\"logger\":\"{text}\",\"unknown\":\"{text}\",\"release\":\"{text}\"}}"
    ));
    assert!(event.tags.len() <= 1_000 && event.logger.unwrap().len() <= 1_100);
    assert!(event.attributes.unwrap().len() < 200_000);
    let event = stored(&format!(
        "{{\"extra\":{{\"a\":\"{text}\"}},\"contexts\":{{\"b\":{{\"c\":\"{text}\"}}}},\"request\":{{\"data\":\"{text}\"}},\"breadcrumbs\":[{{\"message\":\"{text}\"}},{{\"message\":\"last\"}}],\
         \"exception\":{{\"type\":\"E\",\"value\":\"{text}\",\"stacktrace\":{{\"frames\":[{frame},{frame}]}}}}}}"
    ));
    assert_eq!(json(&event.breadcrumbs)[1]["message"], "last");
    assert_eq!(json(&event.frames)[0]["frames"][1]["function"], "f");
    for column in [event.extra, event.contexts, event.request, event.breadcrumbs, event.frame_vars, event.frames] {
        assert!(column.unwrap().len() < 200_000);
    }
    let huge = format!("{{\"extra\":\"{}\"}}", "x".repeat(5 << 20));
    assert_eq!(store(huge).unwrap_err().kind(), ErrorKind::TooLarge);
}
