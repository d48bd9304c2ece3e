use prost::Message;
use tephra_storage::{Kind, ProjectId};

use super::proto::{self, AppendRequest};
use super::*;
use crate::error::ErrorKind;
use crate::rules::Rules;

const NOW: i64 = 1_760_000_000_000_000;

fn try_decode(bytes: Vec<u8>) -> Result<NativeBatch> {
    let limits = Limits::default();
    batch(
        &Receipt { project_id: ProjectId(1), received_at: NOW, limits: &limits, rules: Rules::standard() },
        &bytes.into(),
    )
}

fn decode(request: &AppendRequest) -> Decoded {
    try_decode(request.encode_to_vec()).unwrap().decoded
}

fn tag(name: &str, value: &str) -> proto::Tag {
    proto::Tag { name: name.into(), value: value.into() }
}

fn request() -> AppendRequest {
    let frame = |function: &str, line| proto::Frame {
        function: function.into(),
        module: "shop.cart".into(),
        filename: "shop/cart.py".into(),
        line,
        in_app: Some(true),
        ..Default::default()
    };
    AppendRequest {
        batch_id: 7,
        resource: Some(proto::Resource {
            service: "shop".into(),
            environment: "prod".into(),
            tags: vec![tag("region", "eu"), tag("tier", "silver")],
            attributes_json: r#"{"pod":"p1","zone":"a"}"#.into(),
            ..Default::default()
        }),
        stacks: vec![
            proto::Stack { text: "  File \"a.py\", line 1, in f\n".into(), frames: vec![] },
            proto::Stack { text: String::new(), frames: vec![frame("main", 3), frame("pay", 0)] },
        ],
        events: vec![
            proto::Event {
                event_id: vec![9; 16],
                timestamp_us: 5,
                level: 6,
                message: "boom 1".into(),
                exception_type: "ValueError".into(),
                exception_value: "x".into(),
                handled: Some(false),
                stack: 1,
                user_id: "u".into(),
                trace_id: vec![1; 16],
                span_id: vec![2; 8],
                tags: vec![tag("tier", "gold")],
                attributes_json: r#"{"zone":"b","n":1}"#.into(),
                ..Default::default()
            },
            proto::Event { stack: 2, ..Default::default() },
            proto::Event {
                message: "m".into(),
                resource: Some(proto::Resource { service: "other".into(), ..Default::default() }),
                ..Default::default()
            },
        ],
    }
}

#[test]
fn reads_a_batch() {
    let batch = try_decode(request().encode_to_vec()).unwrap();
    assert_eq!(batch.batch_id, 7);
    let decoded = batch.decoded;
    assert_eq!((decoded.positions.as_slice(), decoded.rejected.len(), decoded.request_hash), (&[0, 1, 2][..], 0, None));
    let [first, second, third] = decoded.events.as_slice() else { panic!() };
    assert_eq!(first.event_id, Some([9; 16]));
    assert_eq!((first.timestamp, first.level, first.severity, first.kind), (5, Level::Fatal, Some(21), Kind::Error));
    assert_eq!(first.stack.as_deref(), Some("  File \"a.py\", line 1, in f"));
    assert_eq!(first.culprit.as_deref(), Some("f"));
    assert_eq!(first.service.as_deref(), Some("shop"));
    assert_eq!(first.tags, [("region".into(), "eu".into()), ("tier".into(), "gold".into())]);
    assert_eq!(first.attributes.as_deref(), Some(r#"{"zone":"b","n":1,"pod":"p1"}"#));
    assert_eq!((first.trace_id, first.span_id), (Some([1; 16]), Some([2; 8])));
    assert_eq!(
        second.stack.as_deref(),
        Some("    at shop.cart.pay (shop/cart.py)\n    at shop.cart.main (shop/cart.py:3)")
    );
    assert_eq!(
        second.frames.as_deref(),
        Some(concat!(
            r#"[{"frames":[{"function":"main","module":"shop.cart","filename":"shop/cart.py","lineno":3,"in_app":true},"#,
            r#"{"function":"pay","module":"shop.cart","filename":"shop/cart.py","in_app":true}]}]"#
        ))
    );
    assert_eq!((second.culprit.as_deref(), second.level, second.timestamp), (Some("shop.cart.pay"), Level::Error, NOW));
    assert_eq!((third.service.as_deref(), third.environment.as_deref()), (Some("other"), Some("prod")));
    assert_eq!((third.level, third.kind), (Level::Info, Kind::Log));
    assert_eq!(third.attributes.as_deref(), Some(r#"{"pod":"p1","zone":"a"}"#));
}

#[test]
fn a_stack_is_held_once() {
    let mut request = request();
    request.events = vec![proto::Event { stack: 1, ..Default::default() }; 3];
    let decoded = decode(&request);
    let stacks: Vec<_> = decoded.events.iter().map(|event| event.stack.clone().unwrap()).collect();
    assert!(std::sync::Arc::ptr_eq(&stacks[0], &stacks[2]));
    assert!(decoded.request_hash.is_some());
}

#[test]
fn bad_events_cost_only_themselves() {
    let mut request = request();
    let good = proto::Event { message: "m".into(), ..Default::default() };
    request.events = vec![
        good.clone(),
        proto::Event { event_id: vec![1; 5], ..good.clone() },
        proto::Event { stack: 3, ..good.clone() },
        proto::Event { attributes_json: "{\"a\":".into(), ..good.clone() },
        proto::Event { attributes_json: "[1]".into(), ..good.clone() },
        proto::Event { trace_id: vec![1], ..good.clone() },
        proto::Event { message: "x".repeat(1 << 20), ..good.clone() },
        good.clone(),
    ];
    let decoded = decode(&request);
    assert_eq!(decoded.positions, [0, 7]);
    let reasons: Vec<_> = decoded.rejected.iter().map(|r| (r.index, r.reason.as_str())).collect();
    assert_eq!(reasons[0], (1, "`event_id` has 5 bytes, where 16 are needed"));
    assert_eq!(reasons[1], (2, "`stack` is 3, but the batch has 2 stacks"));
    assert_eq!(reasons[2], (3, "`attributes_json` is not JSON: EOF while parsing a value (line 1, column 5 of it)"));
    assert_eq!(reasons[3], (4, "`attributes_json` is a list, where a JSON object is needed"));
    assert_eq!(reasons[4], (5, "`trace_id` has 1 bytes, where 16 are needed"));
    assert_eq!(reasons[5], (6, "event of 1048580 bytes exceeds `event_bytes_max` of 1048576"));
}

#[test]
fn faults_name_their_byte() {
    // Batch id, then an event whose message claims more bytes than there are.
    let decoded = try_decode(vec![0x08, 7, 0x22, 2, 0x2a, 9, 0x22, 3, 0x2a, 1, b'm']).unwrap().decoded;
    assert_eq!(
        decoded.rejected[0].reason,
        "event is malformed: length runs past the end of its message at byte 5 of the request"
    );
    assert_eq!(decoded.positions, [1]);
    let outer = vec![0x08, 7, 0x22, 3, 0x2a, 1, b'm', 0x22, 99];
    let error = try_decode(outer.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert_eq!(error.message(), "request is malformed: length runs past the end of its message at byte 8");
    assert_eq!(batch_id(&outer.into()), 7);
}

#[test]
fn one_bad_string_does_not_cost_its_neighbours() {
    let message = [&[0x22, 6, 0x2a, 4][..], b"a\xff\0b"].concat();
    let decoded = try_decode([message, vec![0x22, 3, 0x2a, 1, b'm']].concat()).unwrap().decoded;
    assert_eq!(decoded.events[0].message.as_deref(), Some("a\u{fffd}\u{fffd}b"));
    assert_eq!(decoded.events.len(), 2);
}

#[test]
fn many_empty_events_are_bounded() {
    let error = try_decode([0x22, 0].repeat(2 << 20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.message().contains("`decoded_bytes_max`"));
    assert_eq!(try_decode(vec![0; (20 << 20) + 1]).unwrap_err().kind(), ErrorKind::TooLarge);
}
