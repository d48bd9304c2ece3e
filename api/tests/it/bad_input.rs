//! What no sender should send: stored safely or refused clearly, its neighbours stored, the server alive.

use serde_json::{Value, json};

use crate::native::{AppendRequest, Event};
use crate::otlp;
use crate::protocol::{Protocol, Sample, now_us, samples};
use crate::server::Server;

const HOUR: i64 = 3_600_000_000;

#[tokio::test]
async fn nul_and_control_characters_are_stored_readably() {
    let server = Server::start().await;
    for protocol in Protocol::ALL {
        let odd = Sample::new("a\0b\u{1}\u{7f}\u{202e}c").with("na\0me", "va\0lue");
        let id = odd.id_hex();
        protocol.send(&server, &[vec![odd], samples(1)].concat()).await.expect_whole();
        let row = one(&server, &id).await;
        let message = row["message"].as_str().unwrap();
        assert!(message.starts_with('a') && message.ends_with('c') && !message.contains('\0'), "{protocol:?}: {row:#}");
        assert!(!row["attributes"].as_str().unwrap_or_default().contains('\0'), "{protocol:?}: {row:#}");
    }
    assert_eq!(server.count("true").await, 10);
}

#[tokio::test]
async fn invalid_utf8_in_one_string_does_not_cost_its_neighbours() {
    let server = Server::start().await;
    let mut stored = 0;
    for protocol in Protocol::ALL {
        let odd = Sample::new(b"caf\xe9 \xff\xfe end");
        let id = odd.id_hex();
        let mut body = protocol.encode(&[vec![odd], samples(2)].concat());
        if protocol.is_text() {
            // JSON was written with U+FFFD; put the raw bytes back.
            let at = find(&body, "caf\u{fffd}".as_bytes());
            body.splice(at..at + 6, *b"caf\xe9  ");
        }
        let receipt = protocol.send_raw(&server, body, None, Some(&server.key)).await.receipt();
        stored += 3 - receipt.rejected;
        assert_eq!(server.count("true").await, stored, "{protocol:?}");
        if receipt.rejected == 0 {
            let row = one(&server, &id).await;
            assert!(row["message"].as_str().unwrap().starts_with("caf\u{fffd}"), "{protocol:?}: {row:#}");
        } else {
            assert_eq!(receipt.rejected, 1, "{protocol:?}: {}", receipt.reasons);
        }
    }
}

#[tokio::test]
async fn ten_thousand_attributes_are_kept_or_refused_with_the_limit() {
    let server = Server::start().await;
    for protocol in Protocol::ALL {
        let wide = (0..10_000).fold(Sample::new("wide"), |wide, number| wide.with(format!("key.{number}"), "v"));
        let id = wide.id_hex();
        let receipt = protocol.send(&server, &[vec![wide], samples(1)].concat()).await.receipt();
        if receipt.rejected == 0 {
            let attributes = one(&server, &id).await["attributes"].as_str().unwrap().to_owned();
            let attributes: Value = serde_json::from_str(&attributes).unwrap();
            assert!(attributes.as_object().unwrap().len() >= 10_000, "{protocol:?}");
        } else {
            assert!(receipt.reasons.contains("attributes"), "{protocol:?}: {}", receipt.reasons);
        }
    }
    assert!(server.count("message = 'sample 0'").await == 5);
}

#[tokio::test]
async fn a_thousand_levels_cost_at_most_their_own_request() {
    let server = Server::start().await;
    for protocol in Protocol::ALL {
        for depth in [100, 1_000, 10_000] {
            let outcome = protocol.send_raw(&server, deep(protocol, depth), None, Some(&server.key)).await;
            let status = format!("{:?}", outcome.status);
            assert!(["Http(200)", "Http(400)", "Grpc(Ok)", "Grpc(InvalidArgument)"].contains(&&*status), "{outcome:?}");
            protocol.send(&server, &samples(1)).await.expect_whole();
        }
    }
    assert!(server.count("message = 'sample 0'").await >= 15);
    for row in server.rows("SELECT attributes FROM events WHERE attributes IS NOT NULL").await {
        let text = row["attributes"].as_str().unwrap();
        serde_json::from_str::<Value>(text)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", &text[..200.min(text.len())]));
    }
}

#[tokio::test]
async fn times_that_cannot_be_are_replaced_by_the_receipt_and_old_ones_kept() {
    let server = Server::start().await;
    let now = now_us();
    for protocol in Protocol::ALL {
        let check = async |timestamp: i64| {
            let sample = Sample::new("timed").at(timestamp);
            let id = sample.id_hex();
            protocol.send(&server, &[sample]).await.expect_whole();
            let sql = format!(
                "SELECT CAST(timestamp AS BIGINT) AS t, CAST(received_at AS BIGINT) AS r, attributes FROM events WHERE event_id = '{id}'"
            );
            let row = server.rows(&sql).await.remove(0);
            let (timestamp, received_at) = (row["t"].as_i64().unwrap(), row["r"].as_i64().unwrap());
            assert!(received_at >= now - HOUR && received_at <= now_us() + HOUR, "{protocol:?}: {row:#}");
            (timestamp, received_at, row["attributes"].as_str().unwrap_or_default().to_owned())
        };
        let (timestamp, received_at, _) = check(0).await;
        assert_eq!(timestamp, received_at, "{protocol:?}: a time of zero");
        let ahead = now + 24 * HOUR;
        let (timestamp, received_at, attributes) = check(ahead).await;
        assert_eq!(timestamp, received_at, "{protocol:?}: a time ahead of ours");
        assert!(attributes.contains(&ahead.to_string()), "{protocol:?}: the original is lost: {attributes}");
        for kept in [now - 400 * 24 * HOUR, 631_152_000_000_000, now + HOUR / 10] {
            assert_eq!(check(kept).await.0, kept, "{protocol:?}");
        }
    }
    server.roll().await;
    assert_eq!(server.count("message = 'timed'").await, 25);
}

#[tokio::test]
async fn an_empty_request_is_taken_for_what_it_is() {
    let server = Server::start().await;
    for protocol in Protocol::ALL {
        let empty = if protocol == Protocol::OtlpJson { b"{}".to_vec() } else { Vec::new() };
        protocol.send_raw(&server, empty, None, Some(&server.key)).await.expect_whole();
    }
    assert_eq!(server.count("true").await, 0);
}

#[tokio::test]
async fn long_texts_lose_their_middle_and_say_so() {
    let server = Server::start().await;
    for protocol in Protocol::ALL {
        let long = Sample::new(format!("begin {} end", "ä".repeat(100_000)));
        let id = long.id_hex();
        protocol.send(&server, &[long]).await.expect_whole();
        let row = one(&server, &id).await;
        let message = row["message"].as_str().unwrap();
        assert!(message.starts_with("begin ") && message.ends_with(" end") && message.contains("cut"), "{protocol:?}");
        assert!(message.len() < 100_000, "{protocol:?}: {}", message.len());
    }
}

async fn one(server: &Server, id: &str) -> Value {
    let mut rows = server.rows(&format!("SELECT * FROM events WHERE event_id = '{id}'")).await;
    assert_eq!(rows.len(), 1, "{id}");
    rows.remove(0)
}

fn find(body: &[u8], part: &[u8]) -> usize {
    body.windows(part.len()).position(|window| window == part).unwrap()
}

/// One event with an attribute that nests `depth` levels.
fn deep(protocol: Protocol, depth: usize) -> Vec<u8> {
    let json = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    match protocol {
        Protocol::OtlpGrpc | Protocol::OtlpProtobuf => {
            let value = (0..depth).fold(otlp::field(1, b"end"), |value, _| {
                let entry = [otlp::field(1, b"a"), otlp::field(2, &value)].concat();
                otlp::field(6, &otlp::field(1, &entry))
            });
            let attribute = [otlp::field(1, b"deep"), otlp::field(2, &value)].concat();
            let record = [otlp::log_record(&Sample::new("deep")), otlp::field(6, &attribute)].concat();
            otlp::request([record].into_iter())
        }
        Protocol::OtlpJson => {
            let value = format!(
                "{}{{\"intValue\":\"1\"}}{}",
                "{\"kvlistValue\":{\"values\":[{\"key\":\"a\",\"value\":".repeat(depth),
                "}]}}".repeat(depth)
            );
            let body = String::from_utf8(otlp::logs_json(&[Sample::new("deep").with("deep", "HERE")])).unwrap();
            body.replace("{\"stringValue\":\"HERE\"}", &value).into_bytes()
        }
        Protocol::Native => {
            let event = Event {
                event_id: Sample::new("").id.to_vec(),
                message: b"deep".to_vec(),
                attributes_json: json,
                ..Default::default()
            };
            prost::Message::encode_to_vec(&AppendRequest { batch_id: 1, events: vec![event], ..Default::default() })
        }
        Protocol::Ndjson => json!({ "message": "deep", "attributes": { "deep": "HERE" } })
            .to_string()
            .replace("\"HERE\"", &json)
            .into_bytes(),
    }
}
