//! What people say about an issue, and what happened to it.
//!
//! A comment is changed by its author alone; its author and the project's admins may delete it.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State as Extract;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tephra_storage::meta::comments::{self, Comment};
use tephra_storage::meta::issues::Issue;
use tephra_storage::meta::users::User;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{IfMatch, JsonBody, Limit, Page, PathOf, QueryOf, Reads, Time, Versioned, Writes, page, reach};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::{Role, Verb};
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(list, create)).routes(routes!(update, delete)).routes(routes!(history))
}

/// A comment on an issue.
#[derive(Serialize, ToSchema)]
#[schema(as = Comment)]
struct Shown {
    id: String,
    author: CommentAuthor,
    body: String,
    created_at: Time,
    #[schema(required)]
    edited_at: Option<Time>,
    version: i64,
}

/// Who wrote a comment.
#[derive(Serialize, ToSchema)]
struct CommentAuthor {
    id: String,
    name: String,
}

/// A comment that is to be made or changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CommentText)]
struct Text {
    #[schema(min_length = 1)]
    body: String,
}

/// A step in an issue's life.
#[derive(Serialize, ToSchema)]
#[schema(as = IssueStep)]
struct Step {
    id: String,
    at: Time,
    /// `user`, `token`, `shell` or `system`.
    actor_kind: String,
    /// The id of the user or token.
    actor: String,
    /// The person's name, or the token's with its owner's; empty for others.
    actor_name: String,
    /// `created`, `unresolved`, `resolved`, `archived`, `assigned`, `unassigned`, `merged`, `took`, `unmerged`, `gave`,
    /// `followed`.
    what: String,
    /// The rest.
    #[schema(value_type = Object)]
    detail: serde_json::Value,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items of a page.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Limit,
}

/// What people call somebody.
pub(super) fn called(user: User) -> String {
    if user.name.is_empty() { user.email } else { user.name }
}

/// Names of people by their ids.
async fn names<'a>(state: &State, ids: impl Iterator<Item = &'a str>) -> Result<HashMap<String, String>> {
    let mut names = HashMap::new();
    for id in ids {
        if !names.contains_key(id) {
            let user = state.meta.user(id).await?;
            names.insert(id.to_owned(), user.map_or_else(String::new, called));
        }
    }
    Ok(names)
}

/// Only the text can be unfit; a conflict is no field's.
fn of_body(error: tephra_storage::Error) -> Answer {
    let answer = Answer::from(error);
    if answer.kind == Kind::Invalid { answer.field("body") } else { answer }
}

fn shown(comment: Comment, names: &HashMap<String, String>) -> Shown {
    let name = names.get(&comment.user_id).cloned().unwrap_or_default();
    Shown {
        id: comment.id,
        author: CommentAuthor { id: comment.user_id, name },
        body: comment.body,
        created_at: Time(comment.created_at_us),
        edited_at: comment.edited_at_us.map(Time),
        version: comment.version,
    }
}

async fn versioned(state: &State, comment: Comment) -> Result<Versioned<Shown>> {
    let names = names(state, [comment.user_id.as_str()].into_iter()).await?;
    Ok(Versioned::new(comment.version, shown(comment, &names)))
}

/// Lists the comments on an issue, the oldest first.
#[utoipa::path(
    get, path = "/api/v1/issues/{issue}/comments", operation_id = "listComments", tag = "comments",
    params(("issue" = i64, Path, description = "Its number."), ListQuery),
    responses((status = 200, description = "The comments.", body = Page<Shown>), Reads),
)]
async fn list(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Json<Page<Shown>>> {
    let issue = reach::issue(&state, &caller, &name, Verb::IssueRead).await?;
    let after = page::read::<(i64, String)>(query.cursor.as_deref())?;
    let after = after.as_ref().map(|(at, id)| (*at, id.as_str()));
    let rows = state.meta.comments(issue.id, after, query.limit.rows() + 1).await?;
    let page = Page::of(rows, query.limit, |comment| (comment.created_at_us, comment.id.clone()));
    let names = names(&state, page.items.iter().map(|comment| comment.user_id.as_str())).await?;
    Ok(Json(page.map(|comment| shown(comment, &names))))
}

/// Comments on an issue.
#[utoipa::path(
    post, path = "/api/v1/issues/{issue}/comments", operation_id = "createComment", tag = "comments",
    request_body = Text, params(("issue" = i64, Path, description = "Its number.")),
    responses((status = 201, description = "The comment.", body = Shown), Writes),
)]
async fn create(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    JsonBody(text): JsonBody<Text>,
) -> Result<Versioned<Shown>> {
    let issue = reach::issue(&state, &caller, &name, Verb::IssueWrite).await?;
    let mut tx = state.meta.begin().await?;
    let comment = comments::create(&mut tx, &caller.actor(), issue.id, caller.user_id(), &text.body).await;
    let comment = comment.map_err(of_body)?;
    tx.commit().await?;
    Ok(versioned(&state, comment).await?.created())
}

/// Changes a comment of one's own.
#[utoipa::path(
    patch, path = "/api/v1/issues/{issue}/comments/{comment}", operation_id = "updateComment", tag = "comments",
    request_body = Text,
    params(
        ("issue" = i64, Path, description = "Its number."),
        ("comment" = String, Path, description = "Its id."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
    ),
    responses((status = 200, description = "The comment as it is now.", body = Shown), Writes),
)]
async fn update(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf((name, id)): PathOf<(String, String)>,
    if_match: IfMatch,
    JsonBody(text): JsonBody<Text>,
) -> Result<Versioned<Shown>> {
    let (_, before) = find(&state, &caller, &name, &id).await?;
    if before.user_id != caller.user_id() {
        return Err(Answer::new(Kind::Denied, "only its author changes a comment"));
    }
    if_match.check(before.version)?;
    let mut tx = state.meta.begin().await?;
    let after = comments::update(&mut tx, &caller.actor(), &before, &text.body).await;
    let after = after.map_err(of_body)?;
    tx.commit().await?;
    versioned(&state, after).await
}

/// Deletes a comment: its author may, and an admin of the project.
#[utoipa::path(
    delete, path = "/api/v1/issues/{issue}/comments/{comment}", operation_id = "deleteComment", tag = "comments",
    params(
        ("issue" = i64, Path, description = "Its number."),
        ("comment" = String, Path, description = "Its id."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
    ),
    responses((status = 204, description = "It is gone."), Writes),
)]
async fn delete(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf((name, id)): PathOf<(String, String)>,
    if_match: IfMatch,
) -> Result<StatusCode> {
    let (issue, before) = find(&state, &caller, &name, &id).await?;
    let is_admin = caller.role_in(issue.project).is_some_and(|role| role >= Role::Admin);
    if before.user_id != caller.user_id() && !is_admin {
        return Err(Answer::new(Kind::Denied, "only its author and admins of the project delete a comment"));
    }
    if_match.check(before.version)?;
    let mut tx = state.meta.begin().await?;
    comments::delete(&mut tx, &caller.actor(), &before).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(state: &State, caller: &Caller, issue: &str, id: &str) -> Result<(Issue, Comment)> {
    let issue = reach::issue(state, caller, issue, Verb::IssueWrite).await?;
    let comment = state.meta.comment(id).await?.filter(|comment| comment.issue_id == issue.id);
    let unknown = || Answer::new(Kind::NotFound, format!("no comment `{id}` on issue `{}`", issue.id));
    let comment = comment.ok_or_else(unknown)?;
    Ok((issue, comment))
}

/// Tells what happened to an issue, the newest first.
#[utoipa::path(
    get, path = "/api/v1/issues/{issue}/history", operation_id = "issueHistory", tag = "issues",
    params(("issue" = i64, Path, description = "Its number."), ListQuery),
    responses((status = 200, description = "The steps.", body = Page<Step>), Reads),
)]
async fn history(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Json<Page<Step>>> {
    let issue = reach::issue(&state, &caller, &name, Verb::IssueRead).await?;
    let before = page::read::<(i64, String)>(query.cursor.as_deref())?;
    let before = before.as_ref().map(|(at, id)| (*at, id.as_str()));
    let rows = state.meta.issue_history(issue.id, before, query.limit.rows() + 1).await?;
    let page = Page::of(rows, query.limit, |step| (step.at_us, step.id.clone()));
    let of = |kind: &'static str| {
        page.items.iter().filter(move |step| step.actor_kind == kind).map(|step| step.actor.as_str())
    };
    let mut names = names(&state, of("user")).await?;
    for id in of("token") {
        if !names.contains_key(id)
            && let Some(token) = state.meta.token(id).await?
        {
            let owner = state.meta.user(&token.user_id).await?.map_or_else(String::new, called);
            names.insert(id.to_owned(), format!("{} of {owner}", token.name));
        }
    }
    Ok(Json(page.map(|step| Step {
        actor_name: names.get(&step.actor).cloned().unwrap_or_default(),
        id: step.id,
        at: Time(step.at_us),
        actor_kind: step.actor_kind,
        actor: step.actor,
        what: step.what,
        detail: serde_json::from_str(&step.detail).unwrap_or_default(),
    })))
}
