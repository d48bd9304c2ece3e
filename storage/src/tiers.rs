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

    /// The last eight segments, where they are of about one size.
    fn joinable(&self) -> Option<Vec<Arc<HotSegment>>> {
        let state = self.state.lock();
        let run = state.segments.get(state.segments.len().checked_sub(JOIN)?..)?;
        let size = |segment: &Arc<HotSegment>| segment.rows().max(1).ilog(JOIN);
        let rows: usize = run.iter().map(|segment| segment.rows()).sum();
        let (first, last) = (run[0].sequences().0, run[JOIN - 1].sequences().1);
        let crossed = state.roll_ends.iter().any(|end| (first..last).contains(end));
        let (least, greatest) = (run.iter().map(size).min()?, run.iter().map(size).max()?);
        let alike = greatest - least <= 1 && run.iter().all(|segment| segment.is_resident());
        (alike && !crossed && rows <= SEGMENT_ROWS_MAX).then(|| run.to_vec())
    }

    /// Lets the oldest segments go from memory while there are too many: the texts of all first. Those that are being rolled
    /// are held by the roll whatever happens here, so room is made among the others.
    fn make_room(&self) {
        let state = self.state.lock();
        let rolled = state.roll_ends.iter().max().copied().unwrap_or(0);
        let (rolling, others) =
            state.segments.split_at(state.segments.partition_point(|segment| segment.sequences().1 <= rolled));
        let held = rolling.iter().map(|segment| segment.bytes()).sum::<usize>()
            + others.iter().map(|segment| segment.resident_bytes()).sum::<usize>();
        let mut excess = (held + state.stacks.bytes()).saturating_sub(self.memory_bytes_max);
        for evict in [HotSegment::evict_texts, HotSegment::evict] {
            for segment in others {
                if excess == 0 {
                    return;
                }
                let before = segment.resident_bytes();
                evict(segment);
                excess = excess.saturating_sub(before - segment.resident_bytes());
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
        // A table lives as long as its segments: one that every roll went on with would only ever grow.
        state.stacks = Arc::default();
        Some(taken)
    }

    /// Puts what is left of a segment in its place. Snapshots keep what they hold.
    pub(crate) fn replace(&self, segment: &Arc<HotSegment>, rest: Option<Arc<HotSegment>>) {
        let mut state = self.state.lock();
        if let Some(at) = state.segments.iter().position(|other| Arc::ptr_eq(other, segment)) {
            state.segments.splice(at..=at, rest);
        }
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
