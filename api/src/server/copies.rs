//! Takes copies of the metadata to the lake: now and then, and once more before the server stops.
//!
//! A copy that fails costs nothing but its age: the log says so, and the next one is taken all the same.

use std::time::Duration;

use tephra_storage::meta::backup::Copies;
use tephra_storage::meta::{Backend, Meta, MetaSettings};
use tephra_storage::{Result, StorageSettings};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

/// A stop waits for its copy no longer than this.
const LAST_MAX: Duration = Duration::from_secs(30);

/// Copies one server's metadata.
pub(super) struct Copier {
    copies: Copies,
    meta: Meta,
    interval: Duration,
}

impl Copier {
    /// `None` where the metadata is not in SQLite.
    pub(super) fn new(meta: Meta, settings: &MetaSettings, storage: &StorageSettings) -> Result<Option<Self>> {
        if meta.backend() != Backend::Sqlite {
            return Ok(None);
        }
        let interval = Duration::from_millis(settings.copy_interval_ms);
        Ok(Some(Self { copies: Copies::open(storage)?, meta, interval }))
    }

    /// Takes copies until `stop`, and then the last one.
    pub(super) async fn run(self, stop: CancellationToken) {
        if self.interval.is_zero() {
            stop.cancelled().await;
        } else {
            let mut ticks = interval_at(Instant::now() + self.interval, self.interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    _ = ticks.tick() => self.take().await,
                }
            }
        }
        if tokio::time::timeout(LAST_MAX, self.take()).await.is_err() {
            tracing::warn!("stopped without a last copy of the metadata: it took longer than {} s", LAST_MAX.as_secs());
        }
    }

    async fn take(&self) {
        match self.copies.take(&self.meta).await {
            Ok(Some(copy)) => tracing::debug!(%copy, "copied the metadata to the lake"),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "could not copy the metadata to the lake"),
        }
    }
}
