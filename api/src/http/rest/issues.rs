//! Issues: what events of a kind are to people. Lists, one, changes; many at once; merging and taking apart.

use axum::Json;
use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use tephra_storage::meta::issues::{self as meta, Selection};
use tephra_storage::meta::merge;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

mod change;
mod filter;
mod list;
mod shape;

use super::reach::{self, ProjectNames};
use super::{AsksAndWrites, IfMatch, JsonBody, PathOf, Reads, Versioned, Writes};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;
use change::{Change, Names};
use shape::{Issue, IssueGroup, Shaper};

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(routes!(list::list, update_many))
        .routes(routes!(list::counts))
        .routes(routes!(merge_issues))
        .routes(routes!(get, update))
        .routes(routes!(unmerge))
        .routes(routes!(groups))
}

/// Which issues are to be changed, and how.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IssueBulkChange)]
struct BulkChange {
    /// These issues; or `query`.
    #[schema(max_items = 1000)]
    ids: Option<Vec<i64>>,
    /// The issues that this search finds; or `ids`.
    query: Option<String>,
    /// With `query`: in these projects, by number or slug; in all that the caller may change where it is absent.
    project: Option<Vec<String>>,
    change: Change,
}

/// The issues that were changed.
#[derive(Serialize, ToSchema)]
#[schema(as = IssueBulkChanged)]
struct BulkChanged {
    issues: Vec<i64>,
}

/// Issues to be merged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IssueMerge)]
struct Merge {
    /// The issue that stays.
    target: i64,
    /// The issues that go into it.
    #[schema(min_items = 1, max_items = 100)]
    sources: Vec<i64>,
}

/// What is to be taken apart.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IssueUnmerge)]
struct Unmerge {
    /// Groups that were merged into this issue; where it is absent, this issue leaves the one that it was merged into.
    groups: Option<Vec<String>>,
}

/// The groups of an issue.
#[derive(Serialize, ToSchema)]
#[schema(as = IssueGroups)]
struct Groups {
    items: Vec<IssueGroup>,
}

/// Tells of an issue.
#[utoipa::path(
    get, path = "/api/v1/issues/{issue}", operation_id = "getIssue", tag = "issues",
    params(("issue" = i64, Path, description = "Its number.")),
    responses((status = 200, description = "The issue.", body = Issue), Reads),
)]
async fn get(Extract(state): Extract<State>, caller: Caller, PathOf(name): PathOf<String>) -> Result<Versioned<Issue>> {
    let issue = reach::issue(&state, &caller, &name, Verb::IssueRead).await?;
    versioned(&state, issue).await
}

/// Changes an issue: its state, or who looks after it.
#[utoipa::path(
    patch, path = "/api/v1/issues/{issue}", operation_id = "updateIssue", tag = "issues", request_body = Change,
    params(
        ("issue" = i64, Path, description = "Its number."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
    ),
    responses((status = 200, description = "The issue as it is now.", body = Issue), Writes),
)]
async fn update(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    if_match: IfMatch,
    JsonBody(body): JsonBody<Change>,
) -> Result<Versioned<Issue>> {
    let before = reach::issue(&state, &caller, &name, Verb::IssueWrite).await?;
    if_match.check(before.version)?;
    let change = body.edits(&state, &caller).await?;
    change.check([before.project])?;
    // What another changes between the look above and the change is seen by its version.
    let version = if_match.is_given().then_some(before.version);
    let mut tx = state.meta.begin().await?;
    let after = meta::edit(&mut tx, &caller.actor(), before.id, version, &change.edits).await;
    let after = after.map_err(|error| body.blame(error))?;
    tx.commit().await?;
    state.issue_changes.edited(&after);
    versioned(&state, after).await
}

/// Changes many issues in one step: all or none.
#[utoipa::path(
    patch, path = "/api/v1/issues", operation_id = "updateIssues", tag = "issues", request_body = BulkChange,
    responses((status = 200, description = "Those that were selected.", body = BulkChanged), AsksAndWrites),
)]
async fn update_many(
    Extract(state): Extract<State>,
    caller: Caller,
    JsonBody(body): JsonBody<BulkChange>,
) -> Result<Json<BulkChanged>> {
    let names = body.project.map(|names| ProjectNames::from(names.join(",")));
    let reached = reach::projects(&state, &caller, names.as_ref(), Verb::IssueWrite).await?;
    let which = match (body.ids, &body.query) {
        (Some(ids), None) => Selection::Ids(ids, reached),
        (None, Some(query)) => {
            let names = Names::read(&state, &caller).await?;
            let wanted = filter::read(&state, &names, reached, query, None, (None, None))?;
            Selection::Filter(Box::new(wanted.resolve(&state).await?.filter))
        }
        _ => return Err(Answer::new(Kind::Invalid, "name the issues either by `ids` or by `query`").field("ids")),
    };
    let change = body.change.edits(&state, &caller).await.map_err(within("change"))?;
    let mut tx = state.meta.begin().await?;
    let changed = meta::edit_many(&mut tx, &caller.actor(), &which, &change.edits).await;
    let changed = changed.map_err(|error| match error.to_string().starts_with("more than") {
        // The selection is at fault.
        true => Answer::from(error),
        false => within("change")(body.change.blame(error)),
    })?;
    // Whose issues they are is known now; nothing is done where one of them cannot be theirs.
    change.check(changed.iter().map(|issue| issue.project)).map_err(within("change"))?;
    tx.commit().await?;
    changed.iter().for_each(|issue| state.issue_changes.edited(issue));
    Ok(Json(BulkChanged { issues: changed.iter().map(|issue| issue.id).collect() }))
}

/// Merges issues into one: their groups move, their events are not touched.
#[utoipa::path(
    post, path = "/api/v1/issues/merge", operation_id = "mergeIssues", tag = "issues", request_body = Merge,
    responses((status = 200, description = "The issue that stays.", body = Issue), Writes),
)]
async fn merge_issues(
    Extract(state): Extract<State>,
    caller: Caller,
    JsonBody(body): JsonBody<Merge>,
) -> Result<Versioned<Issue>> {
    reach::projects(&state, &caller, None, Verb::IssueWrite).await?;
    for (id, field) in body.sources.iter().map(|id| (id, "sources")).chain([(&body.target, "target")]) {
        let found = reach::issue(&state, &caller, &id.to_string(), Verb::IssueWrite).await;
        found.map_err(|answer| answer.field(field))?;
    }
    let mut tx = state.meta.begin().await?;
    let target = merge::merge(&mut tx, &caller.actor(), body.target, &body.sources).await?;
    tx.commit().await?;
    told(&state, &body.sources, &target).await?;
    versioned(&state, target).await
}

/// Takes merged issues apart again, exactly: each group goes back to the issue it came from.
#[utoipa::path(
    post, path = "/api/v1/issues/{issue}/unmerge", operation_id = "unmergeIssue", tag = "issues", request_body = Unmerge,
    params(("issue" = i64, Path, description = "Its number.")),
    responses((status = 200, description = "The issue.", body = Issue), Writes),
)]
async fn unmerge(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    JsonBody(body): JsonBody<Unmerge>,
) -> Result<Versioned<Issue>> {
    let before = reach::issue(&state, &caller, &name, Verb::IssueWrite).await?;
    let hashes = body.groups.as_ref().map(|names| names.iter().map(|name| hash(name)).collect::<Result<Vec<_>>>());
    let hashes = hashes.transpose()?;
    let homes = match &hashes {
        Some(hashes) => {
            let groups = state.meta.groups_of(&[before.id]).await?.into_iter();
            groups.filter(|group| hashes.contains(&group.hash)).map(|group| group.home_id).collect()
        }
        None => before.merged_into.into_iter().collect::<Vec<_>>(),
    };
    let mut tx = state.meta.begin().await?;
    let after = match hashes {
        Some(hashes) => merge::unmerge_groups(&mut tx, &caller.actor(), before.id, &hashes).await?,
        None => merge::unmerge(&mut tx, &caller.actor(), before.id).await?,
    };
    tx.commit().await?;
    told(&state, &homes, &after).await?;
    versioned(&state, after).await
}

/// The groups of an issue: what its events have in common, and what was merged into it.
#[utoipa::path(
    get, path = "/api/v1/issues/{issue}/groups", operation_id = "listIssueGroups", tag = "issues",
    params(("issue" = i64, Path, description = "Its number.")),
    responses((status = 200, description = "The groups.", body = Groups), Reads),
)]
async fn groups(Extract(state): Extract<State>, caller: Caller, PathOf(name): PathOf<String>) -> Result<Json<Groups>> {
    let issue = reach::issue(&state, &caller, &name, Verb::IssueRead).await?;
    let groups = state.meta.groups_of(&[issue.id]).await?;
    Ok(Json(Groups { items: groups.iter().map(IssueGroup::of).collect() }))
}

async fn versioned(state: &State, issue: meta::Issue) -> Result<Versioned<Issue>> {
    // Events that come change what is shown, and what others are called may.
    let counts = [issue.events, issue.users, issue.last_seen_us];
    let (version, shaper) = (issue.version, Shaper::read(state, std::slice::from_ref(&issue)).await?);
    Ok(Versioned::counted(version, &counts, shaper.issue(issue)))
}

/// Tells the live view of all issues that a merge changed.
async fn told(state: &State, others: &[i64], issue: &meta::Issue) -> Result<()> {
    for id in others {
        if let Some(other) = state.meta.issue(*id).await? {
            state.issue_changes.edited(&other);
        }
    }
    state.issue_changes.edited(issue);
    Ok(())
}

fn hash(name: &str) -> Result<u64> {
    let is_hash = name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = u64::from_str_radix(name, 16).ok().filter(|_| is_hash);
    hash.ok_or_else(|| {
        Answer::new(Kind::Invalid, format!("`{name}` is not a group: it has 16 hexadecimal digits")).field("groups")
    })
}

fn within(outer: &'static str) -> impl Fn(Answer) -> Answer {
    move |mut answer| {
        answer.field = answer.field.map(|field| format!("{outer}.{field}").into());
        answer
    }
}
