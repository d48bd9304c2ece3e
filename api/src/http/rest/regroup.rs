//! Grouping history anew: what rules would split and merge among a project's issues, and doing so.
//!
//! Doing so edits which group belongs to which issue, in one transaction with the rules; events are never rewritten. Stored
//! events of one hash cannot be parted, and the answer says where that happens: only new ones fall apart then.

mod census;
mod shape;

use axum::Json;
use axum::extract::State as Extract;
use serde::Deserialize;
use tephra_ingest::GroupRules;
use tephra_storage::meta::regroup;
use tephra_storage::meta::rules::{RuleKind, put as put_rules};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::grouping_rules::{new_rules, wrong};
use super::selection::{range, select};
use super::{AsksAndWrites, IfMatch, JsonBody, PathOf, Time, reach};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;
use shape::{Outcome, Shown};

/// Entries of each list in an answer.
const LIMIT: u32 = 100;
const LIMIT_MAX: u32 = 1_000;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(run))
}

/// By which rules history is grouped anew, and how much of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Regroup)]
struct Wanted {
    /// The project's rules as they would be; those in force where they are absent.
    text: Option<String>,
    /// A search; all events where it is absent.
    query: Option<String>,
    /// From this time of the event on; all of history where it is absent.
    from: Option<Time>,
    /// Before this time.
    to: Option<Time>,
    /// Whether to do it; false where it is absent, which changes nothing. Rules that are given come into force with it.
    #[serde(default)]
    apply: bool,
    /// Entries of each list in the answer: 1 to 1,000; 100 where it is absent.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Shows what rules would split and merge among a project's issues, or does so.
///
/// Reads all selected events, which takes about a minute for a million of them.
#[utoipa::path(
    post, path = "/api/v1/projects/{project}/regroup", operation_id = "regroup", tag = "issues", request_body = Wanted,
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("if-match" = Option<String>, Header, description = "The `ETag` of the grouping rules that the change is based on."),
    ),
    responses((status = 200, description = "What would change, or has changed.", body = Shown), AsksAndWrites),
)]
async fn run(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    if_match: IfMatch,
    JsonBody(wanted): JsonBody<Wanted>,
) -> Result<Json<Shown>> {
    let project = reach::project(&state, &caller, &name, Verb::EventRead).await?.id;
    caller.may(Verb::ProjectWrite, project)?;
    if wanted.apply {
        caller.may(Verb::IssueWrite, project)?;
    }
    let limit = wanted.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Answer::new(Kind::Invalid, format!("`limit` is to be 1 to {LIMIT_MAX}")).field("limit"));
    }
    range(wanted.from, wanted.to)?;
    let selection = select(&state, wanted.query.as_deref(), wanted.from, wanted.to)?;
    let stored = state.meta.rules(project, RuleKind::Grouping).await?;
    let version = stored.as_ref().map_or(0, |stored| stored.version);
    if_match.check(version)?;
    let in_force = stored.as_ref().map_or("", |stored| stored.body.as_str());
    let text = wanted.text.as_deref().unwrap_or(in_force);
    let rules = GroupRules::parse(text).map_err(wrong)?;
    let is_new = text != in_force;

    let busy = |_| Answer::new(Kind::Busy, "another project's history is being grouped anew").hint("try again later");
    let _turn = state.regrouping.try_acquire().map_err(busy)?;
    let census = census::take(&state.core()?.engine, project, &selection, rules).await?;
    let mut tx = state.meta.begin().await?;
    let actor = caller.actor();
    let mut outcome = Outcome { version, rules_changed: is_new, done: None };
    let plan = if wanted.apply {
        if is_new {
            outcome.version = put_rules(&mut tx, &actor, new_rules(project, stored.as_ref(), text)).await?;
        }
        let plan = regroup::plan(&mut tx, project, &census).await?;
        let done = regroup::apply(&mut tx, &actor, project, &plan, outcome.version).await?;
        tx.commit().await?;
        state.rules.reload(&state.meta).await?;
        for issue in &done.touched {
            if let Some(issue) = state.meta.issue(*issue).await? {
                state.issue_changes.edited(&issue);
            }
        }
        outcome.done = Some(done);
        plan
    } else {
        let plan = regroup::plan(&mut tx, project, &census).await?;
        drop(tx);
        plan
    };
    Ok(Json(shape::shown(&state.meta, &plan, &outcome, limit as usize).await?))
}
