//! Who reaches what: roles in the organisation and in projects, of people and of their teams.
//!
//! A role in a project comes from the person or from any of the teams; the highest counts. Owners and admins of the
//! organisation reach every project with that role, so that none is ever without somebody who may care for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;

use super::audit::{self, Actor, Entry};
use super::error::told;
use super::{Meta, Tx};
use crate::error::Result;
use crate::event::ProjectId;

/// What somebody is in the organisation or in a project; each may do all that the one before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Works with issues.
    Member,
    /// Cares for settings, keys and people.
    Admin,
    /// May do everything.
    Owner,
}

impl Role {
    /// All, from the least.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Member, Self::Admin, Self::Owner];

    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The role with that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    pub(crate) fn read(row: &sqlx::any::AnyRow, index: usize) -> sqlx::Result<Self> {
        let word: String = row.try_get(index)?;
        Self::parse(&word).ok_or_else(|| sqlx::Error::Decode(format!("`{word}` is no role").into()))
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who has a role in a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A person by id.
    User(String),
    /// A team by id.
    Team(String),
}

/// A role in a project, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose.
    pub holder: Holder,
    /// What people call them: an email address, a team's name.
    pub name: String,
    /// Which role.
    pub role: Role,
}

impl Meta {
    /// The live projects that a person reaches, with the highest of their roles in each.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn reach(&self, user_id: &str, role: Role) -> Result<BTreeMap<ProjectId, Role>> {
        let failed = told("could not read the rights");
        let mut reach = BTreeMap::new();
        if role >= Role::Admin {
            let rows = sqlx::query("SELECT id FROM projects WHERE deleted_at IS NULL").fetch_all(self.pool()).await;
            for row in rows.map_err(&failed)? {
                reach.insert(ProjectId(row.try_get(0).map_err(&failed)?), role);
            }
            return Ok(reach);
        }
        let rows = sqlx::query(
            "SELECT r.project_id, r.role FROM project_roles r JOIN projects p ON p.id = r.project_id
             WHERE r.user_id = $1 AND p.deleted_at IS NULL
             UNION ALL
             SELECT r.project_id, r.role FROM team_roles r JOIN projects p ON p.id = r.project_id
             JOIN team_members m ON m.team_id = r.team_id WHERE m.user_id = $1 AND p.deleted_at IS NULL",
        )
        .bind(user_id)
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        for row in rows {
            let project = ProjectId(row.try_get(0).map_err(&failed)?);
            let role = Role::read(&row, 1).map_err(&failed)?;
            let held = reach.entry(project).or_insert(role);
            *held = role.max(*held);
        }
        Ok(reach)
    }

    /// Who has a role in a project, people first, by name.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn grants(&self, project: ProjectId) -> Result<Vec<Grant>> {
        let failed = told("could not read the rights in the project");
        let rows = sqlx::query(
            "SELECT CAST(0 AS BIGINT) AS kind, u.id, u.email AS name, r.role FROM project_roles r JOIN users u ON u.id = r.user_id
             WHERE r.project_id = $1
             UNION ALL
             SELECT CAST(1 AS BIGINT), t.id, t.name, r.role FROM team_roles r JOIN teams t ON t.id = r.team_id WHERE r.project_id = $1
             ORDER BY 1, 3, 2",
        )
        .bind(project.0)
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        let read = |row: &sqlx::any::AnyRow| -> sqlx::Result<Grant> {
            let id = row.try_get(1)?;
            let is_team = row.try_get::<i64, _>(0)? != 0;
            let holder = if is_team { Holder::Team(id) } else { Holder::User(id) };
            Ok(Grant { holder, name: row.try_get(2)?, role: Role::read(row, 3)? })
        };
        rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// The roles that a team has in live projects.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn projects_of_team(&self, team_id: &str) -> Result<Vec<(ProjectId, Role)>> {
        let failed = told("could not read the rights of the team");
        let rows = sqlx::query(
            "SELECT r.project_id, r.role FROM team_roles r JOIN projects p ON p.id = r.project_id
             WHERE r.team_id = $1 AND p.deleted_at IS NULL ORDER BY r.project_id",
        )
        .bind(team_id)
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        let read = |row: &sqlx::any::AnyRow| Ok((ProjectId(row.try_get(0)?), Role::read(row, 1)?));
        rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(failed)
    }
}

/// Gives or, with `None`, takes a role in a project. Returns the role that was there before.
///
/// # Errors
/// `NotFound` where there is no such person, team or project.
pub async fn grant(
    tx: &mut Tx,
    actor: &Actor,
    project: ProjectId,
    holder: &Holder,
    role: Option<Role>,
) -> Result<Option<Role>> {
    let failed = told("could not change the rights in the project");
    let (kind, id, [read, write, remove]) = match holder {
        Holder::User(id) => ("user", id, USER_STATEMENTS),
        Holder::Team(id) => ("team", id, TEAM_STATEMENTS),
    };
    let row = sqlx::query(read).bind(project.0).bind(id.as_str()).fetch_optional(tx.connection()).await;
    let before = row.map_err(&failed)?.map(|row| Role::read(&row, 0)).transpose().map_err(&failed)?;
    if before == role {
        return Ok(before);
    }
    let done = match role {
        Some(role) => sqlx::query(write).bind(project.0).bind(id.as_str()).bind(role.as_str()),
        None => sqlx::query(remove).bind(project.0).bind(id.as_str()),
    };
    done.execute(tx.connection()).await.map_err(&failed)?;
    let shown = |role: Option<Role>| role.map(|role| json!({ "holder": kind, "id": id, "role": role }));
    let (target, verb) = (project.0.to_string(), if role.is_some() { "access.grant" } else { "access.revoke" });
    let entry = Entry {
        actor,
        verb,
        target: ("project", &target),
        project: Some(project),
        before: shown(before),
        after: shown(role),
    };
    audit::write(tx, &entry).await?;
    Ok(before)
}

const USER_STATEMENTS: [&str; 3] = [
    "SELECT role FROM project_roles WHERE project_id = $1 AND user_id = $2",
    "INSERT INTO project_roles (project_id, user_id, role) VALUES ($1, $2, $3)
     ON CONFLICT (project_id, user_id) DO UPDATE SET role = excluded.role",
    "DELETE FROM project_roles WHERE project_id = $1 AND user_id = $2",
];
const TEAM_STATEMENTS: [&str; 3] = [
    "SELECT role FROM team_roles WHERE project_id = $1 AND team_id = $2",
    "INSERT INTO team_roles (project_id, team_id, role) VALUES ($1, $2, $3)
     ON CONFLICT (project_id, team_id) DO UPDATE SET role = excluded.role",
    "DELETE FROM team_roles WHERE project_id = $1 AND team_id = $2",
];
