//! Merging issues into one, and taking them apart again exactly.
//!
//! Only the mapping moves: each group remembers the issue that it belongs to by itself (its home). A merged issue keeps its row,
//! its state, comments and history, and counts nothing until its groups come home.

use sqlx::Row;

use super::Tx;
use super::audit::{self, Actor, Entry};
use super::error::told;
use super::history;
use super::issues::{Issue, fetch, recompute, take_turn};
use super::statement::Statement;
use crate::error::{Error, ErrorKind, Result};

/// Issues merged in one step.
const SOURCES_MAX: usize = 100;

/// Moves the groups of `sources` to `target`, whatever their states. Returns the target.
///
/// # Errors
/// `NotFound` for no such issue; `Invalid` for issues of another project, none or over 100 sources, or the target among them;
/// `Conflict` where one was merged already.
pub async fn merge(tx: &mut Tx, actor: &Actor, target: i64, sources: &[i64]) -> Result<Issue> {
    take_turn(tx).await?;
    let into = fetch(tx, target).await?;
    let mut sources = sources.to_vec();
    sources.sort_unstable();
    sources.dedup();
    if sources.is_empty() || sources.len() > SOURCES_MAX || sources.contains(&target) {
        return Err(Error::invalid(format!(
            "name 1 to {SOURCES_MAX} issues to merge, without the one they are merged into"
        )));
    }
    not_merged(&into)?;
    for source in &sources {
        let from = fetch(tx, *source).await?;
        if from.project != into.project {
            return Err(Error::invalid(format!("issues `{source}` and `{target}` are of different projects")));
        }
        not_merged(&from)?;
        let failed = told("could not merge the issues");
        sqlx::query("UPDATE groups SET issue_id = $1 WHERE issue_id = $2")
            .bind(target)
            .bind(*source)
            .execute(tx.connection())
            .await
            .map_err(&failed)?;
        // Those that were merged into it before go along.
        sqlx::query("UPDATE issues SET merged_into = $1, version = version + 1 WHERE id = $2 OR merged_into = $2")
            .bind(target)
            .bind(*source)
            .execute(tx.connection())
            .await
            .map_err(&failed)?;
        history::write(tx, *source, actor, "merged", &serde_json::json!({ "into": target })).await?;
    }
    history::write(tx, target, actor, "took", &serde_json::json!({ "issues": sources })).await?;
    let detail = serde_json::json!({ "sources": sources });
    finish(tx, actor, target, &sources, "issue.merge", detail).await
}

/// Brings all groups of issue `source` home, wherever they are. Returns the issue.
///
/// # Errors
/// `NotFound` for no such issue; `Conflict` where all its groups are at home.
pub async fn unmerge(tx: &mut Tx, actor: &Actor, source: i64) -> Result<Issue> {
    take_turn(tx).await?;
    fetch(tx, source).await?;
    let mut statement = Statement::new("SELECT hash, issue_id FROM groups WHERE home_id = ");
    statement.bind(source).push(" AND issue_id <> ").bind(source);
    let failed = told("could not take the issues apart");
    let rows = statement.query().fetch_all(tx.connection()).await.map_err(&failed)?;
    if rows.is_empty() {
        return Err(Error::new(ErrorKind::Conflict, format!("issue `{source}` is not merged")));
    }
    let mut hosts = rows.iter().map(|row| row.try_get(1)).collect::<sqlx::Result<Vec<i64>>>().map_err(&failed)?;
    hosts.sort_unstable();
    hosts.dedup();
    let query = sqlx::query("UPDATE groups SET issue_id = home_id WHERE home_id = $1").bind(source);
    query.execute(tx.connection()).await.map_err(&failed)?;
    come_home(tx, &[source]).await?;
    for host in &hosts {
        history::write(tx, *host, actor, "gave", &serde_json::json!({ "issue": source })).await?;
    }
    history::write(tx, source, actor, "unmerged", &serde_json::json!({ "from": hosts })).await?;
    finish(tx, actor, source, &hosts, "issue.unmerge", serde_json::json!({ "from": hosts })).await
}

/// Brings single groups of issue `issue` home. Returns the issue that they leave.
///
/// # Errors
/// `NotFound` for no such issue; `Invalid` where one of the groups is not in it, or is at home there.
pub async fn unmerge_groups(tx: &mut Tx, actor: &Actor, issue: i64, hashes: &[u64]) -> Result<Issue> {
    take_turn(tx).await?;
    fetch(tx, issue).await?;
    let mut hashes = hashes.to_vec();
    hashes.sort_unstable();
    hashes.dedup();
    let signed = || hashes.iter().map(|hash| hash.cast_signed());
    let mut statement = Statement::new("SELECT home_id FROM groups WHERE issue_id = ");
    statement.bind(issue).push(" AND home_id <> ").bind(issue).push(" AND hash IN ").list(signed());
    let failed = told("could not take the issues apart");
    let rows = statement.query().fetch_all(tx.connection()).await.map_err(&failed)?;
    if rows.is_empty() || rows.len() != hashes.len() {
        return Err(Error::invalid(format!("one of the groups was not merged into issue `{issue}`")));
    }
    let mut homes = rows.iter().map(|row| row.try_get(0)).collect::<sqlx::Result<Vec<i64>>>().map_err(&failed)?;
    homes.sort_unstable();
    homes.dedup();
    let mut statement = Statement::new("UPDATE groups SET issue_id = home_id WHERE issue_id = ");
    statement.bind(issue).push(" AND hash IN ").list(signed());
    statement.query().execute(tx.connection()).await.map_err(&failed)?;
    come_home(tx, &homes).await?;
    let names: Vec<String> = hashes.iter().map(|hash| format!("{hash:016x}")).collect();
    for home in &homes {
        history::write(tx, *home, actor, "unmerged", &serde_json::json!({ "from": [issue] })).await?;
    }
    history::write(tx, issue, actor, "gave", &serde_json::json!({ "groups": names })).await?;
    finish(tx, actor, issue, &homes, "issue.unmerge", serde_json::json!({ "groups": names })).await
}

/// Issues with groups of their own are not merged any more.
async fn come_home(tx: &mut Tx, homes: &[i64]) -> Result<()> {
    let mut statement = Statement::new("UPDATE issues SET merged_into = NULL, version = version + 1 WHERE id IN ");
    statement.list(homes.iter().copied());
    statement.query().execute(tx.connection()).await.map_err(told("could not take the issues apart"))?;
    Ok(())
}

async fn finish(
    tx: &mut Tx,
    actor: &Actor,
    issue: i64,
    others: &[i64],
    verb: &str,
    detail: serde_json::Value,
) -> Result<Issue> {
    let mut touched = others.to_vec();
    touched.push(issue);
    recompute(tx, &touched).await?;
    let after = fetch(tx, issue).await?;
    let target = issue.to_string();
    let project = Some(after.project);
    audit::write(tx, &Entry { actor, verb, target: ("issue", &target), project, before: None, after: Some(detail) })
        .await?;
    Ok(after)
}

fn not_merged(issue: &Issue) -> Result<()> {
    let Some(into) = issue.merged_into else { return Ok(()) };
    Err(Error::new(ErrorKind::Conflict, format!("issue `{}` was merged into issue `{into}` already", issue.id)))
}
