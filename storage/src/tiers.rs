//! The two tiers as one: hot segments above the watermark and the cold version below it, changed under one lock.
//!
//! That lock is why there is no seam: a roll's commit takes its events out of the hot list and brings the cold version
//! that holds them in one step, so every snapshot sees each event once.
//!
//! Small segments are joined as they pile up, eight of one size at a time, so that a query over a thousand one-event
//! requests reads a few batches. Joins never cross the end of a roll in progress: a roll covers whole segments.
//!
//! What was rolled stays in RocksDB until no snapshot reads it, every consumer of the feed has released it, and it is old
//! enough for clients of the live view to come back to; in memory it stays only as long as a snapshot holds it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::cold::catalog::ColdVersion;
use crate::error::Result;
use crate::hot::segment::HotSegment;
use crate::hot::stacks::StackTable;
use crate::settings::HotSettings;

/// How many segments of one size are joined.
const JOIN: usize = 8;
/// Joined segments grow to about this many rows.
const SEGMENT_ROWS_MAX: usize = 65_536;

/// What readers see, and what they may still be looking at.
pub(crate) struct Tiers {
    state: Mutex<State>,
    memory_bytes_max: usize,
    keep_rolled_us: i64,
    /// The last sequence number that readers see.
    published: watch::Sender<u64>,
}

struct State {
    segments: Vec<Arc<HotSegment>>,
    cold: Arc<ColdVersion>,
    stacks: Arc<StackTable>,
    /// The ends of rolls that are under way or of unknown outcome.
    roll_ends: Vec<u64>,
    /// Rolled batches that are still in RocksDB, oldest first.
    retired: VecDeque<Retired>,
    /// Batches up to this number are gone from RocksDB, or never were there.
    dropped: u64,
    /// Up to which number each consumer of the feed has released the batches.
    holds: BTreeMap<String, u64>,
}

/// Rolled batches with consecutive numbers.
struct Retired {
    run: Run,
    since_us: i64,
}

/// Batches with consecutive numbers as the feed reads them; held, they stay in RocksDB.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// `None` where the last process rolled them: they are read from RocksDB.
    pub(crate) segment: Option<Arc<HotSegment>>,
    pin: Arc<()>,
}

impl Run {
    fn of(segment: &Arc<HotSegment>) -> Self {
        let (first, last) = segment.sequences();
        Self { first, last, segment: Some(segment.clone()), pin: Arc::default() }
    }

    /// Whether nobody else holds it.
    fn is_free(&self) -> bool {
        Arc::strong_count(&self.pin) == 1 && self.segment.as_ref().is_none_or(|segment| Arc::strong_count(segment) == 1)
    }
}

impl Tiers {
    pub(crate) fn new(cold: Arc<ColdVersion>, settings: &HotSettings) -> Self {
        let state = State {
            segments: Vec::new(),
            cold,
            stacks: Arc::default(),
            roll_ends: Vec::new(),
            retired: VecDeque::new(),
            dropped: 0,
            holds: settings.consumers.iter().map(|name| (name.clone(), 0)).collect(),
        };
        Self {
            state: Mutex::new(state),
            memory_bytes_max: settings.memory_bytes_max,
            keep_rolled_us: i64::try_from(settings.keep_rolled_ms.saturating_mul(1000)).unwrap_or(i64::MAX),
            published: watch::Sender::new(0),
        }
    }

    /// Tells what recovery found: `stored` are the rolled batches that are still in RocksDB, `dropped` the last that is not,
    /// `last` the last number in use.
    pub(crate) fn recovered(&self, dropped: u64, stored: Option<(u64, u64)>, last: u64, now_us: i64) {
        let mut state = self.state.lock();
        state.dropped = dropped;
        let run = stored.map(|(first, last)| Run { first, last, segment: None, pin: Arc::default() });
        state.retired.extend(run.map(|run| Retired { run, since_us: now_us }));
        self.published.send_replace(last);
    }

    /// Tells the last sequence number that readers see whenever it moves.
    pub(crate) fn published(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    /// The batches behind number `after` that RocksDB has, in runs, until they hold `rows_max` rows; and the last number that
    /// is gone.
    pub(crate) fn runs_after(&self, after: u64, rows_max: usize) -> (u64, Vec<Run>) {
        let state = self.state.lock();
        let (mut rows, mut runs) = (0, Vec::new());
        let from = state.segments.partition_point(|segment| segment.sequences().1 <= after);
        let retired = state.retired.iter().map(|retired| &retired.run).filter(|run| run.last > after).cloned();
        for run in retired.chain(state.segments[from..].iter().map(Run::of)) {
            if rows >= rows_max {
                break;
            }
            rows += run.segment.as_ref().map_or(0, |segment| segment.rows());
            runs.push(run);
        }
        (state.dropped, runs)
    }

    /// Whether batch `number` and all behind it can be read.
    pub(crate) fn dropped(&self) -> u64 {
        self.state.lock().dropped
    }

    /// Enters a consumer, or what it has released; never less than before.
    pub(crate) fn release(&self, consumer: &str, through: u64) {
        let mut state = self.state.lock();
        let released = state.holds.entry(consumer.to_owned()).or_insert(through);
        *released = through.max(*released);
    }

    /// Forgets a consumer.
    pub(crate) fn forget(&self, consumer: &str) {
        self.state.lock().holds.remove(consumer);
    }

    /// Each consumer with what it has released, and the number of rolled runs that are kept.
    pub(crate) fn holds(&self) -> (BTreeMap<String, u64>, usize) {
        let state = self.state.lock();
        (state.holds.clone(), state.retired.len())
    }

    /// The table that new segments number their stacks in.
    pub(crate) fn stacks(&self) -> Arc<StackTable> {
        self.state.lock().stacks.clone()
    }

    /// Shows a durable batch to readers. Called by the appender only.
    pub(crate) fn publish(&self, segment: HotSegment) -> Result<()> {
        let last = segment.sequences().1;
        self.state.lock().segments.push(Arc::new(segment));
        self.published.send_replace(last);
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
    pub(crate) fn advance(&self, cold: Arc<ColdVersion>, watermark: u64, now_us: i64) {
        let mut state = self.state.lock();
        if cold.version < state.cold.version {
            return;
        }
        state.cold = cold;
        let covered = state.segments.partition_point(|segment| segment.sequences().1 <= watermark);
        let rolled: Vec<_> = state.segments.drain(..covered).collect();
        state.retired.extend(rolled.iter().map(|segment| Retired { run: Run::of(segment), since_us: now_us }));
        state.roll_ends.retain(|end| *end > watermark);
    }

    /// The end of the rolled batches that nobody needs any more; they are to be dropped from RocksDB.
    pub(crate) fn take_unpinned(&self, now_us: i64) -> Option<u64> {
        let mut state = self.state.lock();
        let released = state.holds.values().min().copied().unwrap_or(u64::MAX);
        let kept_since = now_us.saturating_sub(self.keep_rolled_us);
        let State { retired, dropped, .. } = &mut *state;
        let may_go = |retired: &&Retired| {
            retired.run.is_free() && retired.run.last <= released && retired.since_us <= kept_since
        };
        let free = retired.iter().take_while(may_go).count();
        let last = retired.drain(..free).next_back().map(|retired| retired.run.last);
        *dropped = last.unwrap_or(0).max(*dropped);
        // What only the feed may still want is read from RocksDB.
        let unread = retired.iter().filter(|retired| retired.run.is_free());
        unread.filter_map(|retired| retired.run.segment.as_ref()).for_each(|segment| segment.evict());
        last
    }
}
