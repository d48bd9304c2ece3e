//! How many events a project may store in a day and in a month (UTC), together and of each category.
//!
//! Counts are of what was stored. They are kept in memory, where they are exact for this server, and written with the ledger
//! once a second; other servers' counts are read every few seconds. A crash forgets what was counted in its last second.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Months, NaiveDate};
use serde::{Deserialize, Serialize};
use tephra_ingest::sentry::Category;
use tephra_storage::Kind as EventKind;

use crate::answer::{Answer, Kind, Result};

pub(super) const DAY_US: i64 = 24 * 3_600_000_000;

/// What is counted apart. Attachments are files and no events: they count for themselves alone.
pub(crate) const COUNTED: [Category; 6] = [
    Category::Error,
    Category::Default,
    Category::LogItem,
    Category::Feedback,
    Category::Security,
    Category::Attachment,
];
/// Those of them that are events, which come first.
pub(super) const EVENTS: usize = 5;
/// The name of all events together.
pub(crate) const TOTAL: &str = "total";

/// So many of each category of [`COUNTED`].
pub(crate) type Counts = [u64; COUNTED.len()];

/// The place of a category in [`Counts`]; what is never stored has none.
pub(crate) fn place(category: Category) -> Option<usize> {
    COUNTED.iter().position(|counted| *counted == category)
}

/// The category of an event that came by a protocol that knows none.
pub(crate) fn category(kind: EventKind) -> Category {
    match kind {
        EventKind::Error => Category::Error,
        EventKind::Log => Category::LogItem,
        EventKind::Message => Category::Default,
        EventKind::Feedback => Category::Feedback,
    }
}

/// Quotas of a project as they are written: by `total` and by category, and 0 lets none in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct QuotaRules {
    /// Of a day, by `total`, `error`, `default` (messages), `log_item`, `feedback`, `security` and `attachment`; the server's
    /// default where it is null, none where it is empty.
    pub(crate) day: Option<BTreeMap<String, u64>>,
    /// The same of a month.
    pub(crate) month: Option<BTreeMap<String, u64>>,
}

impl QuotaRules {
    /// Refuses names that are none.
    pub(crate) fn check(&self) -> Result<()> {
        for (period, quotas) in [("day", &self.day), ("month", &self.month)] {
            for (name, events) in quotas.iter().flatten() {
                let fault = |message: String| Answer::new(Kind::Invalid, message).field(format!("{period}.{name}"));
                if name != TOTAL && COUNTED.iter().all(|category| category.as_str() != name) {
                    let known: Vec<_> = COUNTED.iter().map(|category| category.as_str()).collect();
                    let hint = format!("`{TOTAL}`, `{}`", known.join("`, `"));
                    return Err(fault(format!("`{name}` is no category with a quota")).hint(hint));
                }
                if i64::try_from(*events).is_err() {
                    return Err(fault(format!("`{period}.{name}` is too large")));
                }
            }
        }
        Ok(())
    }
}

/// The quotas of a period, ready to be held against counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(super) total: Option<u64>,
    pub(super) each: [Option<u64>; COUNTED.len()],
}

impl Quota {
    pub(super) fn new(rules: Option<&BTreeMap<String, u64>>, total_by_default: u64) -> Self {
        let Some(rules) = rules else {
            return Self { total: Some(total_by_default).filter(|total| *total > 0), ..Self::default() };
        };
        let each = COUNTED.map(|category| rules.get(category.as_str()).copied());
        Self { total: rules.get(TOTAL).copied(), each }
    }

    /// What is left for all events, and what is left for one category, where there is a limit.
    pub(super) fn left(&self, used: &Counts) -> (Option<u64>, [Option<u64>; COUNTED.len()]) {
        let total = self.total.map(|total| total.saturating_sub(events(used)));
        let mut each = self.each;
        each.iter_mut().zip(used).for_each(|(left, used)| *left = left.map(|left| left.saturating_sub(*used)));
        (total, each)
    }

    /// By name, as they are written.
    pub(crate) fn shown(&self) -> BTreeMap<&'static str, u64> {
        let each = COUNTED.iter().zip(self.each).filter_map(|(category, quota)| Some((category.as_str(), quota?)));
        each.chain(self.total.map(|total| (TOTAL, total))).collect()
    }
}

/// All events of counts.
pub(crate) fn events(counts: &Counts) -> u64 {
    counts[..EVENTS].iter().sum()
}

/// What a project used of its quotas.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    /// Days since 1970.
    day: i64,
    month_begins: i64,
    month_ends: i64,
    /// Of this server, in this day and in this month.
    own: [Counts; 2],
    /// Of others.
    others: [Counts; 2],
}

impl Usage {
    /// Comes to the day of a time: what belongs to a period that is over is forgotten. A clock that was set back by less than a
    /// day changes nothing.
    pub(super) fn come_to(&mut self, now_us: i64) {
        let day = now_us.div_euclid(DAY_US);
        if day == self.day || day == self.day - 1 {
            return;
        }
        self.day = day;
        (self.own[0], self.others[0]) = Default::default();
        if !(self.month_begins..self.month_ends).contains(&day) {
            (self.month_begins, self.month_ends) = month(day);
            (self.own[1], self.others[1]) = Default::default();
        }
    }

    /// Of the day and of the month, of all servers.
    pub(super) fn used(&self) -> [Counts; 2] {
        [0, 1].map(|period| std::array::from_fn(|place| self.own[period][place] + self.others[period][place]))
    }

    /// Days since 1970.
    pub(super) fn day(&self) -> i64 {
        self.day
    }

    /// When the day and the month end, µs UTC.
    pub(super) fn ends_us(&self) -> [i64; 2] {
        [(self.day + 1) * DAY_US, self.month_ends * DAY_US]
    }

    /// Counts events.
    pub(super) fn add(&mut self, counts: &Counts) {
        for period in &mut self.own {
            period.iter_mut().zip(counts).for_each(|(own, count)| *own += count);
        }
    }

    /// Takes back what was counted on a day.
    pub(super) fn take_back(&mut self, day: i64, counts: &Counts) {
        let [today, month] = &mut self.own;
        let back = |period: &mut Counts| {
            period.iter_mut().zip(counts).for_each(|(own, count)| *own = own.saturating_sub(*count));
        };
        if day == self.day {
            back(today);
        }
        if day >= self.month_begins {
            back(month);
        }
    }

    /// Takes in what was counted on a day, by this server before it started or by others.
    pub(super) fn put(&mut self, day: i64, own: bool, counts: &Counts) {
        let both = if own { &mut self.own } else { &mut self.others };
        let periods = [day == self.day, day >= self.month_begins && day < self.month_ends];
        for (period, _) in both.iter_mut().zip(periods).filter(|(_, fits)| *fits) {
            period.iter_mut().zip(counts).for_each(|(mine, count)| *mine += count);
        }
    }

    /// Forgets what others counted, which is read again.
    pub(super) fn forget_others(&mut self) {
        self.others = Default::default();
    }
}

/// The first day of the month of a day, and that of the next, in days since 1970.
pub(super) fn month(day: i64) -> (i64, i64) {
    let date = DateTime::from_timestamp_micros(day.saturating_mul(DAY_US)).unwrap_or_default().date_naive();
    let first = date.with_day(1).unwrap_or(date);
    let next = first.checked_add_months(Months::new(1)).unwrap_or(first);
    let days = |date: NaiveDate| (date - NaiveDate::default()).num_days();
    (days(first), days(next).max(day + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-02-27 12:00 UTC.
    const NOON: i64 = 1_772_193_600_000_000;

    fn counts(error: u64, attachment: u64) -> Counts {
        let mut counts = Counts::default();
        (counts[0], counts[5]) = (error, attachment);
        counts
    }

    #[test]
    fn days_and_months_begin_anew_by_themselves() {
        let mut usage = Usage::default();
        usage.come_to(NOON);
        usage.add(&counts(3, 1));
        assert_eq!(usage.used().map(|period| period[0]), [3, 3]);
        usage.come_to(NOON + DAY_US);
        assert_eq!(usage.used().map(|period| period[0]), [0, 3]);
        usage.add(&counts(2, 0));
        usage.come_to(NOON);
        assert_eq!(usage.used().map(|period| period[0]), [2, 5]);
        assert_eq!(usage.ends_us(), [NOON + DAY_US + DAY_US / 2, NOON + DAY_US + DAY_US / 2]);
        usage.come_to(NOON + 2 * DAY_US);
        assert_eq!(usage.used(), <[Counts; 2]>::default());
        assert_eq!(usage.ends_us()[1] - usage.ends_us()[0], 30 * DAY_US);
    }

    #[test]
    fn what_was_not_stored_is_taken_back_from_the_day_it_was_counted_on() {
        let mut usage = Usage::default();
        usage.come_to(NOON);
        let day = usage.day();
        usage.add(&counts(5, 0));
        usage.take_back(day, &counts(2, 0));
        assert_eq!(usage.used().map(|period| period[0]), [3, 3]);
        usage.come_to(NOON + DAY_US);
        usage.add(&counts(1, 0));
        usage.take_back(day, &counts(1, 0));
        assert_eq!(usage.used().map(|period| period[0]), [1, 3]);
    }

    #[test]
    fn others_count_as_well_and_are_read_again() {
        let mut usage = Usage::default();
        usage.come_to(NOON);
        let day = usage.day();
        usage.put(day, true, &counts(1, 0));
        usage.put(day, false, &counts(2, 0));
        usage.put(day - 1, false, &counts(4, 0));
        usage.put(day - 40, false, &counts(100, 0));
        assert_eq!(usage.used().map(|period| period[0]), [3, 7]);
        usage.forget_others();
        assert_eq!(usage.used().map(|period| period[0]), [1, 1]);
    }

    #[test]
    fn categories_have_their_own_and_share_the_total() {
        let rules = BTreeMap::from([("total".to_owned(), 10), ("error".to_owned(), 4)]);
        let quota = Quota::new(Some(&rules), 99);
        let (total, each) = quota.left(&counts(3, 50));
        assert_eq!((total, each[0], each[1], each[5]), (Some(7), Some(1), None, None));
        assert_eq!(quota.shown(), BTreeMap::from([("total", 10), ("error", 4)]));
        assert_eq!(Quota::new(None, 99).total, Some(99));
        assert_eq!((Quota::new(None, 0), Quota::new(Some(&BTreeMap::new()), 99)), Default::default());
    }

    #[test]
    fn unknown_categories_are_named() {
        let day =
            |name: &str, events| QuotaRules { day: Some(BTreeMap::from([(name.to_owned(), events)])), month: None };
        assert!(day("log_item", 0).check().is_ok());
        assert_eq!(day("session", 1).check().unwrap_err().field.as_deref(), Some("day.session"));
        assert!(day("total", u64::MAX).check().is_err());
    }

    #[test]
    fn months_have_their_days() {
        let day = |date: &str| {
            let date: NaiveDate = date.parse().unwrap();
            (date - NaiveDate::default()).num_days()
        };
        for (at, begins, ends) in [
            ("2026-02-27", "2026-02-01", "2026-03-01"),
            ("2028-02-29", "2028-02-01", "2028-03-01"),
            ("2026-12-31", "2026-12-01", "2027-01-01"),
        ] {
            assert_eq!(month(day(at)), (day(begins), day(ends)), "{at}");
        }
    }
}
