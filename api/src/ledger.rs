//! Counts what became of every event, in memory, and writes it to the ledger every second.
//!
//! The door counts what a request brought before anybody decides about it; what became of it is counted where the answer is
//! known, even where its client has gone by then. So the two sides of the ledger are counted apart, and must agree.
//!
//! A crash loses what the last second counted, on both sides alike. A write whose outcome the database did not tell is tried
//! again, and may then count twice.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tephra_storage::ProjectId;
use tephra_storage::meta::Meta;
use tephra_storage::meta::ledger::{self, LedgerRow, Outcome};
use tokio_util::sync::CancellationToken;

use crate::accept::Accepted;
use crate::answer::{Answer, Kind};

/// How often what was counted is written.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// What is older is forgotten, and how often that is looked for.
const KEPT_US: i64 = 90 * 24 * 3_600_000_000;
const PRUNE_EVERY: u32 = 3600;
const MINUTE_US: i64 = 60_000_000;

type Key = (ProjectId, i64, Outcome, Cow<'static, str>);

/// What was counted and is not written yet.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<HashMap<Key, u64>>);

/// Events that came in, until it is known what became of them.
#[derive(Clone, Copy, Debug)]
#[must_use = "what became of the events is to be counted"]
pub(crate) struct Entry {
    project: ProjectId,
    minute_us: i64,
    events: u64,
}

impl Ledger {
    /// Counts events at the door.
    pub(crate) fn enter(&self, project: ProjectId, events: usize, now_us: i64) -> Entry {
        let minute_us = now_us - now_us.rem_euclid(MINUTE_US);
        let entry = Entry { project, minute_us, events: events as u64 };
        self.add(&entry, Outcome::Received, "", entry.events);
        entry
    }

    /// Counts what became of them: the answer, or why none was taken.
    pub(crate) fn settle(&self, entry: Entry, answer: &Result<Accepted, Answer>) {
        match answer {
            Ok(Accepted { accepted, duplicates, rejected }) => {
                self.add(&entry, Outcome::Stored, "", u64::from(*accepted));
                self.add(&entry, Outcome::Duplicate, "", duplicates.len() as u64);
                self.add(&entry, Outcome::Rejected, Kind::Invalid.word(), rejected.len() as u64);
            }
            Err(answer) => self.add(&entry, Outcome::Rejected, answer.kind.word(), entry.events),
        }
    }

    /// Counts a request that could not be read, as one event.
    pub(crate) fn refused(&self, project: ProjectId, answer: &Answer, now_us: i64) {
        let entry = self.enter(project, 1, now_us);
        self.add(&entry, Outcome::Rejected, answer.kind.word(), 1);
    }

    /// Counts events that came and met `outcome`, or (with [`Outcome::ClientDropped`]) never came.
    /// Reasons are of fixed words, never a client's own.
    pub(crate) fn note(
        &self,
        project: ProjectId,
        outcome: Outcome,
        reason: impl Into<Cow<'static, str>>,
        events: usize,
        now_us: i64,
    ) {
        let arrived = if outcome == Outcome::ClientDropped { 0 } else { events };
        let entry = self.enter(project, arrived, now_us);
        self.add(&entry, outcome, reason, events as u64);
    }

    fn add(&self, entry: &Entry, outcome: Outcome, reason: impl Into<Cow<'static, str>>, events: u64) {
        if events > 0 {
            *self.0.lock().entry((entry.project, entry.minute_us, outcome, reason.into())).or_default() += events;
        }
    }

    /// Writes every second until `shutdown`, and then what is left.
    pub(crate) async fn keep(&self, meta: &Meta, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(WRITE_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut number = 0u32;
        let mut failing = false;
        loop {
            let last = tokio::select! {
                _ = ticks.tick() => false,
                () = shutdown.cancelled() => true,
            };
            let written = self.write(meta).await;
            if let Err(error) = &written
                && (!failing || last)
            {
                tracing::warn!(%error, "could not write the ledger: what it counts is kept in memory until then");
            }
            failing = written.is_err();
            if last {
                return;
            }
            if number.is_multiple_of(PRUNE_EVERY)
                && let Err(error) = prune(meta).await
            {
                tracing::warn!(%error, "could not prune the ledger");
            }
            number = number.wrapping_add(1);
        }
    }

    async fn write(&self, meta: &Meta) -> tephra_storage::Result<()> {
        let counted = std::mem::take(&mut *self.0.lock());
        if counted.is_empty() {
            return Ok(());
        }
        let row = |(key, events): (&Key, &u64)| LedgerRow {
            project: key.0,
            minute_us: key.1,
            outcome: key.2,
            reason: key.3.clone().into_owned(),
            events: i64::try_from(*events).unwrap_or(i64::MAX),
        };
        let mut rows: Vec<LedgerRow> = counted.iter().map(row).collect();
        // In one order, so that two servers do not wait for each other.
        rows.sort_unstable_by(|a, b| {
            (a.project, a.minute_us, a.outcome, &a.reason).cmp(&(b.project, b.minute_us, b.outcome, &b.reason))
        });
        let written = write(meta, &rows).await;
        if written.is_err() {
            let mut waiting = self.0.lock();
            counted.into_iter().for_each(|(key, events)| *waiting.entry(key).or_default() += events);
        }
        written
    }
}

async fn write(meta: &Meta, rows: &[LedgerRow]) -> tephra_storage::Result<()> {
    let mut tx = meta.begin().await?;
    ledger::add(&mut tx, rows).await?;
    tx.commit().await
}

async fn prune(meta: &Meta) -> tephra_storage::Result<()> {
    let mut tx = meta.begin().await?;
    let before_us = tx.now_us() - KEPT_US;
    ledger::prune(&mut tx, before_us).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use tephra_ingest::Rejected;

    use super::*;

    #[test]
    fn both_sides_agree_whatever_the_answer() {
        let ledger = Ledger::default();
        let accepted = Accepted {
            accepted: 3,
            duplicates: vec![1],
            rejected: vec![Rejected { index: 0, reason: "no".to_owned() }],
        };
        ledger.settle(ledger.enter(ProjectId(1), 5, 90_000_000), &Ok(accepted));
        ledger.settle(ledger.enter(ProjectId(1), 7, 90_000_000), &Err(Answer::new(Kind::Busy, "full")));
        ledger.refused(ProjectId(1), &Answer::new(Kind::TooLarge, "large"), 90_000_000);
        ledger.note(ProjectId(1), Outcome::Filtered, "browser", 2, 90_000_000);
        ledger.note(ProjectId(1), Outcome::ClientDropped, "queue", 9, 90_000_000);
        let counted = ledger.0.lock();
        let sum = |wanted: &dyn Fn(Outcome) -> bool| -> u64 {
            counted.iter().filter(|(key, _)| wanted(key.2)).map(|(_, events)| events).sum()
        };
        assert_eq!(sum(&|outcome| outcome == Outcome::Received), 15);
        assert_eq!(sum(&|outcome| !matches!(outcome, Outcome::Received | Outcome::ClientDropped)), 15);
        assert_eq!(counted[&(ProjectId(1), 60_000_000, Outcome::Rejected, "busy".into())], 7);
    }
}
