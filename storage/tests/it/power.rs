//! The hot tier on a disk that loses power, is full, or fails to sync.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tephra_faultfs::{Disk, FaultFs, Loss};
use tephra_storage::{Durability, ErrorKind, Result, Store};

use crate::support::{Random, append, clock, close, read, roll, settings};

/// How long after space is back appends may still be refused.
const RECOVERY: Duration = Duration::from_secs(10);

async fn open(dir: &Path, disk: &FaultFs) -> Result<Store> {
    let mut settings = settings(dir);
    settings.hot.env = Some(disk.env());
    Store::open(settings, clock()).await
}

async fn shown(store: &Store) -> BTreeSet<u64> {
    read(&store.snapshot()).await.unwrap()
}

/// Pulls the plug, loses what was not synced, and opens the store again.
async fn cut(store: Store, dir: &Path, disk: &FaultFs, loss: Loss) -> Store {
    disk.set(Disk::Dead);
    close(store, &dir.join("hot")).await;
    disk.lose(loss);
    open(dir, disk).await.unwrap_or_else(|error| panic!("the store does not open after a cut ({loss:?}): {error}"))
}

#[tokio::test]
async fn acknowledged_events_survive_power_cuts() {
    let dir = TempDir::new().unwrap();
    let disk = FaultFs::new();
    let mut random = Random(1);
    let mut store = open(dir.path(), &disk).await.unwrap();
    let mut next = 0;
    for number in 0..20 {
        for _ in 0..random.below(12) {
            let count = 1 + random.below(20);
            append(&store, next..next + count).await.unwrap();
            next += count;
            if random.below(6) == 0 {
                roll(&store).await.unwrap();
            }
        }
        let loss = if number % 2 == 0 { Loss::All } else { Loss::Torn(number) };
        store = cut(store, dir.path(), &disk, loss).await;
        assert!(shown(&store).await.into_iter().eq(0..next), "after cut {number}");
        if next > 0 {
            let again = append(&store, next.saturating_sub(5)..next).await.unwrap();
            assert_eq!(again.accepted, 0, "a retry after cut {number} is known");
        }
    }
    close(store, dir.path()).await;
}

#[tokio::test]
async fn relaxed_durability_loses_the_end_and_opens_without_an_operator() {
    let dir = TempDir::new().unwrap();
    let disk = FaultFs::new();
    let relaxed = || {
        let mut settings = settings(dir.path());
        settings.hot.env = Some(disk.env());
        settings.hot.durability = Durability::Relaxed;
        Store::open(settings, clock())
    };
    let store = relaxed().await.unwrap();
    for request in 0..20 {
        append(&store, request * 4..request * 4 + 4).await.unwrap();
    }
    let mark = dir.path().join("hot/MARK");
    let deadline = Instant::now() + Duration::from_secs(2);
    while std::fs::metadata(&mark).unwrap().len() == 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    disk.set(Disk::Dead);
    close(store, &dir.path().join("hot")).await;
    disk.lose(Loss::All);
    let store = relaxed().await.unwrap_or_else(|error| panic!("this loss was agreed to: {error}"));
    let left = shown(&store).await;
    assert!(left.iter().copied().eq(0..left.len() as u64), "what is left is the beginning");
    append(&store, 0..80).await.unwrap();
    assert!(shown(&store).await.into_iter().eq(0..80));
    close(store, dir.path()).await;
}

#[tokio::test]
async fn a_full_disk_is_refused_and_accepted_again_once_there_is_room() {
    let dir = TempDir::new().unwrap();
    let disk = FaultFs::new();
    let mut store = open(dir.path(), &disk).await.unwrap();
    let mut next = 0;
    for round in 0..4 {
        append(&store, next..next + 5).await.unwrap();
        disk.set(Disk::Full);
        for _ in 0..3 {
            let error = append(&store, next + 5..next + 10).await.expect_err("the disk is full");
            assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        }
        assert!(shown(&store).await.into_iter().eq(0..next + 5), "what is stored stays readable");
        disk.set(Disk::Works);
        let back = Instant::now();
        let appended = loop {
            match append(&store, next + 5..next + 10).await {
                Ok(appended) => break appended,
                Err(error) if back.elapsed() > RECOVERY => {
                    panic!("still refused {RECOVERY:?} after space is back: {error}")
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Busy, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        eprintln!("round {round}: accepted again after {:?}", back.elapsed());
        assert_eq!(appended.accepted, 5, "nothing of a refused request was stored");
        next += 10;
        assert!(shown(&store).await.into_iter().eq(0..next));
        store = cut(store, dir.path(), &disk, if round % 2 == 0 { Loss::All } else { Loss::Torn(round) }).await;
        assert!(shown(&store).await.into_iter().eq(0..next), "after the cut of round {round}");
    }
    close(store, dir.path()).await;
}

#[tokio::test]
async fn a_failed_sync_closes_the_store_and_is_never_taken_for_success() {
    for nth in 1..=12 {
        let dir = TempDir::new().unwrap();
        let disk = FaultFs::new();
        let store = open(dir.path(), &disk).await.unwrap();
        disk.fail_sync(nth);
        let (mut acked, mut refused) = (BTreeSet::new(), Vec::new());
        for request in 0..16u64 {
            let numbers = request * 4..request * 4 + 4;
            match append(&store, numbers.clone()).await {
                Ok(_) => {
                    assert!(refused.is_empty(), "acknowledged after sync {nth} had failed");
                    acked.extend(numbers);
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
                    refused.push(numbers);
                }
            }
        }
        assert_eq!(disk.failed_syncs(), 1);
        assert!(!refused.is_empty(), "sync {nth} failed and nothing was refused");
        let status = store.status();
        assert!(status.not_writable.is_some(), "the store says that it is closed: {status:?}");
        assert!(shown(&store).await.is_superset(&acked), "reading goes on");

        let loss = if nth % 2 == 0 { Loss::All } else { Loss::Torn(nth) };
        let store = cut(store, dir.path(), &disk, loss).await;
        assert!(shown(&store).await.is_superset(&acked), "acknowledged before sync {nth} failed, and lost");
        for numbers in refused {
            append(&store, numbers).await.unwrap();
        }
        assert!(shown(&store).await.into_iter().eq(0..64), "each event once, after the retries");
        close(store, dir.path()).await;
    }
}
