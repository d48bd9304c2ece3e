//! Writes what was folded, and the position behind it, in one transaction.
//!
//! The position in the database is compared first: what was counted before, by this process or one before it, is never
//! counted again. Groups are read, added to and written as a whole, so one counter at a time writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use sqlx::Row;

use super::changes::{IssueChange, What};
use super::escalate::{self, Forecasts};
use super::fold::{Delta, Fold, earlier};
use super::users::Users;
use super::{follow, lives, rows};
use crate::error::Result;
use crate::event::ProjectId;
use crate::failpoint;
use crate::meta::issues::{GROUP_COLUMNS, Group, recompute, take_turn};
use crate::meta::statement::Statement;
use crate::meta::{Meta, Tx, told};

/// What the sums are to the figures in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They are added.
    Add,
    /// They take their place; issues keep their states.
    Replace,
}

/// From where to where a node's batches were folded.
#[derive(Clone, Debug)]
pub(crate) struct Positions {
    /// Where the database must stand; `None` is anywhere.
    pub(crate) from: Option<u64>,
    /// Where each node stands afterwards; the first is this one.
    pub(crate) through: Vec<(String, u64)>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Applied {
    /// It is counted.
    Done(Vec<IssueChange>),
    /// The database stands elsewhere: go on from there.
    Elsewhere(u64),
}

/// Where a node's counter stands.
///
/// # Errors
/// As of any statement.
pub(crate) async fn position(meta: &Meta, node: &str) -> Result<Option<u64>> {
    let failed = told("could not read the counter's position");
    let query = sqlx::query("SELECT sequence FROM counted WHERE node_id = $1").bind(node.to_owned());
    let row = query.fetch_optional(meta.pool()).await.map_err(&failed)?;
    row.map(|row| row.try_get::<i64, _>(0)).transpose().map(|sequence| sequence.map(i64::cast_unsigned)).map_err(failed)
}

/// Counts a fold. `forecasts` may be those of the fold before, or none.
///
/// # Errors
/// As of any statement; nothing is counted then, or, where the commit was not confirmed, all of it.
pub(crate) async fn apply(
    meta: &Meta,
    positions: &Positions,
    fold: &Fold,
    mode: Mode,
    forecasts: &mut Forecasts,
) -> Result<Applied> {
    let mut tx = meta.begin().await?;
    take_turn(&mut tx).await?;
    if let (Some(from), Some((node, _))) = (positions.from, positions.through.first()) {
        let stands = stands(&mut tx, node).await?.unwrap_or(0);
        if stands != from {
            return Ok(Applied::Elsewhere(stands));
        }
    }
    let projects = live_projects(&mut tx).await?;
    let mut deltas: Vec<(&(ProjectId, u64), &Delta)> =
        fold.groups.iter().filter(|((project, _), _)| projects.contains(project)).collect();
    deltas.sort_unstable_by_key(|(key, _)| **key);
    let releases = fold.releases.iter().filter(|((project, _), _)| projects.contains(project));
    rows::releases(&mut tx, releases, mode).await?;

    let keys: Vec<(ProjectId, u64)> = deltas.iter().map(|(key, _)| **key).collect();
    let mut known = known_groups(&mut tx, &keys).await?;
    let followers = follow::adopt(&mut tx, &deltas, fold, &mut known).await?;
    let behind: HashSet<(ProjectId, u64)> = followers.iter().map(|(follower, _)| *follower).collect();
    let firsts: Vec<_> = deltas.iter().filter(|(key, _)| !behind.contains(*key)).copied().collect();
    let created = rows::new_issues(&mut tx, &firsts, &mut known).await?;
    for (follower, leader) in &followers {
        let led = known.get(leader).map(|group| (group.issue_id, group.home_id));
        if let (Some(issue), Some(delta)) = (led, fold.groups.get(follower)) {
            known.insert(*follower, Group::of_issue(*follower, issue, delta));
        }
    }
    for (key, delta) in &deltas {
        if let Some(group) = known.get_mut(*key) {
            group.take(delta, mode);
        }
    }
    let groups: Vec<&Group> = deltas.iter().filter_map(|(key, _)| known.get(*key)).collect();
    rows::groups(&mut tx, &groups).await?;
    rows::hours(&mut tx, &deltas, mode).await?;
    let mut touched: BTreeMap<i64, (ProjectId, i64, Vec<&Delta>)> = BTreeMap::new();
    for (key, delta) in &deltas {
        if let Some(group) = known.get(*key) {
            let issue = touched.entry(group.issue_id).or_insert((key.0, 0, Vec::new()));
            issue.1 += delta.events;
            issue.2.push(delta);
        }
    }
    recompute(&mut tx, &touched.keys().copied().collect::<Vec<_>>()).await?;
    let mut changes = Vec::with_capacity(touched.len());
    if mode == Mode::Add {
        let arrived = touched.iter().map(|(id, issue)| (*id, issue.2.as_slice())).collect();
        changes = lives::awaken(&mut tx, &arrived).await?;
        changes.extend(escalate::escalate(&mut tx, &arrived, forecasts).await?);
    }
    for (issue_id, (project, events, _)) in touched {
        let what = if created.contains(&issue_id) { What::Created { events } } else { What::Counted { events } };
        changes.push(IssueChange { project, issue_id, what });
    }
    rows::positions(&mut tx, &positions.through).await?;
    failpoint::hit("count.before_commit")?;
    tx.commit().await?;
    failpoint::hit("count.after_commit")?;
    Ok(Applied::Done(changes))
}

impl Group {
    /// Adds what came, or puts it in the place of what was.
    fn take(&mut self, delta: &Delta, mode: Mode) {
        let fresh = self.events == 0;
        if mode == Mode::Replace {
            (self.events, self.users) = (0, Users::default());
        }
        let (first, last) = (self.first_release.as_deref().map(Arc::from), self.last_release.as_deref().map(Arc::from));
        let name = |release: &Option<Arc<str>>| release.as_deref().map(str::to_owned);
        if fresh || earlier((delta.first.0, &delta.first.1), (self.first_seen_us, &first)).is_lt() {
            (self.first_seen_us, self.first_release) = (delta.first.0, name(&delta.first.1));
        }
        if fresh || earlier((delta.last.0, &delta.last.1), (self.last_seen_us, &last)).is_gt() {
            (self.last_seen_us, self.last_release) = (delta.last.0, name(&delta.last.1));
        }
        self.events += delta.events;
        self.users.join(&delta.users);
        self.level = self.level.max(delta.level);
        self.grouping_version = self.grouping_version.max(delta.grouping_version);
    }
}

async fn stands(tx: &mut Tx, node: &str) -> Result<Option<u64>> {
    let failed = told("could not read the counter's position");
    let query = sqlx::query("SELECT sequence FROM counted WHERE node_id = $1").bind(node.to_owned());
    let row = query.fetch_optional(tx.connection()).await.map_err(&failed)?;
    row.map(|row| row.try_get::<i64, _>(0)).transpose().map(|sequence| sequence.map(i64::cast_unsigned)).map_err(failed)
}

/// Events of a project that was deleted, or that only an old key names, make no issues.
async fn live_projects(tx: &mut Tx) -> Result<HashSet<ProjectId>> {
    let failed = told("could not read the projects");
    let query = sqlx::query("SELECT id FROM projects WHERE deleted_at IS NULL");
    let rows = query.fetch_all(tx.connection()).await.map_err(&failed)?;
    rows.iter().map(|row| row.try_get(0).map(ProjectId)).collect::<sqlx::Result<_>>().map_err(failed)
}

pub(super) type Known = HashMap<(ProjectId, u64), Group>;

/// Those of some groups that are there.
pub(super) async fn known_groups(tx: &mut Tx, keys: &[(ProjectId, u64)]) -> Result<Known> {
    let failed = told("could not read the groups of issues");
    let mut known = HashMap::with_capacity(keys.len());
    let projects: BTreeSet<ProjectId> = keys.iter().map(|key| key.0).collect();
    for project in projects {
        let hashes: Vec<i64> = keys.iter().filter(|key| key.0 == project).map(|key| key.1.cast_signed()).collect();
        for hashes in hashes.chunks(500) {
            let mut statement = Statement::new("SELECT ");
            statement.push(GROUP_COLUMNS).push(" FROM groups WHERE project_id = ").bind(project.0);
            statement.push(" AND hash IN ").numbers(hashes.iter().copied());
            for row in statement.query().fetch_all(tx.connection()).await.map_err(&failed)? {
                let group = Group::read(&row).map_err(&failed)?;
                known.insert((group.project, group.hash), group);
            }
        }
    }
    Ok(known)
}
