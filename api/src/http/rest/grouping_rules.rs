//! Which events of a project belong together: its own rules, in the language of docs/GROUPING.md.

use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tephra_ingest::{GroupRuleError, GroupRules};
use tephra_storage::ProjectId;
use tephra_storage::meta::rules::{NewRules, ProjectRules, RuleKind, put as put_rules};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{IfMatch, JsonBody, PathOf, Reads, Time, Versioned, Writes, reach};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(get, put))
}

/// A project's own rules of grouping.
#[derive(Serialize, ToSchema)]
#[schema(as = GroupingRules)]
struct Shown {
    project_id: i64,
    /// Grows with every change; 0 where the project never had any.
    version: i64,
    /// One rule a line.
    text: String,
    /// How many of them make fingerprints.
    fingerprint_rules: usize,
    /// How many of them mark or leave out frames.
    stack_rules: usize,
    #[schema(required)]
    changed_at: Option<Time>,
    #[schema(required)]
    changed_by: Option<String>,
    /// Why this version of the program cannot read them; those before hold then, or none.
    #[schema(required)]
    fault: Option<String>,
}

/// Rules of grouping that are to hold from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GroupingRulesPut)]
struct Wanted {
    /// One rule a line: `type:DatabaseUnavailable -> database-down`, `path:**/vendor/** -app`. Empty for none.
    text: String,
}

impl Shown {
    fn versioned(state: &State, project: ProjectId, stored: Option<ProjectRules>) -> Versioned<Self> {
        let version = stored.as_ref().map_or(0, |stored| stored.version);
        let text = stored.as_ref().map(|stored| stored.body.clone()).unwrap_or_default();
        let (fingerprint_rules, stack_rules) = GroupRules::parse(&text).unwrap_or_default().counts();
        let shown = Self {
            project_id: project.0,
            version,
            text,
            fingerprint_rules,
            stack_rules,
            changed_at: stored.as_ref().map(|stored| Time(stored.changed_at_us)),
            changed_by: stored.map(|stored| stored.changed_by),
            fault: state.rules.fault(project, RuleKind::Grouping),
        };
        Versioned::new(version, shown)
    }
}

/// What is wrong with rules, and where.
pub(super) fn wrong(error: GroupRuleError) -> Answer {
    let answer = Answer::new(Kind::Invalid, error.to_string()).hint(error.hint).field("text");
    Answer { position: Some((error.line as u64, error.column as u64)), ..answer }
}

/// New rules, as the store takes them.
pub(super) fn new_rules<'a>(project: ProjectId, before: Option<&ProjectRules>, text: &'a str) -> NewRules<'a> {
    let shown = (before.map(|before| json!({ "text": before.body })), json!({ "text": text }));
    let before = before.map_or(0, |before| before.version);
    NewRules { project, kind: RuleKind::Grouping, before, body: text, shown }
}

/// Tells a project's own rules of grouping.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/grouping-rules", operation_id = "getGroupingRules", tag = "projects",
    params(("project" = String, Path, description = "Its number or slug.")),
    responses((status = 200, description = "The rules.", body = Shown), Reads),
)]
async fn get(Extract(state): Extract<State>, caller: Caller, PathOf(name): PathOf<String>) -> Result<Versioned<Shown>> {
    let project = reach::project(&state, &caller, &name, Verb::ProjectRead).await?.id;
    let stored = state.meta.rules(project, RuleKind::Grouping).await?;
    Ok(Shown::versioned(&state, project, stored))
}

/// Changes a project's own rules of grouping, from the next event on.
///
/// An error that is known goes on in its issue, also where the new rules give it another hash; `regroup` splits and merges.
#[utoipa::path(
    put, path = "/api/v1/projects/{project}/grouping-rules", operation_id = "putGroupingRules", tag = "projects",
    request_body = Wanted,
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
    ),
    responses((status = 200, description = "The rules as they are now.", body = Shown), Writes),
)]
async fn put(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    if_match: IfMatch,
    JsonBody(body): JsonBody<Wanted>,
) -> Result<Versioned<Shown>> {
    let project = reach::project(&state, &caller, &name, Verb::ProjectWrite).await?.id;
    let before = state.meta.rules(project, RuleKind::Grouping).await?;
    if_match.check(before.as_ref().map_or(0, |before| before.version))?;
    GroupRules::parse(&body.text).map_err(wrong)?;
    if before.as_ref().map_or("", |before| &before.body) == body.text {
        return Ok(Shown::versioned(&state, project, before));
    }
    let mut tx = state.meta.begin().await?;
    put_rules(&mut tx, &caller.actor(), new_rules(project, before.as_ref(), &body.text)).await?;
    tx.commit().await?;
    state.rules.reload(&state.meta).await?;
    let stored = state.meta.rules(project, RuleKind::Grouping).await?;
    Ok(Shown::versioned(&state, project, stored))
}
