//! The change feed: each batch once and in order, from memory, from RocksDB, behind a roll and behind a restart.

use std::path::Path;

use arrow::array::AsArray;
use tempfile::TempDir;
use tephra_storage::schema::column_index;
use tephra_storage::{Feed, FeedRead, StorageSettings, Store};

use crate::support::{append, clock, close, roll, settings};

fn held(dir: &Path) -> StorageSettings {
    let mut settings = settings(dir);
    settings.hot.consumers = vec!["tester".to_owned()];
    settings
}

fn ids(read: &FeedRead) -> Vec<u64> {
    let number = |id: &[u8]| u64::from_be_bytes(id[8..].try_into().unwrap());
    let batches = read.batches.iter().map(|one| one.batch.column(0).as_fixed_size_binary());
    batches.flat_map(|ids| ids.iter().map(|id| number(id.unwrap())).collect::<Vec<_>>()).collect()
}

fn read(feed: &Feed, after: u64, rows_max: usize) -> FeedRead {
    feed.read_after(after, rows_max, &[column_index("event_id"), column_index("message")]).unwrap()
}

/// Reads everything in small steps.
fn read_all(feed: &Feed, mut after: u64) -> Vec<u64> {
    let mut all = Vec::new();
    loop {
        let read = read(feed, after, 5);
        assert_eq!(read.missed, None);
        if read.through == after {
            return all;
        }
        all.extend(ids(&read));
        after = read.through;
    }
}

#[tokio::test]
async fn batches_are_read_once_and_in_order_wherever_they_lie() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(held(dir.path()), clock()).await.unwrap();
    let feed = store.feed();
    assert_eq!((feed.latest(), read(&feed, 0, 10).through), (0, 0));
    for number in 0..30 {
        append(&store, number * 3..number * 3 + 3).await.unwrap();
    }
    let all: Vec<u64> = (0..90).collect();
    assert_eq!(
        (feed.latest(), read_all(&feed, 0)),
        (30, all.clone()),
        "joined segments are cut into their batches again"
    );
    assert_eq!(ids(&read(&feed, 28, 100)), (84..90).collect::<Vec<_>>());
    let first = read(&feed, 0, 4);
    assert_eq!((first.batches.len(), first.through), (2, 2), "whole batches");

    roll(&store).await.unwrap();
    assert_eq!(store.status().hot_rows, 0);
    assert_eq!(read_all(&feed, 0), all, "rolled, and not released");
    append(&store, 90..93).await.unwrap();
    drop(feed);
    close(store, dir.path()).await;

    let store = Store::open(held(dir.path()), clock()).await.unwrap();
    let feed = store.feed();
    assert_eq!(store.status().hot_rows, 3);
    assert_eq!(read_all(&feed, 0), (0..93).collect::<Vec<_>>(), "behind a restart");
    let hold = feed.hold("tester", 0, true);
    hold.release_through(30);
    assert!(store.drop_rolled().await.unwrap());
    let rest = read(&feed, 4, 100);
    assert_eq!((rest.missed, ids(&rest)), (Some((5, 30)), vec![90, 91, 92]));
    drop((feed, hold));
    close(store, dir.path()).await;
}

#[tokio::test]
async fn what_a_consumer_has_not_released_is_not_dropped() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(held(dir.path()), clock()).await.unwrap();
    let feed = store.feed();
    append(&store, 0..3).await.unwrap();
    roll(&store).await.unwrap();
    append(&store, 3..6).await.unwrap();
    roll(&store).await.unwrap();
    assert_eq!((feed.dropped(), store.status().kept_runs), (0, 2));
    let other = feed.hold("other", 1, false);
    feed.hold("tester", 0, true).release_through(2);
    assert!(store.drop_rolled().await.unwrap());
    assert_eq!(feed.dropped(), 1, "the other consumer holds the second");
    drop(other);
    assert!(store.drop_rolled().await.unwrap());
    assert_eq!((feed.dropped(), store.status().kept_runs), (2, 0));
    drop(feed);
    close(store, dir.path()).await;
}

#[tokio::test]
async fn rolled_batches_are_kept_for_a_while() {
    let dir = TempDir::new().unwrap();
    let mut settings = settings(dir.path());
    settings.hot.keep_rolled_ms = 60_000;
    let clock = clock();
    let store = Store::open(settings, clock.clone()).await.unwrap();
    append(&store, 0..3).await.unwrap();
    roll(&store).await.unwrap();
    assert_eq!(ids(&read(&store.feed(), 0, 10)), [0, 1, 2]);
    clock.advance_us(60_000_000);
    assert!(store.drop_rolled().await.unwrap());
    assert_eq!(read(&store.feed(), 0, 10).missed, Some((1, 1)));
    close(store, dir.path()).await;
}

#[tokio::test]
async fn whoever_waits_is_told_of_each_append() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(settings(dir.path()), clock()).await.unwrap();
    let mut feed = store.feed();
    let waiter = tokio::spawn(async move {
        feed.changed().await;
        feed.latest()
    });
    append(&store, 0..1).await.unwrap();
    assert_eq!(waiter.await.unwrap(), 1);
    close(store, dir.path()).await;
}
