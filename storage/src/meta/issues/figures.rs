//! What issues add up to: their groups, their hours for sparklines, and the sums that a merge or a recount makes anew.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::Result;
use crate::event::{Level, ProjectId};
use crate::issues::users::Users;
use crate::meta::error::told;
use crate::meta::statement::Statement;
use crate::meta::{Meta, Tx};

/// One group and the issue that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The project.
    pub project: ProjectId,
    /// The hash in `group_hash` of its events.
    pub hash: u64,
    /// The issue that it belongs to.
    pub issue_id: i64,
    /// The issue that it belongs to where nothing is merged.
    pub home_id: i64,
    /// When its first event happened, µs UTC.
    pub first_seen_us: i64,
    /// When its last event happened, µs UTC.
    pub last_seen_us: i64,
    /// How many events it has.
    pub events: i64,
    /// Its users.
    pub(crate) users: Users,
    /// The highest level of its events.
    pub level: Level,
    /// The release of its first event.
    pub first_release: Option<String>,
    /// The release of its last event.
    pub last_release: Option<String>,
    /// The version of the rules that made the hash.
    pub grouping_version: i64,
}

pub(crate) const GROUP_COLUMNS: &str = "project_id, hash, issue_id, home_id, first_seen, last_seen, events, users, level, \
    first_release, last_release, grouping_version";

/// Events of an issue in an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourCount {
    /// The issue.
    pub issue_id: i64,
    /// When the hour begins, µs UTC.
    pub hour_us: i64,
    /// How many events happened in it.
    pub events: i64,
}

/// Microseconds in an hour.
pub(crate) const HOUR_US: i64 = 3_600_000_000;

impl Group {
    pub(crate) fn read(row: &AnyRow) -> sqlx::Result<Self> {
        let (users, level): (String, String) = (row.try_get(7)?, row.try_get(8)?);
        let broken = || sqlx::Error::Decode("the users of a group are not what was written".into());
        Ok(Self {
            project: ProjectId(row.try_get(0)?),
            hash: row.try_get::<i64, _>(1)?.cast_unsigned(),
            issue_id: row.try_get(2)?,
            home_id: row.try_get(3)?,
            first_seen_us: row.try_get(4)?,
            last_seen_us: row.try_get(5)?,
            events: row.try_get(6)?,
            users: Users::decode(&users).ok_or_else(broken)?,
            level: Level::parse(&level).unwrap_or_default(),
            first_release: row.try_get(9)?,
            last_release: row.try_get(10)?,
            grouping_version: row.try_get(11)?,
        })
    }
}

impl Meta {
    /// The groups of issues, by issue and hash: what `group_hash` in SQL and search is to be one of.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn groups_of(&self, issues: &[i64]) -> Result<Vec<Group>> {
        let mut statement = Statement::new("SELECT ");
        statement.push(GROUP_COLUMNS).push(" FROM groups WHERE issue_id IN ").list(issues.iter().copied());
        statement.push(" ORDER BY issue_id, hash");
        let failed = told("could not read the groups of issues");
        let rows = statement.query().fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(Group::read).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// The issue of each of some groups of a project, as (hash, issue); a group without an issue is left out.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn issues_of(&self, project: ProjectId, hashes: &[u64]) -> Result<Vec<(u64, i64)>> {
        let mut statement = Statement::new("SELECT hash, issue_id FROM groups WHERE project_id = ");
        statement.bind(project.0).push(" AND hash IN ").list(hashes.iter().map(|hash| hash.cast_signed()));
        let failed = told("could not read the issues of groups");
        let rows = statement.query().fetch_all(self.pool()).await.map_err(&failed)?;
        let read = |row: &AnyRow| Ok((row.try_get::<i64, _>(0)?.cast_unsigned(), row.try_get(1)?));
        rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// Events by issue and hour from `from_us` (rounded down to its hour) on; hours without any are left out, and so are those older
    /// than 90 days.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn sparklines(&self, issues: &[i64], from_us: i64) -> Result<Vec<HourCount>> {
        let mut statement = Statement::new(
            "SELECT g.issue_id, h.hour, CAST(SUM(h.events) AS BIGINT) FROM groups g
             JOIN group_hours h ON h.project_id = g.project_id AND h.hash = g.hash WHERE g.issue_id IN ",
        );
        statement.numbers(issues.iter().copied()).push(" AND h.hour >= ").bind(from_us.div_euclid(HOUR_US));
        statement.push(" GROUP BY g.issue_id, h.hour ORDER BY g.issue_id, h.hour");
        let failed = told("could not read the hours of issues");
        let rows = statement.query().fetch_all(self.pool()).await.map_err(&failed)?;
        let read = |row: &AnyRow| {
            Ok(HourCount {
                issue_id: row.try_get(0)?,
                hour_us: row.try_get::<i64, _>(1)? * HOUR_US,
                events: row.try_get(2)?,
            })
        };
        rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(failed)
    }
}

/// The figures of some groups together.
#[derive(Clone, Debug)]
pub(crate) struct Sum {
    pub(crate) first_seen_us: i64,
    pub(crate) last_seen_us: i64,
    pub(crate) events: i64,
    pub(crate) users: Users,
    pub(crate) level: Level,
    pub(crate) first_release: Option<String>,
    pub(crate) last_release: Option<String>,
}

impl Sum {
    pub(crate) fn of(groups: &[&Group]) -> Option<Self> {
        let first = groups.iter().min_by_key(|group| (group.first_seen_us, group.hash))?;
        let last = groups.iter().max_by_key(|group| (group.last_seen_us, group.hash))?;
        let mut users = Users::default();
        groups.iter().for_each(|group| users.join(&group.users));
        Some(Self {
            first_seen_us: first.first_seen_us,
            last_seen_us: last.last_seen_us,
            events: groups.iter().map(|group| group.events).sum(),
            users,
            level: groups.iter().map(|group| group.level).max().unwrap_or_default(),
            first_release: first.first_release.clone(),
            last_release: last.last_release.clone(),
        })
    }
}

/// Adds the figures of issues up from their groups. An issue without groups keeps when it was seen, and counts nothing.
pub(crate) async fn recompute(tx: &mut Tx, issues: &[i64]) -> Result<()> {
    let failed = told("could not add the figures of an issue up");
    for issues in issues.chunks(500) {
        let mut statement = Statement::new("SELECT ");
        statement.push(GROUP_COLUMNS).push(" FROM groups WHERE issue_id IN ").numbers(issues.iter().copied());
        let rows = statement.query().fetch_all(tx.connection()).await.map_err(&failed)?;
        let groups = rows.iter().map(Group::read).collect::<sqlx::Result<Vec<_>>>().map_err(&failed)?;
        let mut by_issue: BTreeMap<i64, Vec<&Group>> = issues.iter().map(|id| (*id, Vec::new())).collect();
        for group in &groups {
            by_issue.entry(group.issue_id).or_default().push(group);
        }
        for (id, groups) in by_issue {
            write(tx, id, Sum::of(&groups).as_ref()).await?;
        }
    }
    Ok(())
}

/// Writes the figures of an issue.
async fn write(tx: &mut Tx, id: i64, sum: Option<&Sum>) -> Result<()> {
    let failed = told("could not write the figures of an issue");
    let Some(sum) = sum else {
        let query = sqlx::query("UPDATE issues SET events = 0, users = 0 WHERE id = $1").bind(id);
        query.execute(tx.connection()).await.map_err(failed)?;
        return Ok(());
    };
    sqlx::query(
        "UPDATE issues SET first_seen = $1, last_seen = $2, events = $3, users = $4, level = $5, first_release = $6,
                           last_release = $7 WHERE id = $8",
    )
    .bind(sum.first_seen_us)
    .bind(sum.last_seen_us)
    .bind(sum.events)
    .bind(sum.users.count())
    .bind(sum.level.as_str())
    .bind(sum.first_release.clone())
    .bind(sum.last_release.clone())
    .bind(id)
    .execute(tx.connection())
    .await
    .map_err(failed)?;
    Ok(())
}
