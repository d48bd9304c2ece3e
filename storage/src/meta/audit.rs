//! The audit log: who did what to what, before and after, from where.
//!
//! No statement changes or removes a row. Each row carries a hash over itself and the hash of the row before it, so that a
//! row changed, added or taken out by other means is found by [`Meta::verify_audit`]. A row is written in the transaction of
//! the change it tells of; rows are numbered without gaps, which makes such transactions wait for each other.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::told;
use super::statement::Statement;
use super::{Backend, Meta, Tx};
use crate::error::Result;
use crate::event::ProjectId;

/// What kind of caller acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person who logged in.
    User,
    /// An API token.
    Token,
    /// `tephra admin` on the server's machine.
    Shell,
    /// The server itself.
    System,
    /// Nobody known: a failed login.
    Nobody,
}

impl ActorKind {
    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Token => "token",
            Self::Shell => "shell",
            Self::System => "system",
            Self::Nobody => "nobody",
        }
    }
}

/// Who acts, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// What kind of caller.
    pub kind: ActorKind,
    /// The id of the user or token.
    pub id: String,
    /// What people call them: an email address, a token's name.
    pub name: String,
    /// The client's address; empty for the shell and the server.
    pub address: String,
    /// The request's id; empty outside requests.
    pub request_id: String,
}

impl Actor {
    /// The server itself.
    pub fn system() -> Self {
        Self::local(ActorKind::System, "tephra")
    }

    /// Whoever runs `tephra admin`.
    pub fn shell(name: &str) -> Self {
        Self::local(ActorKind::Shell, name)
    }

    fn local(kind: ActorKind, name: &str) -> Self {
        let (address, request_id) = (String::new(), String::new());
        Self { kind, id: kind.as_str().to_owned(), name: name.to_owned(), address, request_id }
    }
}

/// A row to be written.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// What, as noun and verb: `project.create`, `login.fail`.
    pub verb: &'a str,
    /// The kind and the id of what was acted on.
    pub target: (&'a str, &'a str),
    /// The project it belongs to.
    pub project: Option<ProjectId>,
    /// The changed fields as they were; never a secret.
    pub before: Option<serde_json::Value>,
    /// The changed fields as they are.
    pub after: Option<serde_json::Value>,
}

/// A row that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// From 1, without gaps.
    pub id: i64,
    /// When, µs UTC.
    pub at_us: i64,
    /// `user`, `token`, `shell`, `system` or `nobody`.
    pub actor_kind: String,
    /// The id of the user or token.
    pub actor: String,
    /// What people call them.
    pub actor_name: String,
    /// Noun and verb.
    pub verb: String,
    /// What kind of thing was acted on.
    pub target_kind: String,
    /// Its id.
    pub target: String,
    /// The project it belongs to.
    pub project: Option<ProjectId>,
    /// The changed fields as they were, JSON.
    pub before: Option<String>,
    /// The changed fields as they are, JSON.
    pub after: Option<String>,
    /// The client's address.
    pub address: String,
    /// The request's id.
    pub request_id: String,
    /// Hash of this row and the hash before it, 64 hex digits.
    pub hash: String,
}

/// Which rows are asked for; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Rows older than this one only: the cursor.
    pub before_id: Option<i64>,
    /// From this time on, µs UTC.
    pub from_us: Option<i64>,
    /// Before this time, µs UTC.
    pub to_us: Option<i64>,
    /// By this user or token id.
    pub actor: Option<String>,
    /// With this verb.
    pub verb: Option<String>,
    /// On things of this kind.
    pub target_kind: Option<String>,
    /// On the thing with this id.
    pub target: Option<String>,
    /// In this project.
    pub project: Option<ProjectId>,
}

const COLUMNS: &str = "id, at, actor_kind, actor, actor_name, verb, target_kind, target, project_id, before, after, \
                       address, request_id, hash";

/// Writes a row in the transaction of the change it tells of.
///
/// # Errors
/// As of any statement.
pub async fn write(tx: &mut Tx, entry: &Entry<'_>) -> Result<()> {
    if tx.backend() == Backend::Postgres {
        // Rows are chained, so their writers take turns. The lock goes with the transaction.
        sqlx::query("SELECT CAST(pg_advisory_xact_lock(7310001) AS TEXT)")
            .execute(tx.connection())
            .await
            .map_err(told("could not write the audit log"))?;
    }
    let last = sqlx::query("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1")
        .fetch_optional(tx.connection())
        .await
        .map_err(told("could not write the audit log"))?;
    let (last_id, last_hash) = match &last {
        Some(row) => (row.get::<i64, _>(0), row.get::<String, _>(1)),
        None => (0, String::new()),
    };
    let mut row = Written {
        id: last_id + 1,
        at_us: tx.now_us(),
        actor_kind: entry.actor.kind.as_str().to_owned(),
        actor: entry.actor.id.clone(),
        actor_name: entry.actor.name.clone(),
        verb: entry.verb.to_owned(),
        target_kind: entry.target.0.to_owned(),
        target: entry.target.1.to_owned(),
        project: entry.project,
        before: entry.before.as_ref().map(ToString::to_string),
        after: entry.after.as_ref().map(ToString::to_string),
        address: entry.actor.address.clone(),
        request_id: entry.actor.request_id.clone(),
        hash: String::new(),
    };
    row.hash = row.chained(&last_hash);
    sqlx::query(
        "INSERT INTO audit (id, at, actor_kind, actor, actor_name, verb, target_kind, target, project_id, before, after,
                            address, request_id, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(row.id)
    .bind(row.at_us)
    .bind(row.actor_kind)
    .bind(row.actor)
    .bind(row.actor_name)
    .bind(row.verb)
    .bind(row.target_kind)
    .bind(row.target)
    .bind(row.project.map(|project| project.0))
    .bind(row.before)
    .bind(row.after)
    .bind(row.address)
    .bind(row.request_id)
    .bind(row.hash)
    .execute(tx.connection())
    .await
    .map_err(told("could not write the audit log"))?;
    Ok(())
}

impl Written {
    /// Hash over the hash before and every field, each with its length, so that no two rows write alike.
    fn chained(&self, before: &str) -> String {
        let mut hash = Sha256::new();
        let mut add = |field: &str| {
            hash.update((field.len() as u64).to_le_bytes());
            hash.update(field);
        };
        add(before);
        add(&self.id.to_string());
        add(&self.at_us.to_string());
        for field in [&self.actor_kind, &self.actor, &self.actor_name, &self.verb, &self.target_kind, &self.target] {
            add(field);
        }
        add(&self.project.map(|project| project.0.to_string()).unwrap_or_default());
        add(self.before.as_deref().unwrap_or_default());
        add(self.after.as_deref().unwrap_or_default());
        add(&self.address);
        add(&self.request_id);
        hex::encode(hash.finalize())
    }

    fn read(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get(0)?,
            at_us: row.try_get(1)?,
            actor_kind: row.try_get(2)?,
            actor: row.try_get(3)?,
            actor_name: row.try_get(4)?,
            verb: row.try_get(5)?,
            target_kind: row.try_get(6)?,
            target: row.try_get(7)?,
            project: super::projects::project_id(row.try_get(8)?),
            before: row.try_get(9)?,
            after: row.try_get(10)?,
            address: row.try_get(11)?,
            request_id: row.try_get(12)?,
            hash: row.try_get(13)?,
        })
    }
}

impl Meta {
    /// The newest rows that pass, at most `limit`.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn audit(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<Written>> {
        let mut query = Statement::new("SELECT ");
        query.push(COLUMNS).push(" FROM audit WHERE 1 = 1");
        let mut and = |condition: &'static str, value: Option<i64>| {
            if let Some(value) = value {
                query.push(condition).bind(value);
            }
        };
        and(" AND id < ", filter.before_id);
        and(" AND at >= ", filter.from_us);
        and(" AND at < ", filter.to_us);
        and(" AND project_id = ", filter.project.map(|project| project.0));
        let mut and = |condition: &'static str, value: &Option<String>| {
            if let Some(value) = value {
                query.push(condition).bind(value.clone());
            }
        };
        and(" AND actor = ", &filter.actor);
        and(" AND verb = ", &filter.verb);
        and(" AND target_kind = ", &filter.target_kind);
        and(" AND target = ", &filter.target);
        query.push(" ORDER BY id DESC LIMIT ").bind(i64::from(limit));
        let failed = told("could not read the audit log");
        let rows = query.query().fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(Written::read).collect::<sqlx::Result<_>>().map_err(&failed)
    }

    /// Reads the whole log and compares the chain. Returns the number of rows, or the id of the first that is not what was
    /// written or does not follow the one before.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn verify_audit(&self) -> Result<std::result::Result<u64, i64>> {
        let (mut last, mut hash) = (0_i64, String::new());
        let failed = told("could not read the audit log");
        loop {
            let mut query = Statement::new("SELECT ");
            query.push(COLUMNS).push(" FROM audit WHERE id > ").bind(last).push(" ORDER BY id LIMIT 1000");
            let rows = query.query().fetch_all(self.pool()).await.map_err(&failed)?;
            if rows.is_empty() {
                return Ok(Ok(last.unsigned_abs()));
            }
            for row in &rows {
                let row = Written::read(row).map_err(&failed)?;
                if row.id != last + 1 || row.hash != row.chained(&hash) {
                    return Ok(Err(last + 1));
                }
                (last, hash) = (row.id, row.hash);
            }
        }
    }
}
