use tephra_storage::{Event, Kind, Level, ProjectId};

use super::*;
use crate::limits::Limits;
use crate::rules::Rules;

const NOW: i64 = 1_760_000_000_000_000;

fn decode(body: impl AsRef<[u8]>) -> Decoded {
    let limits = Limits::default();
    let receipt = Receipt { project_id: ProjectId(1), received_at: NOW, limits: &limits, rules: Rules::standard() };
    lines(&receipt, &Bytes::copy_from_slice(body.as_ref())).unwrap()
}

fn one(line: &str) -> Event {
    let decoded = decode(line);
    assert_eq!(decoded.rejected, [], "{line}");
    assert_eq!(decoded.events.len(), 1, "{line}");
    decoded.events.into_iter().next().unwrap()
}

fn attributes(event: &Event) -> &str {
    event.attributes.as_deref().unwrap_or_default()
}

#[test]
fn reads_the_documented_shape() {
    let event = one(concat!(
        r#"{"timestamp":"2025-10-09T08:53:20.5Z","level":"error","message":"boom","template":"%s","logger":"app","service":"#,
        r#""shop","environment":"prod","release":"1.2","dist":"7","server_name":"web-1","platform":"python","#,
        r#""exception":{"type":"ValueError","value":"bad 7","stacktrace":"File \"a.py\", line 1, in f","handled":false},"#,
        r#""event_id":"67e55044-10b1-426f-9247-bb680e5fe0c8","trace_id":"0102030405060708090a0b0c0d0e0f10","#,
        r#""span_id":"0102030405060708","user":{"id":42,"email":"a@b.c","ip":"::1","plan":"pro"},"session_id":"s","#,
        r#""tags":{"tier":"gold","n":3,"none":null},"contexts":{"os":{"name":"Linux"}},"colour":"blue","deep":{"a":[1]}}"#,
    ));
    assert_eq!(event.timestamp, 1_760_000_000_500_000);
    assert_eq!((event.level, event.severity, event.kind), (Level::Error, Some(17), Kind::Error));
    assert_eq!(event.message.as_deref(), Some("boom"));
    assert_eq!(event.template.as_deref(), Some("%s"));
    assert_eq!(event.exception_type.as_deref(), Some("ValueError"));
    assert_eq!(event.exception_value.as_deref(), Some("bad 7"));
    assert_eq!(event.stack.as_deref(), Some("File \"a.py\", line 1, in f"));
    assert_eq!(event.culprit.as_deref(), Some("f"));
    assert_eq!(event.handled, Some(false));
    assert_eq!(event.event_id.map(|id| id[0]), Some(0x67));
    assert_eq!(event.trace_id.map(|id| id[15]), Some(16));
    assert_eq!(event.span_id, Some([1, 2, 3, 4, 5, 6, 7, 8]));
    assert_eq!(event.user_id.as_deref(), Some("42"));
    assert_eq!(event.user_email.as_deref(), Some("a@b.c"));
    assert_eq!(event.user_ip.as_deref(), Some("::1"));
    assert_eq!(event.service.as_deref(), Some("shop"));
    assert_eq!(event.release.as_deref(), Some("1.2"));
    assert_eq!(event.contexts.as_deref(), Some(r#"{"os":{"name":"Linux"}}"#));
    assert_eq!(event.tags, [("n".into(), "3".into()), ("tier".into(), "gold".into())]);
    assert_eq!(attributes(&event), r#"{"user.plan":"pro","colour":"blue","deep":{"a":[1]}}"#);
}

#[test]
fn reads_what_common_loggers_write() {
    let zap =
        one(r#"{"level":"warn","ts":1760000000.25,"logger":"db","caller":"db.go:3","msg":"slow","error":"timeout"}"#);
    assert_eq!((zap.level, zap.timestamp), (Level::Warning, NOW + 250_000));
    assert_eq!(zap.exception_value.as_deref(), Some("timeout"));
    assert_eq!(attributes(&zap), r#"{"caller":"db.go:3"}"#);
    let pino = one(
        r#"{"level":50,"time":1760000000000,"pid":1,"hostname":"h","msg":"x","err":{"type":"E","message":"m","stack":"E: m\n    at f (/a.js:1:2)"}}"#,
    );
    assert_eq!((pino.level, pino.timestamp, pino.kind), (Level::Error, NOW, Kind::Error));
    assert_eq!(pino.culprit.as_deref(), Some("f"));
    let ecs = one(
        r#"{"@timestamp":"2025-10-09T08:53:20Z","log.level":"ERROR","message":"m","service.name":"s","error.type":"T","error.stack_trace":"at a.B.c(B.java:1)"}"#,
    );
    assert_eq!((ecs.timestamp, ecs.service.as_deref(), ecs.exception_type.as_deref()), (NOW, Some("s"), Some("T")));
    let python = one(
        "{\"levelname\":\"CRITICAL\",\"message\":\"m\",\"exc_info\":\"Traceback (most recent call last):\\n  File \\\"a.py\\\", line 1, in f\\nE: x\"}",
    );
    assert_eq!((python.level, python.culprit.as_deref()), (Level::Fatal, Some("f")));
}

#[test]
fn levels_are_words_or_numbers() {
    let check = |level: &str, expected: Level, severity: Option<i32>, kept: &str| {
        let event = one(&format!("{{\"level\":{level}}}"));
        assert_eq!((event.level, event.severity, attributes(&event)), (expected, severity, kept), "{level}");
    };
    check("\"WARN\"", Level::Warning, Some(13), "");
    check("\"Panic\"", Level::Fatal, Some(21), "");
    check("\"odd\"", Level::Info, None, r#"{"level":"odd"}"#);
    check("18", Level::Error, Some(18), "");
    check("30", Level::Info, Some(9), "");
    check("\"\"", Level::Info, None, "");
    check("99", Level::Info, None, r#"{"level":99}"#);
    check("[1]", Level::Info, None, r#"{"level":[1]}"#);
}

#[test]
fn bad_lines_are_named_and_cost_only_themselves() {
    let decoded = decode("{\"message\":\"a\"}\r\n\n  \nnot json\n[1]\n{\"message\":\"b\",}\n{\"message\":\"c\"}");
    assert_eq!(decoded.positions, [0, 6]);
    let rejected: Vec<_> = decoded.rejected.iter().map(|r| (r.index, r.reason.as_str())).collect();
    assert_eq!(
        rejected,
        [
            (3, "line 4: expected ident (column 2)"),
            (4, "line 5: a list, where an object is needed"),
            (5, "line 6: trailing comma (column 16)"),
        ]
    );
}

#[test]
fn hostile_lines_are_stored_or_refused() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
    let many = format!("{{{}}}", (0..10_000).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(","));
    let large = format!("{{\"message\":\"{}\"}}", "x".repeat(1 << 20));
    let long = format!("{{\"message\":\"{}\"}}", "x".repeat(100_000));
    let body = [deep.as_str(), &many, &large, &long, "{\"message\":\"nul\\u0000\",\"lone\":\"\\ud83d\"}"].join("\n");
    let mut bytes = body.into_bytes();
    bytes.extend_from_slice(b"\n{\"message\":\"bad \xff utf8\",\"tags\":{\"a\":\"\xc3\"}}\n{\"message\":\"raw\0\"}\n");
    let decoded = decode(&bytes);
    let rejected: Vec<_> = decoded.rejected.iter().map(|r| (r.index, r.reason.as_str())).collect();
    assert_eq!(rejected[0], (0, "line 1: nested deeper than 127 levels (column 132)"));
    assert!(rejected[1].1.contains("`event_bytes_max` of 1048576"), "{rejected:?}");
    assert!(rejected[2].1.contains("control character"), "{rejected:?}");
    assert_eq!(decoded.positions, [1, 3, 4, 5]);
    let [many, long, nul, bad] = decoded.events.as_slice() else { panic!("{decoded:?}") };
    assert!(attributes(many).ends_with("\"k9999\":9999}"));
    assert_eq!(long.message.as_deref().map(str::len).map(|len| len <= 65_536), Some(true));
    assert_eq!(nul.message.as_deref(), Some("nul\u{fffd}"));
    assert_eq!(attributes(nul), "{\"lone\":\"\u{fffd}\"}");
    assert_eq!(bad.message.as_deref(), Some("bad \u{fffd} utf8"));
    assert_eq!(bad.tags, [("a".into(), "\u{fffd}".into())]);
}

#[test]
fn too_many_tags_go_to_attributes() {
    let tags: Vec<_> = (0..1_500).map(|n| format!("\"t{n:04}\":\"v\"")).collect();
    let event = one(&format!("{{\"tags\":{{{}}}}}", tags.join(",")));
    assert_eq!(event.tags.len(), 1_000);
    assert!(attributes(&event).contains("\"t1499\":\"v\""));
}

#[test]
fn a_request_without_ids_has_a_hash() {
    assert!(decode("{\"message\":\"a\"}").request_hash.is_some());
    assert_eq!(decode("{\"message\":\"a\"}").request_hash, decode("{\"message\":\"a\"}").request_hash);
    assert_ne!(decode("{\"message\":\"a\"}").request_hash, decode("{\"message\":\"b\"}").request_hash);
    assert_eq!(decode("{\"event_id\":\"a\"}").request_hash, None);
    assert_eq!(decode("").request_hash, None);
}

#[test]
fn wrong_clocks_are_kept_beside_ours() {
    let event = one(r#"{"timestamp":"2999-01-01T00:00:00Z"}"#);
    assert_eq!((event.timestamp, event.received_at), (NOW, NOW));
    assert_eq!(attributes(&event), r#"{"original_timestamp":"2999-01-01T00:00:00Z"}"#);
    assert_eq!(one(r#"{"timestamp":"1999-01-01T00:00:00Z"}"#).timestamp, 915_148_800_000_000);
}
