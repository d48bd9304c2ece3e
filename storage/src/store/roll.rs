//! One roll's hold on the hot tier: what is taken, where it is put, and the commit that moves it from one tier to the other.
//!
//! Before the commit nothing has changed but files that no version names, and damaged batches that are in quarantine; after
//! it, the watermark hides what is still in RocksDB.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Inner, Store};
use crate::cold::commit::Outcome;
use crate::cold::lake::{Partition, PlacedFile};
use crate::cold::writer::NewFile;
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint;
use crate::hot::quarantine;
use crate::hot::segment::HotSegment;

/// Hot events on their way into the lake. Dropped without a commit, nothing has changed.
pub struct RollRange<'a> {
    store: &'a Store,
    segments: Vec<Arc<HotSegment>>,
    /// The first and the last sequence number, whatever is set aside in between.
    sequences: (u64, u64),
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
        self.sequences.1
    }

    /// Sets the damaged batches of the range aside, so that the rest can be rolled. Returns how many there were: 0 also
    /// where an earlier attempt of unknown outcome turns out to have covered them while they were sound.
    ///
    /// # Errors
    /// `Busy` where the lake cannot be asked; `Corrupt` where not even the bytes of a damaged batch can be read.
    pub async fn set_damaged_aside(&mut self) -> Result<u64> {
        let store = self.store;
        store.refresh().await?;
        if store.0.lake.watermark(&store.0.tiers.view().1) >= self.sequences.0 {
            return Ok(0);
        }
        let (inner, segments) = (store.0.clone(), self.segments.clone());
        let salvaged = tokio::task::spawn_blocking(move || inner.salvage(segments)).await;
        let failed = |error| Error::caused(ErrorKind::Internal, "could not set damaged hot batches aside", error);
        let (segments, damaged) = salvaged.map_err(failed)??;
        self.segments = segments;
        Ok(damaged)
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
        let (first, through) = self.sequences;
        let (outcome, cold) = store.0.lake.commit(files, first, through, store.0.clock.now_us()).await?;
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

impl Store {
    /// Takes the oldest hot events of about `bytes_max` for a roll; `None` where nothing is hot. One roll runs at a
    /// time: others wait here.
    pub async fn begin_roll(&self, bytes_max: usize) -> Result<Option<RollRange<'_>>> {
        let turn = self.0.rolling.lock().await;
        failpoint::hit("roll.begin")?;
        let Some(segments) = self.0.tiers.begin_roll(bytes_max) else { return Ok(None) };
        let (Some(first), Some(last)) = (segments.first(), segments.last()) else { return Ok(None) };
        let sequences = (first.sequences().0, last.sequences().1);
        Ok(Some(RollRange { store: self, segments, sequences, keep_end: false, _turn: turn }))
    }
}

impl Inner {
    /// Sets the damaged batches of `segments` aside. Returns what is left, and how many they were.
    fn salvage(&self, segments: Vec<Arc<HotSegment>>) -> Result<(Vec<Arc<HotSegment>>, u64)> {
        let (mut left, mut damaged) = (Vec::with_capacity(segments.len()), 0);
        for segment in segments {
            let Some(salvaged) = quarantine::salvage(&self.db, &segment)? else {
                left.push(segment);
                continue;
            };
            self.tiers.replace(&segment, salvaged.rest.clone());
            self.quarantined.fetch_add(salvaged.damaged, Ordering::Relaxed);
            damaged += salvaged.damaged;
            left.extend(salvaged.rest);
        }
        Ok((left, damaged))
    }
}
