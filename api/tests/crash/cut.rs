//! Power cuts of the hot tier on a simulated disk: exact, without any rights, more than a hundred a minute.
//!
//! The store runs in this process with RocksDB's files on a `FaultFs`. At a cut everything fails at once; what was not
//! synced is then lost, whole or from a random byte on, and so are names whose directory was not synced. The lake and
//! the high-water mark lie on the real disk and survive: `fscut` is for them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use object_store::ObjectStoreExt;
use parking_lot::Mutex;
use tephra_faultfs::{Disk, FaultFs, Loss};
use tephra_storage::{Append, StorageSettings, Store, SystemClock};
use tokio::task::JoinSet;

use crate::events::{COLUMNS, Random};
use crate::lake;
use crate::ledger::{Batch, Ledger, State, Stored};
use crate::report::Report;
use crate::rounds::Life;

const WRITERS: u64 = 4;
const OPEN_MS_MAX: u64 = 20_000;

/// Runs `rounds` cuts.
pub(crate) async fn cuts(rounds: u32, per_life: u32, random: &mut Random, report: &mut Report) -> Result<()> {
    let mut left = rounds;
    while left > 0 && report.violations.is_empty() {
        let life = Life::new(random)?;
        let outcome = live(&life, left.min(per_life), random, report).await;
        life.close(outcome, report);
        left = left.saturating_sub(per_life);
    }
    Ok(())
}

async fn live(life: &Life, rounds: u32, random: &mut Random, report: &mut Report) -> Result<()> {
    let disk = Arc::new(FaultFs::new());
    for _ in 0..rounds {
        let store = open(life, &disk).await?;
        check(&store, &life.ledger).await?;
        load_until_cut(&store, life, &disk, random).await;
        drop(store);
        closed(&life.data_dir.join("hot")).await?;
        disk.lose(if random.one_in(2) { Loss::All } else { Loss::Torn(random.next() as u32) });
        report.cuts += 1;
        if life.broken() {
            return Ok(());
        }
    }
    let store = open(life, &disk).await?;
    check(&store, &life.ledger).await?;
    roll(&store).await?;
    check(&store, &life.ledger).await?;
    store.close().await?;
    Ok(())
}

async fn open(life: &Life, disk: &FaultFs) -> Result<Store> {
    let mut settings = StorageSettings::new(&life.data_dir);
    settings.hot.env = Some(disk.env());
    settings.hot.disk_reserve_bytes = 0;
    settings.cold.checkpoint_commits = 4;
    settings.cold.vacuum_grace_minutes = 0;
    Store::open(settings, Arc::new(SystemClock)).await.context("the store does not open after the cut")
}

/// One full movement of what is hot.
async fn roll(store: &Store) -> Result<()> {
    tephra_compactor::roll(store, 64 << 20).await?;
    store.drop_rolled().await?;
    store.checkpoint().await?;
    store.vacuum().await?;
    Ok(())
}

/// Appends from several tasks, with rolls between them, until the power goes at a random moment.
async fn load_until_cut(store: &Store, life: &Life, disk: &Arc<FaultFs>, random: &mut Random) {
    let dead = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for _ in 0..WRITERS {
        let (store, ledger, dead, mut random) =
            (store.clone(), life.ledger.clone(), dead.clone(), Random::new(random.next()));
        tasks.spawn(async move {
            while !dead.load(Ordering::SeqCst) {
                let batch = ledger.lock().begin(1 + random.below(16));
                append(&store, &ledger, batch).await;
            }
        });
    }
    let rolling = random.one_in(2).then(|| {
        let store = store.clone();
        let dead = dead.clone();
        tokio::spawn(async move {
            while !dead.load(Ordering::SeqCst) {
                let _ = roll(&store).await;
            }
        })
    });
    tokio::time::sleep(Duration::from_millis(2 + random.below(250))).await;
    disk.set(Disk::Dead);
    dead.store(true, Ordering::SeqCst);
    while tasks.join_next().await.is_some() {}
    if let Some(rolling) = rolling {
        let _ = rolling.await;
    }
    // Background work fails as well; the store is dropped as a process that has lost its disk.
    let _ = store.close().await;
}

/// Appends one batch and writes its answer down.
async fn append(store: &Store, ledger: &Mutex<Ledger>, batch: Batch) {
    let (events, project_id) = {
        let ledger = ledger.lock();
        (batch.numbers().map(|number| ledger.events.event(number)).collect(), ledger.events.project())
    };
    let answer =
        store.append(Append { project_id, events, request_hash: None, bytes: 400 * batch.count as usize }).await;
    let mut ledger = ledger.lock();
    match answer {
        Ok(answer) => {
            ledger.answered(batch.first, State::Acked);
            ledger.totals.duplicates_dropped += answer.duplicates.len() as u64;
            if u64::from(answer.accepted) + answer.duplicates.len() as u64 != batch.count {
                ledger
                    .violation(format!("batch {} of {} events was answered with {answer:?}", batch.first, batch.count));
            }
        }
        // After the cut every answer is a failure, and what became of the batch is open.
        Err(_) => ledger.answered(batch.first, State::Unknown),
    }
}

/// Reads both tiers through one snapshot, holds them against the ledger, and sends again what had no answer.
async fn check(store: &Store, ledger: &Mutex<Ledger>) -> Result<()> {
    let mut stored = Stored::new(&ledger.lock().events.clone(), "snapshot");
    read_all(store, &mut stored).await?;
    let unknown = ledger.lock().settle(&stored);
    let absent: u64 = unknown.iter().map(|batch| batch.count - stored.count_of(batch)).sum();
    for batch in &unknown {
        append(store, ledger, *batch).await;
    }
    let mut again = Stored::new(&ledger.lock().events.clone(), "snapshot, after sending again");
    read_all(store, &mut again).await?;
    if again.rows() != stored.rows() + absent {
        let (before, after) = (stored.rows(), again.rows());
        ledger.lock().violation(format!("{before} events, {absent} unanswered ones sent again, then {after} events"));
    }
    Ok(())
}

async fn read_all(store: &Store, stored: &mut Stored) -> Result<()> {
    let snapshot = store.snapshot();
    let columns = COLUMNS.map(tephra_storage::schema::column_index);
    for segment in snapshot.hot() {
        for batch in segment.read(&columns)? {
            lake::rows(&batch, stored)?;
        }
    }
    for file in &snapshot.cold().files {
        let path = object_store::path::Path::from(file.path.as_str());
        let bytes = snapshot.object_store().get(&path).await?.bytes().await?;
        lake::parquet(bytes, stored).with_context(|| format!("could not read {}", file.path))?;
    }
    Ok(())
}

/// Waits until this process holds no file below `dir` open: the database has really gone.
async fn closed(dir: &Path) -> Result<()> {
    let deadline = Instant::now() + Duration::from_millis(OPEN_MS_MAX);
    loop {
        let files = std::fs::read_dir("/proc/self/fd")?.flatten();
        if !files.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|target| target.starts_with(dir)) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the store still holds files open {OPEN_MS_MAX} ms after it was dropped");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
