//! Teams: people who have roles in projects together.

use serde_json::json;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::audit::{self, Actor, Entry};
use super::error::told;
use super::{Meta, Tx, new_id};
use crate::error::{Error, ErrorKind, Result};

/// A team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// Its id.
    pub id: String,
    /// Its name in addresses: lowercase letters, digits and hyphens.
    pub slug: String,
    /// What people call it.
    pub name: String,
    /// µs UTC.
    pub created_at_us: i64,
    /// Grows with every change.
    pub version: i64,
}

impl Team {
    fn read(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get(0)?,
            slug: row.try_get(1)?,
            name: row.try_get(2)?,
            created_at_us: row.try_get(3)?,
            version: row.try_get(4)?,
        })
    }

    fn shown(&self) -> serde_json::Value {
        json!({ "slug": self.slug, "name": self.name })
    }
}

impl Meta {
    /// All teams by slug.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn teams(&self) -> Result<Vec<Team>> {
        let failed = told("could not read the teams");
        let rows = sqlx::query("SELECT id, slug, name, created_at, version FROM teams ORDER BY slug")
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        rows.iter().map(Team::read).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// One team by id.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn team(&self, id: &str) -> Result<Option<Team>> {
        let failed = told("could not read the team");
        let row = sqlx::query("SELECT id, slug, name, created_at, version FROM teams WHERE id = $1")
            .bind(id)
            .fetch_optional(self.pool())
            .await
            .map_err(&failed)?;
        row.as_ref().map(Team::read).transpose().map_err(failed)
    }

    /// The ids of a team's people.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn team_members(&self, team_id: &str) -> Result<Vec<String>> {
        let failed = told("could not read the people of the team");
        let rows = sqlx::query("SELECT user_id FROM team_members WHERE team_id = $1 ORDER BY user_id")
            .bind(team_id)
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        rows.iter().map(|row| row.try_get(0)).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// The teams of a person, by slug.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn teams_of(&self, user_id: &str) -> Result<Vec<Team>> {
        let failed = told("could not read the teams");
        let rows = sqlx::query(
            "SELECT t.id, t.slug, t.name, t.created_at, t.version FROM teams t JOIN team_members m ON m.team_id = t.id
             WHERE m.user_id = $1 ORDER BY t.slug",
        )
        .bind(user_id)
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        rows.iter().map(Team::read).collect::<sqlx::Result<_>>().map_err(failed)
    }
}

/// Makes a team.
///
/// # Errors
/// `Invalid` for a slug or name that is not allowed, `Conflict` where the slug is taken.
pub async fn create(tx: &mut Tx, actor: &Actor, slug: &str, name: &str) -> Result<Team> {
    let team =
        Team { id: new_id(), slug: slug.to_owned(), name: name.to_owned(), created_at_us: tx.now_us(), version: 1 };
    check(&team)?;
    sqlx::query("INSERT INTO teams (id, slug, name, created_at, version) VALUES ($1, $2, $3, $4, 1)")
        .bind(team.id.as_str())
        .bind(slug)
        .bind(name)
        .bind(team.created_at_us)
        .execute(tx.connection())
        .await
        .map_err(told("could not make the team: its slug"))?;
    note(tx, actor, "team.create", &team.id, None, Some(team.shown())).await?;
    Ok(team)
}

/// Changes slug and name of a team where it still has the version that the caller saw.
///
/// # Errors
/// As [`create`]; `Conflict` also where somebody changed it meanwhile.
pub async fn update(tx: &mut Tx, actor: &Actor, before: &Team, after: &Team) -> Result<()> {
    check(after)?;
    let done =
        sqlx::query("UPDATE teams SET slug = $1, name = $2, version = version + 1 WHERE id = $3 AND version = $4")
            .bind(after.slug.as_str())
            .bind(after.name.as_str())
            .bind(before.id.as_str())
            .bind(before.version)
            .execute(tx.connection())
            .await
            .map_err(told("could not change the team: its slug"))?;
    changed(done.rows_affected())?;
    note(tx, actor, "team.update", &before.id, Some(before.shown()), Some(after.shown())).await
}

/// Removes a team with its roles; issues that were assigned to it are nobody's.
///
/// # Errors
/// `Conflict` where somebody changed it meanwhile.
pub async fn delete(tx: &mut Tx, actor: &Actor, team: &Team) -> Result<()> {
    let failed = told("could not remove the team");
    for statement in [
        "DELETE FROM team_members WHERE team_id = $1",
        "DELETE FROM team_roles WHERE team_id = $1",
        "UPDATE issues SET assigned_team = NULL, version = version + 1 WHERE assigned_team = $1",
    ] {
        sqlx::query(statement).bind(team.id.as_str()).execute(tx.connection()).await.map_err(&failed)?;
    }
    let done = sqlx::query("DELETE FROM teams WHERE id = $1 AND version = $2")
        .bind(team.id.as_str())
        .bind(team.version)
        .execute(tx.connection())
        .await
        .map_err(&failed)?;
    changed(done.rows_affected())?;
    note(tx, actor, "team.delete", &team.id, Some(team.shown()), None).await
}

/// Adds a person to a team, or takes one out. Doing it twice changes nothing.
///
/// # Errors
/// `NotFound` where there is no such person or team.
pub async fn set_member(tx: &mut Tx, actor: &Actor, team_id: &str, user_id: &str, is_in: bool) -> Result<()> {
    let (statement, verb) = if is_in {
        ("INSERT INTO team_members (team_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", "team.join")
    } else {
        ("DELETE FROM team_members WHERE team_id = $1 AND user_id = $2", "team.leave")
    };
    let done = sqlx::query(statement)
        .bind(team_id)
        .bind(user_id)
        .execute(tx.connection())
        .await
        .map_err(told("could not change the people of the team"))?;
    if done.rows_affected() == 0 {
        return Ok(());
    }
    let shown = Some(json!({ "user": user_id }));
    let (before, after) = if is_in { (None, shown) } else { (shown, None) };
    note(tx, actor, verb, team_id, before, after).await
}

type Shown = Option<serde_json::Value>;

async fn note(tx: &mut Tx, actor: &Actor, verb: &str, id: &str, before: Shown, after: Shown) -> Result<()> {
    audit::write(tx, &Entry { actor, verb, target: ("team", id), project: None, before, after }).await
}

fn changed(rows: u64) -> Result<()> {
    if rows > 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, "the team was changed or removed meanwhile: read it again"))
}

fn check(team: &Team) -> Result<()> {
    let (slug, name) = (&team.slug, &team.name);
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if slug.is_empty() || slug.len() > 50 || !slug.bytes().all(plain) || slug.starts_with('-') || slug.ends_with('-') {
        return Err(Error::invalid("`slug` is to be 1 to 50 lowercase letters, digits and hyphens between them"));
    }
    if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Error::invalid("`name` is to be 1 to 100 characters without control characters"));
    }
    Ok(())
}
