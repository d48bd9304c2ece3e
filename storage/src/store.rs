//! The store of one node: its own hot tier and the shared lake, opened together, seen together, closed together.
//!
//! Opening order is the durability argument in reverse: the lake says up to where events are cold, RocksDB holds what
//! came after, the mark says how far that must reach.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use object_store::ObjectStore;
use parking_lot::Mutex;

use crate::check::{self, CheckReport};
use crate::clock::Clock;
use crate::cold::catalog::ColdVersion;
use crate::cold::commit::Outcome;
use crate::cold::lake::{Lake, Partition, PlacedFile};
use crate::cold::place::Place;
use crate::cold::writer::NewFile;
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint;
use crate::hot::appender::{Appender, Health};
use crate::hot::db::{BATCHES, Db, IDS};
use crate::hot::dedup::Dedup;
use crate::hot::disk::Disk;
use crate::hot::mark::Mark;
use crate::hot::queue::{Append, Appended, Queue};
use crate::hot::recovery;
use crate::hot::segment::HotSegment;
use crate::settings::{Durability, StorageSettings};
use crate::snapshot::Snapshot;
use crate::tiers::Tiers;

/// How often the high-water mark follows the acknowledgements.
const MARK_EVERY: Duration = Duration::from_millis(100);

/// How often the log is synced where appends do not wait for it.
const RELAXED_SYNC_EVERY: Duration = Duration::from_secs(1);

/// One node's store. Clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    db: Arc<Db>,
    tiers: Arc<Tiers>,
    lake: Lake,
    queue: Arc<Queue>,
    dedup: Arc<Dedup>,
    disk: Disk,
    health: Arc<Health>,
    clock: Arc<dyn Clock>,
    settings: StorageSettings,
    quarantined: u64,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop: Arc<(Mutex<bool>, parking_lot::Condvar)>,
    rolling: tokio::sync::Mutex<()>,
}

/// Figures of the store at one moment.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct StoreStatus {
    /// Events in the hot tier.
    pub hot_rows: u64,
    /// About the bytes that they take in memory when read.
    pub hot_bytes: u64,
    /// The bytes of the hot tier on disk.
    pub hot_disk_bytes: u64,
    /// Hot segments.
    pub hot_segments: usize,
    /// The last sequence number that was acknowledged.
    pub last_sequence: u64,
    /// The last sequence number that the lake covers.
    pub watermark: u64,
    /// When the oldest hot event was received, µs.
    pub oldest_hot_received_at: Option<i64>,
    /// The version of the lake's table.
    pub cold_version: u64,
    /// Live files.
    pub cold_files: usize,
    /// Events in them.
    pub cold_rows: u64,
    /// Their bytes.
    pub cold_bytes: u64,
    /// Hot batches in quarantine.
    pub quarantined: u64,
    /// Why appends are refused, where they are.
    pub not_writable: Option<String>,
    /// Free bytes on the disk of the data directory.
    pub free_disk_bytes: u64,
    /// The window for duplicates in force, in hours.
    pub dedup_window_hours: u32,
    /// The bytes of remembered event ids on disk.
    pub dedup_disk_bytes: u64,
}

impl Store {
    /// Opens the store, recovering what the last process left.
    ///
    /// # Errors
    /// `Invalid` for settings or formats this program cannot use, `Busy` for an object store out of reach, `Corrupt`
    /// for damage, naming it.
    pub async fn open(settings: StorageSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        let lake = Lake::open(&settings.data_dir, &settings.node_id, settings.cold.clone()).await?;
        Self::over(lake, settings, clock).await
    }

    /// Opens the store over an object store of the caller's own.
    pub async fn open_with_object_store(
        settings: StorageSettings,
        clock: Arc<dyn Clock>,
        store: Arc<dyn ObjectStore>,
    ) -> Result<Self> {
        let lake = Lake::open_at(Place::within(store)?, &settings.node_id, settings.cold.clone()).await?;
        Self::over(lake, settings, clock).await
    }

    async fn over(lake: Lake, settings: StorageSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        let cold = lake.refresh().await?;
        let watermark = lake.watermark(&cold);
        let tiers = Arc::new(Tiers::new(cold, settings.hot.memory_bytes_max));
        let opened = tokio::task::spawn_blocking({
            let (settings, tiers) = (settings.clone(), tiers.clone());
            move || open_hot(&settings, &tiers, watermark)
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
            quarantined: recovered.quarantined,
            threads: Mutex::new(threads),
            stop,
            rolling: tokio::sync::Mutex::default(),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Stores the new events of a request; durable when it returns.
    ///
    /// # Errors
    /// `Busy` where the queue or the disk is full, or the store is closed for writing; nothing is stored then, or its
    /// durability is unknown and a retry is recognised.
    pub async fn append(&self, append: Append) -> Result<Appended> {
        self.0.disk.admit()?;
        if let Some(reason) = self.0.health.closed.lock().clone() {
            return Err(Error::busy(reason));
        }
        let answer = self.0.queue.push(append)?;
        answer.await.map_err(|_| Error::busy("the store stopped before the append was durable"))?
    }

    /// Both tiers at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let (hot, cold) = self.0.tiers.view();
        Snapshot::new(hot, cold, self.0.lake.files())
    }

    /// Figures of the store.
    pub fn status(&self) -> StoreStatus {
        let inner = &self.0;
        let (hot, cold) = inner.tiers.view();
        let full = inner.disk.admit().err().map(|error| error.to_string());
        let now_s = u32::try_from(inner.clock.now_us() / 1_000_000).unwrap_or(0);
        StoreStatus {
            hot_rows: hot.iter().map(|segment| segment.rows() as u64).sum(),
            hot_bytes: hot.iter().map(|segment| segment.bytes() as u64).sum(),
            hot_disk_bytes: inner.db.disk_bytes(BATCHES),
            hot_segments: hot.len(),
            last_sequence: inner.health.acknowledged.load(Ordering::Acquire),
            watermark: inner.lake.watermark(&cold),
            oldest_hot_received_at: hot.iter().map(|segment| segment.received().0).min(),
            cold_version: cold.version,
            cold_files: cold.files.len(),
            cold_rows: cold.rows(),
            cold_bytes: cold.bytes(),
            quarantined: inner.quarantined,
            not_writable: inner.health.closed.lock().clone().or(full),
            free_disk_bytes: inner.disk.free_bytes(),
            dedup_window_hours: inner.dedup.window_hours(now_s),
            dedup_disk_bytes: inner.db.disk_bytes(IDS),
        }
    }

    /// How long events are kept, in days.
    pub fn retention_days(&self) -> u16 {
        self.0.settings.cold.retention_days
    }

    /// Takes the oldest hot events of about `bytes_max` for a roll; `None` where nothing is hot. One roll runs at a
    /// time: others wait here.
    pub async fn begin_roll(&self, bytes_max: usize) -> Result<Option<RollRange<'_>>> {
        let turn = self.0.rolling.lock().await;
        failpoint::hit("roll.begin")?;
        let Some(segments) = self.0.tiers.begin_roll(bytes_max) else { return Ok(None) };
        Ok(Some(RollRange { store: self, segments, keep_end: false, _turn: turn }))
    }

    /// Brings what other writers have committed to readers.
    pub async fn refresh(&self) -> Result<()> {
        let cold = self.0.lake.refresh().await?;
        self.advance(cold);
        Ok(())
    }

    fn advance(&self, cold: Arc<ColdVersion>) {
        let watermark = self.0.lake.watermark(&cold);
        self.0.tiers.advance(cold, watermark);
    }

    /// Drops hot batches that are cold and that no snapshot holds any more. Returns whether there were any.
    pub async fn drop_rolled(&self) -> Result<bool> {
        let Some(last) = self.0.tiers.take_unpinned() else { return Ok(false) };
        failpoint::hit("roll.before_delete")?;
        let db = self.0.db.clone();
        let dropped = tokio::task::spawn_blocking(move || db.drop_through(last)).await;
        dropped.map_err(|error| Error::caused(ErrorKind::Internal, "could not drop rolled batches", error))??;
        failpoint::hit("roll.after_delete")?;
        Ok(true)
    }

    /// Checkpoints the lake's log where enough commits have come, and lets expired entries go.
    pub async fn checkpoint(&self) -> Result<bool> {
        self.0.lake.checkpoint(self.0.clock.now_us()).await
    }

    /// Sweeps files that no version of the lake names. Returns how many.
    pub async fn vacuum(&self) -> Result<usize> {
        self.0.lake.vacuum(self.0.clock.now_us()).await
    }

    /// Reads every live file of the lake and compares it with what was written.
    pub async fn check(&self) -> Result<CheckReport> {
        let cold = self.0.tiers.view().1;
        check::files(self.0.lake.unverified_files(), &cold).await
    }

    /// Answers what waits, refuses the rest, makes everything durable.
    pub async fn close(&self) -> Result<()> {
        let inner = self.0.clone();
        let closed = tokio::task::spawn_blocking(move || inner.close()).await;
        closed.map_err(|error| Error::caused(ErrorKind::Internal, "could not close the store", error))?
    }
}

impl Inner {
    fn close(&self) -> Result<()> {
        self.queue.close();
        // The appender ends first, so that the mark's last word covers it.
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                return Err(Error::internal("a thread of the store panicked"));
            }
            *self.stop.0.lock() = true;
            self.stop.1.notify_all();
        }
        self.db.sync()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "could not close the store");
        }
    }
}

/// Hot events on their way into the lake. Dropped without a commit, nothing has changed.
pub struct RollRange<'a> {
    store: &'a Store,
    segments: Vec<Arc<HotSegment>>,
    keep_end: bool,
    _turn: tokio::sync::MutexGuard<'a, ()>,
}

impl RollRange<'_> {
    /// What is to be rolled, oldest first.
    pub fn segments(&self) -> &[Arc<HotSegment>] {
        &self.segments
    }

    /// The last sequence number of the range.
    pub fn through(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.sequences().1)
    }

    fn first(&self) -> u64 {
        self.segments.first().map_or(0, |segment| segment.sequences().0)
    }

    /// Writes a file to the lake; nobody sees it before the commit.
    pub async fn place(&self, partition: Partition, file: NewFile) -> Result<PlacedFile> {
        self.store.0.lake.place(partition, self.through(), file).await
    }

    /// Commits the files and swaps both tiers in one step. Returns the version, or `None` where an earlier attempt of
    /// unknown outcome turns out to have covered these events: nothing was added then.
    ///
    /// # Errors
    /// `Busy` where the outcome is unknown; the next roll finds out.
    pub async fn commit(mut self, files: &[PlacedFile]) -> Result<Option<u64>> {
        let store = self.store;
        self.keep_end = true;
        if failpoint::planted("delete_before_commit") {
            store.0.db.drop_through(self.through())?;
        }
        let (outcome, cold) = store.0.lake.commit(files, self.first(), self.through(), store.0.clock.now_us()).await?;
        failpoint::hit("roll.after_commit")?;
        store.advance(cold);
        self.keep_end = false;
        Ok(match outcome {
            Outcome::Committed(version) => Some(version),
            Outcome::Lost(_) => None,
        })
    }
}

impl Drop for RollRange<'_> {
    fn drop(&mut self) {
        if !self.keep_end {
            self.store.0.tiers.end_roll(self.through());
        }
    }
}

fn open_hot(settings: &StorageSettings, tiers: &Tiers, watermark: u64) -> Result<(Arc<Db>, Mark, recovery::Recovered)> {
    let directory = settings.data_dir.join("hot");
    std::fs::create_dir_all(&directory).map_err(|error| {
        Error::caused(ErrorKind::Internal, format!("could not make `{}`", directory.display()), error)
    })?;
    let mut mark = Mark::open(&directory.join("MARK"))?;
    let db = Arc::new(Db::open(&directory.join("rocksdb"), &settings.hot)?);
    let recovered = recovery::recover(&db, tiers, &mut mark, watermark, settings.hot.accept_data_loss)?;
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
