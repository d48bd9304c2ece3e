//! Whatever one operation of the object store does, ingest goes on, and every event is shown once and stays.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use tempfile::TempDir;
use tephra_storage::{ErrorKind, Store};

use crate::fault_store::{Fault, FaultStore};
use crate::support::{append, clock, close, read, roll, settings};

const STEPS: u64 = 3;
const STEP_EVENTS: u64 = 8;
/// How often a movement is tried before a fault counts as lasting.
const TRIES: u32 = 4;

/// Appends and rolls `STEPS` times while the faulty operation comes up somewhere; reading may fail, never lie.
async fn cycle(fault: Fault, at: u64) -> u64 {
    let dir = TempDir::new().unwrap();
    let name = format!("operation {at} fails by {fault:?}");
    let objects = FaultStore::new(Arc::new(InMemory::new()), fault, at);
    let clock = clock();
    let open =
        || Store::open_with_object_store(settings(dir.path()), clock.clone(), objects.clone() as Arc<dyn ObjectStore>);
    let mut store = None;
    for _ in 0..TRIES {
        match open().await {
            Ok(opened) => {
                store = Some(opened);
                break;
            }
            Err(error) => assert_ne!(error.kind(), ErrorKind::Internal, "{name}: {error}"),
        }
    }
    let store = store.unwrap_or_else(|| panic!("{name}: the store does not open"));
    for step in 0..STEPS {
        let numbers = step * STEP_EVENTS..(step + 1) * STEP_EVENTS;
        append(&store, numbers.clone()).await.unwrap_or_else(|error| panic!("{name}: ingest stopped: {error}"));
        let mut rolled = false;
        for _ in 0..TRIES {
            match roll(&store).await {
                Ok(_) => rolled = true,
                Err(error) => eprintln!("{name}: roll: {error}"),
            }
            match read(&store.snapshot()).await {
                Ok(shown) => {
                    assert!(shown.into_iter().eq(0..numbers.end), "{name}: rows are missing after step {step}")
                }
                Err(error) => eprintln!("{name}: read: {error}"),
            }
            if rolled {
                break;
            }
        }
        assert!(rolled, "{name}: no roll succeeds any more");
    }
    let status = store.status();
    assert_eq!((status.hot_rows, status.cold_rows), (0, STEPS * STEP_EVENTS), "{name}: {status:?}");
    close(store, dir.path()).await;

    let operations = objects.operations();
    for _ in 0..TRIES {
        let store = match open().await {
            Ok(store) => store,
            Err(error) => {
                eprintln!("{name}: restart: {error}");
                continue;
            }
        };
        let shown = read(&store.snapshot()).await.unwrap_or_else(|error| panic!("{name}: after the restart: {error}"));
        assert!(shown.into_iter().eq(0..STEPS * STEP_EVENTS), "{name}: rows are missing after the restart");
        close(store, dir.path()).await;
        return operations;
    }
    panic!("{name}: the store does not open again")
}

async fn every_operation(fault: Fault) {
    let operations = cycle(fault, 0).await;
    assert!(operations > 30, "a full cycle has only {operations} operations");
    // `TEPHRA_TEST_OPERATION` picks one.
    let only = std::env::var("TEPHRA_TEST_OPERATION").ok().and_then(|text| text.parse::<u64>().ok());
    for at in only.map_or(1..=operations, |at| at..=at) {
        cycle(fault, at).await;
    }
    eprintln!("{operations} operations, each failed once by {fault:?}");
}

#[tokio::test]
async fn nothing_is_lost_when_any_operation_is_refused() {
    every_operation(Fault::Before).await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_answer_of_any_operation_is() {
    every_operation(Fault::After).await;
}

#[tokio::test]
async fn nothing_is_lost_when_any_operation_is_slow() {
    every_operation(Fault::Slow).await;
}

#[tokio::test]
async fn nothing_is_lost_when_any_operation_is_truncated() {
    every_operation(Fault::Truncated).await;
}

#[tokio::test]
async fn ingest_goes_on_while_the_object_store_is_gone_for_ten_minutes() {
    let dir = TempDir::new().unwrap();
    let objects = FaultStore::new(Arc::new(InMemory::new()), Fault::Before, 0);
    let clock = clock();
    let store =
        Store::open_with_object_store(settings(dir.path()), clock.clone(), objects.clone() as Arc<dyn ObjectStore>);
    let store = store.await.unwrap();
    append(&store, 0..10).await.unwrap();
    roll(&store).await.unwrap();

    objects.set_gone(true);
    for minute in 1..=10 {
        clock.advance_us(60_000_000);
        append(&store, minute * 10..minute * 10 + 10).await.expect("ingest goes on");
        let error = roll(&store).await.expect_err("nothing can be rolled");
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    }
    let status = store.status();
    assert_eq!((status.hot_rows, status.cold_rows), (100, 10), "{status:?}");
    assert!(status.oldest_hot_received_at.is_some(), "the lag is shown");
    assert!(status.not_writable.is_none(), "{status:?}");

    objects.set_gone(false);
    let mut tries = 0;
    while store.status().hot_rows > 0 {
        tries += 1;
        assert!(tries <= TRIES, "the backlog does not drain");
        if let Err(error) = roll(&store).await {
            eprintln!("roll {tries} after the outage: {error}");
        }
    }
    assert!(read(&store.snapshot()).await.unwrap().into_iter().eq(0..110));
    close(store, dir.path()).await;
}
