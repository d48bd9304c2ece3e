//! Counts what became of every event, in memory, and writes it to the ledger every second.
//!
//! The door counts what a request brought before anybody decides about it; what became of it is counted where the answer is
//! known, even where its client has gone by then. So the two sides of the ledger are counted apart, and must agree. What was
//! stored is also counted by category and day, for quotas, and by hour, for what is usual: in the same transaction.
//!
//! A crash loses what the last second counted, on both sides alike. A write whose outcome the database did not tell is tried
//! again, and may then count twice.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tephra_storage::ProjectId;
use tephra_storage::meta::Meta;
use tephra_storage::meta::intake::{self, ProjectHour};
use tephra_storage::meta::ledger::{self, LedgerRow, Outcome};
use tokio_util::sync::CancellationToken;

use crate::accept::Accepted;
use crate::answer::{Answer, Kind};
use crate::gate::{self, COUNTED, Counts};

/// How often what was counted is written.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// What is older is forgotten, and how often that is looked for.
const KEPT_US: i64 = 90 * 24 * 3_600_000_000;
const PRUNE_EVERY: u32 = 3600;
const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;

type Key = (ProjectId, i64, Outcome, Cow<'static, str>);

/// What was counted and is not written yet.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    rows: HashMap<Key, u64>,
    /// By project and day since 1970.
    days: HashMap<(ProjectId, i64), Counts>,
    /// By project and hour since 1970.
    hours: HashMap<(ProjectId, i64), u64>,
}

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
            Ok(Accepted { accepted, duplicates, rejected, filtered, limited, stored, .. }) => {
                self.add(&entry, Outcome::Stored, "", u64::from(*accepted));
                self.add(&entry, Outcome::Duplicate, "", duplicates.len() as u64);
                self.add(&entry, Outcome::Rejected, Kind::Invalid.word(), rejected.len() as u64);
                filtered.iter().for_each(|(_, reason)| self.add(&entry, Outcome::Filtered, reason.as_str(), 1));
                limited.iter().for_each(|(_, reason)| self.add(&entry, Outcome::RateLimited, reason.as_str(), 1));
                self.stored(entry.project, stored, entry.minute_us);
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

    /// Counts what was stored to the quotas of its day, and events to what is usual in its hour.
    pub(crate) fn stored(&self, project: ProjectId, counts: &Counts, now_us: i64) {
        if *counts == Counts::default() {
            return;
        }
        let mut counted = self.0.lock();
        let day = counted.days.entry((project, now_us.div_euclid(DAY_US))).or_default();
        day.iter_mut().zip(counts).for_each(|(day, count)| *day += count);
        *counted.hours.entry((project, now_us.div_euclid(HOUR_US))).or_default() += gate::events(counts);
    }

    fn add(&self, entry: &Entry, outcome: Outcome, reason: impl Into<Cow<'static, str>>, events: u64) {
        if events > 0 {
            let key = (entry.project, entry.minute_us, outcome, reason.into());
            *self.0.lock().rows.entry(key).or_default() += events;
        }
    }

    /// Writes every second until `shutdown`, and then what is left.
    pub(crate) async fn keep(&self, meta: &Meta, node_id: &str, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(WRITE_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut number = 0u32;
        let mut failing = false;
        loop {
            let last = tokio::select! {
                _ = ticks.tick() => false,
                () = shutdown.cancelled() => true,
            };
            let written = self.write(meta, node_id).await;
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

    async fn write(&self, meta: &Meta, node_id: &str) -> tephra_storage::Result<()> {
        let counted = std::mem::take(&mut *self.0.lock());
        if counted.rows.is_empty() && counted.days.is_empty() {
            return Ok(());
        }
        let row = |(key, events): (&Key, &u64)| LedgerRow {
            project: key.0,
            minute_us: key.1,
            outcome: key.2,
            reason: key.3.clone().into_owned(),
            events: i64::try_from(*events).unwrap_or(i64::MAX),
        };
        let mut rows: Vec<LedgerRow> = counted.rows.iter().map(row).collect();
        // In one order, so that two servers do not wait for each other.
        rows.sort_unstable_by(|a, b| {
            (a.project, a.minute_us, a.outcome, &a.reason).cmp(&(b.project, b.minute_us, b.outcome, &b.reason))
        });
        let written = write(meta, node_id, &rows, &counted).await;
        if written.is_err() {
            self.0.lock().put_back(counted);
        }
        written
    }
}

impl Counted {
    fn put_back(&mut self, counted: Self) {
        counted.rows.into_iter().for_each(|(key, events)| *self.rows.entry(key).or_default() += events);
        counted.hours.into_iter().for_each(|(key, events)| *self.hours.entry(key).or_default() += events);
        for (key, counts) in counted.days {
            self.days.entry(key).or_default().iter_mut().zip(counts).for_each(|(day, count)| *day += count);
        }
    }
}

async fn write(meta: &Meta, node_id: &str, rows: &[LedgerRow], counted: &Counted) -> tephra_storage::Result<()> {
    let number = |events: u64| i64::try_from(events).unwrap_or(i64::MAX);
    let by_category = |((project, day), counts): (&(ProjectId, i64), &Counts)| {
        let each = COUNTED.iter().zip(*counts).filter(|(_, count)| *count > 0);
        each.map(|(category, count)| (*project, *day, category.as_str(), number(count))).collect::<Vec<_>>()
    };
    let mut days: Vec<_> = counted.days.iter().flat_map(by_category).collect();
    days.sort_unstable();
    let hour = |((project, hour), events): (&(ProjectId, i64), &u64)| ProjectHour {
        project: *project,
        hour: *hour,
        events: number(*events),
    };
    let mut hours: Vec<_> = counted.hours.iter().filter(|(_, events)| **events > 0).map(hour).collect();
    hours.sort_unstable_by_key(|row| (row.project, row.hour));
    let mut tx = meta.begin().await?;
    ledger::add(&mut tx, rows).await?;
    intake::count_days(&mut tx, node_id, &days).await?;
    intake::count_hours(&mut tx, &hours).await?;
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
    use tephra_ingest::{FilterReason, Rejected};

    use super::*;
    use crate::gate::Reason;

    #[test]
    fn both_sides_agree_whatever_the_answer() {
        let ledger = Ledger::default();
        let accepted = Accepted {
            accepted: 3,
            duplicates: vec![1],
            rejected: vec![Rejected { index: 0, reason: "no".to_owned() }],
            filtered: vec![(5, FilterReason::Localhost)],
            limited: vec![(6, Reason::Spike), (7, Reason::Spike)],
            stored: [2, 1, 0, 0, 0, 4],
            ..Accepted::default()
        };
        ledger.settle(ledger.enter(ProjectId(1), 8, 90_000_000), &Ok(accepted));
        ledger.settle(ledger.enter(ProjectId(1), 7, 90_000_000), &Err(Answer::new(Kind::Busy, "full")));
        ledger.refused(ProjectId(1), &Answer::new(Kind::TooLarge, "large"), 90_000_000);
        ledger.note(ProjectId(1), Outcome::Filtered, "browser", 2, 90_000_000);
        ledger.note(ProjectId(1), Outcome::ClientDropped, "queue", 9, 90_000_000);
        let counted = ledger.0.lock();
        let sum = |wanted: &dyn Fn(Outcome) -> bool| -> u64 {
            counted.rows.iter().filter(|(key, _)| wanted(key.2)).map(|(_, events)| events).sum()
        };
        assert_eq!(sum(&|outcome| outcome == Outcome::Received), 18);
        assert_eq!(sum(&|outcome| !matches!(outcome, Outcome::Received | Outcome::ClientDropped)), 18);
        assert_eq!(counted.rows[&(ProjectId(1), 60_000_000, Outcome::Rejected, "busy".into())], 7);
        assert_eq!(counted.rows[&(ProjectId(1), 60_000_000, Outcome::RateLimited, "spike".into())], 2);
        assert_eq!(counted.days, HashMap::from([((ProjectId(1), 0), [2, 1, 0, 0, 0, 4])]));
        assert_eq!(counted.hours, HashMap::from([((ProjectId(1), 0), 3)]));
    }
}
