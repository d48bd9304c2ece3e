//! A change to issues as a request names it, and people and teams as it names them: `me`, an email address, `#team`.

use serde::Deserialize;
use tephra_storage::ProjectId;
use tephra_storage::meta::issues::{ArchiveUntil, Assigned, Assignee, IssueEdit, ResolveIn};
use tephra_storage::meta::teams::Team;
use tephra_storage::meta::users::User;
use utoipa::ToSchema;

use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::http::rest::Time;
use crate::state::State;

/// What is to be changed of an issue; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IssueUpdate)]
pub(super) struct Change {
    /// Its new state. Without more: resolved at once, archived for ever.
    state: Option<ChangeState>,
    /// With `resolved`: events of releases that are known now are no regressions.
    #[serde(default)]
    in_next_release: bool,
    /// With `resolved`: events of releases before this one are no regressions.
    in_release: Option<String>,
    /// With `archived`: until then.
    until: Option<Time>,
    /// With `archived`: until so many events more have come.
    #[schema(minimum = 1)]
    until_events: Option<i64>,
    /// With `archived`: until it has more events in an hour than its past week lets one expect.
    #[serde(default)]
    until_grows: bool,
    /// Who looks after it: `me`, an email address or a user's id; `#` and a team's slug or id; null for nobody.
    #[serde(default, deserialize_with = "crate::http::rest::input::given")]
    #[schema(value_type = Option<String>)]
    assigned_to: Option<Option<String>>,
}

/// The state that an issue is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = IssueState)]
enum ChangeState {
    Unresolved,
    Resolved,
    Archived,
}

/// A change that was read, with what of it depends on the issues.
pub(super) struct Edits {
    pub(super) edits: Vec<IssueEdit>,
    /// Who is to look after them, and the projects that they reach.
    assignee: Option<(String, Vec<ProjectId>)>,
}

impl Edits {
    /// Refuses to assign an issue of one of these projects to somebody who does not reach it.
    pub(super) fn check(&self, projects: impl IntoIterator<Item = ProjectId>) -> Result<()> {
        let Some((name, reached)) = &self.assignee else { return Ok(()) };
        match projects.into_iter().find(|project| !reached.contains(project)) {
            None => Ok(()),
            Some(project) => {
                let text = format!("`{name}` does not reach the project `{project}`, of which an issue is");
                Err(Answer::new(Kind::Invalid, text).field("assigned_to"))
            }
        }
    }
}

impl Change {
    /// Names the field at fault where the store refuses a state: the one that says more than the state.
    pub(super) fn blame(&self, error: tephra_storage::Error) -> Answer {
        let answer = Answer::from(error);
        let fields = [
            ("in_release", self.in_release.is_some()),
            ("in_next_release", self.in_next_release),
            ("until", self.until.is_some()),
            ("until_events", self.until_events.is_some()),
        ];
        match fields.into_iter().find(|(_, given)| *given) {
            Some((field, _)) if answer.kind == Kind::Invalid => answer.field(field),
            _ => answer,
        }
    }

    /// The edits.
    pub(super) async fn edits(&self, state: &State, caller: &Caller) -> Result<Edits> {
        let mut edits = Vec::from_iter(self.state_edit()?);
        let mut reached = None;
        if let Some(to) = &self.assigned_to {
            let assignee = match to {
                None => None,
                Some(name) => {
                    let (assignee, projects) = Names::read(state, caller).await?.assignee(state, name).await?;
                    reached = Some((name.clone(), projects));
                    Some(assignee)
                }
            };
            edits.push(IssueEdit::Assign(assignee));
        }
        if edits.is_empty() {
            return Err(
                Answer::new(Kind::Invalid, "there is no change: name `state`, `assigned_to` or both").field("state")
            );
        }
        Ok(Edits { edits, assignee: reached })
    }

    fn state_edit(&self) -> Result<Option<IssueEdit>> {
        let wrong = |field: &str, state: &str| {
            Err(Answer::new(Kind::Invalid, format!("`{field}` belongs to `\"state\": \"{state}\"`")).field(field))
        };
        let resolved = self.state == Some(ChangeState::Resolved);
        let archived = self.state == Some(ChangeState::Archived);
        if !resolved && (self.in_next_release || self.in_release.is_some()) {
            return wrong(if self.in_next_release { "in_next_release" } else { "in_release" }, "resolved");
        }
        let ends = [
            ("until", self.until.is_some()),
            ("until_events", self.until_events.is_some()),
            ("until_grows", self.until_grows),
        ];
        let mut ends = ends.into_iter().filter(|(_, given)| *given).map(|(field, _)| field);
        let end = ends.next();
        if let Some(field) = end.filter(|_| !archived) {
            return wrong(field, "archived");
        }
        let either = |field: &str, other: &str| {
            Err(Answer::new(Kind::Invalid, format!("`{field}` and `{other}` exclude each other")).field(field))
        };
        Ok(Some(match self.state {
            None => return Ok(None),
            Some(ChangeState::Unresolved) => IssueEdit::Unresolve,
            Some(ChangeState::Resolved) => IssueEdit::Resolve(match (&self.in_release, self.in_next_release) {
                (Some(_), true) => return either("in_release", "in_next_release"),
                (Some(release), false) => ResolveIn::Release(release.clone()),
                (None, true) => ResolveIn::NextRelease,
                (None, false) => ResolveIn::Now,
            }),
            Some(ChangeState::Archived) => {
                if let (Some(one), Some(other)) = (end, ends.next()) {
                    return either(one, other);
                }
                IssueEdit::Archive(match (self.until, self.until_events) {
                    (Some(until), _) => ArchiveUntil::Time(until.0),
                    (None, Some(events)) if events < 1 => {
                        let text = "`until_events` is to be 1 or more";
                        return Err(Answer::new(Kind::Invalid, text).field("until_events"));
                    }
                    (None, Some(events)) => ArchiveUntil::Events(events),
                    (None, None) if self.until_grows => ArchiveUntil::Grows,
                    (None, None) => ArchiveUntil::Forever,
                })
            }
        }))
    }
}

/// People and teams, as requests name them.
pub(super) struct Names {
    me: String,
    my_teams: Vec<String>,
    users: Vec<User>,
    teams: Vec<Team>,
}

impl Names {
    pub(super) async fn read(state: &State, caller: &Caller) -> Result<Self> {
        let me = caller.user_id().to_owned();
        let my_teams = state.meta.teams_of(&me).await?.into_iter().map(|team| team.id).collect();
        Ok(Self { me, my_teams, users: state.meta.users().await?, teams: state.meta.teams().await? })
    }

    #[cfg(test)]
    pub(super) fn nobody() -> Self {
        Self { me: String::new(), my_teams: Vec::new(), users: Vec::new(), teams: Vec::new() }
    }

    /// Whose issues `assigned:name` asks for: those of a person are not those of their teams, but `me` has both.
    pub(super) fn assigned(&self, name: &str) -> Option<Assigned> {
        match name {
            "none" => Some(Assigned::Nobody),
            "me" => Some(Assigned::To { user: Some(self.me.clone()), teams: self.my_teams.clone() }),
            name => Some(match self.find(name)? {
                Assignee::User(user) => Assigned::To { user: Some(user), teams: Vec::new() },
                Assignee::Team(team) => Assigned::To { user: None, teams: vec![team] },
            }),
        }
    }

    fn find(&self, name: &str) -> Option<Assignee> {
        if name == "me" {
            return Some(Assignee::User(self.me.clone()));
        }
        if let Some(name) = name.strip_prefix('#') {
            let team = self.teams.iter().find(|team| team.slug == name || team.id == name)?;
            return Some(Assignee::Team(team.id.clone()));
        }
        let fits = |user: &&User| user.id == name || user.email.eq_ignore_ascii_case(name);
        self.users.iter().find(fits).map(|user| Assignee::User(user.id.clone()))
    }

    /// Who is named, and the projects that they reach.
    async fn assignee(&self, state: &State, name: &str) -> Result<(Assignee, Vec<ProjectId>)> {
        let refuse = |text: String| Err(Answer::new(Kind::Invalid, text).field("assigned_to"));
        let Some(assignee) = self.find(name) else {
            return refuse(format!("there is nobody called `{name}`"));
        };
        let reached: Vec<ProjectId> = match &assignee {
            Assignee::User(id) => {
                let Some(user) = self.users.iter().find(|user| user.id == *id && !user.disabled) else {
                    return refuse(format!("`{name}` is disabled"));
                };
                state.meta.reach(&user.id, user.role).await?.into_keys().collect()
            }
            Assignee::Team(id) => {
                state.meta.projects_of_team(id).await?.into_iter().map(|(project, _)| project).collect()
            }
        };
        Ok((assignee, reached))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_with_what_belongs_to_them() {
        let read = |text: &str| serde_json::from_str::<Change>(text).unwrap();
        let check =
            |text: &str, expected: IssueEdit| assert_eq!(read(text).state_edit().unwrap(), Some(expected), "{text}");
        check(r#"{"state": "resolved"}"#, IssueEdit::Resolve(ResolveIn::Now));
        check(r#"{"state": "resolved", "in_next_release": true}"#, IssueEdit::Resolve(ResolveIn::NextRelease));
        check(
            r#"{"state": "resolved", "in_release": "1.2"}"#,
            IssueEdit::Resolve(ResolveIn::Release("1.2".to_owned())),
        );
        check(r#"{"state": "archived"}"#, IssueEdit::Archive(ArchiveUntil::Forever));
        check(
            r#"{"state": "archived", "until": "1970-01-01T00:00:01Z"}"#,
            IssueEdit::Archive(ArchiveUntil::Time(1_000_000)),
        );
        check(r#"{"state": "archived", "until_events": 5}"#, IssueEdit::Archive(ArchiveUntil::Events(5)));
        check(r#"{"state": "archived", "until_grows": true}"#, IssueEdit::Archive(ArchiveUntil::Grows));
        check(r#"{"state": "unresolved"}"#, IssueEdit::Unresolve);
        assert_eq!(read(r#"{"assigned_to": null}"#).state_edit(), Ok(None));
        let refused = |text: &str, field: &str| {
            assert_eq!(read(text).state_edit().unwrap_err().field.as_deref(), Some(field), "{text}");
        };
        refused(r#"{"state": "unresolved", "in_release": "1"}"#, "in_release");
        refused(r#"{"in_next_release": true}"#, "in_next_release");
        refused(r#"{"state": "resolved", "until_events": 1}"#, "until_events");
        refused(r#"{"state": "archived", "until_events": 0}"#, "until_events");
        refused(r#"{"state": "archived", "until_events": 1, "until": "1970-01-01T00:00:01Z"}"#, "until");
        refused(r#"{"state": "archived", "until_grows": true, "until_events": 1}"#, "until_events");
        refused(r#"{"state": "resolved", "until_grows": true}"#, "until_grows");
        refused(r#"{"state": "resolved", "in_next_release": true, "in_release": "1"}"#, "in_release");
    }

    #[test]
    fn nobody_is_told_from_unchanged() {
        let read = |text: &str| serde_json::from_str::<Change>(text).unwrap().assigned_to;
        assert_eq!(read(r#"{"assigned_to": null}"#), Some(None));
        assert_eq!(read(r#"{"state": "resolved"}"#), None);
        assert_eq!(read(r#"{"assigned_to": "me"}"#), Some(Some("me".to_owned())));
    }
}
