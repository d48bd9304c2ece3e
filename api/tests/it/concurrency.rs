//! No seam: while events arrive and roll, every count lies between what was acknowledged before it began and what was
//! sent before it ended, and never goes back.

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use crate::load::Load;
use crate::server::{Server, Setup};

const TIME: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_exact_while_events_arrive_and_roll() {
    let setup = Setup::default().set("roll.bytes_max", 1 << 16).set("roll.age_ms_max", 250);
    let server = setup.set("query.rows_max", 10_000_000).start().await;
    let load = Load::start(&server, 3);
    let end = Instant::now() + TIME;
    let (rolls, counts, more_counts) =
        tokio::join!(roll_until(&server, end), count_until(&server, &load, end), async {
            count_until(&server, &load, end).await
        });
    let counts = counts + more_counts;
    assert!(rolls >= 3 && counts >= 20, "{rolls} rolls and {counts} counts are too few to tell");

    let ledger = load.finish().await;
    let acknowledged = ledger.acknowledged.load(SeqCst);
    assert_eq!(server.count("true").await, acknowledged, "all answered, nothing unknown");
    ledger.check(&server).await;
    println!("{acknowledged} events, {rolls} rolls, {counts} counts");
}

async fn roll_until(server: &Server, end: Instant) -> u64 {
    let mut rolls = 0;
    while Instant::now() < end {
        server.roll().await;
        rolls += 1;
    }
    rolls
}

async fn count_until(server: &Server, load: &Load, end: Instant) -> u64 {
    let (mut counts, mut last) = (0, 0);
    while Instant::now() < end {
        let before = load.ledger.acknowledged.load(SeqCst);
        let count = server.count("true").await;
        let after = load.ledger.sent.load(SeqCst);
        assert!((before..=after).contains(&count), "{count} is not within {before}..={after}");
        assert!(count >= last, "{count} after {last}");
        (counts, last) = (counts + 1, count);
    }
    counts
}
