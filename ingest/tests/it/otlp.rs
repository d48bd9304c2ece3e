//! OTLP in both forms: what lands where, what a bad record costs, and that the two forms agree.

use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use proptest::prelude::*;
use prost::Message;
use tephra_ingest::otlp::{logs_json, logs_protobuf, traces_json, traces_protobuf};
use tephra_ingest::{Decoded, ErrorKind, Limits};
use tephra_storage::{Event, Kind, Level};

use crate::sample::{self, NOW, STACK, pair, pairs, receipt, text, wrap};

fn from_protobuf(records: Vec<LogRecord>) -> Decoded {
    let bytes = sample::logs(records).encode_to_vec();
    logs_protobuf(&receipt(&Limits::default()), &bytes.into()).unwrap()
}

fn from_json(json: &str) -> Decoded {
    logs_json(&receipt(&Limits::default()), &Bytes::copy_from_slice(json.as_bytes())).unwrap()
}

fn one(record: LogRecord) -> Event {
    let mut decoded = from_protobuf(vec![record]);
    assert_eq!((decoded.events.len(), decoded.rejected.len()), (1, 0), "{decoded:?}");
    decoded.events.remove(0)
}

fn check_record(event: &Event) {
    assert_eq!((event.timestamp, event.received_at), (1_759_999_999_000_001, NOW));
    assert_eq!((event.level, event.severity, event.kind), (Level::Error, Some(18), Kind::Error));
    assert_eq!(event.message.as_deref(), Some("payment failed"));
    assert_eq!(event.exception_type.as_deref(), Some("ValueError"));
    assert_eq!(event.exception_value.as_deref(), Some("cart 17"));
    assert_eq!(event.stack.as_deref(), Some(STACK));
    assert_eq!(event.culprit.as_deref(), Some("pay"));
    assert_eq!(event.handled, Some(false));
    assert_eq!(event.logger.as_deref(), Some("shop.pay"));
    assert_eq!(event.service.as_deref(), Some("shop"));
    assert_eq!(event.release.as_deref(), Some("1.2.3"));
    assert_eq!(event.environment.as_deref(), Some("prod"));
    assert_eq!(event.server_name.as_deref(), Some("web-1"));
    assert_eq!(event.platform.as_deref(), Some("python"));
    assert_eq!(event.sdk_name.as_deref(), Some("opentelemetry"));
    assert_eq!(event.sdk_version.as_deref(), Some("1.30.0"));
    assert_eq!(event.user_id.as_deref(), Some("u-1"));
    assert_eq!(event.trace_id, Some([0xab; 16]));
    assert_eq!(event.span_id, Some([0xcd; 8]));
    assert_eq!(event.tags, [("tier".into(), "gold".into())]);
    assert_eq!(
        event.attributes.as_deref(),
        Some(concat!(
            r#"{"event.name":"pay.failed","dropped_attributes_count":2,"http.route":"/pay","zone":"b","#,
            r#""count":-9223372036854775808,"ratio":0.25,"bad":"NaN","raw":"AP8=","nothing":null,"#,
            r#""list":["a",{"k":"v \"q\" \n ü"}],"lib":"x","otel.scope.version":"9","k8s.pod.name":"p1"}"#
        ))
    );
    assert_eq!(event.grouping_version, tephra_ingest::GROUPING_VERSION);
}

#[test]
fn conventions_land_in_columns() {
    check_record(&one(sample::record()));
    let decoded = from_json(&sample::logs_json(&sample::logs(vec![sample::record()])));
    assert_eq!(decoded.events.len(), 1, "{decoded:?}");
    check_record(&decoded.events[0]);
}

#[test]
fn levels_come_from_number_then_word() {
    let check = |number, word: &str, level: Level, severity: Option<i32>, kept: &str| {
        let record = LogRecord { severity_number: number, severity_text: word.into(), ..Default::default() };
        let event = one(record);
        assert_eq!((event.level, event.severity), (level, severity), "{number} {word}");
        assert!(event.attributes.as_deref().unwrap().contains(kept), "{:?}", event.attributes);
    };
    check(0, "", Level::Info, None, "");
    check(21, "ERROR", Level::Fatal, Some(21), "");
    check(0, "Critical", Level::Fatal, Some(21), "");
    check(13, "odd", Level::Warning, Some(13), r#""severity_text":"odd""#);
    check(25, "WARN", Level::Warning, Some(13), r#""severity_number":25"#);
    check(-1, "", Level::Info, None, r#""severity_number":-1"#);
}

#[test]
fn times_fall_back_and_are_kept() {
    let check = |time: u64, observed: u64, expected: i64, original: Option<&str>| {
        let event = one(LogRecord { time_unix_nano: time, observed_time_unix_nano: observed, ..Default::default() });
        assert_eq!(event.timestamp, expected);
        let attributes = event.attributes.unwrap();
        match original {
            Some(original) => {
                assert!(attributes.contains(&format!("\"original_timestamp\":\"{original}\"")), "{attributes}")
            }
            None => assert!(!attributes.contains("original_timestamp"), "{attributes}"),
        }
    };
    check(0, 0, NOW, None);
    check(0, 5_000, 5, None);
    check(7_000, 5_000, 7, None);
    check(u64::MAX, 5_000, NOW, Some("18446744073709551615"));
    check(NOW as u64 * 1_000 + 600_000_000_000, 0, NOW + 600_000_000, None);
    check(NOW as u64 * 1_000 + 600_000_001_000, 0, NOW, Some("1760000600000001000"));
}

#[test]
fn a_record_without_resource_or_scope_is_an_event() {
    // resource_logs { scope_logs { log_records { } } }
    let decoded =
        logs_protobuf(&receipt(&Limits::default()), &Bytes::from_static(&[0x0a, 4, 0x12, 2, 0x12, 0])).unwrap();
    assert_eq!((decoded.events.len(), decoded.events[0].attributes.as_deref()), (1, None));
    let decoded = from_json(
        r#"{"resourceLogs":[{"resource":null,"scopeLogs":[{"scope":null,"logRecords":[{}]},{"logRecords":null}]}]}"#,
    );
    assert_eq!(decoded.events.len(), 1);
}

#[test]
fn exceptions_of_spans_become_events() {
    let request = sample::traces();
    let limits = Limits::default();
    let decoded = traces_protobuf(&receipt(&limits), &request.encode_to_vec().into()).unwrap();
    assert_eq!((decoded.ignored, decoded.positions.as_slice()), (2, &[1, 1][..]));
    let event = &decoded.events[1];
    assert_eq!((event.kind, event.level, event.severity), (Kind::Error, Level::Error, Some(17)));
    assert_eq!((event.trace_id, event.span_id), (Some([1; 16]), Some([2; 8])));
    assert_eq!(event.culprit.as_deref(), Some("POST /pay"));
    assert_eq!(event.exception_value.as_deref(), Some("b"));
    assert_eq!(event.user_id.as_deref(), Some("u-1"));
    assert_eq!(event.handled, None);
    assert_eq!(event.timestamp, 1_759_999_999_000_000);
    let json = traces_json(&receipt(&limits), &sample::traces_json(&request).into()).unwrap();
    assert_eq!((json.events, json.ignored, json.positions), (decoded.events, decoded.ignored, decoded.positions));
}

#[test]
fn uids_are_event_ids() {
    let with = |uid: &str| LogRecord { attributes: pairs(&[("log.record.uid", uid)]), ..Default::default() };
    assert_eq!(one(with("67e55044-10b1-426f-9247-bb680e5fe0c8")).event_id.map(|id| id[0]), Some(0x67));
    assert!(one(with("01ARZ3NDEKTSV4RRFFQ69G5FAV")).event_id.is_some());
    assert_eq!(from_protobuf(vec![with("a"), sample::record()]).request_hash, None);
    assert!(from_protobuf(vec![sample::record()]).request_hash.is_some());
}

#[test]
fn a_malformed_record_costs_only_itself() {
    let good = sample::record().encode_to_vec();
    let mut body = Vec::new();
    for record in [&good[..], &[0x2a, 0x7f], &[0x0b], &[0x2a, 2, 0x0a, 9], &good[..]] {
        prost::encoding::encode_key(2, prost::encoding::WireType::LengthDelimited, &mut body);
        prost::encoding::encode_varint(record.len() as u64, &mut body);
        body.extend_from_slice(record);
    }
    let mut outer = body;
    for number in [2, 1] {
        let mut wrapped = Vec::new();
        prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut wrapped);
        prost::encoding::encode_varint(outer.len() as u64, &mut wrapped);
        wrapped.extend_from_slice(&outer);
        outer = wrapped;
    }
    let decoded = logs_protobuf(&receipt(&Limits::default()), &outer.clone().into()).unwrap();
    assert_eq!(decoded.positions, [0, 4]);
    let faulty = outer.windows(4).position(|window| window == [0x2a, 0x7f, 0x12, 1]).unwrap() + 1;
    let reasons: Vec<_> = decoded.rejected.iter().map(|rejected| rejected.reason.as_str()).collect();
    let expected =
        format!("log record is malformed: length runs past the end of its message at byte {faulty} of the request");
    assert_eq!(reasons[0], expected);
    assert!(reasons[1].contains("groups are not supported"), "{reasons:?}");
    assert_eq!(reasons.len(), 3);
    // Cut anywhere, the frame is broken and the request refused.
    for length in [1, 10, outer.len() - 1] {
        let cut = Bytes::copy_from_slice(&outer[..length]);
        assert_eq!(logs_protobuf(&receipt(&Limits::default()), &cut).unwrap_err().kind(), ErrorKind::Malformed);
    }
}

#[test]
fn a_bad_json_record_costs_only_itself() {
    let deep = format!("{{\"body\":{}{}}}", "{\"arrayValue\":{\"values\":[".repeat(400), "]}}".repeat(400));
    let records = [
        "{\"body\":{\"stringValue\":\"a\"}}",
        "{\"body\":7}",
        "[]",
        "{\"timeUnixNano\":\"soon\"}",
        "{\"traceId\":\"xyz\"}",
        &deep,
        "{\"attributes\":[{\"key\":\"a\",\"value\":{\"intValue\":\"9223372036854775808\"}}]}",
        "{\"severityNumber\":\"SEVERITY_NUMBER_FATAL2\",\"body\":{\"stringValue\":\"lone \\ud83d\"}}",
    ];
    let decoded =
        from_json(&format!("{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{}]}}]}}]}}", records.join(",")));
    assert_eq!(decoded.positions, [0, 7]);
    assert_eq!((decoded.events[1].level, decoded.events[1].severity), (Level::Fatal, Some(22)));
    assert_eq!(decoded.events[1].message.as_deref(), Some("lone \u{fffd}"));
    let reasons: Vec<_> = decoded.rejected.iter().map(|rejected| rejected.reason.as_str()).collect();
    assert_eq!(reasons[0], "`value` is a number, where an object such as {\"stringValue\": …} is needed");
    assert!(reasons[1].starts_with("a list at byte "), "{reasons:?}");
    assert_eq!(reasons[2], "`timeUnixNano` is a string, where a whole number in range is needed");
    assert!(reasons[3].starts_with("`traceId` is not hexadecimal"), "{reasons:?}");
    assert!(reasons[4].starts_with("nested deeper than 127 levels (line 1, column "), "{reasons:?}");
    assert!(reasons[5].starts_with("`intValue`"), "{reasons:?}");
}

#[test]
fn a_broken_json_frame_is_refused_with_its_place() {
    let check = |json: &str, expected: &str| {
        let error = logs_json(&receipt(&Limits::default()), &Bytes::copy_from_slice(json.as_bytes())).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Malformed, expected));
    };
    check("", "request is not a JSON object (line 1, column 1)");
    check("[]", "request is not a JSON object (line 1, column 1)");
    check("{\"resourceLogs\":\n[{]}", "request is not OTLP JSON: key must be a string (line 2, column 3)");
    check("{} x", "request is not OTLP JSON: trailing characters (line 1, column 4)");
    check(
        "{\"resourceLogs\":7}",
        "request is not OTLP JSON: invalid type: integer `7`, expected a sequence (line 1, column 17)",
    );
    assert_eq!(from_json("{\"other\":1}").events, []);
}

#[test]
fn deep_values_are_cut_not_followed() {
    // The message itself recurses as deep as it is when it is encoded and dropped.
    let encode = || {
        let mut value = text("bottom");
        for _ in 0..1_000 {
            value = wrap(Value::ArrayValue(ArrayValue { values: vec![value] }));
        }
        sample::logs(vec![LogRecord { attributes: vec![pair("deep", value)], ..Default::default() }]).encode_to_vec()
    };
    let bytes = std::thread::Builder::new().stack_size(256 << 20).spawn(encode).unwrap().join().unwrap();
    let decoded = logs_protobuf(&receipt(&Limits::default()), &bytes.into()).unwrap();
    let attributes = decoded.events[0].attributes.as_deref().unwrap();
    assert!(attributes.contains(&format!("{}\"…\"{}", "[".repeat(64), "]".repeat(64))), "{attributes}");
}

#[test]
fn shared_bulk_cannot_be_multiplied() {
    let mut request = sample::logs(vec![LogRecord { body: Some(text("x")), ..Default::default() }; 100_000]);
    let attributes = &mut request.resource_logs[0].resource.as_mut().unwrap().attributes;
    attributes.push(pair("bulk", text(&"x".repeat(1 << 19))));
    let body = Bytes::from(request.encode_to_vec());
    // Records that add nothing share the object; those that do are counted until the bound.
    assert_eq!(logs_protobuf(&receipt(&Limits::default()), &body).unwrap().events.len(), 100_000);
    for record in &mut request.resource_logs[0].scope_logs[0].log_records {
        record.event_name = "x".into();
    }
    let error = logs_protobuf(&receipt(&Limits::default()), &request.encode_to_vec().into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

fn values() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(AnyValue { value: None }),
        ".{0,12}".prop_map(|value| wrap(Value::StringValue(value))),
        any::<bool>().prop_map(|value| wrap(Value::BoolValue(value))),
        any::<i64>().prop_map(|value| wrap(Value::IntValue(value))),
        // JSON's doubles are read to within one unit in the last place; quarters are exact.
        any::<i32>().prop_map(|value| wrap(Value::DoubleValue(f64::from(value) / 4.0))),
        Just(wrap(Value::DoubleValue(f64::NEG_INFINITY))),
        proptest::collection::vec(any::<u8>(), 0..8).prop_map(|value| wrap(Value::BytesValue(value))),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        let pairs = proptest::collection::vec(("[a-c.]{0,3}", inner.clone()), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(|values| wrap(Value::ArrayValue(ArrayValue { values }))),
            pairs.prop_map(|values| {
                let values = values.into_iter().map(|(key, value)| pair(&key, value)).collect();
                wrap(Value::KvlistValue(KeyValueList { values }))
            }),
        ]
    })
}

fn keys() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z.]{0,6}",
        proptest::sample::select(vec![
            "exception.type",
            "exception.message",
            "exception.stacktrace",
            "exception.escaped",
            "service.name",
            "user.id",
            "enduser.id",
            "log.record.uid",
            "tag.a",
            "tags.a",
            "tephra.fingerprint",
            "fingerprint",
            "code.function",
            "code.namespace",
            "code.function.name",
            "deployment.environment",
        ])
        .prop_map(str::to_owned),
    ]
}

fn records() -> impl Strategy<Value = LogRecord> {
    let attributes = proptest::collection::vec((keys(), values()), 0..40);
    (any::<u64>(), any::<u64>(), -2..30i32, "[A-Za-z]{0,6}", values(), attributes, any::<u128>(), 0..3u32).prop_map(
        |(time_unix_nano, observed_time_unix_nano, severity_number, word, body, attributes, id, dropped)| LogRecord {
            time_unix_nano,
            observed_time_unix_nano,
            severity_number,
            severity_text: word,
            body: Some(body),
            attributes: attributes.into_iter().map(|(key, value)| pair(&key, value)).collect::<Vec<KeyValue>>(),
            trace_id: id.to_be_bytes()[..(id % 17) as usize].to_vec(),
            dropped_attributes_count: dropped,
            ..Default::default()
        },
    )
}

proptest! {
    #[test]
    fn both_forms_agree(records in proptest::collection::vec(records(), 0..4)) {
        let request = sample::logs(records);
        let limits = Limits::default();
        let protobuf = logs_protobuf(&receipt(&limits), &request.encode_to_vec().into()).unwrap();
        let json = logs_json(&receipt(&limits), &sample::logs_json(&request).into()).unwrap();
        prop_assert_eq!(&protobuf.rejected, &[]);
        for event in &protobuf.events {
            if let Some(attributes) = &event.attributes {
                prop_assert!(serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(attributes).is_ok());
            }
        }
        prop_assert_eq!((protobuf.events, protobuf.positions), (json.events, json.positions));
    }
}
