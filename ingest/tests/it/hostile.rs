//! No bytes make a decoder panic, and what it takes is storable: valid JSON, no NUL, within the limits.

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;
use tephra_ingest::{Decoded, Limits, inflate, native, ndjson, otlp};

use crate::sample::{self, receipt};

/// Feeds `body` to every decoder.
pub(crate) fn feed(body: &[u8]) -> Vec<Decoded> {
    let limits = Limits::default();
    let receipt = receipt(&limits);
    let body = Bytes::copy_from_slice(body);
    for encoding in ["gzip", "zstd"] {
        let _ = inflate(Some(encoding), body.clone(), 1 << 20);
    }
    let decoded = [
        otlp::logs_protobuf(&receipt, &body),
        otlp::logs_json(&receipt, &body),
        otlp::traces_protobuf(&receipt, &body),
        otlp::traces_json(&receipt, &body),
        native::batch(&receipt, &body).map(|batch| batch.decoded),
        ndjson::lines(&receipt, &body),
    ];
    crate::sentry::hostile::feed(&body);
    let decoded: Vec<_> = decoded.into_iter().flatten().collect();
    decoded.iter().for_each(check);
    decoded
}

pub(crate) fn check(decoded: &Decoded) {
    assert_eq!(decoded.events.len(), decoded.positions.len());
    assert!(decoded.positions.is_sorted());
    for event in &decoded.events {
        let json = [
            &event.attributes,
            &event.frames,
            &event.frame_vars,
            &event.breadcrumbs,
            &event.contexts,
            &event.extra,
            &event.request,
        ];
        for json in json.into_iter().flatten() {
            assert!(serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok(), "{json}");
            assert!(!json.contains('\0') && !json.contains("\\u0000"), "{json}");
        }
        let texts = [&event.message, &event.exception_type, &event.exception_value, &event.stack, &event.service];
        assert!(texts.into_iter().flatten().all(|text| !text.contains('\0') && text.len() <= 256 << 10));
        assert!(event.tags.is_sorted() && event.tags.windows(2).all(|pair| pair[0].0 != pair[1].0));
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let logs = sample::logs(vec![sample::record(), sample::record()]);
    let native = native::proto::AppendRequest {
        batch_id: 1,
        resource: Some(native::proto::Resource {
            service: "s".into(),
            attributes_json: "{\"a\":1}".into(),
            ..Default::default()
        }),
        stacks: vec![native::proto::Stack {
            text: sample::STACK.into(),
            frames: vec![native::proto::Frame::default()],
        }],
        events: vec![native::proto::Event { stack: 1, attributes_json: "{\"b\":[1]}".into(), ..Default::default() }; 2],
    };
    vec![
        logs.encode_to_vec(),
        sample::logs_json(&logs).into_bytes(),
        sample::traces().encode_to_vec(),
        sample::traces_json(&sample::traces()).into_bytes(),
        native.encode_to_vec(),
        b"{\"message\":\"m\",\"tags\":{\"a\":\"b\"},\"exception\":{\"type\":\"E\",\"stack\":\"at f (a.js:1:2)\"}}\n{\"time\":1}".to_vec(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        feed(&body);
    }

    #[test]
    fn arbitrary_traces(text in "([ \\t]*(at |File \"|, line 1, in |Caused by: |[0-9]+: |#1 |from |:in |a::b|x\\.go:1|[()@:/\\\\$._-]|0x1f|[a-zA-Zü0-9])*\n?){0,6}") {
        let line = serde_json::json!({"stack": text.as_str(), "message": text.as_str()}).to_string();
        feed(line.as_bytes());
    }

    #[test]
    fn mutated_requests(seed in 0..6usize, edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..6)) {
        let mut body = seeds().swap_remove(seed);
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
fn each_prefix_of_a_request() {
    for body in seeds() {
        for length in 0..body.len().min(600) {
            feed(&body[..length]);
        }
    }
}
