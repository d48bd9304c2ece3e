//! The rows that counting writes, many to a statement.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use serde_json::json;
use sqlx::Row;

use super::apply::Mode;
use super::fold::{Delta, Seen};
use crate::error::Result;
use crate::event::ProjectId;
use crate::meta::issues::{Group, HOUR_US};
use crate::meta::statement::Statement;
use crate::meta::{Actor, Tx, history, told};

/// Rows of one statement: far below what both databases take.
const ROWS: usize = 100;
/// Hours older than this are not kept.
pub(crate) const HOURS_KEPT: i64 = 90 * 24;

type Deltas<'a> = [(&'a (ProjectId, u64), &'a Delta)];

/// Makes an issue and a group for each that is not known, and enters the groups in `known`, still empty. Returns the issues.
pub(crate) async fn new_issues(
    tx: &mut Tx,
    deltas: &Deltas<'_>,
    known: &mut HashMap<(ProjectId, u64), Group>,
) -> Result<HashSet<i64>> {
    let mut fresh: Vec<_> = deltas.iter().filter(|(key, _)| !known.contains_key(*key)).collect();
    fresh.sort_by_key(|(key, delta)| (key.0, delta.first.0, key.1));
    let mut created = HashSet::with_capacity(fresh.len());
    let Some(mut id) = take(tx, "issue".to_owned(), fresh.len()).await? else { return Ok(created) };
    let now = tx.now_us();
    // Sorted by project, so that each takes its numbers in one step; what was seen first has the lower number.
    for of_project in fresh.chunk_by(|a, b| a.0.0 == b.0.0) {
        let Some(((project, _), _)) = of_project.first() else { continue };
        let Some(mut number) = take(tx, format!("issue:{project}"), of_project.len()).await? else { continue };
        for some in of_project.chunks(ROWS) {
            let mut statement = Statement::new(
                "INSERT INTO issues (id, project_id, number, title, culprit, kind, level, platform, logger, first_seen,
                                     last_seen, created_at, changed_at, state, reason, events, users, version) VALUES ",
            );
            for (index, (key, delta)) in some.iter().enumerate() {
                let head = &delta.head;
                statement.push(if index == 0 { "(" } else { ", (" });
                for value in [id, project.0, number] {
                    statement.number(value).push(", ");
                }
                let words = [&head.title, &head.culprit, head.kind, delta.level.as_str(), &head.platform, &head.logger];
                for word in words {
                    // PostgreSQL takes no NUL in a text.
                    statement.bind(word.replace('\0', "\u{fffd}")).push(", ");
                }
                for time in [delta.first.0, delta.last.0, now, now] {
                    statement.number(time).push(", ");
                }
                statement.push("'unresolved', 'new', 0, 0, 1)");
                known.insert(**key, Group::empty(**key, id, delta));
                created.insert(id);
                (id, number) = (id + 1, number + 1);
            }
            statement.query().execute(tx.connection()).await.map_err(told("could not make issues"))?;
            let ids = some.iter().zip(id - some.len() as i64..);
            let steps = ids.map(|((_, delta), id)| match &delta.first.1 {
                Some(release) => (id, json!({ "release": &**release })),
                None => (id, json!({})),
            });
            history::write_many(tx, &Actor::system(), "created", steps).await?;
        }
    }
    Ok(created)
}

impl Group {
    fn empty(key: (ProjectId, u64), issue_id: i64, delta: &Delta) -> Self {
        Self::of_issue(key, (issue_id, issue_id), delta)
    }

    /// A group that is in an issue, and at home in one, and has no events yet.
    pub(super) fn of_issue((project, hash): (ProjectId, u64), (issue_id, home_id): (i64, i64), delta: &Delta) -> Self {
        Self {
            project,
            hash,
            issue_id,
            home_id,
            first_seen_us: delta.first.0,
            last_seen_us: delta.last.0,
            events: 0,
            users: super::users::Users::default(),
            level: delta.level,
            first_release: None,
            last_release: None,
            grouping_version: delta.grouping_version,
        }
    }
}

/// Takes `count` numbers of a sequence and returns the first; `None` where none is wanted.
async fn take(tx: &mut Tx, sequence: String, count: usize) -> Result<Option<i64>> {
    if count == 0 {
        return Ok(None);
    }
    let failed = told("could not take numbers for issues");
    let row = sqlx::query(
        "INSERT INTO sequences (name, last) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET last = sequences.last + excluded.last RETURNING last",
    )
    .bind(sequence)
    .bind(count as i64)
    .fetch_one(tx.connection())
    .await
    .map_err(&failed)?;
    let last: i64 = row.try_get(0).map_err(failed)?;
    Ok(Some(last - count as i64 + 1))
}

/// Writes groups as they are.
pub(crate) async fn groups(tx: &mut Tx, groups: &[&Group]) -> Result<()> {
    for some in groups.chunks(ROWS) {
        let mut statement = Statement::new(
            "INSERT INTO groups (project_id, hash, issue_id, home_id, first_seen, last_seen, events, users, level,
                                 first_release, last_release, grouping_version) VALUES ",
        );
        for (index, group) in some.iter().enumerate() {
            statement.push(if index == 0 { "(" } else { ", (" });
            let numbers = [
                group.project.0,
                group.hash.cast_signed(),
                group.issue_id,
                group.home_id,
                group.first_seen_us,
                group.last_seen_us,
                group.events,
            ];
            for number in numbers {
                statement.number(number).push(", ");
            }
            statement.bind(group.users.encode()).push(", ").bind(group.level.as_str()).push(", ");
            statement.bind(group.first_release.clone()).push(", ").bind(group.last_release.clone()).push(", ");
            statement.number(group.grouping_version).push(")");
        }
        statement.push(
            " ON CONFLICT (project_id, hash) DO UPDATE SET first_seen = excluded.first_seen, last_seen = excluded.last_seen,
                  events = excluded.events, users = excluded.users, level = excluded.level,
                  first_release = excluded.first_release, last_release = excluded.last_release,
                  grouping_version = excluded.grouping_version",
        );
        statement.query().execute(tx.connection()).await.map_err(told("could not write the groups of issues"))?;
    }
    Ok(())
}

/// Adds events by hour; hours that are too old for a sparkline are left out.
pub(crate) async fn hours(tx: &mut Tx, deltas: &Deltas<'_>, mode: Mode) -> Result<()> {
    let failed = told("could not write the hours of issues");
    if mode == Mode::Replace {
        sqlx::query("DELETE FROM group_hours").execute(tx.connection()).await.map_err(&failed)?;
    }
    let oldest = tx.now_us().div_euclid(HOUR_US) - HOURS_KEPT;
    let hours =
        deltas.iter().flat_map(|(key, delta)| delta.hours.iter().map(move |(hour, events)| (**key, *hour, *events)));
    let hours: Vec<_> = hours.filter(|(_, hour, events)| *hour >= oldest && *events > 0).collect();
    for some in hours.chunks(2 * ROWS) {
        let mut statement = Statement::new("INSERT INTO group_hours (project_id, hash, hour, events) VALUES ");
        for (index, ((project, hash), hour, events)) in some.iter().enumerate() {
            statement.push(if index == 0 { "(" } else { ", (" }).number(project.0).push(", ");
            statement.number(hash.cast_signed()).push(", ").number(*hour).push(", ").number(*events).push(")");
        }
        statement
            .push(" ON CONFLICT (project_id, hash, hour) DO UPDATE SET events = group_hours.events + excluded.events");
        statement.query().execute(tx.connection()).await.map_err(&failed)?;
    }
    Ok(())
}

/// Adds events by release.
pub(crate) async fn releases<'a>(
    tx: &mut Tx,
    releases: impl Iterator<Item = (&'a (ProjectId, Arc<str>), &'a Seen)>,
    mode: Mode,
) -> Result<()> {
    let mut releases: Vec<_> = releases.collect();
    // In one order, so that two writers do not wait for each other.
    releases.sort_unstable_by_key(|(key, _)| *key);
    for some in releases.chunks(ROWS) {
        let mut statement =
            Statement::new("INSERT INTO releases (project_id, release, first_seen, last_seen, events) VALUES ");
        for (index, ((project, release), seen)) in some.iter().enumerate() {
            statement.push(if index == 0 { "(" } else { ", (" }).bind(project.0).push(", ");
            statement.bind(release.to_string()).push(", ").bind(seen.first_us).push(", ").bind(seen.last_us).push(", ");
            statement.bind(seen.events).push(")");
        }
        statement.push(
            " ON CONFLICT (project_id, release) DO UPDATE SET
                  first_seen = CASE WHEN excluded.first_seen < releases.first_seen
                                    THEN excluded.first_seen ELSE releases.first_seen END,
                  last_seen = CASE WHEN excluded.last_seen > releases.last_seen
                                   THEN excluded.last_seen ELSE releases.last_seen END, ",
        );
        statement.push(match mode {
            Mode::Add => "events = releases.events + excluded.events",
            Mode::Replace => "events = excluded.events",
        });
        statement.query().execute(tx.connection()).await.map_err(told("could not write the releases"))?;
    }
    Ok(())
}

/// Writes where counters stand.
pub(crate) async fn positions(tx: &mut Tx, positions: &[(String, u64)]) -> Result<()> {
    for (node, sequence) in positions {
        sqlx::query(
            "INSERT INTO counted (node_id, sequence) VALUES ($1, $2)
             ON CONFLICT (node_id) DO UPDATE SET sequence = excluded.sequence",
        )
        .bind(node.clone())
        .bind(sequence.cast_signed())
        .execute(tx.connection())
        .await
        .map_err(told("could not write the counter's position"))?;
    }
    Ok(())
}
