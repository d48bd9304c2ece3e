//! What becomes of issues without anybody's doing: they come back, they grow old, what they were archived for ends.
//!
//! A resolved issue comes back with an event that was received after it was resolved. Where it was resolved in a release, only an
//! event of that release or a later one brings it back; where in the next release, only one of a release later than the newest of
//! then. An archived issue comes back when its time is over or its number of events is reached; what grows is found in `escalate`.
//! New, regressed and escalating issues are ongoing after a week.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::Row;

use super::changes::{IssueChange, What};
use super::fold::Delta;
use super::rows::HOURS_KEPT;
use crate::error::{ErrorKind, Result};
use crate::meta::audit::Actor;
use crate::meta::issues::{COLUMNS, HOUR_US, Issue, Reason, State, store};
use crate::meta::statement::Statement;
use crate::meta::{Meta, Tx, history, releases, told};

/// An issue is new, regressed or escalating for so long.
const NEW_US: i64 = 7 * 24 * HOUR_US;
/// Issues that a sweep changes in one transaction.
const SWEEP: i64 = 500;

/// Brings back those of some issues whose new events do so.
pub(super) async fn awaken(tx: &mut Tx, arrived: &BTreeMap<i64, &[&Delta]>) -> Result<Vec<IssueChange>> {
    let failed = told("could not read the issues");
    let ids: Vec<i64> = arrived.keys().copied().collect();
    let mut changes = Vec::new();
    for ids in ids.chunks(500) {
        let mut statement = Statement::new("SELECT ");
        statement
            .push(COLUMNS)
            .push(" FROM issues WHERE state <> 'unresolved' AND id IN ")
            .numbers(ids.iter().copied());
        statement.push(" ORDER BY id");
        for row in statement.query().fetch_all(tx.connection()).await.map_err(&failed)? {
            let issue = Issue::read(&row).map_err(&failed)?;
            let deltas = arrived.get(&issue.id).copied().unwrap_or_default();
            if let Some(reason) = brought_back(tx, &issue, deltas).await? {
                changes.extend(come_back(tx, &issue, reason, &Value::Null).await?);
            }
        }
    }
    Ok(changes)
}

async fn brought_back(tx: &mut Tx, issue: &Issue, deltas: &[&Delta]) -> Result<Option<Reason>> {
    let arrivals = || deltas.iter().flat_map(|delta| &delta.arrivals);
    let since = |time: i64| arrivals().any(|(_, received)| *received > time);
    Ok(match issue.reason {
        Reason::Until => issue.archived_until_us.is_some_and(|until| since(until - 1)).then_some(Reason::Escalating),
        Reason::Events => {
            issue.archived_events.is_some_and(|events| issue.events >= events).then_some(Reason::Escalating)
        }
        Reason::Now => since(issue.changed_at_us).then_some(Reason::Regressed),
        Reason::Release | Reason::NextRelease => {
            let Some(repaired) = &issue.resolved_in else { return Ok(None) };
            let later = arrivals().filter(|(_, received)| *received > issue.changed_at_us);
            let mut names: Vec<String> =
                later.filter_map(|(release, _)| Some(release.as_deref()?.to_owned())).collect();
            if names.is_empty() {
                return Ok(None);
            }
            names.push(repaired.clone());
            let seen: BTreeMap<String, i64> =
                releases::first_seen(tx, issue.project, &names).await?.into_iter().collect();
            names.pop();
            let at = |name: &String| seen.get(name).copied();
            let again = names.iter().any(|name| {
                let order = releases::compare((name, at(name)), (repaired, at(repaired)));
                order.is_gt() || (order.is_eq() && issue.reason == Reason::Release)
            });
            again.then_some(Reason::Regressed)
        }
        _ => None,
    })
}

/// Makes an issue unresolved, unless somebody changed it at the same moment; `more` is told in its history.
pub(super) async fn come_back(
    tx: &mut Tx,
    before: &Issue,
    reason: Reason,
    more: &Value,
) -> Result<Option<IssueChange>> {
    let mut after = before.clone();
    after.enter(State::Unresolved, reason);
    after.changed_at_us = tx.now_us();
    after.version += 1;
    match store(tx, before, &after).await {
        Err(error) if error.kind() == ErrorKind::Conflict => return Ok(None),
        stored => stored?,
    }
    let mut detail =
        json!({ "reason": reason, "from": before.state, "was": before.reason, "release": before.last_release });
    if let (Some(detail), Some(more)) = (detail.as_object_mut(), more.as_object()) {
        detail.extend(more.clone());
    }
    history::write(tx, before.id, &Actor::system(), "unresolved", &detail).await?;
    let what = if reason == Reason::Regressed { What::Regressed } else { What::Escalated };
    Ok(Some(IssueChange { project: before.project, issue_id: before.id, what }))
}

/// Brings back what was archived until now, lets new issues grow old, and lets old hours go. Cheap where there is nothing to do.
pub(super) async fn sweep(meta: &Meta) -> Result<Vec<IssueChange>> {
    let now = meta.now_us();
    let failed = told("could not look after the issues");
    let over = "SELECT COUNT(*) FROM issues WHERE state = 'archived' AND reason = 'until' AND archived_until <= $1";
    let over: i64 = scalar(meta, over, now).await?;
    let old = "SELECT COUNT(*) FROM issues WHERE state = 'unresolved' AND ((reason = 'new' AND created_at <= $1)
               OR (reason IN ('regressed', 'escalating') AND changed_at <= $1))";
    let old: i64 = scalar(meta, old, now - NEW_US).await?;
    let oldest_hour = now.div_euclid(HOUR_US) - HOURS_KEPT;
    let hours: i64 = scalar(meta, "SELECT COUNT(*) FROM group_hours WHERE hour < $1", oldest_hour).await?;
    let mut changes = Vec::new();
    if over + old + hours == 0 {
        return Ok(changes);
    }
    let mut tx = meta.begin().await?;
    let mut statement = Statement::new("SELECT ");
    statement.push(COLUMNS).push(" FROM issues WHERE state = 'archived' AND reason = 'until' AND archived_until <= ");
    statement.bind(now).push(" ORDER BY id LIMIT ").bind(SWEEP);
    for row in statement.query().fetch_all(tx.connection()).await.map_err(&failed)? {
        let issue = Issue::read(&row).map_err(&failed)?;
        changes.extend(come_back(&mut tx, &issue, Reason::Escalating, &Value::Null).await?);
    }
    sqlx::query(
        "UPDATE issues SET reason = 'ongoing' WHERE state = 'unresolved' AND ((reason = 'new' AND created_at <= $1)
            OR (reason IN ('regressed', 'escalating') AND changed_at <= $1))",
    )
    .bind(now - NEW_US)
    .execute(tx.connection())
    .await
    .map_err(&failed)?;
    let query = sqlx::query("DELETE FROM group_hours WHERE hour < $1").bind(oldest_hour);
    query.execute(tx.connection()).await.map_err(&failed)?;
    tx.commit().await?;
    Ok(changes)
}

async fn scalar(meta: &Meta, statement: &'static str, value: i64) -> Result<i64> {
    let failed = told("could not look after the issues");
    let row = sqlx::query(statement).bind(value).fetch_one(meta.pool()).await.map_err(&failed)?;
    row.try_get(0).map_err(failed)
}
