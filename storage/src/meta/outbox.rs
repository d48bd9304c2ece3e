//! Mails that are to be sent, written in the transaction of what they tell of.
//!
//! A mail is taken by moving its next attempt on before it is sent, so that a crash between sending and noting sends it
//! again after a while: at least once. Its text goes once it was sent or given up, as it may hold a link.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::told;
use super::{Meta, Tx, new_id};
use crate::error::Result;

/// A mail.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Its id.
    pub id: String,
    /// To whom.
    pub recipient: String,
    /// What stands in the list of mails.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// How often it was tried, this time included.
    pub attempts: i64,
    /// µs UTC; it is given up then.
    pub expires_at_us: i64,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The text may hold a link that opens an account.
        f.debug_struct("Mail").field("id", &self.id).field("attempts", &self.attempts).finish_non_exhaustive()
    }
}

/// How long what became of a mail is kept.
const KEPT_US: i64 = 7 * 86_400_000_000;

/// Puts a mail into the outbox.
///
/// # Errors
/// As of any statement.
pub async fn put(tx: &mut Tx, recipient: &str, subject: &str, body: &str, expires_at_us: i64) -> Result<String> {
    let (id, now) = (new_id(), tx.now_us());
    sqlx::query(
        "INSERT INTO outbox (id, created_at, recipient, subject, body, attempts, next_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, 0, $2, $6)",
    )
    .bind(id.as_str())
    .bind(now)
    .bind(recipient)
    .bind(subject)
    .bind(body)
    .bind(expires_at_us)
    .execute(tx.connection())
    .await
    .map_err(told("could not write a mail"))?;
    Ok(id)
}

impl Meta {
    /// Takes the mails that are due, at most `limit`. Each is tried again after `retry_us(attempts)` unless [`Meta::mail_sent`]
    /// or [`Meta::mail_given_up`] says otherwise.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn take_mails(&self, limit: i64, retry_us: impl Fn(i64) -> i64) -> Result<Vec<Mail>> {
        let failed = told("could not read the outbox");
        // A look first: the right to write is not taken every second for nothing.
        let due = "SELECT COUNT(*) FROM outbox WHERE sent_at IS NULL AND next_at <= $1";
        let row = sqlx::query(due).bind(self.now_us()).fetch_one(self.pool()).await.map_err(&failed)?;
        if row.try_get::<i64, _>(0).map_err(&failed)? == 0 {
            return Ok(Vec::new());
        }
        let mut tx = self.begin().await?;
        let now = tx.now_us();
        sqlx::query(
            "UPDATE outbox SET sent_at = $1, body = '', failure = 'expired' WHERE sent_at IS NULL AND expires_at <= $1",
        )
        .bind(now)
        .execute(tx.connection())
        .await
        .map_err(&failed)?;
        sqlx::query("DELETE FROM outbox WHERE sent_at < $1")
            .bind(now - KEPT_US)
            .execute(tx.connection())
            .await
            .map_err(&failed)?;
        let rows = sqlx::query(
            "SELECT id, recipient, subject, body, attempts, expires_at FROM outbox
             WHERE sent_at IS NULL AND next_at <= $1 ORDER BY next_at, id LIMIT $2",
        )
        .bind(now)
        .bind(limit)
        .fetch_all(tx.connection())
        .await
        .map_err(&failed)?;
        let read = |row: &AnyRow| -> sqlx::Result<Mail> {
            Ok(Mail {
                id: row.try_get(0)?,
                recipient: row.try_get(1)?,
                subject: row.try_get(2)?,
                body: row.try_get(3)?,
                attempts: row.try_get::<i64, _>(4)? + 1,
                expires_at_us: row.try_get(5)?,
            })
        };
        let mails: Vec<Mail> = rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(&failed)?;
        for mail in &mails {
            sqlx::query("UPDATE outbox SET attempts = $1, next_at = $2 WHERE id = $3")
                .bind(mail.attempts)
                .bind(now + retry_us(mail.attempts))
                .bind(mail.id.as_str())
                .execute(tx.connection())
                .await
                .map_err(&failed)?;
        }
        tx.commit().await?;
        Ok(mails)
    }

    /// Notes that a mail went out; its text goes.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn mail_sent(&self, id: &str) -> Result<()> {
        self.end_mail("UPDATE outbox SET sent_at = $1, body = '', failure = NULL WHERE id = $2", id).await
    }

    /// Notes that a mail can never be sent.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn mail_given_up(&self, id: &str) -> Result<()> {
        self.end_mail("UPDATE outbox SET sent_at = $1, body = '', failure = 'refused' WHERE id = $2", id).await
    }

    async fn end_mail(&self, statement: &'static str, id: &str) -> Result<()> {
        let done = sqlx::query(statement).bind(self.now_us()).bind(id).execute(self.pool()).await;
        done.map_err(told("could not note what became of a mail"))?;
        Ok(())
    }
}
