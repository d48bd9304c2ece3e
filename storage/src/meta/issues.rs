//! Issues: what people see of one or more groups, with its state, its figures and who looks after it.
//!
//! An issue's figures are always those of its groups together (`groups`: one row for each project and group hash), so that
//! merging and unmerging move groups and add up again. The counter (`crate::issues`) writes figures; people write states.
//!
//! `version` grows with every change by people and of the state, not with every event, so that an edit does not fail because
//! an event came in between.

mod edit;
mod figures;
mod list;

use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::told;
use super::projects::project_id;
use super::statement::Statement;
use super::{Backend, Meta, Tx};
use crate::error::{Error, ErrorKind, Result};
use crate::event::ProjectId;

pub(crate) use edit::store;
pub use edit::{ArchiveUntil, Assignee, BULK_MAX, IssueEdit, ResolveIn, Selection, edit, edit_many};
pub(crate) use figures::{GROUP_COLUMNS, HOUR_US, recompute};
pub use figures::{Group, HourCount};
pub use list::{Assigned, IssueCursor, IssueFilter, IssuePage, IssueSort, StateCount};

/// Whether an issue wants somebody's attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It does.
    Unresolved,
    /// It was dealt with; an event that comes all the same brings it back.
    Resolved,
    /// It is not wanted, for now or for ever.
    Archived,
}

/// Why an issue is in its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Unresolved: it was first seen less than a week ago.
    New,
    /// Unresolved: it has been for longer than a week, or somebody said so.
    Ongoing,
    /// Unresolved: it came back after it was resolved, less than a week ago.
    Regressed,
    /// Unresolved: what it was archived for has come to an end, or it has more events than its past lets one expect; less than a
    /// week ago.
    Escalating,
    /// Resolved: at once.
    Now,
    /// Resolved: from a named release on.
    Release,
    /// Resolved: from the release after the newest that was known.
    NextRelease,
    /// Archived: for ever.
    Forever,
    /// Archived: until a time.
    Until,
    /// Archived: until so many events more have come.
    Events,
    /// Archived: until it has more events in an hour than its past week lets one expect.
    Grows,
}

/// The words that the database holds for a type.
macro_rules! words {
    ($type:ident { $($variant:ident $word:literal),+ $(,)? }) => {
        impl $type {
            /// The word that is stored and shown.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// Reads the word.
            pub fn parse(word: &str) -> Option<Self> {
                [$(Self::$variant),+].into_iter().find(|variant| variant.as_str() == word)
            }
        }
    };
}
pub(crate) use words;

words!(State { Unresolved "unresolved", Resolved "resolved", Archived "archived" });
words!(Reason {
    New "new", Ongoing "ongoing", Regressed "regressed", Escalating "escalating", Now "now", Release "release",
    NextRelease "next_release", Forever "forever", Until "until", Events "events",
    Grows "grows",
});

/// An issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Its number in the whole installation.
    pub id: i64,
    /// Its project.
    pub project: ProjectId,
    /// Its number in the project, from 1: `SHOP-12`.
    pub number: i64,
    /// Exception type and the first line of its text, or the first line of the message.
    pub title: String,
    /// The function or transaction to blame; may be empty.
    pub culprit: String,
    /// What its first event was: `error`, `message` or `log`.
    pub kind: String,
    /// The highest level that an event of it had.
    pub level: String,
    /// Language or runtime; may be empty.
    pub platform: String,
    /// Logger; may be empty.
    pub logger: String,
    /// Whether it wants attention.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// Resolved: the release that has the repair (`release`), or the newest that has not (`next_release`).
    pub resolved_in: Option<String>,
    /// Archived: until then, µs UTC.
    pub archived_until_us: Option<i64>,
    /// Archived: until `events` reaches this (`events`), or how many events it had when it was archived (`grows`).
    pub archived_events: Option<i64>,
    /// The user who looks after it.
    pub assigned_user: Option<String>,
    /// The team that looks after it.
    pub assigned_team: Option<String>,
    /// When its first event happened, µs UTC; never later than its receipt.
    pub first_seen_us: i64,
    /// When its last event happened, µs UTC; never later than its receipt.
    pub last_seen_us: i64,
    /// How many events it has.
    pub events: i64,
    /// How many users met it: exact up to 256, then within about 2 %.
    pub users: i64,
    /// The release of its first event.
    pub first_release: Option<String>,
    /// The release of its last event.
    pub last_release: Option<String>,
    /// The issue that it was merged into.
    pub merged_into: Option<i64>,
    /// When it was made, µs UTC.
    pub created_at_us: i64,
    /// When it came into its state, µs UTC.
    pub changed_at_us: i64,
    /// Grows with every change by people and of the state.
    pub version: i64,
}

pub(crate) const COLUMNS: &str = "id, project_id, number, title, culprit, kind, level, platform, logger, state, reason, \
    resolved_in, archived_until, archived_events, assigned_user, assigned_team, first_seen, last_seen, events, users, \
    first_release, last_release, merged_into, created_at, changed_at, version";

impl Issue {
    pub(crate) fn read(row: &AnyRow) -> sqlx::Result<Self> {
        let unknown =
            |what: &str, word: &str| sqlx::Error::Decode(format!("`{word}` is not the {what} of an issue").into());
        let (state, reason): (String, String) = (row.try_get(9)?, row.try_get(10)?);
        let project: i64 = row.try_get(1)?;
        Ok(Self {
            id: row.try_get(0)?,
            project: project_id(Some(project)).ok_or_else(|| unknown("project", &project.to_string()))?,
            number: row.try_get(2)?,
            title: row.try_get(3)?,
            culprit: row.try_get(4)?,
            kind: row.try_get(5)?,
            level: row.try_get(6)?,
            platform: row.try_get(7)?,
            logger: row.try_get(8)?,
            state: State::parse(&state).ok_or_else(|| unknown("state", &state))?,
            reason: Reason::parse(&reason).ok_or_else(|| unknown("reason", &reason))?,
            resolved_in: row.try_get(11)?,
            archived_until_us: row.try_get(12)?,
            archived_events: row.try_get(13)?,
            assigned_user: row.try_get(14)?,
            assigned_team: row.try_get(15)?,
            first_seen_us: row.try_get(16)?,
            last_seen_us: row.try_get(17)?,
            events: row.try_get(18)?,
            users: row.try_get(19)?,
            first_release: row.try_get(20)?,
            last_release: row.try_get(21)?,
            merged_into: row.try_get(22)?,
            created_at_us: row.try_get(23)?,
            changed_at_us: row.try_get(24)?,
            version: row.try_get(25)?,
        })
    }
}

impl Meta {
    /// One issue, merged or not.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn issue(&self, id: i64) -> Result<Option<Issue>> {
        let failed = told("could not read the issue");
        let row = by_id(id).query().fetch_optional(self.pool()).await.map_err(&failed)?;
        row.as_ref().map(Issue::read).transpose().map_err(failed)
    }
}

impl Meta {
    /// One issue by its number in its project, merged or not.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn issue_of(&self, project: ProjectId, number: i64) -> Result<Option<Issue>> {
        let mut statement = Statement::new("SELECT ");
        statement.push(COLUMNS).push(" FROM issues WHERE project_id = ").bind(project.0);
        statement.push(" AND number = ").bind(number);
        let failed = told("could not read the issue");
        let row = statement.query().fetch_optional(self.pool()).await.map_err(&failed)?;
        row.as_ref().map(Issue::read).transpose().map_err(failed)
    }
}

/// One issue as the change under way sees it.
///
/// # Errors
/// `NotFound` where there is none.
pub(crate) async fn fetch(tx: &mut Tx, id: i64) -> Result<Issue> {
    let failed = told("could not read the issue");
    let row = by_id(id).query().fetch_optional(tx.connection()).await.map_err(&failed)?;
    let none = || Error::new(ErrorKind::NotFound, format!("no issue `{id}`"));
    row.as_ref().map(Issue::read).transpose().map_err(failed)?.ok_or_else(none)
}

fn by_id(id: i64) -> Statement {
    let mut statement = Statement::new("SELECT ");
    statement.push(COLUMNS).push(" FROM issues WHERE id = ").bind(id);
    statement
}

/// Lets one change at a time write figures of issues and move groups. SQLite has one writer anyway.
pub(crate) async fn take_turn(tx: &mut Tx) -> Result<()> {
    if tx.backend() == Backend::Postgres {
        sqlx::query("SELECT CAST(pg_advisory_xact_lock(7310002) AS TEXT)")
            .execute(tx.connection())
            .await
            .map_err(told("could not wait for the counter of events"))?;
    }
    Ok(())
}
