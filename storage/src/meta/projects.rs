//! Projects: what events belong to.
//!
//! A deleted project keeps its row, so that its number is never given to another while its events are still being removed.

use serde_json::json;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::audit::{self, Actor, Entry};
use super::error::told;
use super::statement::Statement;
use super::{Meta, Tx};
use crate::error::{Error, ErrorKind, Result};
use crate::event::ProjectId;

/// A project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its number, which stands in DSNs.
    pub id: ProjectId,
    /// Its name in addresses: lowercase letters, digits and hyphens.
    pub slug: String,
    /// What people call it.
    pub name: String,
    /// The language or runtime, where it was given.
    pub platform: Option<String>,
    /// How long its events are kept: 30, 90 or 365.
    pub retention_days: i64,
    /// µs UTC.
    pub created_at_us: i64,
    /// Grows with every change.
    pub version: i64,
}

/// A project that is to be made.
#[derive(Clone, Debug)]
pub struct NewProject {
    /// As [`Project::slug`].
    pub slug: String,
    /// As [`Project::name`].
    pub name: String,
    /// As [`Project::platform`].
    pub platform: Option<String>,
    /// As [`Project::retention_days`].
    pub retention_days: i64,
}

const COLUMNS: &str = "id, slug, name, platform, retention_days, created_at, version";
const RETENTIONS: [i64; 3] = [30, 90, 365];

/// The number of a project as the database gives it.
pub(crate) fn project_id(id: Option<i64>) -> Option<ProjectId> {
    id.filter(|id| *id > 0).map(ProjectId)
}

impl Project {
    fn read(row: &AnyRow) -> sqlx::Result<Self> {
        let id: i64 = row.try_get(0)?;
        let broken = || sqlx::Error::Decode(format!("`{id}` is not the number of a project").into());
        Ok(Self {
            id: project_id(Some(id)).ok_or_else(broken)?,
            slug: row.try_get(1)?,
            name: row.try_get(2)?,
            platform: row.try_get(3)?,
            retention_days: row.try_get(4)?,
            created_at_us: row.try_get(5)?,
            version: row.try_get(6)?,
        })
    }

    fn shown(&self) -> serde_json::Value {
        json!({
            "slug": self.slug, "name": self.name, "platform": self.platform, "retention_days": self.retention_days,
        })
    }
}

impl Meta {
    /// All projects but deleted ones, by number.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn projects(&self) -> Result<Vec<Project>> {
        let failed = told("could not read the projects");
        let mut query = Statement::new("SELECT ");
        query.push(COLUMNS).push(" FROM projects WHERE deleted_at IS NULL ORDER BY id");
        let rows = query.query().fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(Project::read).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// One project, unless it is deleted.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn project(&self, id: ProjectId) -> Result<Option<Project>> {
        let failed = told("could not read the project");
        let mut query = Statement::new("SELECT ");
        query.push(COLUMNS).push(" FROM projects WHERE deleted_at IS NULL AND id = ").bind(id.0);
        let row = query.query().fetch_optional(self.pool()).await.map_err(&failed)?;
        row.as_ref().map(Project::read).transpose().map_err(failed)
    }
}

/// Makes a project.
///
/// # Errors
/// `Invalid` for a slug, name or term that is not allowed, `Conflict` where the slug is taken.
pub async fn create(tx: &mut Tx, actor: &Actor, new: &NewProject) -> Result<Project> {
    check(&new.slug, &new.name, new.platform.as_deref(), new.retention_days)?;
    let number = tx.next("project").await?;
    let id = project_id(Some(number)).ok_or_else(|| Error::internal("there are no numbers for projects left"))?;
    let project = Project {
        id,
        slug: new.slug.clone(),
        name: new.name.clone(),
        platform: new.platform.clone(),
        retention_days: new.retention_days,
        created_at_us: tx.now_us(),
        version: 1,
    };
    sqlx::query(
        "INSERT INTO projects (id, slug, name, platform, retention_days, created_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, 1)",
    )
    .bind(number)
    .bind(project.slug.as_str())
    .bind(project.name.as_str())
    .bind(project.platform.as_deref())
    .bind(project.retention_days)
    .bind(project.created_at_us)
    .execute(tx.connection())
    .await
    .map_err(told("could not make the project: its slug"))?;
    note(tx, actor, "project.create", id, None, Some(project.shown())).await?;
    Ok(project)
}

/// Changes a project where it still has the version that the caller saw; slug, name, platform and term may differ.
///
/// # Errors
/// `Invalid` and `Conflict` as [`create`]; `Conflict` also where somebody changed it meanwhile.
pub async fn update(tx: &mut Tx, actor: &Actor, before: &Project, after: &Project) -> Result<()> {
    check(&after.slug, &after.name, after.platform.as_deref(), after.retention_days)?;
    let done = sqlx::query(
        "UPDATE projects SET slug = $1, name = $2, platform = $3, retention_days = $4, version = version + 1
         WHERE id = $5 AND version = $6 AND deleted_at IS NULL",
    )
    .bind(after.slug.as_str())
    .bind(after.name.as_str())
    .bind(after.platform.as_deref())
    .bind(after.retention_days)
    .bind(before.id.0)
    .bind(before.version)
    .execute(tx.connection())
    .await
    .map_err(told("could not change the project: its slug"))?;
    changed(done.rows_affected())?;
    note(tx, actor, "project.update", before.id, Some(before.shown()), Some(after.shown())).await
}

/// Deletes a project: it is gone for everybody at once, its slug is free, and its keys stop working.
///
/// # Errors
/// `Conflict` where somebody changed it meanwhile.
pub async fn delete(tx: &mut Tx, actor: &Actor, project: &Project) -> Result<()> {
    let (now, id) = (tx.now_us(), project.id.0);
    let failed = told("could not delete the project");
    let done = sqlx::query(
        "UPDATE projects SET deleted_at = $1, slug = $2, version = version + 1
         WHERE id = $3 AND version = $4 AND deleted_at IS NULL",
    )
    .bind(now)
    .bind(format!("{}#{id}", project.slug))
    .bind(id)
    .bind(project.version)
    .execute(tx.connection())
    .await
    .map_err(&failed)?;
    changed(done.rows_affected())?;
    sqlx::query(
        "UPDATE ingest_keys SET revoked_at = $1, version = version + 1 WHERE project_id = $2 AND revoked_at IS NULL",
    )
    .bind(now)
    .bind(id)
    .execute(tx.connection())
    .await
    .map_err(failed)?;
    note(tx, actor, "project.delete", project.id, Some(project.shown()), None).await
}

type Shown = Option<serde_json::Value>;

async fn note(tx: &mut Tx, actor: &Actor, verb: &str, id: ProjectId, before: Shown, after: Shown) -> Result<()> {
    let target = id.0.to_string();
    audit::write(tx, &Entry { actor, verb, target: ("project", &target), project: Some(id), before, after }).await
}

fn changed(rows: u64) -> Result<()> {
    if rows > 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, "the project was changed or deleted meanwhile: read it again"))
}

fn check(slug: &str, name: &str, platform: Option<&str>, retention_days: i64) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if slug.is_empty() || slug.len() > 50 || !slug.bytes().all(plain) || slug.starts_with('-') || slug.ends_with('-') {
        return Err(Error::invalid("`slug` is to be 1 to 50 lowercase letters, digits and hyphens between them"));
    }
    if slug.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::invalid("`slug` is to hold a letter: a number alone would be taken for the project's id"));
    }
    if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Error::invalid("`name` is to be 1 to 100 characters without control characters"));
    }
    if platform
        .is_some_and(|platform| platform.is_empty() || platform.len() > 64 || platform.chars().any(char::is_control))
    {
        return Err(Error::invalid("`platform` is to be 1 to 64 characters, or absent"));
    }
    if !RETENTIONS.contains(&retention_days) {
        return Err(Error::invalid(format!("`retention_days` is {retention_days}: one of 30, 90, 365")));
    }
    Ok(())
}
