//! The one table of answers, on every protocol.

use crate::protocol::{Answer, Protocol, Sample, Status, gzip, samples, zstd};
use crate::server::{Server, Setup};

const LIMIT: usize = 1 << 20;

async fn small_server() -> Server {
    Setup::default()
        .set("ingest.wire_bytes_max", LIMIT)
        .set("ingest.request_bytes_max", 2 * LIMIT)
        .set("ingest.event_bytes_max", LIMIT / 4)
        .start()
        .await
}

#[tokio::test]
async fn a_good_batch_is_stored_whole_and_seen_at_once() {
    let server = Server::start().await;
    for (done, protocol) in Protocol::ALL.into_iter().enumerate() {
        let batch = samples(3);
        protocol.send(&server, &batch).await.expect_whole();
        assert_eq!(server.count("true").await, 3 * (done as u64 + 1), "{protocol:?}");
        let first = format!("event_id = '{}' AND service = 'shop' AND level = 'error'", batch[0].id_hex());
        assert_eq!(server.count(&first).await, 1, "{protocol:?}");
    }
}

#[tokio::test]
async fn gzip_and_zstd_are_understood() {
    let server = Server::start().await;
    for protocol in Protocol::ALL {
        let body = protocol.encode(&samples(1));
        protocol.send_raw(&server, gzip(&body), Some("gzip"), Some(&server.key)).await.expect_whole();
        let body = protocol.encode(&samples(1));
        protocol.send_raw(&server, zstd(&body), Some("zstd"), Some(&server.key)).await.expect_whole();
    }
    assert_eq!(server.count("true").await, 10);
}

#[tokio::test]
async fn garbage_is_malformed() {
    let server = Server::start().await;
    for protocol in Protocol::ALL {
        let outcome = protocol.send_raw(&server, protocol.garbage(), None, Some(&server.key)).await;
        outcome.expect(Answer::Malformed);
        let truncated = gzip(&protocol.encode(&samples(50)));
        let truncated = truncated[..truncated.len() / 2].to_vec();
        protocol.send_raw(&server, truncated, Some("gzip"), Some(&server.key)).await.expect(Answer::Malformed);
        let not_zstd = protocol.encode(&samples(1));
        protocol.send_raw(&server, not_zstd, Some("zstd"), Some(&server.key)).await.expect(Answer::Malformed);
    }
    assert_eq!(server.count("true").await, 0);
}

#[tokio::test]
async fn too_large_on_the_wire_is_refused_for_good_and_the_limit_named() {
    let server = small_server().await;
    for protocol in Protocol::ALL {
        let batch: Vec<_> = (0..8).map(|_| Sample::new("x".repeat(LIMIT / 6))).collect();
        let refused = protocol.send(&server, &batch).await.expect(Answer::TooLarge);
        assert!(names_a_number(&refused.text), "{protocol:?}: {}", refused.text);
    }
    assert_eq!(server.count("true").await, 0);
}

#[tokio::test]
async fn a_bomb_is_inflated_to_the_limit_and_no_further() {
    let server = small_server().await;
    let bombs = [("gzip", gzip(&vec![b' '; 48 << 20])), ("zstd", zstd(&vec![b' '; 256 << 20]))];
    assert!(bombs.iter().all(|(_, bomb)| bomb.len() < LIMIT));
    let before = peak_memory_kb(&server);
    for protocol in Protocol::ALL {
        for (encoding, bomb) in &bombs {
            let refused = protocol.send_raw(&server, bomb.clone(), Some(encoding), Some(&server.key)).await;
            let refused = refused.expect(Answer::TooLarge);
            assert!(names_a_number(&refused.text), "{protocol:?}, {encoding}: {}", refused.text);
        }
    }
    let grown = peak_memory_kb(&server) - before;
    assert!(grown < 64 << 10, "the server's peak memory grew by {grown} KiB");
    assert_eq!(server.count("true").await, 0);
}

#[tokio::test]
async fn only_an_ingest_key_may_write() {
    let server = Server::start().await;
    for protocol in Protocol::ALL {
        let body = protocol.encode(&samples(1));
        protocol.send_raw(&server, body.clone(), None, None).await.expect(Answer::NoKey);
        protocol.send_raw(&server, body.clone(), None, Some("teph_k_no-such-key")).await.expect(Answer::NoKey);
        protocol.send_raw(&server, body.clone(), None, Some("")).await.expect(Answer::NoKey);
        protocol.send_raw(&server, body, None, Some(&server.token)).await.expect(Answer::NoRight);
    }
    assert_eq!(server.count("true").await, 0);
}

#[tokio::test]
async fn unknown_and_nested_encodings_are_refused() {
    let server = Server::start().await;
    for protocol in Protocol::ALL {
        let body = protocol.encode(&samples(1));
        for encoding in ["compress", "snappy", "gzip, gzip", "gzip,zstd"] {
            let twice = gzip(&gzip(&body));
            let refused = protocol.send_raw(&server, twice, Some(encoding), Some(&server.key)).await;
            refused.expect(Answer::UnknownEncoding);
        }
    }
    assert_eq!(server.count("true").await, 0);
}

#[tokio::test]
async fn a_bad_record_costs_only_itself_and_is_named() {
    let server = small_server().await;
    let mut stored = 0;
    for protocol in Protocol::ALL {
        for bad in [Sample::broken(), Sample::new("x".repeat(LIMIT / 3))] {
            let batch = [samples(1), vec![bad], samples(2)].concat();
            let receipt = protocol.send(&server, &batch).await.receipt();
            assert_eq!(receipt.rejected, 1, "{protocol:?}: {}", receipt.reasons);
            assert!(names_a_number(&receipt.reasons), "{protocol:?}: {}", receipt.reasons);
            stored += 3;
            assert_eq!(server.count("true").await, stored, "{protocol:?}: {}", receipt.reasons);
        }
    }
}

#[tokio::test]
async fn overload_is_answered_before_anything_is_stored() {
    let server = Setup::default().set("ingest.memory_bytes_max", 1).start().await;
    for protocol in Protocol::ALL {
        protocol.send(&server, &samples(50)).await.expect(Answer::Busy);
    }
    assert_eq!(server.count("true").await, 0);
}

#[tokio::test]
async fn a_full_queue_refuses_and_what_it_took_is_stored() {
    const CLIENTS: usize = 64;
    let server = Setup::default().set("hot.append_queue_bytes_max", 1).start().await;
    let mut stored = 0;
    let mut refused = 0;
    for _round in 0..20 {
        let requests = (0..CLIENTS).map(|_| async { Protocol::Ndjson.send(&server, &samples(20)).await });
        for outcome in futures::future::join_all(requests).await {
            if outcome.status == Status::Http(200) {
                outcome.expect_whole();
                stored += 20;
            } else {
                outcome.expect(Answer::Busy);
                refused += 1;
            }
        }
        if refused > 0 {
            break;
        }
    }
    assert!(refused > 0, "the queue was never full");
    assert_eq!(server.count("true").await, stored);
}

#[tokio::test]
async fn routes_and_content_types_that_are_not_served_are_refused() {
    let server = Server::start().await;
    let post = |path: &str, content_type: &str| {
        let request = server.http.post(format!("{}{path}", server.url)).bearer_auth(&server.key);
        request.header("content-type", content_type.to_owned()).body("x").send()
    };
    assert_eq!(post("/v1/logs", "text/plain").await.unwrap().status(), 415);
    assert_eq!(post("/v1/nothing", "application/json").await.unwrap().status(), 404);
    assert_eq!(server.get("/v1/logs").await.0, 405);
}

fn names_a_number(text: &str) -> bool {
    text.contains(|letter: char| letter.is_ascii_digit())
}

fn peak_memory_kb(server: &Server) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
