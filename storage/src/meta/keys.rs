//! Ingest keys: what lets a program write events to one project.
//!
//! They are public by nature (they stand in web pages), so their text is kept and can be shown again. Of keys that an older
//! Tephra made only the hash is known; `secret` is then `sha256:` and the hash.

use serde_json::json;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::audit::{self, Actor, Entry};
use super::error::told;
use super::statement::Statement;
use super::{Meta, Tx};
use crate::error::{Error, ErrorKind, Result};
use crate::event::ProjectId;

/// What stands before the hash of a key whose text is not known.
pub const HASHED: &str = "sha256:";

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestKey {
    /// The part of its text that may be logged.
    pub id: String,
    /// What it writes to.
    pub project: ProjectId,
    /// What people call it.
    pub name: String,
    /// Its text, or [`HASHED`] and the SHA-256 of it.
    pub secret: String,
    /// µs UTC.
    pub created_at_us: i64,
    /// The email or name of who made it.
    pub created_by: String,
    /// Since when it is switched off, µs UTC.
    pub disabled_at_us: Option<i64>,
    /// Since when it is gone for ever, µs UTC.
    pub revoked_at_us: Option<i64>,
    /// When it was last used, to the minute or so, µs UTC.
    pub used_at_us: Option<i64>,
    /// How fast events may come with it; the server's default where it is absent.
    pub rate: Option<KeyRate>,
    /// Grows with every change.
    pub version: i64,
}

/// How fast events may come with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRate {
    /// So many events; 0 is no limit.
    pub events: u32,
    /// In so many seconds.
    pub seconds: u32,
    /// So many at once; 0 is `events`.
    pub burst: u32,
}

const COLUMNS: &str = "id, project_id, name, secret, created_at, created_by, disabled_at, revoked_at, used_at, version,
    rate_events, rate_seconds, rate_burst";

impl IngestKey {
    fn read(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get(0)?,
            project: ProjectId(row.try_get(1)?),
            name: row.try_get(2)?,
            secret: row.try_get(3)?,
            created_at_us: row.try_get(4)?,
            created_by: row.try_get(5)?,
            disabled_at_us: row.try_get(6)?,
            revoked_at_us: row.try_get(7)?,
            used_at_us: row.try_get(8)?,
            version: row.try_get(9)?,
            rate: KeyRate::read(row)?,
        })
    }

    fn shown(&self) -> serde_json::Value {
        let rate = self.rate.map(|rate| json!({ "events": rate.events, "seconds": rate.seconds, "burst": rate.burst }));
        json!({ "name": self.name, "disabled": self.disabled_at_us.is_some(), "rate": rate })
    }
}

impl KeyRate {
    fn read(row: &AnyRow) -> sqlx::Result<Option<Self>> {
        let number = |index: usize| -> sqlx::Result<Option<u32>> {
            let number: Option<i64> = row.try_get(index)?;
            Ok(number.map(|number| u32::try_from(number).unwrap_or_default()))
        };
        let (Some(events), Some(seconds), burst) = (number(10)?, number(11)?, number(12)?) else { return Ok(None) };
        Ok(Some(Self { events, seconds, burst: burst.unwrap_or_default() }))
    }
}

impl Meta {
    /// The keys of a project that are not revoked, or with `None` all that open something now: neither switched off nor
    /// revoked, and their project there.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn keys(&self, project: Option<ProjectId>) -> Result<Vec<IngestKey>> {
        let failed = told("could not read the keys");
        let mut query = Statement::new("SELECT ");
        query.push(COLUMNS).push(" FROM ingest_keys WHERE revoked_at IS NULL");
        match project {
            Some(project) => query.push(" AND project_id = ").bind(project.0),
            None => query
                .push(" AND disabled_at IS NULL AND project_id IN (SELECT id FROM projects WHERE deleted_at IS NULL)"),
        };
        query.push(" ORDER BY created_at, id");
        let rows = query.query().fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(IngestKey::read).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// One key by id, unless it is revoked.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn key(&self, id: &str) -> Result<Option<IngestKey>> {
        let failed = told("could not read the key");
        let mut query = Statement::new("SELECT ");
        query.push(COLUMNS).push(" FROM ingest_keys WHERE revoked_at IS NULL AND id = ").bind(id.to_owned());
        let row = query.query().fetch_optional(self.pool()).await.map_err(&failed)?;
        row.as_ref().map(IngestKey::read).transpose().map_err(failed)
    }

    /// Notes when keys and tokens were last used, µs UTC by id.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn note_used(&self, keys: &[(String, i64)], tokens: &[(String, i64)]) -> Result<()> {
        let mut tx = self.begin().await?;
        for (statement, list) in [
            ("UPDATE ingest_keys SET used_at = $1 WHERE id = $2 AND (used_at IS NULL OR used_at < $1)", keys),
            ("UPDATE tokens SET used_at = $1 WHERE id = $2 AND (used_at IS NULL OR used_at < $1)", tokens),
        ] {
            for (id, at_us) in list {
                let done = sqlx::query(statement).bind(*at_us).bind(id.as_str()).execute(tx.connection()).await;
                done.map_err(told("could not note the use of keys"))?;
            }
        }
        tx.commit().await
    }
}

/// Adds a key by its id and text.
///
/// # Errors
/// `Invalid` for a name that is not allowed, `NotFound` where there is no such project, `Conflict` where the text is taken.
pub async fn create(
    tx: &mut Tx,
    actor: &Actor,
    project: ProjectId,
    name: &str,
    id: &str,
    secret: &str,
) -> Result<IngestKey> {
    check(name)?;
    let key = IngestKey {
        id: id.to_owned(),
        project,
        name: name.trim().to_owned(),
        secret: secret.to_owned(),
        created_at_us: tx.now_us(),
        created_by: actor.name.clone(),
        disabled_at_us: None,
        revoked_at_us: None,
        used_at_us: None,
        rate: None,
        version: 1,
    };
    sqlx::query(
        "INSERT INTO ingest_keys (id, project_id, name, secret, created_at, created_by, version)
         VALUES ($1, $2, $3, $4, $5, $6, 1)",
    )
    .bind(key.id.as_str())
    .bind(project.0)
    .bind(key.name.as_str())
    .bind(secret)
    .bind(key.created_at_us)
    .bind(key.created_by.as_str())
    .execute(tx.connection())
    .await
    .map_err(told("could not make the key"))?;
    note(tx, actor, "key.create", &key, None, Some(key.shown())).await?;
    Ok(key)
}

/// Renames a key, limits it, or switches it off or on, where it still has the version that the caller saw.
///
/// # Errors
/// `Invalid` for a name or rate that is not allowed, `Conflict` where somebody changed it meanwhile.
pub async fn update(
    tx: &mut Tx,
    actor: &Actor,
    before: &IngestKey,
    name: &str,
    disabled: bool,
    rate: Option<KeyRate>,
) -> Result<IngestKey> {
    check(name)?;
    if rate.is_some_and(|rate| rate.seconds == 0) {
        return Err(Error::invalid("the rate of a key is to be of at least one second"));
    }
    let disabled_at_us = disabled.then(|| before.disabled_at_us.unwrap_or(tx.now_us()));
    let (name, version) = (name.trim().to_owned(), before.version + 1);
    let after = IngestKey { name, disabled_at_us, rate, version, ..before.clone() };
    let done = sqlx::query(
        "UPDATE ingest_keys SET name = $1, disabled_at = $2, rate_events = $3, rate_seconds = $4, rate_burst = $5,
             version = version + 1
         WHERE id = $6 AND version = $7 AND revoked_at IS NULL",
    )
    .bind(after.name.as_str())
    .bind(disabled_at_us)
    .bind(rate.map(|rate| i64::from(rate.events)))
    .bind(rate.map(|rate| i64::from(rate.seconds)))
    .bind(rate.map(|rate| i64::from(rate.burst)))
    .bind(before.id.as_str())
    .bind(before.version)
    .execute(tx.connection())
    .await
    .map_err(told("could not change the key"))?;
    changed(done.rows_affected())?;
    note(tx, actor, "key.update", before, Some(before.shown()), Some(after.shown())).await?;
    Ok(after)
}

/// Revokes a key for ever.
///
/// # Errors
/// `Conflict` where it was changed or revoked meanwhile.
pub async fn revoke(tx: &mut Tx, actor: &Actor, key: &IngestKey) -> Result<()> {
    let now = tx.now_us();
    let done = sqlx::query(
        "UPDATE ingest_keys SET revoked_at = $1, version = version + 1 WHERE id = $2 AND version = $3 AND revoked_at IS NULL",
    )
    .bind(now)
    .bind(key.id.as_str())
    .bind(key.version)
    .execute(tx.connection())
    .await
    .map_err(told("could not revoke the key"))?;
    changed(done.rows_affected())?;
    note(tx, actor, "key.revoke", key, Some(key.shown()), None).await
}

type Shown = Option<serde_json::Value>;

async fn note(tx: &mut Tx, actor: &Actor, verb: &str, key: &IngestKey, before: Shown, after: Shown) -> Result<()> {
    let entry = Entry { actor, verb, target: ("key", &key.id), project: Some(key.project), before, after };
    audit::write(tx, &entry).await
}

fn changed(rows: u64) -> Result<()> {
    if rows > 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, "the key was changed or revoked meanwhile: read it again"))
}

fn check(name: &str) -> Result<()> {
    if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Error::invalid("`name` is to be 1 to 100 characters without control characters"));
    }
    Ok(())
}
