//! What people do to issues: resolve, archive, assign, one or a thousand at once, with their history and the audit log.

use serde_json::{Value, json};

use super::{COLUMNS, Issue, IssueFilter, Reason, State, fetch};
use crate::error::{Error, ErrorKind, Result};
use crate::event::ProjectId;
use crate::meta::audit::{self, Actor, Entry};
use crate::meta::error::told;
use crate::meta::statement::Statement;
use crate::meta::{Tx, history, releases};

/// Issues in one bulk edit.
pub const BULK_MAX: usize = 1000;

/// From when on an issue counts as repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveIn {
    /// Now: every later event is a regression.
    Now,
    /// From the release after the project's newest: events of known releases are not regressions.
    NextRelease,
    /// From this release on: events of earlier ones are not regressions.
    Release(String),
}

/// How long an issue is not wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveUntil {
    /// For ever.
    Forever,
    /// Until a time, µs UTC.
    Time(i64),
    /// Until so many events more have come.
    Events(i64),
    /// Until it has more events in an hour than its past week lets one expect.
    Grows,
}

/// Who is to look after an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assignee {
    /// A user's id.
    User(String),
    /// A team's id.
    Team(String),
}

/// One change to an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssueEdit {
    /// It was dealt with.
    Resolve(ResolveIn),
    /// It was not.
    Unresolve,
    /// It is not wanted.
    Archive(ArchiveUntil),
    /// Somebody looks after it, or nobody.
    Assign(Option<Assignee>),
}

/// Which issues a bulk edit changes.
#[derive(Clone, Debug)]
pub enum Selection {
    /// These; all of them must be in one of the projects.
    Ids(Vec<i64>, Vec<ProjectId>),
    /// Those that pass.
    Filter(Box<IssueFilter>),
}

/// Changes an issue where it still has the version that the caller saw; `None` is any. Several edits are one change.
///
/// # Errors
/// `NotFound` for no such issue, user or team; `Conflict` where somebody changed it meanwhile or it was merged; `Invalid`
/// for an edit that cannot be.
pub async fn edit(tx: &mut Tx, actor: &Actor, id: i64, version: Option<i64>, edits: &[IssueEdit]) -> Result<Issue> {
    let before = fetch(tx, id).await?;
    if version.is_some_and(|version| version != before.version) {
        return Err(changed(id));
    }
    apply(tx, actor, before, edits).await
}

/// Changes many issues, all or none, and returns them.
///
/// # Errors
/// As [`edit`]; `Invalid` also for over 1,000 issues, `NotFound` where one of the ids is not in the projects.
pub async fn edit_many(tx: &mut Tx, actor: &Actor, which: &Selection, edits: &[IssueEdit]) -> Result<Vec<Issue>> {
    let (filter, wanted) = match which {
        Selection::Ids(ids, projects) => {
            let mut ids = ids.clone();
            ids.sort_unstable();
            ids.dedup();
            let wanted = ids.len();
            (IssueFilter { projects: projects.clone(), ids: Some(ids), ..IssueFilter::default() }, Some(wanted))
        }
        Selection::Filter(filter) => ((**filter).clone(), None),
    };
    let mut statement = Statement::new("SELECT ");
    statement.push(COLUMNS).push(" FROM issues");
    filter.conditions(&mut statement, tx.backend(), true)?;
    statement.push(" ORDER BY id LIMIT ").bind(BULK_MAX as i64 + 1);
    let failed = told("could not read the issues");
    let rows = statement.query().fetch_all(tx.connection()).await.map_err(&failed)?;
    if rows.len() > BULK_MAX || wanted.is_some_and(|wanted| wanted > BULK_MAX) {
        return Err(Error::invalid(format!("more than {BULK_MAX} issues are selected: narrow the filter")));
    }
    if wanted.is_some_and(|wanted| wanted != rows.len()) {
        return Err(Error::new(ErrorKind::NotFound, "one of the issues does not exist or was merged"));
    }
    let mut done = Vec::with_capacity(rows.len());
    for row in &rows {
        let before = Issue::read(row).map_err(&failed)?;
        done.push(apply(tx, actor, before, edits).await?);
    }
    Ok(done)
}

async fn apply(tx: &mut Tx, actor: &Actor, before: Issue, edits: &[IssueEdit]) -> Result<Issue> {
    if let Some(target) = before.merged_into {
        let text = format!("issue `{}` was merged into issue `{target}`: change that one", before.id);
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    let mut after = before.clone();
    for edit in edits {
        edit.apply(tx, &mut after).await?;
    }
    if after == before {
        return Ok(before);
    }
    if state_of(&after) != state_of(&before) {
        after.changed_at_us = tx.now_us();
    }
    after.version += 1;
    store(tx, &before, &after).await?;
    for (what, detail) in told_of(&before, &after) {
        history::write(tx, before.id, actor, what, &detail).await?;
    }
    let target = before.id.to_string();
    let (project, verb) = (Some(before.project), "issue.update");
    let (before, shown) = (Some(shown(&before)), Some(shown(&after)));
    audit::write(tx, &Entry { actor, verb, target: ("issue", &target), project, before, after: shown }).await?;
    Ok(after)
}

impl IssueEdit {
    async fn apply(&self, tx: &mut Tx, issue: &mut Issue) -> Result<()> {
        match self {
            Self::Assign(to) => {
                let (user, team) = match to {
                    None => (None, None),
                    Some(Assignee::User(user)) => (Some(user.clone()), None),
                    Some(Assignee::Team(team)) => (None, Some(team.clone())),
                };
                (issue.assigned_user, issue.assigned_team) = (user, team);
            }
            Self::Unresolve => {
                let open = issue.state == State::Unresolved;
                issue.enter(State::Unresolved, if open { issue.reason } else { Reason::Ongoing });
            }
            Self::Resolve(ResolveIn::Now) => issue.enter(State::Resolved, Reason::Now),
            Self::Resolve(ResolveIn::NextRelease) => {
                let newest = releases::newest(tx, issue.project).await?;
                let hint =
                    "no event of the project has named a release yet: resolve the issue now, or in a named release";
                issue.enter(State::Resolved, Reason::NextRelease);
                issue.resolved_in = Some(newest.ok_or_else(|| Error::invalid(hint))?);
            }
            Self::Resolve(ResolveIn::Release(release)) => {
                if release.is_empty() || release.len() > 250 || release.chars().any(char::is_control) {
                    return Err(Error::invalid("`release` is to be 1 to 250 characters without control characters"));
                }
                issue.enter(State::Resolved, Reason::Release);
                issue.resolved_in = Some(release.clone());
            }
            Self::Archive(ArchiveUntil::Forever) => issue.enter(State::Archived, Reason::Forever),
            Self::Archive(ArchiveUntil::Time(until_us)) => {
                if *until_us <= tx.now_us() {
                    return Err(Error::invalid("`until` is to be in the future"));
                }
                issue.enter(State::Archived, Reason::Until);
                issue.archived_until_us = Some(*until_us);
            }
            Self::Archive(ArchiveUntil::Events(more)) => {
                if !(1..=1_000_000_000_000).contains(more) {
                    return Err(Error::invalid("`events` is to be at least 1"));
                }
                issue.enter(State::Archived, Reason::Events);
                issue.archived_events = Some(issue.events.saturating_add(*more));
            }
            Self::Archive(ArchiveUntil::Grows) if issue.reason == Reason::Grows => {}
            Self::Archive(ArchiveUntil::Grows) => {
                issue.enter(State::Archived, Reason::Grows);
                issue.archived_events = Some(issue.events);
            }
        }
        Ok(())
    }
}

impl Issue {
    /// Puts it into a state, with nothing left of the state before.
    pub(crate) fn enter(&mut self, state: State, reason: Reason) {
        (self.state, self.reason) = (state, reason);
        (self.resolved_in, self.archived_until_us, self.archived_events) = (None, None, None);
    }
}

type StateRow<'a> = (State, Reason, Option<&'a str>, Option<i64>, Option<i64>);

fn state_of(issue: &Issue) -> StateRow<'_> {
    (issue.state, issue.reason, issue.resolved_in.as_deref(), issue.archived_until_us, issue.archived_events)
}

/// Writes state and assignment where the row has the version of `before`.
pub(crate) async fn store(tx: &mut Tx, before: &Issue, after: &Issue) -> Result<()> {
    let done = sqlx::query(
        "UPDATE issues SET state = $1, reason = $2, resolved_in = $3, archived_until = $4, archived_events = $5,
                           assigned_user = $6, assigned_team = $7, changed_at = $8, version = $9
         WHERE id = $10 AND version = $11",
    )
    .bind(after.state.as_str())
    .bind(after.reason.as_str())
    .bind(after.resolved_in.clone())
    .bind(after.archived_until_us)
    .bind(after.archived_events)
    .bind(after.assigned_user.clone())
    .bind(after.assigned_team.clone())
    .bind(after.changed_at_us)
    .bind(after.version)
    .bind(before.id)
    .bind(before.version)
    .execute(tx.connection())
    .await
    .map_err(told("could not change the issue: its user or team"))?;
    if done.rows_affected() == 0 { Err(changed(before.id)) } else { Ok(()) }
}

fn changed(id: i64) -> Error {
    Error::new(ErrorKind::Conflict, format!("issue `{id}` was changed meanwhile: read it again"))
}

/// The rows of the history that tell of a change.
pub(crate) fn told_of(before: &Issue, after: &Issue) -> Vec<(&'static str, Value)> {
    let mut rows = Vec::new();
    if state_of(before) != state_of(after) {
        let detail = json!({
            "reason": after.reason, "release": after.resolved_in, "until_us": after.archived_until_us,
            "events": after.archived_events.filter(|_| after.reason == Reason::Events).map(|events| events - before.events),
            "from": before.state,
        });
        rows.push((after.state.as_str(), without_nulls(detail)));
    }
    if (&before.assigned_user, &before.assigned_team) != (&after.assigned_user, &after.assigned_team) {
        let detail = json!({ "user": after.assigned_user, "team": after.assigned_team });
        let nobody = after.assigned_user.is_none() && after.assigned_team.is_none();
        rows.push((if nobody { "unassigned" } else { "assigned" }, without_nulls(detail)));
    }
    rows
}

fn without_nulls(mut detail: Value) -> Value {
    if let Some(fields) = detail.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    detail
}

fn shown(issue: &Issue) -> Value {
    without_nulls(json!({
        "state": issue.state, "reason": issue.reason, "resolved_in": issue.resolved_in,
        "archived_until_us": issue.archived_until_us, "archived_events": issue.archived_events,
        "assigned_user": issue.assigned_user, "assigned_team": issue.assigned_team,
    }))
}
