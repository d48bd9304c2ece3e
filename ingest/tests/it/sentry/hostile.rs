//! No bytes make the Sentry decoders panic, whatever they look like.

use bytes::Bytes;
use proptest::prelude::*;
use tephra_ingest::sentry::{self, Auth, Policy};
use tephra_ingest::{Limits, inflate};

use super::{envelope, sender, store};
use crate::hostile::check;
use crate::sample::receipt;

/// Feeds `body` to every decoder of Sentry's wire.
pub(crate) fn feed(body: &[u8]) {
    let limits = Limits::default();
    let body = Bytes::copy_from_slice(body);
    for encoding in ["deflate", "br"] {
        let _ = inflate(Some(encoding), body.clone(), 1 << 20);
    }
    let batches = [
        envelope(body.clone()),
        store(body.clone()),
        sentry::security(&receipt(&limits), &Policy::default(), &sender(), &body),
    ];
    for batch in batches.into_iter().flatten() {
        check(&batch.decoded);
        assert_eq!(batch.decoded.events.len(), batch.categories.len());
        assert!(
            batch
                .decoded
                .events
                .iter()
                .all(|event| event.event_id.is_some_and(|id| id != [0; 16]) || event.kind.as_str() == "log")
        );
    }
    let text = String::from_utf8_lossy(&body);
    let _ = Auth::find(Some(&text), Some(&text), Some(&text), Some(&body));
    let _ = Auth::of_dsn(&text);
}

const NAMES: [&str; 26] = [
    "exception",
    "threads",
    "stacktrace",
    "values",
    "frames",
    "vars",
    "tags",
    "user",
    "request",
    "contexts",
    "trace",
    "mechanism",
    "breadcrumbs",
    "message",
    "logentry",
    "params",
    "timestamp",
    "level",
    "fingerprint",
    "sdk",
    "type",
    "value",
    "lineno",
    "query_string",
    "headers",
    "data",
];

/// JSON that looks like an event's, with every part of the wrong type now and then.
fn event() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(|number| serde_json::json!(number)),
        "[a-z%{}s()<>?&=:/. \\\\\"\u{1}ü\u{0}-]{0,12}".prop_map(Into::into),
        Just("python".into()),
        Just("{{auto}}".into()),
        Just("cc5d2920126c468987f2d1800ccb674f".into()),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::Array),
            proptest::collection::vec((prop::sample::select(&NAMES[..]), inner), 0..8)
                .prop_map(|pairs| pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

fn seed() -> Vec<u8> {
    b"{\"event_id\":\"9ec79c33ec9942ab8353589fcb2e04dc\",\"sent_at\":\"2025-10-09T08:53:20Z\"}\n{\"type\":\"event\"}\n\
      {\"platform\":\"python\",\"exception\":{\"values\":[{\"type\":\"E\",\"value\":\"v\",\"stacktrace\":{\"frames\":[{\"function\":\"f\",\"lineno\":1}]}}]},\"tags\":{\"a\":\"b\"}}\n\
      {\"type\":\"attachment\",\"length\":3}\nabc\n{\"type\":\"log\"}\n{\"items\":[{\"body\":\"x\",\"attributes\":{\"a\":{\"value\":1}}}]}\n"
        .to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        feed(&body);
    }

    #[test]
    fn arbitrary_events(event in event(), platform in prop::sample::select(vec!["python", "javascript", "java", "go", "rust", "csharp", "php", "ruby", "native", "x"])) {
        let mut event = event;
        if let Some(object) = event.as_object_mut() {
            object.insert("platform".to_owned(), platform.into());
        }
        feed(event.to_string().as_bytes());
        feed(format!("{{}}\n{{\"type\":\"event\"}}\n{event}\n{{\"type\":\"log\"}}\n{event}\n{{\"type\":\"user_report\"}}\n{event}\n{{\"type\":\"client_report\"}}\n{event}").as_bytes());
    }

    #[test]
    fn mutated_envelopes(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..6)) {
        let mut body = seed();
        for (index, byte, edit) in edits {
            if body.is_empty() {
                break;
            }
            let at = index.index(body.len());
            match edit {
                0 => body[at] = byte,
                1 => body[at] ^= 1 << (byte & 7),
                2 => body.insert(at, byte),
                _ => body.truncate(at),
            }
        }
        feed(&body);
    }
}

#[test]
fn each_prefix_of_an_envelope() {
    let body = seed();
    for length in 0..body.len() {
        feed(&body[..length]);
    }
}
