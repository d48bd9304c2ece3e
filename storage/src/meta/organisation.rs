//! The organisation: one for each server.

use sqlx::Row;

use super::audit::{self, Actor, Entry};
use super::error::told;
use super::{Meta, Tx};
use crate::error::{Error, ErrorKind, Result};

/// The organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organisation {
    /// What people call it.
    pub name: String,
    /// Whether everybody needs a second factor to log in.
    pub second_factor_required: bool,
    /// µs UTC.
    pub created_at_us: i64,
    /// Grows with every change.
    pub version: i64,
}

impl Meta {
    /// The organisation; `None` before the first start has made it.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn organisation(&self) -> Result<Option<Organisation>> {
        let failed = told("could not read the organisation");
        let row =
            sqlx::query("SELECT name, second_factor_required, created_at, version FROM organisation WHERE id = 1")
                .fetch_optional(self.pool())
                .await
                .map_err(&failed)?;
        let Some(row) = row else { return Ok(None) };
        let read = || -> sqlx::Result<Organisation> {
            Ok(Organisation {
                name: row.try_get(0)?,
                second_factor_required: row.try_get::<i64, _>(1)? != 0,
                created_at_us: row.try_get(2)?,
                version: row.try_get(3)?,
            })
        };
        read().map(Some).map_err(failed)
    }
}

/// Makes the organisation, once: the first start's first statement, so that of two first starts on one database one loses
/// with `Conflict` before it has made anything.
///
/// # Errors
/// `Conflict` where there is one.
pub async fn create(tx: &mut Tx, name: &str) -> Result<()> {
    let now = tx.now_us();
    sqlx::query(
        "INSERT INTO organisation (id, name, second_factor_required, created_at, version) VALUES (1, $1, 0, $2, 1)",
    )
    .bind(name)
    .bind(now)
    .execute(tx.connection())
    .await
    .map_err(told("could not make the organisation"))?;
    Ok(())
}

/// Changes the organisation where it still has the version that the caller saw.
///
/// # Errors
/// `Conflict` where somebody changed it meanwhile.
pub async fn update(tx: &mut Tx, actor: &Actor, before: &Organisation, after: &Organisation) -> Result<()> {
    let done = sqlx::query(
        "UPDATE organisation SET name = $1, second_factor_required = $2, version = version + 1
         WHERE id = 1 AND version = $3",
    )
    .bind(after.name.as_str())
    .bind(i64::from(after.second_factor_required))
    .bind(before.version)
    .execute(tx.connection())
    .await
    .map_err(told("could not change the organisation"))?;
    if done.rows_affected() == 0 {
        return Err(Error::new(ErrorKind::Conflict, "the organisation was changed meanwhile: read it again"));
    }
    let shown = |organisation: &Organisation| {
        serde_json::json!({
            "name": organisation.name, "second_factor_required": organisation.second_factor_required,
        })
    };
    let (before, after) = (Some(shown(before)), Some(shown(after)));
    audit::write(
        tx,
        &Entry { actor, verb: "organisation.update", target: ("organisation", "1"), project: None, before, after },
    )
    .await
}
