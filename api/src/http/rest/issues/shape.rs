//! How an issue is shown.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Serialize;
use tephra_storage::meta::issues::{self as meta, Group};
use utoipa::ToSchema;

use crate::answer::Result;
use crate::http::rest::Time;
use crate::http::rest::comments::called;
use crate::state::State;

/// An issue.
#[derive(Serialize, ToSchema)]
pub(super) struct Issue {
    id: i64,
    project_id: i64,
    /// Its name for people: the project's slug in capitals and its number in the project.
    short_id: String,
    title: String,
    /// The function or transaction to blame; may be empty.
    culprit: String,
    /// What its first event was: `error`, `message` or `log`.
    kind: String,
    /// The highest level of its events.
    level: String,
    /// May be empty.
    platform: String,
    /// May be empty.
    logger: String,
    /// `unresolved`, `resolved` or `archived`.
    state: &'static str,
    /// Why: `new`, `ongoing`, `regressed`, `escalating`; `now`, `release`, `next_release`; `forever`, `until`, `events`, `grows`.
    reason: &'static str,
    /// Resolved: the release that has the repair, or with `next_release` the newest that has not.
    #[schema(required)]
    resolved_in: Option<String>,
    /// Archived: until then.
    #[schema(required)]
    archived_until: Option<Time>,
    /// Archived: until it has so many events.
    #[schema(required)]
    archived_until_events: Option<i64>,
    #[schema(required)]
    assigned_to: Option<IssueAssignee>,
    first_seen: Time,
    last_seen: Time,
    /// How many events it has.
    events: i64,
    /// How many users met it: exact up to 256, then within about 2 %.
    users: i64,
    #[schema(required)]
    first_release: Option<String>,
    #[schema(required)]
    last_release: Option<String>,
    /// The issue that it was merged into.
    #[schema(required)]
    merged_into: Option<i64>,
    /// When it came into its state.
    state_since: Time,
    version: i64,
}

/// Who looks after an issue.
#[derive(Clone, Serialize, ToSchema)]
pub(super) struct IssueAssignee {
    /// `user` or `team`.
    kind: &'static str,
    id: String,
    /// A person's name or email address, or a team's name.
    name: String,
}

/// What events of an issue have in common.
#[derive(Serialize, ToSchema)]
pub(super) struct IssueGroup {
    /// 16 hexadecimal digits: `group_hash` of its events.
    hash: String,
    /// The issue that it belongs to when nothing is merged.
    home_issue: i64,
    first_seen: Time,
    last_seen: Time,
    events: i64,
}

impl IssueGroup {
    pub(super) fn of(group: &Group) -> Self {
        Self {
            hash: format!("{:016x}", group.hash),
            home_issue: group.home_id,
            first_seen: Time(group.first_seen_us),
            last_seen: Time(group.last_seen_us),
            events: group.events,
        }
    }
}

/// The names that some issues are shown with.
pub(super) struct Shaper {
    projects: HashMap<i64, String>,
    users: HashMap<String, String>,
    teams: HashMap<String, String>,
}

impl Shaper {
    pub(super) async fn read(state: &State, issues: &[meta::Issue]) -> Result<Self> {
        let mut shaper = Self { projects: HashMap::new(), users: HashMap::new(), teams: HashMap::new() };
        for issue in issues {
            if let Entry::Vacant(entry) = shaper.projects.entry(issue.project.0) {
                let project = state.meta.project(issue.project).await?;
                entry.insert(project.map_or_else(String::new, |project| project.slug));
            }
            if let Some(id) = issue.assigned_user.as_ref().filter(|id| !shaper.users.contains_key(*id)) {
                let user = state.meta.user(id).await?;
                shaper.users.insert(id.clone(), user.map_or_else(String::new, called));
            }
            if let Some(id) = issue.assigned_team.as_ref().filter(|id| !shaper.teams.contains_key(*id)) {
                let team = state.meta.team(id).await?;
                shaper.teams.insert(id.clone(), team.map_or_else(String::new, |team| team.name));
            }
        }
        Ok(shaper)
    }

    pub(super) fn issue(&self, issue: meta::Issue) -> Issue {
        let slug = self.projects.get(&issue.project.0).map_or("", String::as_str);
        let named = |kind, names: &HashMap<String, String>, id: String| {
            let name = names.get(&id).cloned().unwrap_or_default();
            IssueAssignee { kind, id, name }
        };
        let user = issue.assigned_user.map(|id| named("user", &self.users, id));
        Issue {
            id: issue.id,
            project_id: issue.project.0,
            short_id: format!("{}-{}", slug.to_ascii_uppercase(), issue.number),
            title: issue.title,
            culprit: issue.culprit,
            kind: issue.kind,
            level: issue.level,
            platform: issue.platform,
            logger: issue.logger,
            state: issue.state.as_str(),
            reason: issue.reason.as_str(),
            resolved_in: issue.resolved_in,
            archived_until: issue.archived_until_us.map(Time),
            archived_until_events: issue.archived_events.filter(|_| issue.reason == meta::Reason::Events),
            assigned_to: user.or_else(|| issue.assigned_team.map(|id| named("team", &self.teams, id))),
            first_seen: Time(issue.first_seen_us),
            last_seen: Time(issue.last_seen_us),
            events: issue.events,
            users: issue.users,
            first_release: issue.first_release,
            last_release: issue.last_release,
            merged_into: issue.merged_into,
            state_since: Time(issue.changed_at_us),
            version: issue.version,
        }
    }
}
