//! What a put left that was cut short: swept after the grace, and nothing else with it.

use std::fs;

use tempfile::TempDir;
use tephra_storage::Store;

use crate::support::{append, clock, close, read, roll, settings};

/// As `object_store` and the durable local store name what is being written.
const UNFINISHED: [&str; 3] = [
    "retention_days=90/day=2026-01-01/roll-node-1-00000000000000000001-0.parquet#7",
    "_delta_log/00000000000000000099.json#340282366920938463463374607431768211455",
    "_tephra/00000000000000000099.checkpoint.digest#1",
];
/// Names that somebody else chose.
const OTHERS: [&str; 4] = ["notes#1a", "notes#", "retention_days=90/notes.txt", "#12/notes"];

#[tokio::test]
async fn temporary_files_are_swept_after_the_grace_and_nothing_else_is() {
    let dir = TempDir::new().unwrap();
    let clock = clock();
    let store = Store::open(settings(dir.path()), clock.clone()).await.unwrap();
    append(&store, 0..10).await.unwrap();
    roll(&store).await.unwrap();
    let table = dir.path().join("lake/events");
    for name in UNFINISHED.iter().chain(&OTHERS) {
        let path = table.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "cut sh").unwrap();
    }
    let left = |names: &[&'static str]| -> Vec<&'static str> {
        names.iter().copied().filter(|name| table.join(name).exists()).collect()
    };

    // The clock stands where it stood before they were written, so they are younger than any grace.
    assert_eq!(store.vacuum().await.unwrap(), 0);
    assert_eq!(left(&UNFINISHED), UNFINISHED, "what may still be written was swept");
    clock.advance_us(60_000_000);
    assert_eq!(store.vacuum().await.unwrap(), UNFINISHED.len());
    assert_eq!(left(&UNFINISHED), [""; 0]);
    assert_eq!(left(&OTHERS), OTHERS);
    assert!(read(&store.snapshot()).await.unwrap().into_iter().eq(0..10));
    assert_eq!(store.vacuum().await.unwrap(), 0);
    close(store, dir.path()).await;

    let store = Store::open(settings(dir.path()), clock).await.unwrap();
    assert!(read(&store.snapshot()).await.unwrap().into_iter().eq(0..10), "after a restart");
    close(store, dir.path()).await;
}
