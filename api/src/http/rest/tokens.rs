//! API tokens: one's own, and for admins everybody's.
//!
//! A token's text is in the answer to its making and nowhere else. A token that makes another cannot give it more than it
//! has itself.

use axum::Json;
use axum::extract::State as Extract;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tephra_storage::ProjectId;
use tephra_storage::meta::tokens::{self, NewToken, Token};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{JsonBody, Page, PathOf, QueryOf, Reads, Time, Writes};
use crate::access::{KeyKind, Secret, hash};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::{Verb, Verbs};
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(list, create)).routes(routes!(revoke))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Everybody's, for those who may.
    #[serde(default)]
    all: bool,
}

/// A token, without its text.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
struct Shown {
    id: String,
    name: String,
    /// Whose rights it has.
    user_id: String,
    /// To what it is confined; null is all that its owner reaches.
    projects: Option<Vec<i64>>,
    /// What it may do; null is all that its owner may.
    verbs: Option<Vec<String>>,
    created_at: Time,
    created_by: String,
    expires_at: Option<Time>,
    /// To the minute or so.
    used_at: Option<Time>,
}

/// A new token, with its text, which is never shown again.
#[derive(Serialize, ToSchema)]
struct NewTokenText {
    /// `teph_t_…`
    text: String,
    token: Shown,
}

/// A token that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TokenCreate)]
struct Create {
    name: String,
    /// Numbers of projects; absent is all that the owner reaches, then too.
    projects: Option<Vec<i64>>,
    /// As `event:read`; absent is all that the owner may. See docs/ROLES.md.
    verbs: Option<Vec<String>>,
    expires_at: Option<Time>,
}

impl Shown {
    fn of(token: Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            user_id: token.user_id,
            projects: token.projects.map(|projects| projects.iter().map(|project| project.0).collect()),
            verbs: token.verbs,
            created_at: Time(token.created_at_us),
            created_by: token.created_by,
            expires_at: token.expires_at_us.map(Time),
            used_at: token.used_at_us.map(Time),
        }
    }
}

/// Lists the caller's tokens, or everybody's.
#[utoipa::path(
    get, path = "/api/v1/tokens", operation_id = "listTokens", tag = "tokens", params(ListQuery),
    responses((status = 200, description = "The tokens, oldest first.", body = Page<Shown>), Reads),
)]
async fn list(
    Extract(state): Extract<State>,
    caller: Caller,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Json<Page<Shown>>> {
    caller.may_here(if query.all { Verb::TokenAdmin } else { Verb::TokenOwn })?;
    let whose = if query.all { None } else { Some(caller.user_id()) };
    let tokens = state.meta.tokens(whose).await?;
    Ok(Json(Page::whole(tokens.into_iter().map(Shown::of).collect())))
}

/// Makes a token of the caller.
#[utoipa::path(
    post, path = "/api/v1/tokens", operation_id = "createToken", tag = "tokens", request_body = Create,
    responses((status = 201, description = "The token, shown this once.", body = NewTokenText), Writes),
)]
async fn create(
    Extract(state): Extract<State>,
    caller: Caller,
    JsonBody(new): JsonBody<Create>,
) -> Result<(StatusCode, Json<NewTokenText>)> {
    caller.may_here(Verb::TokenOwn)?;
    let projects: Option<Vec<ProjectId>> = new.projects.map(|list| list.into_iter().map(ProjectId).collect());
    for project in projects.iter().flatten() {
        caller
            .role_in(*project)
            .ok_or_else(|| Answer::new(Kind::Invalid, format!("there is no project `{project}`")).field("projects"))?;
    }
    let verbs = verbs(&caller, new.verbs.as_deref())?;
    let words: Option<Vec<&str>> = verbs.map(|verbs| verbs.iter().map(Verb::as_str).collect());
    let secret = Secret::make(KeyKind::Token);
    let token = NewToken {
        id: secret.id(),
        user_id: caller.user_id(),
        name: &new.name,
        hash: &hex::encode(hash(secret.show())),
        projects: projects.as_deref(),
        verbs: words.as_deref(),
        expires_at_us: ends_at_us(&caller, new.expires_at),
    };
    let mut tx = state.meta.begin().await?;
    let token = tokens::create(&mut tx, &caller.actor(), &token).await?;
    tx.commit().await?;
    let text = secret.show().to_owned();
    Ok((StatusCode::CREATED, Json(NewTokenText { text, token: Shown::of(token) })))
}

/// Revokes a token for ever. One's own, or for admins anybody's.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{token}", operation_id = "revokeToken", tag = "tokens",
    params(("token" = String, Path, description = "The id of the token.")),
    responses((status = 204, description = "It opens nothing any more."), Writes),
)]
async fn revoke(Extract(state): Extract<State>, caller: Caller, PathOf(id): PathOf<String>) -> Result<StatusCode> {
    let mine = caller.may_here(Verb::TokenOwn);
    let all = caller.may_here(Verb::TokenAdmin).is_ok();
    if !all {
        mine?;
    }
    let token = state.meta.token(&id).await?.filter(|token| all || token.user_id == caller.user_id());
    let token = token.ok_or_else(|| Answer::new(Kind::NotFound, format!("no token `{id}`")))?;
    let mut tx = state.meta.begin().await?;
    tokens::revoke(&mut tx, &caller.actor(), &token).await?;
    tx.commit().await?;
    state.access.changed().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// When the new token ends: never after the token that makes it.
fn ends_at_us(caller: &Caller, wanted: Option<Time>) -> Option<i64> {
    let most = Some(caller.ends_at_us()).filter(|at| caller.is_token() && *at != i64::MAX);
    match (wanted.map(|at| at.0), most) {
        (Some(wanted), Some(most)) => Some(wanted.min(most)),
        (wanted, most) => wanted.or(most),
    }
}

/// What the new token may do: never more than the token that makes it.
fn verbs(caller: &Caller, words: Option<&[String]>) -> Result<Option<Verbs>> {
    let Some(words) = words else {
        return Ok(Some(caller.verbs()).filter(|verbs| *verbs != Verbs::ALL));
    };
    for word in words {
        let verb = Verb::parse(word).filter(|verb| caller.verbs().has(*verb));
        verb.ok_or_else(|| {
            Answer::new(Kind::Invalid, format!("`{word}` is no verb, or not one that you have"))
                .field("verbs")
                .hint("see docs/ROLES.md")
        })?;
    }
    Ok(Some(Verbs::of(words.iter().map(String::as_str))))
}
