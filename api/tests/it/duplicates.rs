//! Once: what is sent again is counted and dropped, whatever rolled or crashed in between.

use crate::protocol::{Protocol, Sample, samples};
use crate::server::Server;
use crate::{otlp, protocol};

#[tokio::test]
async fn an_event_id_is_stored_once_on_every_protocol() {
    let server = Server::start().await;
    let mut stored = 0;
    for protocol in Protocol::ALL {
        let batch = samples(3);
        protocol.send(&server, &batch).await.expect_whole();
        stored += 4;
        let again = protocol.send(&server, &[batch, samples(1)].concat()).await.receipt();
        assert_eq!(again.rejected, 0, "{protocol:?}: {}", again.reasons);
        assert!(again.duplicates.is_none_or(|duplicates| duplicates == 3), "{protocol:?}: {again:?}");
        assert_eq!(server.count("true").await, stored, "{protocol:?}");
    }
    let (_, metrics) = server.get("/metrics").await;
    assert_eq!(sum(&metrics, "tephra_ingest_events_duplicate_total"), 15.0, "{metrics}");
}

#[tokio::test]
async fn the_same_event_by_another_protocol_is_still_the_same() {
    let server = Server::start().await;
    let batch = samples(2);
    for protocol in Protocol::ALL {
        protocol.send(&server, &batch).await.expect_whole();
        assert_eq!(server.count("true").await, 2, "{protocol:?}");
    }
}

#[tokio::test]
async fn an_id_twice_in_one_batch_is_stored_once() {
    let server = Server::start().await;
    for (done, protocol) in Protocol::ALL.into_iter().enumerate() {
        let batch = samples(1);
        protocol.send(&server, &[batch.clone(), batch].concat()).await.expect_whole();
        assert_eq!(server.count("true").await, done as u64 + 1, "{protocol:?}");
    }
}

#[tokio::test]
async fn ids_are_remembered_across_rolls_kills_and_stops() {
    let mut server = Server::start().await;
    let batch = samples(5);
    Protocol::Native.send(&server, &batch).await.expect_whole();
    for step in ["roll", "kill", "stop", "roll again"] {
        server = after(step, server).await;
        for protocol in Protocol::ALL {
            protocol.send(&server, &batch).await.expect_whole();
            assert_eq!(server.count("true").await, 5, "{step}, {protocol:?}");
        }
    }
}

#[tokio::test]
async fn an_identical_otlp_request_without_ids_is_stored_once() {
    let mut server = Server::start().await;
    let request =
        |number: usize| otlp::request((0..3).map(|record| nameless(&Sample::new(format!("{number}.{record}")))));
    let first = request(0);
    let send = async |server: &Server, body: &[u8]| {
        for protocol in [Protocol::OtlpGrpc, Protocol::OtlpProtobuf] {
            protocol.send_raw(server, body.to_vec(), None, Some(&server.key)).await.expect_whole();
        }
    };
    send(&server, &first).await;
    assert_eq!(server.count("true").await, 3);
    for (number, step) in ["roll", "kill", "stop", "roll again"].into_iter().enumerate() {
        server = after(step, server).await;
        send(&server, &first).await;
        send(&server, &request(number + 1)).await;
        assert_eq!(server.count("true").await, 3 * (number as u64 + 2), "{step}");
    }
}

async fn after(step: &str, server: Server) -> Server {
    match step {
        "kill" => server.kill_and_restart().await,
        "stop" => server.stop_and_restart().await,
        _ => {
            server.roll().await;
            server
        }
    }
}

/// A record without `log.record.uid`, as SDKs send it.
fn nameless(sample: &Sample) -> Vec<u8> {
    let body = otlp::field(5, &otlp::field(1, &sample.message));
    let mut record = vec![0x09];
    record.extend((protocol::now_us() as u64 * 1000).to_le_bytes());
    record.extend(body);
    record
}

/// All series of one counter together.
fn sum(metrics: &str, name: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}
