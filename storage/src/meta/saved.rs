//! Searches that people keep, for themselves or for everybody who reaches the project.

use serde_json::json;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::audit::{self, Actor, Entry};
use super::error::told;
use super::issues::words;
use super::projects::project_id;
use super::statement::Statement;
use super::{Meta, Tx, new_id};
use crate::error::{Error, ErrorKind, Result};
use crate::event::ProjectId;

/// What a saved search lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchKind {
    /// Events.
    Events,
    /// Issues.
    Issues,
    /// A statement.
    Sql,
}

words!(SearchKind { Events "events", Issues "issues", Sql "sql" });

/// A search that is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSearch {
    /// The project it is for; `None` for all that one reaches.
    pub project: Option<ProjectId>,
    /// What people call it.
    pub name: String,
    /// What it lists.
    pub kind: SearchKind,
    /// The search, in the language of its kind.
    pub query: String,
    /// Whether others see it.
    pub shared: bool,
}

/// A saved search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedSearch {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub user_id: String,
    /// What was kept.
    pub search: NewSearch,
    /// µs UTC.
    pub created_at_us: i64,
    /// Grows with every change.
    pub version: i64,
}

const COLUMNS: &str = "id, project_id, user_id, name, kind, query, shared, created_at, version";

impl SavedSearch {
    fn read(row: &AnyRow) -> sqlx::Result<Self> {
        let kind: String = row.try_get(4)?;
        let broken = || sqlx::Error::Decode(format!("`{kind}` is not the kind of a search").into());
        Ok(Self {
            id: row.try_get(0)?,
            user_id: row.try_get(2)?,
            search: NewSearch {
                project: project_id(row.try_get(1)?),
                name: row.try_get(3)?,
                kind: SearchKind::parse(&kind).ok_or_else(broken)?,
                query: row.try_get(5)?,
                shared: row.try_get::<i64, _>(6)? != 0,
            },
            created_at_us: row.try_get(7)?,
            version: row.try_get(8)?,
        })
    }
}

impl Meta {
    /// The searches that a user sees: their own, and shared ones of no project or of these, by name.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn saved_searches(&self, user: &str, projects: &[ProjectId]) -> Result<Vec<SavedSearch>> {
        let mut statement = Statement::new("SELECT ");
        statement.push(COLUMNS).push(" FROM saved_searches WHERE (user_id = ").bind(user.to_owned());
        statement.push(" OR shared = 1) AND (project_id IS NULL OR project_id IN ");
        statement.list(projects.iter().map(|project| project.0)).push(") ORDER BY name, id");
        let failed = told("could not read the saved searches");
        let rows = statement.query().fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(SavedSearch::read).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// One saved search, whoever's it is.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn saved_search(&self, id: &str) -> Result<Option<SavedSearch>> {
        let mut statement = Statement::new("SELECT ");
        statement.push(COLUMNS).push(" FROM saved_searches WHERE id = ").bind(id.to_owned());
        let failed = told("could not read the saved search");
        let row = statement.query().fetch_optional(self.pool()).await.map_err(&failed)?;
        row.as_ref().map(SavedSearch::read).transpose().map_err(failed)
    }
}

/// Keeps a search of `user`.
///
/// # Errors
/// `Invalid` for a name or text that is empty or too long, `NotFound` for no such project or user.
pub async fn create(tx: &mut Tx, actor: &Actor, user: &str, new: &NewSearch) -> Result<SavedSearch> {
    check(new)?;
    let now = tx.now_us();
    let saved =
        SavedSearch { id: new_id(), user_id: user.to_owned(), search: new.clone(), created_at_us: now, version: 1 };
    sqlx::query(
        "INSERT INTO saved_searches (id, project_id, user_id, name, kind, query, shared, created_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)",
    )
    .bind(saved.id.clone())
    .bind(new.project.map(|project| project.0))
    .bind(user.to_owned())
    .bind(new.name.clone())
    .bind(new.kind.as_str())
    .bind(new.query.clone())
    .bind(i64::from(new.shared))
    .bind(now)
    .execute(tx.connection())
    .await
    .map_err(told("could not keep the search: its project"))?;
    note(tx, actor, "search.create", &saved.id, (None, Some(new))).await?;
    Ok(saved)
}

/// Changes a saved search where it still has the version that the caller saw.
///
/// # Errors
/// As [`create`]; `Conflict` where it was changed or deleted meanwhile.
pub async fn update(tx: &mut Tx, actor: &Actor, before: &SavedSearch, after: &NewSearch) -> Result<SavedSearch> {
    check(after)?;
    let done = sqlx::query(
        "UPDATE saved_searches SET project_id = $1, name = $2, kind = $3, query = $4, shared = $5, version = version + 1
         WHERE id = $6 AND version = $7",
    )
    .bind(after.project.map(|project| project.0))
    .bind(after.name.clone())
    .bind(after.kind.as_str())
    .bind(after.query.clone())
    .bind(i64::from(after.shared))
    .bind(before.id.clone())
    .bind(before.version)
    .execute(tx.connection())
    .await
    .map_err(told("could not change the search: its project"))?;
    changed(done.rows_affected())?;
    note(tx, actor, "search.update", &before.id, (Some(&before.search), Some(after))).await?;
    Ok(SavedSearch { search: after.clone(), version: before.version + 1, ..before.clone() })
}

/// Deletes a saved search where it still has the version that the caller saw.
///
/// # Errors
/// `Conflict` where it was changed or deleted meanwhile.
pub async fn delete(tx: &mut Tx, actor: &Actor, before: &SavedSearch) -> Result<()> {
    let done = sqlx::query("DELETE FROM saved_searches WHERE id = $1 AND version = $2")
        .bind(before.id.clone())
        .bind(before.version)
        .execute(tx.connection())
        .await
        .map_err(told("could not delete the search"))?;
    changed(done.rows_affected())?;
    note(tx, actor, "search.delete", &before.id, (Some(&before.search), None)).await
}

type Both<'a> = (Option<&'a NewSearch>, Option<&'a NewSearch>);

async fn note(tx: &mut Tx, actor: &Actor, verb: &str, id: &str, (before, after): Both<'_>) -> Result<()> {
    let project = after.or(before).and_then(|search| search.project);
    let shown = |search: Option<&NewSearch>| {
        let search = search?;
        Some(json!({
            "name": search.name, "kind": search.kind, "query": search.query, "shared": search.shared,
            "project_id": search.project,
        }))
    };
    let (before, after) = (shown(before), shown(after));
    audit::write(tx, &Entry { actor, verb, target: ("search", id), project, before, after }).await
}

fn changed(rows: u64) -> Result<()> {
    if rows > 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, "the search was changed or deleted meanwhile: read it again"))
}

fn check(search: &NewSearch) -> Result<()> {
    let NewSearch { name, query, .. } = search;
    if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Error::invalid("`name` is to be 1 to 100 characters without control characters"));
    }
    if query.len() > 16_384 || query.contains('\0') {
        return Err(Error::invalid("`query` is to be at most 16,384 bytes"));
    }
    Ok(())
}
