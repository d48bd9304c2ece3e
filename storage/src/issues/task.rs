//! When to count: as soon as there is something, but seldom enough that counting stays cheap under load.
//!
//! Where the database cannot be written, batches stay in the hot tier and are counted later; that costs disk, and is told in the
//! log, the metrics and the status.

use std::pin::pin;
use std::time::{Duration, Instant};

use super::apply::{self, Applied, Mode, Positions};
use super::changes::Changes;
use super::escalate::Forecasts;
use super::fold::{Fold, Place, projection};
use super::follow::{self, Past, Source};
use super::{lives, recount};
use crate::changes::{Feed, Hold};
use crate::error::{Error, ErrorKind, Result};
use crate::meta::Meta;
use crate::store::Store;

/// The counter's name among the consumers of the feed.
pub const CONSUMER: &str = "issues";

/// Events of one transaction.
const ROWS_MAX: usize = 262_144;
/// Events that are read from the feed at once.
const READ_ROWS: usize = 32_768;
/// Transactions are at least so far apart, unless more is waiting than one takes.
const PAUSE: Duration = Duration::from_millis(250);
/// And where they take long, this many times as long as they took, up to `PAUSE_MAX`.
const PAUSE_FACTOR: u32 = 20;
const PAUSE_MAX: Duration = Duration::from_secs(2);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// How often issues are looked after that no event comes to.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long the end of the server waits for what is not counted yet.
const LAST_WORD: Duration = Duration::from_secs(5);

/// The background task that counts.
pub struct Counter {
    meta: Meta,
    store: Store,
    feed: Feed,
    hold: Hold,
    changes: Changes,
    /// Up to where batches are counted; `None` until the database was asked.
    position: Option<u64>,
    forecasts: Forecasts,
    past: Option<Past>,
}

impl Counter {
    /// A counter of `store`'s events; nothing happens before `run`.
    pub fn new(meta: Meta, store: Store, changes: Changes) -> Self {
        let feed = store.feed();
        let hold = feed.hold(CONSUMER, 0, true);
        Self { meta, store, feed, hold, changes, position: None, forecasts: Forecasts::default(), past: None }
    }

    /// The same, which lets issues go on when rules change.
    #[must_use]
    pub fn following(mut self, past: Past) -> Self {
        self.past = Some(past);
        self
    }

    /// Counts until `shutdown`, and then what is left.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        tokio::select! {
            () = &mut shutdown => {}
            () = self.work() => {}
        }
        match tokio::time::timeout(LAST_WORD, self.catch_up()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "some events are not counted yet: the next start counts them"),
            Err(_) => tracing::warn!("some events are not counted yet: the next start counts them"),
        }
    }

    async fn work(&mut self) {
        let (mut backoff, mut told, mut swept) = (Duration::ZERO, None::<Instant>, None::<Instant>);
        loop {
            let began = Instant::now();
            let mut result = self.step().await;
            let took = began.elapsed();
            if result.is_ok() && swept.is_none_or(|swept| swept.elapsed() >= SWEEP_EVERY) {
                swept = Some(Instant::now());
                result = self.sweep().await.and(result);
            }
            let behind = self.feed.latest().saturating_sub(self.position.unwrap_or(0));
            metrics::gauge!("tephra_issues_behind_batches").set(behind as f64);
            match result {
                Ok(true) => backoff = Duration::ZERO,
                Ok(false) => {
                    (backoff, told) = (Duration::ZERO, None);
                    tokio::time::sleep((took * PAUSE_FACTOR).clamp(PAUSE, PAUSE_MAX)).await;
                    tokio::select! {
                        () = self.feed.changed() => {}
                        () = tokio::time::sleep(SWEEP_EVERY) => {}
                    }
                }
                Err(error) => {
                    backoff = (backoff * 2).clamp(PAUSE, BACKOFF_MAX);
                    metrics::counter!("tephra_issues_failures_total").increment(1);
                    if told.is_none_or(|told| told.elapsed() >= SWEEP_EVERY) {
                        told = Some(Instant::now());
                        tracing::warn!(%error, behind, "could not count events for issues: they stay in the hot tier until then");
                    }
                    tokio::time::sleep(backoff).await;
                }
            }
        }
    }

    /// Counts everything that the feed has at this moment.
    ///
    /// # Errors
    /// `Busy` where the database cannot be written.
    pub async fn catch_up(&mut self) -> Result<()> {
        while self.step().await? || self.position.unwrap_or(0) < self.feed.latest() {}
        Ok(())
    }

    /// Counts the next batches. Returns whether there may be more at once.
    async fn step(&mut self) -> Result<bool> {
        let Some(position) = self.position else {
            self.position = Some(self.begin().await?);
            return Ok(true);
        };
        let feed = self.feed.clone();
        let folded = tokio::task::spawn_blocking(move || fold_after(&feed, position)).await;
        let failed = |error| Error::caused(ErrorKind::Internal, "could not fold events for issues", error);
        let Some((mut fold, through)) = folded.map_err(failed)?? else {
            tracing::error!(position, "batches were dropped before they were counted: counting the lake");
            self.recount().await?;
            return Ok(true);
        };
        if through == position {
            return Ok(false);
        }
        let began = Instant::now();
        if let Some(past) = self.past {
            follow::find(&self.meta, past, &mut fold, &Source::Hot(self.feed.clone())).await?;
        }
        let positions = Positions { from: Some(position), through: vec![(self.store.node_id().to_owned(), through)] };
        match apply::apply(&self.meta, &positions, &fold, Mode::Add, &mut self.forecasts).await? {
            Applied::Done(changes) => {
                self.settle(through);
                self.changes.publish(changes);
            }
            // Another process has this node's name, or our last commit was not confirmed and happened all the same.
            Applied::Elsewhere(stands) => self.settle(stands),
        }
        metrics::histogram!("tephra_issues_apply_seconds").record(began.elapsed().as_secs_f64());
        metrics::counter!("tephra_issues_events_total").increment(fold.rows as u64);
        Ok(fold.rows >= ROWS_MAX)
    }

    /// Where to begin: where the database stands, unless batches behind that are gone.
    async fn begin(&mut self) -> Result<u64> {
        let stands = apply::position(&self.meta, self.store.node_id()).await?;
        let position = stands.unwrap_or(0);
        if position >= self.feed.dropped() && position <= self.feed.latest() {
            self.settle(position);
            return Ok(position);
        }
        self.recount().await?;
        Ok(self.position.unwrap_or(0))
    }

    async fn recount(&mut self) -> Result<()> {
        let (stands, changes) = recount::recount(&self.meta, &self.store, self.past).await?;
        self.settle(stands);
        self.changes.publish(changes);
        Ok(())
    }

    fn settle(&mut self, position: u64) {
        self.position = Some(position);
        self.hold.release_through(position);
    }

    /// Looks after issues that no event comes to. Returns whether there is more to count, which it does not know.
    async fn sweep(&self) -> Result<bool> {
        self.changes.publish(lives::sweep(&self.meta).await?);
        Ok(false)
    }
}

/// Folds what is behind `position`, up to a transaction's worth; `None` where some of it is gone.
fn fold_after(feed: &Feed, position: u64) -> Result<Option<(Fold, u64)>> {
    let (mut fold, mut through) = (Fold::default(), position);
    while fold.rows < ROWS_MAX {
        let read = feed.read_after(through, READ_ROWS, projection())?;
        if read.missed.is_some() {
            return Ok(None);
        }
        for one in &read.batches {
            fold.at = Place { source: one.sequence, row: 0 };
            fold.add(&one.batch)?;
        }
        if read.through == through {
            break;
        }
        through = read.through;
    }
    Ok(Some((fold, through)))
}
