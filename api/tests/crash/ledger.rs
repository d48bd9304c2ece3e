//! The oracle: what was sent, and how each batch was answered.
//!
//! It lives in memory and, line by line, in a file outside the file system under test. After every crash it is held
//! against what the server says is stored: acknowledged ⊆ stored ⊆ sent, nothing refused is stored, each event once,
//! each batch whole or not at all, every content as it was sent.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

use crate::events::{Content, Events};

const SHOWN_MAX: usize = 12;

/// How a batch was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not yet, or the answer was lost: stored or not, nobody knows.
    Unknown,
    /// It is durable.
    Acked,
    /// Nothing of it was stored.
    Refused,
}

/// The events `first..first + count`, sent in one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    pub(crate) first: u64,
    pub(crate) count: u64,
    pub(crate) state: State,
}

impl Batch {
    pub(crate) fn numbers(&self) -> std::ops::Range<u64> {
        self.first..self.first + self.count
    }
}

/// Sums over all rounds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) acked: u64,
    pub(crate) refused: u64,
    pub(crate) unknown_stored: u64,
    pub(crate) unknown_absent: u64,
    pub(crate) duplicates_dropped: u64,
    pub(crate) rows_compared: u64,
    pub(crate) checks: u64,
    pub(crate) audits: u64,
}

/// All batches sent to one data directory.
pub(crate) struct Ledger {
    pub(crate) events: Events,
    batches: BTreeMap<u64, Batch>,
    next: u64,
    acked: u64,
    file: File,
    violations: Vec<String>,
    pub(crate) totals: Totals,
}

impl Ledger {
    pub(crate) fn new(events: Events, path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("could not create the ledger {}", path.display()))?;
        let totals = Totals::default();
        Ok(Self { events, batches: BTreeMap::new(), next: 0, acked: 0, file, violations: Vec::new(), totals })
    }

    /// Writes down a batch of `count` new events before it is sent.
    pub(crate) fn begin(&mut self, count: u64) -> Batch {
        let batch = Batch { first: self.next, count, state: State::Unknown };
        self.next += count;
        self.batches.insert(batch.first, batch);
        self.note(&batch);
        batch
    }

    /// Writes down the answer to a batch.
    pub(crate) fn answered(&mut self, first: u64, state: State) {
        let Some(batch) = self.batches.get_mut(&first) else { return };
        match (batch.state, state) {
            (State::Acked, _) => return,
            (_, State::Acked) => {
                self.acked += batch.count;
                self.totals.acked += batch.count;
            }
            (_, State::Refused) => self.totals.refused += batch.count,
            (_, State::Unknown) => {}
        }
        batch.state = state;
        let batch = *batch;
        self.note(&batch);
    }

    fn note(&mut self, batch: &Batch) {
        // A ledger that cannot be written is no oracle.
        writeln!(self.file, "{} {} {:?}", batch.first, batch.count, batch.state).expect("the ledger can be written");
    }

    /// Events acknowledged so far.
    pub(crate) fn acked(&self) -> u64 {
        self.acked
    }

    /// Events sent so far, whatever became of them.
    pub(crate) fn sent(&self) -> u64 {
        self.next
    }

    pub(crate) fn batches(&self, state: State) -> Vec<Batch> {
        self.batches.values().filter(|batch| batch.state == state).copied().collect()
    }

    /// An acknowledged batch, for a client that repeats itself.
    pub(crate) fn an_acked_batch(&self, around: u64) -> Option<Batch> {
        let from = around % self.next.max(1);
        self.batches.range(from..).map(|(_, batch)| *batch).find(|batch| batch.state == State::Acked)
    }

    /// Writes down a broken promise.
    pub(crate) fn violation(&mut self, what: impl Into<String>) {
        let what = what.into();
        let _ = writeln!(self.file, "violation: {what}");
        self.violations.push(what);
    }

    pub(crate) fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Holds the rows that were read against the ledger and returns the batches whose answer was lost.
    pub(crate) fn settle(&mut self, stored: &Stored) -> Vec<Batch> {
        self.totals.checks += 1;
        self.totals.rows_compared += stored.rows;
        let mut found = stored.wrong.clone();
        let mut counts: HashMap<u64, u64> = HashMap::new();
        for (number, times) in &stored.times {
            if *times != 1 {
                found.push(format!("event {number} is stored {times} times"));
            }
            match self.batches.range(..=*number).next_back() {
                Some((first, batch)) if batch.numbers().contains(number) => *counts.entry(*first).or_default() += 1,
                _ => found.push(format!("event {number} is stored and was never sent")),
            }
        }
        for (first, batch) in &self.batches {
            let count = counts.get(first).copied().unwrap_or(0);
            let name = format!("batch {first} of {} events", batch.count);
            match batch.state {
                State::Acked if count < batch.count => {
                    found.push(format!("{name} was acknowledged and {} of them are lost", batch.count - count));
                }
                State::Refused if count > 0 => found.push(format!("{name} was refused and {count} of them are stored")),
                State::Unknown if count != 0 && count != batch.count => {
                    found.push(format!("{name} is torn: {count} of them are stored"));
                }
                State::Unknown if count == 0 => self.totals.unknown_absent += batch.count,
                State::Unknown => self.totals.unknown_stored += batch.count,
                _ => {}
            }
        }
        let more = found.len().saturating_sub(SHOWN_MAX);
        found.truncate(SHOWN_MAX);
        if more > 0 {
            found.push(format!("… and {more} more"));
        }
        for what in found {
            self.violation(format!("{}: {what}", stored.source));
        }
        self.batches(State::Unknown)
    }
}

/// What one reading of the store found.
pub(crate) struct Stored {
    events: Events,
    source: &'static str,
    times: BTreeMap<u64, u32>,
    wrong: Vec<String>,
    rows: u64,
}

impl Stored {
    /// Nothing yet, to be read through `source`.
    pub(crate) fn new(events: &Events, source: &'static str) -> Self {
        Self { events: events.clone(), source, times: BTreeMap::new(), wrong: Vec::new(), rows: 0 }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn holds(&self, number: u64) -> bool {
        self.times.contains_key(&number)
    }

    /// How many events of the batch were read.
    pub(crate) fn count_of(&self, batch: &Batch) -> u64 {
        batch.numbers().filter(|number| self.holds(*number)).count() as u64
    }

    /// What was wrong with single rows.
    pub(crate) fn wrong(&self) -> &[String] {
        &self.wrong
    }

    pub(crate) fn row(&mut self, id: &[u8; 16], content: &Content) {
        self.rows += 1;
        let Some(number) = self.events.number(id) else {
            self.wrong.push(format!("event {} is stored and is not of this run", hex::encode(id)));
            return;
        };
        *self.times.entry(number).or_default() += 1;
        let expected = self.events.content(number);
        if *content != expected {
            self.wrong.push(format!("event {number} is not what was sent: {content:?}, expected {expected:?}"));
        }
    }
}
