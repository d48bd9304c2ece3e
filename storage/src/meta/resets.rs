//! Links by mail, for a forgotten password and for an invitation: each holds once and for a while, and only its hash is kept.

use sqlx::Row;

use super::error::told;
use super::{Meta, Tx};
use crate::error::Result;

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A forgotten password.
    Reset,
    /// A first password.
    Invitation,
}

impl Purpose {
    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Invitation => "invitation",
        }
    }
}

/// Writes a link by the hash of its secret.
///
/// # Errors
/// As of any statement.
pub async fn create(tx: &mut Tx, user_id: &str, purpose: Purpose, hash: &str, expires_at_us: i64) -> Result<()> {
    let now = tx.now_us();
    sqlx::query("INSERT INTO resets (hash, user_id, purpose, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(hash)
        .bind(user_id)
        .bind(purpose.as_str())
        .bind(now)
        .bind(expires_at_us)
        .execute(tx.connection())
        .await
        .map_err(told("could not write a link"))?;
    sqlx::query("DELETE FROM resets WHERE expires_at < $1")
        .bind(now)
        .execute(tx.connection())
        .await
        .map_err(told("could not remove old links"))?;
    Ok(())
}

impl Meta {
    /// The person whom a link is for, unless it is unknown, used or too old. It stays unused.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn link(&self, hash: &str) -> Result<Option<String>> {
        let failed = told("could not read a link");
        let row = sqlx::query("SELECT user_id FROM resets WHERE hash = $1 AND used_at IS NULL AND expires_at > $2")
            .bind(hash)
            .bind(self.now_us())
            .fetch_optional(self.pool())
            .await
            .map_err(&failed)?;
        row.map(|row| row.try_get(0)).transpose().map_err(failed)
    }
}

/// Uses up a link: the person it is for, unless it is unknown, used or too old.
///
/// # Errors
/// As of any statement.
pub async fn take(tx: &mut Tx, hash: &str) -> Result<Option<String>> {
    let failed = told("could not use a link");
    let now = tx.now_us();
    let row = sqlx::query(
        "UPDATE resets SET used_at = $1 WHERE hash = $2 AND used_at IS NULL AND expires_at > $1 RETURNING user_id",
    )
    .bind(now)
    .bind(hash)
    .fetch_optional(tx.connection())
    .await
    .map_err(&failed)?;
    row.map(|row| row.try_get(0)).transpose().map_err(failed)
}

/// Removes all links of a person.
///
/// # Errors
/// As of any statement.
pub async fn forget(tx: &mut Tx, user_id: &str) -> Result<()> {
    sqlx::query("DELETE FROM resets WHERE user_id = $1")
        .bind(user_id)
        .execute(tx.connection())
        .await
        .map_err(told("could not remove links"))?;
    Ok(())
}
