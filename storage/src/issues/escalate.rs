//! Whether an issue escalates: whether it has more events in an hour than its past week lets one expect.
//!
//! The decision is a pure function of hourly counts (`limit`), after Sentry's forecast of escalating issues: a multiple of the
//! busiest hour, the smaller the burstier the week was, or a multiple of the mean, the greater the wider hours scatter; the
//! higher of the two. An issue without a whole week behind it is held against ten times its busiest hour, and nothing
//! below [`QUIET`] events in an hour is called a surprise.
//!
//! It is asked as a batch is counted, for the hours of the batch's events that are not over for longer than an hour: an import of
//! old events wakes nobody. A crash loses nothing: the answer is written with the counts. What the week says is remembered
//! for as long as its hour lasts, so that a busy issue costs one look at its week an hour.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use serde_json::json;
use sqlx::Row;

use super::changes::IssueChange;
use super::fold::Delta;
use super::lives::come_back;
use crate::error::Result;
use crate::meta::issues::{HOUR_US, Reason, fetch};
use crate::meta::statement::Statement;
use crate::meta::{Tx, told};

/// The hours that a forecast looks back on.
const WEEK_HOURS: i64 = 7 * 24;
/// So many events in an hour are never a surprise.
const QUIET: i64 = 10;
/// What an issue of less than a week may reach, in busiest hours.
const YOUNG: f64 = 10.0;
/// What a week's busiest hour is multiplied by: from a steady week to one of bursts.
const BURSTS: (f64, f64) = (5.0, 2.0);
/// How fast that falls with the spread of the week.
const BURSTS_DECAY: f64 = 0.65;
/// What a week's mean is multiplied by: five standard deviations above it, but within these.
const MEAN: (f64, f64) = (5.0, 8.0);
const DEVIATIONS: f64 = 5.0;
/// Forecasts that are remembered.
const KNOWN_MAX: usize = 50_000;

/// The most events of one hour that are no surprise behind these: `counts` are those of the hours that had any, of the `hours`
/// whole ones since the issue was first seen.
pub(crate) fn limit(counts: &[i64], hours: i64) -> i64 {
    let busiest = counts.iter().copied().max().unwrap_or(0) as f64;
    if hours < WEEK_HOURS {
        return at_least_quiet(YOUNG * busiest);
    }
    let hours = (counts.len() as i64).max(WEEK_HOURS) as f64;
    let mean = counts.iter().map(|count| *count as f64).sum::<f64>() / hours;
    if mean <= 0.0 {
        return QUIET;
    }
    let squares = counts.iter().map(|count| (*count as f64).powi(2)).sum::<f64>() / hours;
    let spread = (squares - mean * mean).max(0.0).sqrt() / mean;
    let bursts = busiest * (BURSTS.0 * (-BURSTS_DECAY * spread).exp()).clamp(BURSTS.1, BURSTS.0);
    let above = mean * (1.0 + DEVIATIONS * spread).clamp(MEAN.0, MEAN.1);
    at_least_quiet(bursts.max(above))
}

fn at_least_quiet(limit: f64) -> i64 {
    (limit.floor() as i64).max(QUIET)
}

/// An issue in an hour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hour {
    /// Which, since 1970.
    pub(crate) hour: i64,
    /// Its events.
    pub(crate) events: i64,
    /// In which hour the issue came into its state.
    pub(crate) since: i64,
    /// The events that came since then, where that is known.
    pub(crate) events_since: Option<i64>,
}

impl Hour {
    /// How many of its events are to be judged, and how many are of the past; `None` where it is too early to say.
    pub(crate) fn judged(self) -> Option<(i64, i64)> {
        match (self.hour - self.since, self.events_since) {
            (1.., None) => Some((self.events, 0)),
            (0.., Some(since)) => {
                let judged = self.events.min(since.max(0));
                Some((judged, self.events - judged))
            }
            _ => None,
        }
    }
}

/// Forecasts of the hour at hand, by issue.
#[derive(Debug, Default)]
pub(crate) struct Forecasts(HashMap<i64, Known>);

#[derive(Clone, Copy, Debug)]
struct Known {
    /// The issue's, which changes with its state and its groups.
    version: i64,
    hour: i64,
    limit: i64,
}

/// Lets those of some issues escalate that are ongoing, or archived until they grow, and have too many events now.
pub(crate) async fn escalate(
    tx: &mut Tx,
    arrived: &BTreeMap<i64, &[&Delta]>,
    forecasts: &mut Forecasts,
) -> Result<Vec<IssueChange>> {
    let oldest = tx.now_us().div_euclid(HOUR_US) - 1;
    let recent = |deltas: &[&Delta]| deltas.iter().flat_map(|delta| &delta.hours).any(|(hour, _)| *hour >= oldest);
    let ids: Vec<i64> = arrived.iter().filter(|(_, deltas)| recent(deltas)).map(|(id, _)| *id).collect();
    let mut changes = Vec::new();
    for ids in ids.chunks(500) {
        for busy in busy(tx, ids, oldest).await? {
            let Some((judged, before)) = busy.hour.judged().filter(|(judged, _)| *judged > QUIET) else { continue };
            let limit = forecasts.limit(tx, &busy, before).await?;
            if judged <= limit {
                continue;
            }
            let issue = fetch(tx, busy.id).await?;
            // Of two hours one is enough.
            if issue.version == busy.version {
                let detail = json!({ "events_per_hour": judged, "forecast": limit });
                changes.extend(come_back(tx, &issue, Reason::Escalating, &detail).await?);
            }
        }
    }
    Ok(changes)
}

/// An issue that may escalate, with an hour of many events.
struct Busy {
    id: i64,
    version: i64,
    first_seen_us: i64,
    hour: Hour,
}

async fn busy(tx: &mut Tx, ids: &[i64], oldest: i64) -> Result<Vec<Busy>> {
    let mut statement = Statement::new(
        "SELECT i.id, i.version, i.first_seen, i.changed_at, i.events - i.archived_events, h.hour,
                CAST(SUM(h.events) AS BIGINT)
         FROM issues i JOIN groups g ON g.issue_id = i.id
         JOIN group_hours h ON h.project_id = g.project_id AND h.hash = g.hash
         WHERE ((i.state = 'unresolved' AND i.reason = 'ongoing') OR (i.state = 'archived' AND i.reason = 'grows'))
           AND i.id IN ",
    );
    statement.list(ids.iter().copied()).push(" AND h.hour >= ").bind(oldest);
    statement.push(
        " GROUP BY i.id, i.version, i.first_seen, i.changed_at, i.events, i.archived_events, h.hour
          HAVING SUM(h.events) > ",
    );
    statement.bind(QUIET).push(" ORDER BY i.id, h.hour");
    let failed = told("could not read the hours of issues");
    let rows = statement.query().fetch_all(tx.connection()).await.map_err(&failed)?;
    let read = |row: &sqlx::any::AnyRow| {
        Ok(Busy {
            id: row.try_get(0)?,
            version: row.try_get(1)?,
            first_seen_us: row.try_get(2)?,
            hour: Hour {
                since: row.try_get::<i64, _>(3)?.div_euclid(HOUR_US),
                events_since: row.try_get(4)?,
                hour: row.try_get(5)?,
                events: row.try_get(6)?,
            },
        })
    };
    rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(failed)
}

impl Forecasts {
    async fn limit(&mut self, tx: &mut Tx, busy: &Busy, before: i64) -> Result<i64> {
        let hour = busy.hour.hour;
        if let Some(known) = self.0.get(&busy.id)
            && (known.version, known.hour) == (busy.version, hour)
        {
            return Ok(known.limit);
        }
        let mut counts = week(tx, busy.id, hour).await?;
        counts.extend((before > 0).then_some(before));
        let limit = limit(&counts, hour - busy.first_seen_us.div_euclid(HOUR_US));
        if self.0.len() >= KNOWN_MAX {
            self.0.clear();
        }
        self.0.insert(busy.id, Known { version: busy.version, hour, limit });
        Ok(limit)
    }
}

/// The events of an issue in each hour that had any of the week before `hour`.
async fn week(tx: &mut Tx, issue: i64, hour: i64) -> Result<Vec<i64>> {
    let mut statement = Statement::new(
        "SELECT CAST(SUM(h.events) AS BIGINT) FROM groups g
         JOIN group_hours h ON h.project_id = g.project_id AND h.hash = g.hash WHERE g.issue_id = ",
    );
    statement.bind(issue).push(" AND h.hour >= ").bind(hour - WEEK_HOURS).push(" AND h.hour < ").bind(hour);
    statement.push(" GROUP BY h.hour");
    let failed = told("could not read the hours of an issue");
    let rows = statement.query().fetch_all(tx.connection()).await.map_err(&failed)?;
    rows.iter().map(|row| row.try_get(0)).collect::<sqlx::Result<_>>().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_what_the_past_week_lets_one_expect() {
        const WEEK: usize = WEEK_HOURS as usize;
        let steady = |count: i64| vec![count; WEEK];
        let day_and_night: Vec<i64> = (0..WEEK).map(|hour| if hour % 24 < 12 { 100 } else { 20 }).collect();
        let with_a_burst = || [vec![1_000], vec![10; WEEK - 1]].concat();
        for (name, counts, hours, expected) in [
            ("nothing yet", vec![], 0, 10),
            ("nothing for a week", vec![], WEEK_HOURS, 10),
            ("nothing for longer", vec![], 9_999, 10),
            ("one event in its first hour", vec![1], 1, 10),
            ("young", vec![7, 30, 2], 3, 300),
            ("young with pauses", vec![30], 100, 300),
            ("one event in a week", vec![1], WEEK_HOURS, 10),
            ("one event a day", vec![1; 7], WEEK_HOURS, 10),
            ("one event an hour", steady(1), WEEK_HOURS, 10),
            ("steady", steady(100), WEEK_HOURS, 500),
            ("steady and busy", steady(1_000_000), WEEK_HOURS, 5_000_000),
            // Mean 60, spread 2/3: 3.24 times the busiest hour.
            ("day and night", day_and_night, WEEK_HOURS, 324),
            // Mean 16, spread 4.8: twice the burst.
            ("a burst in the week", with_a_burst(), WEEK_HOURS, 2_000),
            ("a burst and nothing else", vec![300], WEEK_HOURS, 600),
            // Mean 25, spread 1: six times the mean, as the busiest hour gives less.
            ("every other hour", vec![50; 84], WEEK_HOURS, 150),
        ] {
            let found = limit(&counts, hours);
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(limit(&[i64::MAX], WEEK_HOURS), i64::MAX, "never beyond what a number holds");
    }

    #[test]
    fn more_of_the_past_never_makes_an_issue_more_nervous() {
        for count in [1, 5, 20, 400] {
            for hours in [1, 24, WEEK_HOURS] {
                let few = limit(&[count], hours);
                assert!(limit(&[2 * count], hours) >= few, "{count} in {hours}");
                assert!(few >= QUIET);
            }
        }
    }

    #[test]
    fn an_hour_is_judged_by_what_came_since_the_issue_is_in_its_state() {
        let check = |hour, since, events_since, expected: Option<(i64, i64)>| {
            let hour = Hour { hour, events: 90, since, events_since };
            assert_eq!(hour.judged(), expected, "{hour:?}");
        };
        // Ongoing: an hour that began later.
        check(5, 4, None, Some((90, 0)));
        check(5, 5, None, None);
        check(5, 6, None, None);
        // Archived: the events behind the archiving.
        check(5, 5, Some(30), Some((30, 60)));
        check(5, 5, Some(0), Some((0, 90)));
        check(6, 5, Some(500), Some((90, 0)));
        check(4, 5, Some(30), None);
    }
}
