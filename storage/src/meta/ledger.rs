//! The ledger: what became of every event that was received, per project and minute.
//!
//! received = stored + duplicate + rejected + filtered + rate-limited; what clients say they dropped stands beside it, as it
//! never arrived. `received` is counted at the door and the others where the answer is known, so that the sum proves something.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::told;
use super::issues::words;
use super::statement::Statement;
use super::{Meta, Tx};
use crate::error::Result;
use crate::event::ProjectId;

/// What became of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// They came in at the door.
    Received,
    /// They were stored.
    Stored,
    /// They had been stored before.
    Duplicate,
    /// They could not be taken, for the reason of the row. A request that could not be read counts as one event.
    Rejected,
    /// They are not wanted.
    Filtered,
    /// There were too many.
    RateLimited,
    /// The client says that it dropped them before it sent them.
    ClientDropped,
}

words!(Outcome {
    Received "received", Stored "stored", Duplicate "duplicate", Rejected "rejected", Filtered "filtered",
    RateLimited "rate_limited", ClientDropped "client_dropped",
});

/// One row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// The project.
    pub project: ProjectId,
    /// When the minute (or the longer step that was asked for) begins, µs UTC.
    pub minute_us: i64,
    /// What became of them.
    pub outcome: Outcome,
    /// Why; may be empty.
    pub reason: String,
    /// How many.
    pub events: i64,
}

/// Which rows are asked for.
#[derive(Clone, Debug, Default)]
pub struct LedgerFilter {
    /// Of these projects; none where this is empty.
    pub projects: Vec<ProjectId>,
    /// From this time on, µs UTC.
    pub from_us: Option<i64>,
    /// Before this time, µs UTC.
    pub to_us: Option<i64>,
    /// Minutes that are added up; 1 where 0.
    pub step_minutes: i64,
}

const MINUTE_US: i64 = 60_000_000;

/// Adds to the ledger; rows of one project, minute, outcome and reason add up.
///
/// # Errors
/// As of any statement.
pub async fn add(tx: &mut Tx, rows: &[LedgerRow]) -> Result<()> {
    for rows in rows.chunks(200) {
        let mut statement = Statement::new("INSERT INTO ledger (project_id, minute, outcome, reason, events) VALUES ");
        for (index, row) in rows.iter().enumerate() {
            statement.push(if index == 0 { "(" } else { ", (" }).bind(row.project.0).push(", ");
            statement.bind(row.minute_us.div_euclid(MINUTE_US)).push(", ").bind(row.outcome.as_str()).push(", ");
            statement.bind(row.reason.clone()).push(", ").bind(row.events).push(")");
        }
        statement.push(
            " ON CONFLICT (project_id, minute, outcome, reason) DO UPDATE SET events = ledger.events + excluded.events",
        );
        statement.query().execute(tx.connection()).await.map_err(told("could not write the ledger"))?;
    }
    Ok(())
}

/// Removes what is older than `before_us`.
///
/// # Errors
/// As of any statement.
pub async fn prune(tx: &mut Tx, before_us: i64) -> Result<u64> {
    let query = sqlx::query("DELETE FROM ledger WHERE minute < $1").bind(before_us.div_euclid(MINUTE_US));
    let done = query.execute(tx.connection()).await.map_err(told("could not prune the ledger"))?;
    Ok(done.rows_affected())
}

impl Meta {
    /// The ledger by time, project, outcome and reason, at most `limit` rows.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn ledger(&self, filter: &LedgerFilter, limit: u32) -> Result<Vec<LedgerRow>> {
        let step = filter.step_minutes.max(1);
        let mut statement = Statement::new("SELECT project_id, minute - minute % ");
        statement
            .bind(step)
            .push(" AS step, outcome, reason, CAST(SUM(events) AS BIGINT) FROM ledger WHERE project_id IN ");
        statement.list(filter.projects.iter().map(|project| project.0));
        if let Some(from_us) = filter.from_us {
            statement.push(" AND minute >= ").bind(from_us.div_euclid(MINUTE_US));
        }
        if let Some(to_us) = filter.to_us {
            statement.push(" AND minute * 60000000 < ").bind(to_us);
        }
        // By place: PostgreSQL would take `step`'s second value for another expression.
        statement.push(" GROUP BY 1, 2, 3, 4 ORDER BY 2, 1, 3, 4 LIMIT ").bind(i64::from(limit));
        let failed = told("could not read the ledger");
        let rows = statement.query().fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(LedgerRow::read).collect::<sqlx::Result<_>>().map_err(failed)
    }
}

impl LedgerRow {
    fn read(row: &AnyRow) -> sqlx::Result<Self> {
        let outcome: String = row.try_get(2)?;
        let broken = || sqlx::Error::Decode(format!("`{outcome}` is not an outcome").into());
        Ok(Self {
            project: ProjectId(row.try_get(0)?),
            minute_us: row.try_get::<i64, _>(1)? * MINUTE_US,
            outcome: Outcome::parse(&outcome).ok_or_else(broken)?,
            reason: row.try_get(3)?,
            events: row.try_get(4)?,
        })
    }
}
