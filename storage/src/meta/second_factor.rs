//! The second factor: a shared secret, sealed by who calls, the last code that was used, and recovery codes.
//!
//! A code holds once: the step it belongs to is moved on in the same statement that compares it, so that of two logins with
//! one code one fails, whatever the timing.

use sqlx::Row;

use super::audit::Actor;
use super::error::told;
use super::users::note;
use super::{Meta, Tx};
use crate::error::{Error, ErrorKind, Result};

/// Keeps a secret that is not in force yet; one that is in force is left alone.
///
/// # Errors
/// `Conflict` where there is a second factor in force.
pub async fn prepare(tx: &mut Tx, user_id: &str, secret: &str) -> Result<()> {
    let done = sqlx::query("UPDATE users SET totp_secret = $1, totp_step = 0 WHERE id = $2 AND totp_since IS NULL")
        .bind(secret)
        .bind(user_id)
        .execute(tx.connection())
        .await
        .map_err(told("could not prepare the second factor"))?;
    if done.rows_affected() == 0 {
        return Err(Error::new(ErrorKind::Conflict, "there is a second factor already: remove it first"));
    }
    Ok(())
}

/// Puts the prepared secret in force with its first used step and the hashes of the recovery codes.
///
/// # Errors
/// `Conflict` where none was prepared or one is in force.
pub async fn confirm(
    tx: &mut Tx,
    actor: &Actor,
    user_id: &str,
    secret: &str,
    step: i64,
    codes: &[String],
) -> Result<()> {
    let now = tx.now_us();
    let done = sqlx::query(
        "UPDATE users SET totp_since = $1, totp_step = $2, version = version + 1
         WHERE id = $3 AND totp_since IS NULL AND totp_secret = $4",
    )
    .bind(now)
    .bind(step)
    .bind(user_id)
    .bind(secret)
    .execute(tx.connection())
    .await
    .map_err(told("could not put the second factor in force"))?;
    if done.rows_affected() == 0 {
        return Err(Error::new(ErrorKind::Conflict, "the second factor was changed meanwhile: begin again"));
    }
    write_codes(tx, user_id, codes).await?;
    note(tx, actor, "user.totp_on", user_id, None, None).await
}

/// Removes the second factor with its recovery codes.
///
/// # Errors
/// As of any statement.
pub async fn remove(tx: &mut Tx, actor: &Actor, user_id: &str) -> Result<()> {
    sqlx::query(
        "UPDATE users SET totp_secret = NULL, totp_since = NULL, totp_step = 0, version = version + 1 WHERE id = $1",
    )
    .bind(user_id)
    .execute(tx.connection())
    .await
    .map_err(told("could not remove the second factor"))?;
    write_codes(tx, user_id, &[]).await?;
    note(tx, actor, "user.totp_off", user_id, None, None).await
}

/// Replaces the recovery codes.
///
/// # Errors
/// As of any statement.
pub async fn renew_codes(tx: &mut Tx, actor: &Actor, user_id: &str, codes: &[String]) -> Result<()> {
    write_codes(tx, user_id, codes).await?;
    note(tx, actor, "user.recovery_codes", user_id, None, None).await
}

async fn write_codes(tx: &mut Tx, user_id: &str, codes: &[String]) -> Result<()> {
    let failed = told("could not write the recovery codes");
    sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1")
        .bind(user_id)
        .execute(tx.connection())
        .await
        .map_err(&failed)?;
    for code in codes {
        sqlx::query("INSERT INTO recovery_codes (user_id, hash) VALUES ($1, $2)")
            .bind(user_id)
            .bind(code.as_str())
            .execute(tx.connection())
            .await
            .map_err(&failed)?;
    }
    Ok(())
}

impl Meta {
    /// The secrets as they are kept, by user, in force or not.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn totp_secrets(&self) -> Result<Vec<(String, String)>> {
        let failed = told("could not read the second factors");
        let query = sqlx::query("SELECT id, totp_secret FROM users WHERE totp_secret IS NOT NULL ORDER BY id");
        let rows = query.fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// Keeps another text for the same secret, if it is still the one.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn replace_totp_secret(&self, user_id: &str, before: &str, after: &str) -> Result<()> {
        sqlx::query("UPDATE users SET totp_secret = $1 WHERE id = $2 AND totp_secret = $3")
            .bind(after)
            .bind(user_id)
            .bind(before)
            .execute(self.pool())
            .await
            .map_err(told("could not seal a second factor"))?;
        Ok(())
    }

    /// Uses up the code of a step; `false` where it, or a later one, was used already.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn use_totp_step(&self, user_id: &str, step: i64) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE users SET totp_step = $1 WHERE id = $2 AND totp_step < $1 AND totp_since IS NOT NULL AND disabled = 0",
        )
        .bind(step)
        .bind(user_id)
        .execute(self.pool())
        .await
        .map_err(told("could not use the code"))?;
        Ok(done.rows_affected() > 0)
    }

    /// Uses up a recovery code by its hash; `false` where there is none such or it was used.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn use_recovery_code(&self, user_id: &str, hash: &str) -> Result<bool> {
        let done =
            sqlx::query("UPDATE recovery_codes SET used_at = $1 WHERE user_id = $2 AND hash = $3 AND used_at IS NULL")
                .bind(self.now_us())
                .bind(user_id)
                .bind(hash)
                .execute(self.pool())
                .await
                .map_err(told("could not use the code"))?;
        Ok(done.rows_affected() > 0)
    }
}
