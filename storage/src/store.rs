//! The store of one node: its own hot tier and the shared lake, opened together, seen together, closed together.
//!
//! `open` recovers what the last process left, `roll` moves events from one tier to the other, `status` counts.

mod files;
mod open;
mod roll;
mod status;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;

use object_store::ObjectStore;
use parking_lot::Mutex;

use crate::changes::Feed;
use crate::check::{self, CheckReport};
use crate::clock::Clock;
use crate::cold::catalog::ColdVersion;
use crate::cold::lake::Lake;
use crate::cold::place::Place;
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint;
use crate::hot::appender::Health;
use crate::hot::db::Db;
use crate::hot::dedup::Dedup;
use crate::hot::disk::Disk;
use crate::hot::queue::{Append, Appended, Queue};
use crate::settings::StorageSettings;
use crate::snapshot::Snapshot;
use crate::tiers::Tiers;

pub use roll::RollRange;
pub use status::StoreStatus;

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
    /// Batches in quarantine.
    quarantined: AtomicU64,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop: Arc<(Mutex<bool>, parking_lot::Condvar)>,
    rolling: tokio::sync::Mutex<()>,
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

    /// Whether the lake lies in a directory of this machine.
    pub fn lake_is_local(&self) -> bool {
        self.0.lake.is_local()
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

    /// How long events are kept, in days.
    pub fn retention_days(&self) -> u16 {
        self.0.settings.cold.retention_days
    }

    /// Brings what other writers have committed to readers.
    pub async fn refresh(&self) -> Result<()> {
        let cold = self.0.lake.refresh().await?;
        self.advance(cold);
        Ok(())
    }

    fn advance(&self, cold: Arc<ColdVersion>) {
        let watermark = self.0.lake.watermark(&cold);
        self.0.tiers.advance(cold, watermark, self.0.clock.now_us());
    }

    /// The change feed: batches as they become durable.
    pub fn feed(&self) -> Feed {
        Feed::new(self.0.tiers.clone(), self.0.db.clone())
    }

    /// The name under which this node's watermark stands in the lake.
    pub fn node_id(&self) -> &str {
        &self.0.settings.node_id
    }

    /// The last batch of each node that this version of the lake covers.
    pub(crate) fn watermarks(&self, cold: &ColdVersion) -> Vec<(String, u64)> {
        let node = |(app, watermark): (&String, &u64)| Some((app.strip_prefix("tephra/")?.to_owned(), *watermark));
        cold.watermarks.iter().filter_map(node).collect()
    }

    /// Drops hot batches that are cold, that no snapshot holds any more, that all consumers of the feed have released and that
    /// were kept for long enough. Returns whether there were any.
    pub async fn drop_rolled(&self) -> Result<bool> {
        let Some(last) = self.0.tiers.take_unpinned(self.0.clock.now_us()) else { return Ok(false) };
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

    /// Sweeps files that no version of the lake names, finished or not. Returns how many.
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
