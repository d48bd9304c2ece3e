//! The two tiers as one: hot segments above the watermark and the cold version below it, changed under one lock.
//!
//! That lock is why there is no seam: a roll's commit takes its events out of the hot list and brings the cold version
//! that holds them in one step, so every snapshot sees each event once.
//!
//! Small segments are joined as they pile up, eight of one size at a time, so that a query over a thousand one-event
//! requests reads a few batches. Joins never cross the end of a roll in progress: a roll covers whole segments.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::cold::catalog::ColdVersion;
use crate::error::Result;
use crate::hot::segment::HotSegment;
use crate::hot::stacks::StackTable;

/// How many segments of one size are joined.
const JOIN: usize = 8;
/// Joined segments grow to about this many rows.
const SEGMENT_ROWS_MAX: usize = 65_536;

/// What readers see, and what they may still be looking at.
pub(crate) struct Tiers {
    state: Mutex<State>,
    memory_bytes_max: usize,
}

struct State {
    segments: Vec<Arc<HotSegment>>,
    cold: Arc<ColdVersion>,
    stacks: Arc<StackTable>,
    /// The ends of rolls that are under way or of unknown outcome.
    roll_ends: Vec<u64>,
    /// Rolled segments that a snapshot may still read from RocksDB.
    retired: Vec<Arc<HotSegment>>,
}

impl Tiers {
    pub(crate) fn new(cold: Arc<ColdVersion>, memory_bytes_max: usize) -> Self {
        let state =
            State { segments: Vec::new(), cold, stacks: Arc::default(), roll_ends: Vec::new(), retired: Vec::new() };
        Self { state: Mutex::new(state), memory_bytes_max }
    }

    /// The table that new segments number their stacks in.
    pub(crate) fn stacks(&self) -> Arc<StackTable> {
        self.state.lock().stacks.clone()
    }

    /// Shows a durable batch to readers. Called by the appender only.
    pub(crate) fn publish(&self, segment: HotSegment) -> Result<()> {
        self.state.lock().segments.push(Arc::new(segment));
        while let Some(run) = self.joinable() {
            let Some(joined) = HotSegment::join(&run)? else { break };
            let mut state = self.state.lock();
            let (first, last) = joined.sequences();
            let crossed = state.roll_ends.iter().any(|end| (first..last).contains(end));
            let at = state.segments.iter().position(|segment| Arc::ptr_eq(segment, &run[0]));
            let (false, Some(at)) = (crossed, at) else { break };
            state.segments.splice(at..at + run.len(), [Arc::new(joined)]);
        }
        self.make_room();
        Ok(())
    }

    /// The last eight segments, where they are of one size.
    fn joinable(&self) -> Option<Vec<Arc<HotSegment>>> {
        let state = self.state.lock();
        let run = state.segments.get(state.segments.len().checked_sub(JOIN)?..)?;
        let size = |segment: &Arc<HotSegment>| segment.rows().max(1).ilog(JOIN);
        let rows: usize = run.iter().map(|segment| segment.rows()).sum();
        let (first, last) = (run[0].sequences().0, run[JOIN - 1].sequences().1);
        let crossed = state.roll_ends.iter().any(|end| (first..last).contains(end));
        let alike = run.iter().all(|segment| size(segment) == size(&run[0]) && segment.is_resident());
        (alike && !crossed && rows <= SEGMENT_ROWS_MAX).then(|| run.to_vec())
    }

    /// Lets the oldest segments go from memory while there are too many.
    fn make_room(&self) {
        let state = self.state.lock();
        let mut bytes: usize = state.segments.iter().filter(|s| s.is_resident()).map(|s| s.bytes()).sum();
        bytes += state.stacks.bytes();
        for segment in &state.segments {
            if bytes <= self.memory_bytes_max {
                break;
            }
            if segment.is_resident() {
                segment.evict();
                bytes -= segment.bytes();
            }
        }
    }

    /// Both tiers at one moment.
    pub(crate) fn view(&self) -> (Vec<Arc<HotSegment>>, Arc<ColdVersion>) {
        let state = self.state.lock();
        (state.segments.clone(), state.cold.clone())
    }

    /// The oldest segments of about `bytes_max` together, at least one; `None` where nothing is hot.
    pub(crate) fn begin_roll(&self, bytes_max: usize) -> Option<Vec<Arc<HotSegment>>> {
        let mut state = self.state.lock();
        let mut bytes = 0;
        let taken = state.segments.iter().take_while(|segment| {
            let fits = bytes == 0 || bytes + segment.bytes() <= bytes_max;
            bytes += segment.bytes();
            fits
        });
        let taken: Vec<_> = taken.cloned().collect();
        let end = taken.last()?.sequences().1;
        state.roll_ends.push(end);
        if taken.len() == state.segments.len() {
            state.stacks = Arc::default();
        }
        Some(taken)
    }

    /// A roll ended for certain, for better or worse.
    pub(crate) fn end_roll(&self, end: u64) {
        self.state.lock().roll_ends.retain(|other| *other != end);
    }

    /// Brings a newer cold version and takes what it covers out of the hot list.
    pub(crate) fn advance(&self, cold: Arc<ColdVersion>, watermark: u64) {
        let mut state = self.state.lock();
        if cold.version < state.cold.version {
            return;
        }
        state.cold = cold;
        let covered = state.segments.partition_point(|segment| segment.sequences().1 <= watermark);
        let rolled: Vec<_> = state.segments.drain(..covered).collect();
        state.retired.extend(rolled);
        state.roll_ends.retain(|end| *end > watermark);
    }

    /// The end of the retired segments that no snapshot holds any more; they may be dropped from RocksDB.
    pub(crate) fn take_unpinned(&self) -> Option<u64> {
        let mut state = self.state.lock();
        let free = state.retired.iter().take_while(|segment| Arc::strong_count(segment) == 1).count();
        state.retired.drain(..free).next_back().map(|segment| segment.sequences().1)
    }
}
