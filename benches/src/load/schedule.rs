//! Which batch goes next and when, and what became of it.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Hands out the batches of a run, each once.
#[derive(Debug)]
pub(super) struct Schedule {
    events: Range<u64>,
    batch: u64,
    interval: Option<Duration>,
    next: AtomicU64,
    start: OnceLock<Instant>,
}

/// One batch.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// Its number, from 0.
    pub(super) batch: u64,
    /// Its events.
    pub(super) events: Range<u64>,
    /// When it may go out.
    pub(super) due: Instant,
    /// From when its latency counts; in a closed loop from when it was first sent.
    pub(super) intended: Option<Instant>,
    /// How often it was refused.
    pub(super) refused: u32,
}

impl Schedule {
    pub(super) fn new(events: Range<u64>, batch: u64, rate: Option<f64>) -> Self {
        let interval = rate.map(|rate| Duration::from_secs_f64(batch as f64 / rate.max(0.001)));
        Self { events, batch, interval, next: AtomicU64::new(0), start: OnceLock::new() }
    }

    /// When the first batch was taken.
    pub(super) fn start(&self) -> Instant {
        *self.start.get_or_init(Instant::now)
    }

    /// The next batch, due now or in the future.
    pub(super) fn take(&self) -> Option<Job> {
        let start = self.start();
        let batch = self.next.fetch_add(1, Ordering::Relaxed);
        let first = self.events.start + batch * self.batch;
        if first >= self.events.end {
            return None;
        }
        let intended = self.interval.map(|interval| start + interval.mul_f64(batch as f64));
        let events = first..(first + self.batch).min(self.events.end);
        Some(Job { batch, events, due: intended.unwrap_or(start), intended, refused: 0 })
    }
}

/// What became of the batches of one sender.
#[derive(Debug)]
pub(super) struct Recorder {
    /// From intended to answered, µs.
    pub(super) latency: Histogram<u64>,
    pub(super) accepted: u64,
    pub(super) duplicates: u64,
    pub(super) rejected: u64,
    /// Batches refused for now and sent again.
    pub(super) refusals: u64,
    /// Batches given up.
    pub(super) errors: u64,
    pub(super) first_error: Option<String>,
    pub(super) first_refusal: Option<String>,
    pub(super) wire_bytes: u64,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            latency: Histogram::new(3).expect("three digits are within the histogram's limits"),
            accepted: 0,
            duplicates: 0,
            rejected: 0,
            refusals: 0,
            errors: 0,
            first_error: None,
            first_refusal: None,
            wire_bytes: 0,
        }
    }
}

impl Recorder {
    pub(super) fn add(&mut self, other: Self) {
        // Both histograms grow by themselves, so adding cannot fail.
        let _ = self.latency.add(&other.latency);
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        self.rejected += other.rejected;
        self.refusals += other.refusals;
        self.errors += other.errors;
        self.wire_bytes += other.wire_bytes;
        self.first_error = self.first_error.take().or(other.first_error);
        self.first_refusal = self.first_refusal.take().or(other.first_refusal);
    }

    pub(super) fn stored(&mut self, intended: Instant, counts: Counts) {
        let us = u64::try_from(intended.elapsed().as_micros()).unwrap_or(u64::MAX);
        // Not `saturating_record`: that never grows, and cuts everything off at two microseconds.
        let _ = self.latency.record(us);
        self.accepted += counts.accepted;
        self.duplicates += counts.duplicates;
        self.rejected += counts.rejected;
    }

    pub(super) fn refused(&mut self, reason: String) {
        self.refusals += 1;
        self.first_refusal.get_or_insert(reason);
    }

    pub(super) fn failed(&mut self, reason: String) {
        self.errors += 1;
        self.first_error.get_or_insert(reason);
    }
}

/// What the server says of a batch's events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    pub(super) duplicates: u64,
    pub(super) rejected: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_handed_out_once() {
        let schedule = Schedule::new(5..27, 10, None);
        let ranges: Vec<_> = std::iter::from_fn(|| schedule.take()).map(|job| job.events).collect();
        assert_eq!(ranges, [5..15, 15..25, 25..27]);
    }

    #[test]
    fn latencies_of_any_length_are_kept() {
        let mut recorder = Recorder::default();
        recorder.stored(Instant::now() - Duration::from_millis(250), Counts::default());
        assert!((250_000..300_000_000).contains(&recorder.latency.max()), "{}", recorder.latency.max());
    }

    #[test]
    fn an_open_loop_spaces_batches_evenly() {
        let schedule = Schedule::new(0..100, 10, Some(1_000.0));
        let due: Vec<_> = std::iter::from_fn(|| schedule.take()).map(|job| job.due - schedule.start()).collect();
        assert_eq!(due[9], Duration::from_millis(90));
    }
}
