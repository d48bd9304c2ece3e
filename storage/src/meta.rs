//! What Tephra knows besides events: people, projects, keys, issues, the audit log.
//!
//! SQLite in the data directory, or PostgreSQL by URL; one schema (`migrations/`), one set of statements, one set of tests.
//! Statements are constants with bound values, so that no text of a caller ever becomes SQL.
//!
//! A change is one transaction together with its row in the audit log: a crash leaves both or neither.

pub mod audit;
pub mod backup;
pub mod comments;
mod error;
pub mod history;
pub mod intake;
pub mod issues;
pub mod keys;
pub mod ledger;
pub mod merge;
mod open;
pub mod organisation;
pub mod outbox;
pub mod projects;
pub mod regroup;
pub mod releases;
pub mod resets;
pub mod roles;
pub mod rules;
pub mod saved;
pub mod second_factor;
pub mod sessions;
pub(crate) mod statement;
pub mod teams;
pub mod tokens;
pub mod users;

use std::sync::Arc;

use sqlx::AnyPool;
use sqlx::{Any, Row, Transaction};

use crate::clock::Clock;
use crate::error::Result;

pub use audit::{Actor, ActorKind};
pub(crate) use error::told;
pub use open::{MetaSettings, SQLITE_FILE};

/// Which database answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file in the data directory.
    Sqlite,
    /// A server by URL.
    Postgres,
}

/// The metadata store. Clones share its connections.
#[derive(Clone)]
pub struct Meta {
    pool: AnyPool,
    backend: Backend,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Meta {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meta").field("backend", &self.backend).finish_non_exhaustive()
    }
}

/// A change that is under way; dropped without `commit`, nothing happened.
pub struct Tx {
    inner: Transaction<'static, Any>,
    backend: Backend,
    now_us: i64,
}

impl Meta {
    /// Which database answers.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The connections, for statements that only read.
    pub(crate) fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// Microseconds UTC by the store's clock.
    pub fn now_us(&self) -> i64 {
        self.clock.now_us()
    }

    /// Begins a change. On SQLite it holds the only right to write from here to its end, so keep it short.
    ///
    /// # Errors
    /// `Busy` where the database is out of reach or held by another change for too long.
    pub async fn begin(&self) -> Result<Tx> {
        let begin = match self.backend {
            Backend::Sqlite => "BEGIN IMMEDIATE",
            Backend::Postgres => "BEGIN",
        };
        let inner = self.pool.begin_with(begin).await.map_err(told("could not begin a change"))?;
        Ok(Tx { inner, backend: self.backend, now_us: self.clock.now_us() })
    }

    /// Ends all connections once they are free.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl Tx {
    /// The connection that the change runs on.
    pub(crate) fn connection(&mut self) -> &mut sqlx::AnyConnection {
        &mut self.inner
    }

    /// Which database answers.
    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }

    /// When the change began, microseconds UTC: one time for all its rows.
    pub fn now_us(&self) -> i64 {
        self.now_us
    }

    /// Makes the change durable.
    ///
    /// # Errors
    /// `Busy` where the database did not confirm it; it may have happened or not.
    pub async fn commit(self) -> Result<()> {
        self.inner.commit().await.map_err(told("could not commit a change"))
    }

    /// The next number of a sequence, from 1; numbers of changes that did not happen may be left out.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn next(&mut self, sequence: &str) -> Result<i64> {
        let row = sqlx::query(
            "INSERT INTO sequences (name, last) VALUES ($1, 1)
             ON CONFLICT (name) DO UPDATE SET last = sequences.last + 1 RETURNING last",
        )
        .bind(sequence)
        .fetch_one(&mut *self.inner)
        .await
        .map_err(told("could not take a number"))?;
        row.try_get(0).map_err(told("could not take a number"))
    }
}

/// A new id for a row that people name: a uuid (version 7) as 32 hex digits, so that later rows sort later.
pub fn new_id() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

#[cfg(test)]
pub(crate) mod tests;
