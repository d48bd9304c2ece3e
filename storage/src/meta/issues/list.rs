//! Lists of issues: filtered, sorted, page by page.
//!
//! A page begins behind the last row of the page before (by the sorted value and the id), so that pages stay whole while
//! events arrive: an issue that moves up meanwhile may be seen again, none is passed over.

use sqlx::Row;

use super::{COLUMNS, Issue, Reason, State, words};
use crate::error::{Error, Result};
use crate::event::{Level, ProjectId};
use crate::meta::error::told;
use crate::meta::statement::Statement;
use crate::meta::{Backend, Meta};

/// Ids or hashes in one filter.
const LIST_MAX: usize = 10_000;

/// Which issues are asked for; what is empty or `None` is any. Merged issues are left out.
#[derive(Clone, Debug, Default)]
pub struct IssueFilter {
    /// In one of these projects; none where this is empty: it is the caller's reach.
    pub projects: Vec<ProjectId>,
    /// In one of these states.
    pub states: Vec<State>,
    /// For one of these reasons.
    pub reasons: Vec<Reason>,
    /// Looked after by these.
    pub assigned: Option<Assigned>,
    /// Of one of these levels.
    pub levels: Vec<Level>,
    /// Of one of these kinds: `error`, `message`, `log`.
    pub kinds: Vec<String>,
    /// With this text in its title or culprit, in any case.
    pub text: Option<String>,
    /// First or last seen in this release.
    pub release: Option<String>,
    /// First seen in one of these releases.
    pub first_releases: Vec<String>,
    /// Last seen in one of these releases.
    pub last_releases: Vec<String>,
    /// With so many events at least, and fewer than so many.
    pub events: (Option<i64>, Option<i64>),
    /// With so many users at least, and fewer than so many.
    pub users: (Option<i64>, Option<i64>),
    /// First seen from the one time up to before the other, µs UTC.
    pub first_seen_us: (Option<i64>, Option<i64>),
    /// Last seen from the one time up to before the other, µs UTC.
    pub last_seen_us: (Option<i64>, Option<i64>),
    /// One of these.
    pub ids: Option<Vec<i64>>,
    /// With one of these groups.
    pub hashes: Option<Vec<u64>>,
}

/// Who looks after an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// Nobody.
    Nobody,
    /// Anybody.
    Anybody,
    /// This user, or one of these teams.
    To {
        /// A user's id.
        user: Option<String>,
        /// Ids of teams.
        teams: Vec<String>,
    },
}

/// What a list is sorted by, the greatest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IssueSort {
    /// The last event.
    #[default]
    LastSeen,
    /// The first event.
    FirstSeen,
    /// The number of events.
    Events,
    /// The number of users.
    Users,
}

words!(IssueSort { LastSeen "last_seen", FirstSeen "first_seen", Events "events", Users "users" });

/// The last row of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssueCursor {
    /// What the list is sorted by.
    pub value: i64,
    /// The issue.
    pub id: i64,
}

/// A page of issues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuePage {
    /// The issues.
    pub issues: Vec<Issue>,
    /// Where the next page begins; `None` behind the last one.
    pub next: Option<IssueCursor>,
}

/// How many issues are in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateCount {
    /// The state.
    pub state: State,
    /// How many.
    pub issues: i64,
}

impl Meta {
    /// A page of at most `limit` issues.
    ///
    /// # Errors
    /// `Invalid` for lists of over 10,000 ids or hashes.
    pub async fn issues(
        &self,
        filter: &IssueFilter,
        sort: IssueSort,
        after: Option<IssueCursor>,
        limit: u32,
    ) -> Result<IssuePage> {
        let mut statement = Statement::new("SELECT ");
        statement.push(COLUMNS).push(" FROM issues");
        filter.conditions(&mut statement, self.backend(), true)?;
        if let Some(IssueCursor { value, id }) = after {
            statement.push(" AND (").push(sort.as_str()).push(", id) < (").bind(value).push(", ").bind(id).push(")");
        }
        statement.push(" ORDER BY ").push(sort.as_str()).push(" DESC, id DESC LIMIT ").bind(i64::from(limit) + 1);
        let failed = told("could not read the issues");
        let rows = statement.query().fetch_all(self.pool()).await.map_err(&failed)?;
        let mut issues = rows.iter().map(Issue::read).collect::<sqlx::Result<Vec<_>>>().map_err(failed)?;
        let more = issues.len() > limit as usize;
        issues.truncate(limit as usize);
        let next = issues.last().filter(|_| more).map(|last| IssueCursor { value: sort.value(last), id: last.id });
        Ok(IssuePage { issues, next })
    }

    /// How many issues pass the filter in each state, whatever states the filter names.
    ///
    /// # Errors
    /// As [`Self::issues`].
    pub async fn issue_counts(&self, filter: &IssueFilter) -> Result<Vec<StateCount>> {
        let mut statement = Statement::new("SELECT state, COUNT(*) FROM issues");
        filter.conditions(&mut statement, self.backend(), false)?;
        statement.push(" GROUP BY state");
        let failed = told("could not count the issues");
        let rows = statement.query().fetch_all(self.pool()).await.map_err(&failed)?;
        let mut counts =
            [State::Unresolved, State::Resolved, State::Archived].map(|state| StateCount { state, issues: 0 });
        for row in &rows {
            let state: String = row.try_get(0).map_err(&failed)?;
            let known = counts.iter_mut().find(|count| count.state.as_str() == state);
            if let Some(count) = known {
                count.issues = row.try_get(1).map_err(&failed)?;
            }
        }
        Ok(counts.to_vec())
    }
}

impl IssueSort {
    /// What an issue is sorted by.
    fn value(self, issue: &Issue) -> i64 {
        match self {
            Self::LastSeen => issue.last_seen_us,
            Self::FirstSeen => issue.first_seen_us,
            Self::Events => issue.events,
            Self::Users => issue.users,
        }
    }
}

impl IssueFilter {
    /// Writes ` WHERE …`.
    pub(super) fn conditions(&self, statement: &mut Statement, backend: Backend, with_states: bool) -> Result<()> {
        let given = [self.ids.as_ref().map(Vec::len), self.hashes.as_ref().map(Vec::len)];
        if let Some(given) = given.into_iter().flatten().find(|given| *given > LIST_MAX) {
            return Err(Error::invalid(format!("a filter names {given} issues or groups: at most {LIST_MAX}")));
        }
        statement.push(" WHERE merged_into IS NULL AND project_id IN ");
        statement.list(self.projects.iter().map(|project| project.0));
        let words = |statement: &mut Statement, column: &'static str, words: Vec<&str>| {
            if !words.is_empty() {
                statement.push(column).list(words.into_iter().map(str::to_owned));
            }
        };
        if with_states {
            words(statement, " AND state IN ", self.states.iter().map(|state| state.as_str()).collect());
        }
        words(statement, " AND reason IN ", self.reasons.iter().map(|reason| reason.as_str()).collect());
        words(statement, " AND level IN ", self.levels.iter().map(|level| level.as_str()).collect());
        words(statement, " AND kind IN ", self.kinds.iter().map(String::as_str).collect());
        if let Some(assigned) = &self.assigned {
            assigned.condition(statement);
        }
        if let Some(text) = self.text.as_ref().filter(|text| !text.is_empty()) {
            let pattern = pattern(text, backend);
            statement
                .push(" AND (LOWER(title) LIKE ")
                .bind(pattern.clone())
                .push(" ESCAPE '!' OR LOWER(culprit) LIKE ");
            statement.bind(pattern).push(" ESCAPE '!')");
        }
        if let Some(release) = &self.release {
            statement.push(" AND ").bind(release.clone()).push(" IN (first_release, last_release)");
        }
        words(statement, " AND first_release IN ", self.first_releases.iter().map(String::as_str).collect());
        words(statement, " AND last_release IN ", self.last_releases.iter().map(String::as_str).collect());
        let bounds = [
            (" AND events >= ", self.events.0),
            (" AND events < ", self.events.1),
            (" AND users >= ", self.users.0),
            (" AND users < ", self.users.1),
            (" AND first_seen >= ", self.first_seen_us.0),
            (" AND first_seen < ", self.first_seen_us.1),
            (" AND last_seen >= ", self.last_seen_us.0),
            (" AND last_seen < ", self.last_seen_us.1),
        ];
        for (condition, bound) in bounds {
            if let Some(bound) = bound {
                statement.push(condition).bind(bound);
            }
        }
        if let Some(ids) = &self.ids {
            statement.push(" AND id IN ").list(ids.iter().copied());
        }
        if let Some(hashes) = &self.hashes {
            statement.push(" AND id IN (SELECT issue_id FROM groups WHERE project_id IN ");
            statement.list(self.projects.iter().map(|project| project.0)).push(" AND hash IN ");
            statement.list(hashes.iter().map(|hash| hash.cast_signed())).push(")");
        }
        Ok(())
    }
}

impl Assigned {
    fn condition(&self, statement: &mut Statement) {
        match self {
            Self::Nobody => statement.push(" AND assigned_user IS NULL AND assigned_team IS NULL"),
            Self::Anybody => statement.push(" AND (assigned_user IS NOT NULL OR assigned_team IS NOT NULL)"),
            Self::To { user, teams } => {
                statement.push(" AND (assigned_user IN ").list(user.iter().cloned());
                statement.push(" OR assigned_team IN ").list(teams.iter().cloned()).push(")")
            }
        };
    }
}

/// A `LIKE` pattern of a text anywhere. SQLite's `LOWER` knows the letters of ASCII only.
fn pattern(text: &str, backend: Backend) -> String {
    let lower = match backend {
        Backend::Sqlite => text.to_ascii_lowercase(),
        Backend::Postgres => text.to_lowercase(),
    };
    let mut pattern = String::from("%");
    for letter in lower.chars().take(200) {
        if matches!(letter, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}
