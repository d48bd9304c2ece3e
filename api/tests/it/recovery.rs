//! What was acknowledged survives a stop and a `kill -9` at any moment, rolls and all.

use std::time::{Duration, Instant};

use crate::load::Load;
use crate::server::{Server, Setup};

const CLIENTS: usize = 4;

fn busy_roller() -> Setup {
    Setup::default().set("roll.bytes_max", 1 << 16).set("roll.age_ms_max", 300).set("query.rows_max", 10_000_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_nothing_that_was_acknowledged() {
    for events in [1, 300, 1500] {
        let server = busy_roller().start().await;
        let load = Load::start(&server, CLIENTS);
        wait_until_acknowledged(&load, events).await;
        let server = server.kill_and_restart().await;
        let ledger = load.finish().await;
        ledger.check(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_answers_what_is_at_hand_and_keeps_it() {
    let mut server = busy_roller().start().await;
    let load = Load::start(&server, CLIENTS);
    wait_until_acknowledged(&load, 500).await;
    let status = server.stop();
    let ledger = load.finish().await;
    assert!(status.success(), "stopped with {status}:\n{}", server.log());
    let server = server.restart().await;
    ledger.check(&server).await;
}

#[tokio::test]
async fn an_empty_server_starts_again_after_a_kill() {
    let server = Server::start().await.kill_and_restart().await.kill_and_restart().await;
    assert_eq!(server.count("true").await, 0);
}

async fn wait_until_acknowledged(load: &Load, events: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while load.ledger.acknowledged.load(std::sync::atomic::Ordering::SeqCst) < events {
        assert!(Instant::now() < deadline, "too few events were acknowledged");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
