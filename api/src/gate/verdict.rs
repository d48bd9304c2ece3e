//! What the gate says: which events may not come in, why, whose limit it is and when it is over.

use std::time::Duration;

use tephra_ingest::sentry::Category;

use super::quota::Counts;
use crate::answer::{Answer, Kind};

/// Nobody is told to stay away for longer, so that a limit that was lifted is noticed.
const AFTER_MAX: Duration = Duration::from_secs(300);

/// Why events may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// They come faster than their key may bring them.
    KeyRate,
    /// They come faster than their project takes them.
    ProjectRate,
    /// There are far more of them than usual.
    Spike,
    /// The day's quota is used up.
    DailyQuota,
    /// The month's quota is used up.
    MonthlyQuota,
}

impl Reason {
    /// The word in the ledger, in metrics and in headers.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::KeyRate => "key_rate",
            Self::ProjectRate => "project_rate",
            Self::Spike => "spike",
            Self::DailyQuota => "daily_quota",
            Self::MonthlyQuota => "monthly_quota",
        }
    }

    /// Whose limit it is, in Sentry's words.
    pub(crate) fn scope(self) -> &'static str {
        if self == Self::KeyRate { "key" } else { "project" }
    }

    /// Whether it is over in a moment, so that sending again soon helps.
    pub(super) fn passes(self) -> bool {
        matches!(self, Self::KeyRate | Self::ProjectRate | Self::Spike)
    }

    /// What a person is told.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::KeyRate => "events come faster than the rate limit of their key allows",
            Self::ProjectRate => "events come faster than the rate limit of their project allows",
            Self::Spike => "far more events come than is usual in the project, which is protected from spikes",
            Self::DailyQuota => "the project has used up its quota of the day",
            Self::MonthlyQuota => "the project has used up its quota of the month",
        }
    }
}

/// A limit that is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) reason: Reason,
    /// What it holds for.
    pub(crate) categories: Vec<Category>,
    /// When to come back.
    pub(crate) after: Duration,
}

impl Limit {
    pub(super) fn new(reason: Reason, categories: Vec<Category>, after_us: i64) -> Self {
        let after = Duration::from_micros(after_us.max(0).unsigned_abs()).min(AFTER_MAX);
        Self { reason, categories, after }
    }

    /// Whole seconds, at least one.
    pub(crate) fn seconds(&self) -> u64 {
        self.after.as_millis().div_ceil(1000).max(1) as u64
    }
}

/// The limits that a request met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits(pub(crate) Vec<Limit>);

/// The answer to those who met limits: with all of them, and the longest time.
pub(crate) fn answer(limits: Vec<Limit>) -> Answer {
    let longest = limits.iter().max_by_key(|limit| limit.after);
    let (sentence, after) = longest.map_or(("", Duration::ZERO), |limit| (limit.reason.sentence(), limit.after));
    let mut answer = Answer::new(Kind::RateLimited, sentence).after(after);
    answer.limits = Some(Box::new(Limits(limits)));
    answer
}

/// What the gate said of a batch of events.
#[derive(Debug, Default)]
#[must_use = "what is not stored is to be given back"]
pub(crate) struct Verdict {
    /// Places of events that may not come in, ascending, and why.
    pub(crate) refused: Vec<(usize, Reason)>,
    /// The limits that they met.
    pub(crate) limits: Vec<Limit>,
    /// What was counted to the quotas, and on which day.
    pub(super) counted: Counts,
    pub(super) day: i64,
}
