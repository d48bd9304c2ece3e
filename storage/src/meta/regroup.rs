//! Grouping history anew: what other rules would split and merge, and doing so by editing which group belongs to which issue.
//!
//! A census of stored events (`Census`) says of each group by which new hashes its events would go. `plan` decides from it,
//! a pure function; [`apply`] does it in one transaction, with the audit log. Events are never rewritten, so what is stored can
//! be moved by whole groups only: a group whose events new rules tell apart stays one, and only new events part.
//!
//! What people merged stays merged. Two kinds of rows (`regrouped`) tell the counter of what was decided: hashes that no event
//! has yet and the issue they lead to, and settled ones, which other hashes follow no more.

mod plan;

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use serde_json::json;
use sqlx::Row;

use super::audit::{self, Actor, Entry};
use super::error::told;
use super::issues::{recompute, take_turn};
use super::statement::Statement;
use super::{Tx, history, merge};
use crate::error::{Error, Result};
use crate::event::ProjectId;

pub use plan::{Census, Example, Finer, Join, Kept, Part, Plan, Split, Tally, Target};

/// Groups that one regrouping may move, and issues that it may merge.
const MOVES_MAX: usize = 10_000;
const ROWS: usize = 100;

/// What was decided of a hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decided {
    /// The issue that its first event belongs to, and the one where it is at home.
    pub(crate) leads_to: Option<(i64, i64)>,
    /// No other hash goes on with its issue.
    pub(crate) settled: bool,
}

/// What a regrouping did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Regrouped {
    /// The issues that were made, in the order of [`Plan::new`].
    pub made: Vec<i64>,
    /// The issues that are different now, with those.
    pub touched: Vec<i64>,
}

/// What was decided of some hashes; those of which nothing was are left out.
pub(crate) async fn paths(tx: &mut Tx, keys: &[(ProjectId, u64)]) -> Result<HashMap<(ProjectId, u64), Decided>> {
    let failed = told("could not read what regrouping decided");
    let mut paths = HashMap::new();
    let projects: BTreeSet<ProjectId> = keys.iter().map(|key| key.0).collect();
    for project in projects {
        let hashes: Vec<i64> = keys.iter().filter(|key| key.0 == project).map(|key| key.1.cast_signed()).collect();
        for hashes in hashes.chunks(500) {
            let mut statement = Statement::new(
                "SELECT r.hash, r.settled, r.leads_to, COALESCE(i.merged_into, i.id) FROM regrouped r
                 LEFT JOIN issues i ON i.id = r.leads_to WHERE r.project_id = ",
            );
            statement.bind(project.0).push(" AND r.hash IN ").list(hashes.iter().copied());
            for row in statement.query().fetch_all(tx.connection()).await.map_err(&failed)? {
                let read = || -> sqlx::Result<(u64, Decided)> {
                    let (home, issue): (Option<i64>, Option<i64>) = (row.try_get(2)?, row.try_get(3)?);
                    let settled = row.try_get::<i64, _>(1)? != 0;
                    Ok((row.try_get::<i64, _>(0)?.cast_unsigned(), Decided { leads_to: issue.zip(home), settled }))
                };
                let (hash, decided) = read().map_err(&failed)?;
                paths.insert((project, hash), decided);
            }
        }
    }
    Ok(paths)
}

/// What the rules of a census would split and merge. Changes nothing.
///
/// # Errors
/// As of any statement.
pub async fn plan(tx: &mut Tx, project: ProjectId, census: &Census) -> Result<Plan> {
    take_turn(tx).await?;
    let failed = told("could not read the groups of issues");
    let hashes: BTreeSet<u64> = census.pairs.keys().flat_map(|(old, new)| [*old, *new]).collect();
    let hashes: Vec<i64> = hashes.into_iter().map(u64::cast_signed).collect();
    let mut groups = HashMap::with_capacity(hashes.len());
    for hashes in hashes.chunks(500) {
        let mut statement = Statement::new(
            "SELECT g.hash, g.issue_id, g.home_id, h.merged_into FROM groups g JOIN issues h ON h.id = g.home_id
             WHERE g.project_id = ",
        );
        statement.bind(project.0).push(" AND g.hash IN ").list(hashes.iter().copied());
        for row in statement.query().fetch_all(tx.connection()).await.map_err(&failed)? {
            let read = || -> sqlx::Result<(u64, plan::Belongs)> {
                let (issue, home): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
                let merged = row.try_get::<Option<i64>, _>(3)?.is_some();
                Ok((row.try_get::<i64, _>(0)?.cast_unsigned(), plan::Belongs { issue, fixed: issue != home && merged }))
            };
            let (hash, belongs) = read().map_err(&failed)?;
            groups.insert(hash, belongs);
        }
    }
    Ok(plan::decide(census, &groups))
}

/// Carries a plan out that was made in the same transaction. `rules` is the version of the project's rules that it follows.
///
/// # Errors
/// `Invalid` for a plan of over 10,000 moves.
pub async fn apply(tx: &mut Tx, actor: &Actor, project: ProjectId, plan: &Plan, rules: i64) -> Result<Regrouped> {
    let moves = plan.splits.iter().map(|split| split.groups.len()).sum::<usize>();
    let merges = plan.joins.iter().map(|join| join.issues.len()).sum::<usize>();
    if moves + merges > MOVES_MAX {
        return Err(Error::invalid(format!(
            "{moves} groups to move and {merges} issues to merge, where {MOVES_MAX} at once are allowed: \
             regroup a shorter stretch of time first"
        )));
    }
    let mut done = Regrouped::default();
    for example in &plan.new {
        done.made.push(make(tx, project, example).await?);
    }
    let number = |target: Target, made: &[i64]| match target {
        Target::Issue(issue) => Some(issue),
        Target::New(index) => made.get(index).copied(),
    };
    let mut touched: BTreeSet<i64> = done.made.iter().copied().collect();
    for split in &plan.splits {
        let Some(to) = number(split.to, &done.made) else { continue };
        let is_new = matches!(split.to, Target::New(_));
        rehome(tx, project, &split.groups, to, is_new).await?;
        let groups: Vec<String> = split.groups.iter().map(|hash| format!("{hash:016x}")).collect();
        let (gave, took) = (
            json!({ "groups": groups, "to": to, "rules": rules }),
            json!({ "from": split.issue, "groups": groups, "rules": rules }),
        );
        history::write(tx, split.issue, actor, "gave", &gave).await?;
        history::write(tx, to, actor, "took", &took).await?;
        touched.extend([split.issue, to]);
    }
    let all: Vec<i64> = touched.iter().copied().collect();
    recompute(tx, &all).await?;
    for join in &plan.joins {
        let Some(into) = number(join.into, &done.made) else { continue };
        for issues in join.issues.chunks(100) {
            merge::merge(tx, actor, into, issues).await?;
            touched.extend(issues);
        }
        touched.insert(into);
    }
    write_paths(tx, project, plan, &done.made).await?;
    note(tx, actor, project, plan, (&done.made, rules)).await?;
    done.touched = touched.into_iter().collect();
    Ok(done)
}

/// Moves groups; to an issue that was made for them they belong for good, from any other one they can be taken back.
async fn rehome(tx: &mut Tx, project: ProjectId, groups: &[u64], to: i64, is_new: bool) -> Result<()> {
    for hashes in groups.chunks(500) {
        let mut statement = Statement::new("UPDATE groups SET issue_id = ");
        statement.bind(to);
        if is_new {
            statement.push(", home_id = ").bind(to);
        }
        statement.push(" WHERE project_id = ").bind(project.0).push(" AND hash IN ");
        statement.list(hashes.iter().map(|hash| hash.cast_signed()));
        statement.query().execute(tx.connection()).await.map_err(told("could not move groups"))?;
    }
    Ok(())
}

/// Makes an issue for groups that are about to move into it.
async fn make(tx: &mut Tx, project: ProjectId, example: &Example) -> Result<i64> {
    let id = tx.next("issue").await?;
    let number = tx.next(&format!("issue:{project}")).await?;
    let now = tx.now_us();
    sqlx::query(
        "INSERT INTO issues (id, project_id, number, title, culprit, kind, level, platform, logger, first_seen, last_seen,
                             created_at, changed_at, state, reason, events, users, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $10, $10, 'unresolved', 'new', 0, 0, 1)",
    )
    .bind(id)
    .bind(project.0)
    .bind(number)
    .bind(example.title.replace('\0', "\u{fffd}"))
    .bind(example.culprit.replace('\0', "\u{fffd}"))
    .bind(example.kind)
    .bind(example.level)
    .bind(example.platform.replace('\0', "\u{fffd}"))
    .bind(example.logger.replace('\0', "\u{fffd}"))
    .bind(now)
    .execute(tx.connection())
    .await
    .map_err(told("could not make an issue"))?;
    Ok(id)
}

async fn write_paths(tx: &mut Tx, project: ProjectId, plan: &Plan, made: &[i64]) -> Result<()> {
    let mut rows: BTreeMap<u64, (Option<i64>, i64)> = BTreeMap::new();
    for (hash, target) in &plan.leads {
        let issue = match target {
            Target::Issue(issue) => Some(*issue),
            Target::New(index) => made.get(*index).copied(),
        };
        rows.entry(*hash).or_default().0 = issue;
    }
    plan.settled.iter().for_each(|hash| rows.entry(*hash).or_default().1 = 1);
    let rows: Vec<_> = rows.into_iter().collect();
    for some in rows.chunks(ROWS) {
        let mut statement = Statement::new("INSERT INTO regrouped (project_id, hash, leads_to, settled) VALUES ");
        for (index, (hash, (leads_to, settled))) in some.iter().enumerate() {
            statement.push(if index == 0 { "(" } else { ", (" }).bind(project.0).push(", ").bind(hash.cast_signed());
            statement.push(", ").bind(*leads_to).push(", ").bind(*settled).push(")");
        }
        statement.push(
            " ON CONFLICT (project_id, hash) DO UPDATE SET leads_to = COALESCE(excluded.leads_to, regrouped.leads_to),
                  settled = CASE WHEN excluded.settled = 1 THEN 1 ELSE regrouped.settled END",
        );
        statement.query().execute(tx.connection()).await.map_err(told("could not write what regrouping decided"))?;
    }
    Ok(())
}

/// The audit log says all that is needed to take it back by hand.
async fn note(tx: &mut Tx, actor: &Actor, project: ProjectId, plan: &Plan, (made, rules): (&[i64], i64)) -> Result<()> {
    let number = |target: &Target| match target {
        Target::Issue(issue) => Some(*issue),
        Target::New(index) => made.get(*index).copied(),
    };
    let names = |groups: &[u64]| groups.iter().map(|hash| format!("{hash:016x}")).collect::<Vec<_>>();
    let moved = plan
        .splits
        .iter()
        .map(|split| json!({ "from": split.issue, "to": number(&split.to), "groups": names(&split.groups) }));
    let merged = plan.joins.iter().map(|join| json!({ "into": number(&join.into), "issues": join.issues }));
    let after = json!({
        "rules": rules, "made": made, "moved": moved.collect::<Vec<_>>(), "merged": merged.collect::<Vec<_>>(),
    });
    let target = project.0.to_string();
    let (verb, target, project) = ("issues.regroup", ("project", target.as_str()), Some(project));
    audit::write(tx, &Entry { actor, verb, target, project, before: None, after: Some(after) }).await
}
