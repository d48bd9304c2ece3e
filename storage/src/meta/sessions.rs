//! Sessions of people who logged in. Of a session's secret only the SHA-256 is kept.
//!
//! The secret is changed every while; the one before is let through for a moment longer, as requests that were under way
//! still carry it. A session whose second factor is still to come has the state `Waits` and opens nothing.

use serde_json::json;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::audit::Actor;
use super::error::told;
use super::statement::Statement;
use super::users::{User, note};
use super::{Meta, Tx, new_id};
use crate::error::Result;

/// How far a session is with the second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondFactor {
    /// None was asked for.
    None,
    /// It was shown.
    Shown,
    /// The password was right, and the code is still to come.
    Waits,
}

impl SecondFactor {
    fn number(self) -> i64 {
        match self {
            Self::None => 0,
            Self::Shown => 1,
            Self::Waits => 2,
        }
    }
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The id, which may be shown.
    pub id: String,
    /// Whose.
    pub user_id: String,
    /// What unsafe requests must repeat in a header.
    pub csrf: String,
    /// µs UTC.
    pub created_at_us: i64,
    /// When its secret was last changed, µs UTC.
    pub rotated_at_us: i64,
    /// When it was last used, to the minute or so, µs UTC.
    pub seen_at_us: i64,
    /// When it ends however it is used, µs UTC.
    pub expires_at_us: i64,
    /// How far it is with the second factor.
    pub second_factor: SecondFactor,
    /// From where it was begun.
    pub address: String,
    /// With which browser.
    pub agent: String,
    /// Whether it was found by the secret before the present one.
    pub by_previous: bool,
}

/// A session that is to begin.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    /// SHA-256 of the secret, hexadecimal.
    pub hash: &'a str,
    /// Whose.
    pub user_id: &'a str,
    /// As [`Session::csrf`].
    pub csrf: &'a str,
    /// As [`Session::expires_at_us`].
    pub expires_at_us: i64,
    /// As [`Session::second_factor`].
    pub second_factor: SecondFactor,
    /// As [`Session::address`].
    pub address: &'a str,
    /// As [`Session::agent`].
    pub agent: &'a str,
}

const COLUMNS: &str =
    "id, user_id, csrf, created_at, rotated_at, seen_at, expires_at, second_factor, address, agent, hash";

impl Session {
    fn read(row: &AnyRow, hash: &str) -> sqlx::Result<Self> {
        let second_factor = match row.try_get::<i64, _>(7)? {
            0 => SecondFactor::None,
            1 => SecondFactor::Shown,
            _ => SecondFactor::Waits,
        };
        Ok(Self {
            id: row.try_get(0)?,
            user_id: row.try_get(1)?,
            csrf: row.try_get(2)?,
            created_at_us: row.try_get(3)?,
            rotated_at_us: row.try_get(4)?,
            seen_at_us: row.try_get(5)?,
            expires_at_us: row.try_get(6)?,
            second_factor,
            address: row.try_get(8)?,
            agent: row.try_get(9)?,
            by_previous: !hash.is_empty() && row.try_get::<String, _>(10)? != hash,
        })
    }
}

impl Meta {
    /// The session with that secret, present or previous, and its person. Whether it still holds is the caller's to decide.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn session(&self, hash: &str) -> Result<Option<(Session, User)>> {
        let failed = told("could not read the session");
        let mut query = Statement::new("SELECT ");
        query.push(COLUMNS).push(" FROM sessions WHERE hash = ").bind(hash.to_owned());
        query.push(" OR previous_hash = ").bind(hash.to_owned());
        let row = query.query().fetch_optional(self.pool()).await.map_err(&failed)?;
        let Some(row) = row else { return Ok(None) };
        let session = Session::read(&row, hash).map_err(failed)?;
        Ok(self.user(&session.user_id).await?.map(|user| (session, user)))
    }

    /// The sessions of a person that are begun and not ended, newest first.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn sessions_of(&self, user_id: &str) -> Result<Vec<Session>> {
        let failed = told("could not read the sessions");
        let mut query = Statement::new("SELECT ");
        query.push(COLUMNS).push(" FROM sessions WHERE second_factor < 2 AND user_id = ").bind(user_id.to_owned());
        query.push(" AND expires_at > ").bind(self.now_us()).push(" ORDER BY created_at DESC, id");
        let rows = query.query().fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(|row| Session::read(row, "")).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// Notes that a session is in use.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn touch_session(&self, id: &str) -> Result<()> {
        sqlx::query("UPDATE sessions SET seen_at = $1 WHERE id = $2")
            .bind(self.now_us())
            .bind(id)
            .execute(self.pool())
            .await
            .map_err(told("could not note the use of a session"))?;
        Ok(())
    }

    /// Changes a session's secret, if `old` is still the present one; of two requests that try, one does.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn rotate_session(&self, id: &str, old: &str, new: &str) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE sessions SET hash = $1, previous_hash = $2, rotated_at = $3, seen_at = $3 WHERE id = $4 AND hash = $2",
        )
        .bind(new)
        .bind(old)
        .bind(self.now_us())
        .bind(id)
        .execute(self.pool())
        .await
        .map_err(told("could not change the secret of a session"))?;
        Ok(done.rows_affected() > 0)
    }

    /// Removes the sessions that ended by themselves: expired, or not used since `idle_since_us`.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn sweep_sessions(&self, idle_since_us: i64) -> Result<u64> {
        let done = sqlx::query("DELETE FROM sessions WHERE expires_at <= $1 OR seen_at < $2")
            .bind(self.now_us())
            .bind(idle_since_us)
            .execute(self.pool())
            .await
            .map_err(told("could not sweep the sessions"))?;
        Ok(done.rows_affected())
    }
}

/// Begins a session. Returns its id.
///
/// # Errors
/// As of any statement.
pub async fn begin(tx: &mut Tx, new: &NewSession<'_>) -> Result<String> {
    let (id, now) = (new_id(), tx.now_us());
    sqlx::query(
        "INSERT INTO sessions (hash, id, user_id, csrf, created_at, rotated_at, seen_at, expires_at, second_factor,
                               address, agent)
         VALUES ($1, $2, $3, $4, $5, $5, $5, $6, $7, $8, $9)",
    )
    .bind(new.hash)
    .bind(id.as_str())
    .bind(new.user_id)
    .bind(new.csrf)
    .bind(now)
    .bind(new.expires_at_us)
    .bind(new.second_factor.number())
    .bind(new.address)
    .bind(new.agent)
    .execute(tx.connection())
    .await
    .map_err(told("could not begin a session"))?;
    Ok(id)
}

/// Ends a session by id.
///
/// # Errors
/// As of any statement.
pub async fn end(tx: &mut Tx, id: &str) -> Result<bool> {
    let done = sqlx::query("DELETE FROM sessions WHERE id = $1")
        .bind(id)
        .execute(tx.connection())
        .await
        .map_err(told("could not end the session"))?;
    Ok(done.rows_affected() > 0)
}

/// Ends a session by id, if it is that person's, with its row in the audit log. Returns whether it was.
///
/// # Errors
/// As of any statement.
pub async fn end_own(tx: &mut Tx, actor: &Actor, verb: &str, user_id: &str, id: &str) -> Result<bool> {
    let done = sqlx::query("DELETE FROM sessions WHERE id = $1 AND user_id = $2")
        .bind(id)
        .bind(user_id)
        .execute(tx.connection())
        .await
        .map_err(told("could not end the session"))?;
    let ended = done.rows_affected() > 0;
    if ended {
        note(tx, actor, verb, user_id, Some(json!({ "session": id })), None).await?;
    }
    Ok(ended)
}

/// Ends the sessions of a person but `kept`, with a row in the audit log that says how many.
///
/// # Errors
/// As of any statement.
pub async fn end_others(tx: &mut Tx, actor: &Actor, user_id: &str, kept: &str) -> Result<u64> {
    let ended = end_all(tx, user_id, Some(kept)).await?;
    if ended > 0 {
        note(tx, actor, "session.end", user_id, Some(json!({ "sessions": ended })), None).await?;
    }
    Ok(ended)
}

/// Ends all sessions of a person but `kept`.
///
/// # Errors
/// As of any statement.
pub async fn end_all(tx: &mut Tx, user_id: &str, kept: Option<&str>) -> Result<u64> {
    let done = sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id <> $2")
        .bind(user_id)
        .bind(kept.unwrap_or_default())
        .execute(tx.connection())
        .await
        .map_err(told("could not end the sessions"))?;
    Ok(done.rows_affected())
}
