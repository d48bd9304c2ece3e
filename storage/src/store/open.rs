//! Opens a store and starts its threads.
//!
//! The order is the durability argument in reverse: the lake says up to where events are cold, RocksDB holds what came
//! after, the mark says how far that must reach.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use super::{Inner, Store};
use crate::clock::Clock;
use crate::cold::lake::Lake;
use crate::error::{Error, ErrorKind, Result};
use crate::hot::appender::{Appender, Health};
use crate::hot::db::Db;
use crate::hot::dedup::Dedup;
use crate::hot::disk::Disk;
use crate::hot::mark::Mark;
use crate::hot::queue::Queue;
use crate::hot::recovery;
use crate::settings::{Durability, StorageSettings};
use crate::tiers::Tiers;

/// How often the high-water mark follows the acknowledgements.
const MARK_EVERY: Duration = Duration::from_millis(100);

/// How often the log is synced where appends do not wait for it.
const RELAXED_SYNC_EVERY: Duration = Duration::from_secs(1);

impl Store {
    /// Opens the store over an open lake.
    pub(super) async fn over(lake: Lake, settings: StorageSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        let cold = lake.refresh().await?;
        let watermark = lake.watermark(&cold);
        let tiers = Arc::new(Tiers::new(cold, &settings.hot));
        let opened = tokio::task::spawn_blocking({
            let (settings, tiers, now_us) = (settings.clone(), tiers.clone(), clock.now_us());
            move || open_hot(&settings, &tiers, watermark, now_us)
        });
        let (db, mark, recovered) = opened
            .await
            .map_err(|error| Error::caused(ErrorKind::Internal, "could not open the hot tier", error))??;

        let hot = &settings.hot;
        let queue = Arc::new(Queue::new(hot.append_queue_bytes_max));
        let dedup = Arc::new(Dedup::new(hot.dedup_window_hours, hot.dedup_bytes_max));
        dedup.forget(&db, u32::try_from(clock.now_us() / 1_000_000).unwrap_or(0));
        let health = Arc::new(Health::default());
        health.acknowledged.store(recovered.sequence, Ordering::Release);
        let appender = Appender {
            db: db.clone(),
            tiers: tiers.clone(),
            queue: queue.clone(),
            dedup: dedup.clone(),
            clock: clock.clone(),
            health: health.clone(),
            group_bytes_max: hot.append_group_bytes_max,
            sequence: recovered.sequence,
            skipped: Vec::new(),
        };
        let stop = Arc::new((Mutex::new(false), parking_lot::Condvar::new()));
        let threads = vec![
            spawn("appender", move || appender.run())?,
            spawn("mark", {
                let (health, stop, db) = (health.clone(), stop.clone(), db.clone());
                let relaxed = hot.durability == Durability::Relaxed;
                move || keep_mark(mark, &health, &stop, relaxed.then_some(&db))
            })?,
        ];
        let disk = Disk::new(&settings.data_dir, hot.disk_reserve_bytes);
        let inner = Inner {
            db,
            tiers,
            lake,
            queue,
            dedup,
            disk,
            health,
            clock,
            settings,
            quarantined: AtomicU64::new(recovered.quarantined),
            threads: Mutex::new(threads),
            stop,
            rolling: tokio::sync::Mutex::default(),
        };
        Ok(Self(Arc::new(inner)))
    }
}

fn open_hot(
    settings: &StorageSettings,
    tiers: &Tiers,
    watermark: u64,
    now_us: i64,
) -> Result<(Arc<Db>, Mark, recovery::Recovered)> {
    let directory = settings.data_dir.join("hot");
    std::fs::create_dir_all(&directory).map_err(|error| {
        Error::caused(ErrorKind::Internal, format!("could not make `{}`", directory.display()), error)
    })?;
    let mut mark = Mark::open(&directory.join("MARK"))?;
    let db = Arc::new(Db::open(&directory.join("rocksdb"), &settings.hot)?);
    let recovered = recovery::recover(&db, tiers, &mut mark, watermark, settings.hot.accept_data_loss)?;
    tiers.recovered(recovered.dropped, recovered.stored, recovered.sequence, now_us);
    tracing::info!(
        sequence = recovered.sequence,
        watermark,
        quarantined = recovered.quarantined,
        "recovered the hot tier"
    );
    Ok((db, mark, recovered))
}

/// Moves the mark behind the acknowledgements. With relaxed durability these run ahead of the disk, so the log in
/// `relaxed` is synced first, once a second: that is the window of what a power cut may lose.
fn keep_mark(mut mark: Mark, health: &Health, stop: &(Mutex<bool>, parking_lot::Condvar), relaxed: Option<&Arc<Db>>) {
    let every = if relaxed.is_some() { RELAXED_SYNC_EVERY } else { MARK_EVERY };
    let mut stopping = false;
    while !stopping {
        let mut flag = stop.0.lock();
        if !*flag {
            stop.1.wait_for(&mut flag, every);
        }
        stopping = *flag;
        drop(flag);
        let acknowledged = health.acknowledged.load(Ordering::Acquire);
        let synced = relaxed.map_or(Ok(()), |db| db.sync());
        if let Err(error) = synced.and_then(|()| mark.write(acknowledged)) {
            tracing::error!(%error, "could not write the high-water mark");
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(format!("tephra-{name}"))
        .spawn(body)
        .map_err(|error| Error::caused(ErrorKind::Internal, format!("could not start the {name}"), error))
}
