//! What happened to an issue: a row for each step of its life, written in the transaction of the step.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::audit::Actor;
use super::error::told;
use super::statement::Statement;
use super::{Meta, Tx, new_id};
use crate::error::Result;

/// One step in an issue's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its id; later steps have greater ids.
    pub id: String,
    /// The issue.
    pub issue_id: i64,
    /// When, µs UTC.
    pub at_us: i64,
    /// Who: `user`, `token`, `shell` or `system`.
    pub actor_kind: String,
    /// Their id.
    pub actor: String,
    /// What: `created`, `unresolved`, `resolved`, `archived`, `assigned`, `unassigned`, `merged`, `took`, `unmerged`, `gave`,
    /// `followed` (a new hash goes on in it).
    pub what: String,
    /// The rest, a JSON object.
    pub detail: String,
}

/// Writes a step.
///
/// # Errors
/// As of any statement.
pub(crate) async fn write(
    tx: &mut Tx,
    issue: i64,
    actor: &Actor,
    what: &str,
    detail: &serde_json::Value,
) -> Result<()> {
    let at_us = tx.now_us();
    sqlx::query("INSERT INTO issue_history (id, issue_id, at, who, what, detail) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(new_id())
        .bind(issue)
        .bind(at_us)
        .bind(format!("{}:{}", actor.kind.as_str(), actor.id))
        .bind(what)
        .bind(detail.to_string())
        .execute(tx.connection())
        .await
        .map_err(told("could not write the history of the issue"))?;
    Ok(())
}

/// Writes the same step of several issues, in one statement.
///
/// # Errors
/// As of any statement.
pub(crate) async fn write_many(
    tx: &mut Tx,
    actor: &Actor,
    what: &'static str,
    steps: impl Iterator<Item = (i64, serde_json::Value)>,
) -> Result<()> {
    let mut statement = Statement::new("INSERT INTO issue_history (id, issue_id, at, who, what, detail) VALUES ");
    let who = format!("{}:{}", actor.kind.as_str(), actor.id);
    let mut before = "(";
    for (issue, detail) in steps {
        statement.push(before).bind(new_id()).push(", ").bind(issue).push(", ").bind(tx.now_us()).push(", ");
        statement.bind(who.clone()).push(", ").bind(what).push(", ").bind(detail.to_string()).push(")");
        before = ", (";
    }
    if before == "(" {
        return Ok(());
    }
    let done = statement.query().execute(tx.connection()).await;
    done.map(drop).map_err(told("could not write the history of the issues"))
}

impl Meta {
    /// The newest steps of an issue, at most `limit`, older than the step `before` where one is given.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn issue_history(&self, issue: i64, before: Option<(i64, &str)>, limit: u32) -> Result<Vec<Step>> {
        let mut statement =
            Statement::new("SELECT id, issue_id, at, who, what, detail FROM issue_history WHERE issue_id = ");
        statement.bind(issue);
        if let Some((at_us, id)) = before {
            statement.push(" AND (at, id) < (").bind(at_us).push(", ").bind(id.to_owned()).push(")");
        }
        statement.push(" ORDER BY at DESC, id DESC LIMIT ").bind(i64::from(limit));
        let failed = told("could not read the history of the issue");
        let rows = statement.query().fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(Step::read).collect::<sqlx::Result<_>>().map_err(failed)
    }
}

impl Step {
    fn read(row: &AnyRow) -> sqlx::Result<Self> {
        let who: String = row.try_get(3)?;
        let (kind, actor) = who.split_once(':').unwrap_or(("system", &who));
        Ok(Self {
            id: row.try_get(0)?,
            issue_id: row.try_get(1)?,
            at_us: row.try_get(2)?,
            actor_kind: kind.to_owned(),
            actor: actor.to_owned(),
            what: row.try_get(4)?,
            detail: row.try_get(5)?,
        })
    }
}
