//! People of the organisation: who is there, invitations, roles, and disabling those who leave.
//!
//! Nobody gives a role above their own or changes somebody whose role is above theirs, and the last owner stays.

use axum::Json;
use axum::extract::State as Extract;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tephra_storage::meta::resets::Purpose;
use tephra_storage::meta::second_factor;
use tephra_storage::meta::users::{self, NewUser, User};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{IfMatch, JsonBody, Page, PathOf, Reads, Time, Versioned, Writes};
use crate::answer::{Answer, Kind, Result};
use crate::auth::mail;
use crate::caller::Caller;
use crate::roles::{Role, Verb};
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(routes!(list, invite))
        .routes(routes!(get, update))
        .routes(routes!(invite_again))
        .routes(routes!(reset_totp))
}

/// Somebody of the organisation.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
struct Shown {
    id: String,
    email: String,
    name: String,
    /// `viewer`, `member`, `admin` or `owner`.
    role: &'static str,
    /// Whether they may not log in.
    disabled: bool,
    /// Whether they were invited and have not logged in yet.
    invited: bool,
    second_factor: bool,
    created_at: Time,
    seen_at: Option<Time>,
}

impl Shown {
    fn of(user: User) -> Self {
        Self {
            role: user.role.as_str(),
            disabled: user.disabled,
            invited: user.password.is_none() && user.seen_at_us.is_none(),
            second_factor: user.has_totp(),
            created_at: Time(user.created_at_us),
            seen_at: user.seen_at_us.map(Time),
            id: user.id,
            email: user.email,
            name: user.name,
        }
    }
}

/// Somebody who is to be invited.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UserInvite)]
struct Invite {
    email: String,
    #[serde(default)]
    name: String,
    /// `viewer`, `member`, `admin` or `owner`.
    role: String,
}

/// What is to be changed of a person; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UserUpdate)]
struct Update {
    name: Option<String>,
    /// `viewer`, `member`, `admin` or `owner`.
    role: Option<String>,
    disabled: Option<bool>,
}

/// Lists the people of the organisation.
#[utoipa::path(
    get, path = "/api/v1/users", operation_id = "listUsers", tag = "users",
    responses((status = 200, description = "Everybody, by email.", body = Page<Shown>), Reads),
)]
async fn list(Extract(state): Extract<State>, caller: Caller) -> Result<Json<Page<Shown>>> {
    caller.may_here(Verb::MemberRead)?;
    let users = state.meta.users().await?;
    Ok(Json(Page::whole(users.into_iter().map(Shown::of).collect())))
}

/// Adds somebody and sends them an invitation by mail.
#[utoipa::path(
    post, path = "/api/v1/users", operation_id = "inviteUser", tag = "users", request_body = Invite,
    responses((status = 201, description = "The person.", body = Shown), Writes),
)]
async fn invite(
    Extract(state): Extract<State>,
    caller: Caller,
    JsonBody(invite): JsonBody<Invite>,
) -> Result<Versioned<Shown>> {
    caller.may_here(Verb::MemberWrite)?;
    let role = role(&invite.role)?;
    not_above(&caller, role)?;
    let new = NewUser { email: &invite.email, name: &invite.name, role, password: None, password_once: false };
    let mut tx = state.meta.begin().await?;
    let user =
        users::create(&mut tx, &caller.actor(), &new).await.map_err(|error| Answer::from(error).field("email"))?;
    if mail::is_configured(&state.settings) {
        mail::send_link(&mut tx, &state.settings, &user, Purpose::Invitation, caller.email()).await?;
    } else if state.auth.oidc.is_none() {
        tracing::warn!(
            user = user.id,
            "no invitation is sent, as mail is not configured: set a password by `tephra admin user password`"
        );
    }
    tx.commit().await?;
    Ok(Versioned::new(user.version, Shown::of(user)).created())
}

/// Tells of a person.
#[utoipa::path(
    get, path = "/api/v1/users/{user}", operation_id = "getUser", tag = "users",
    params(("user" = String, Path, description = "The id of the person.")),
    responses((status = 200, description = "The person.", body = Shown), Reads),
)]
async fn get(Extract(state): Extract<State>, caller: Caller, PathOf(id): PathOf<String>) -> Result<Versioned<Shown>> {
    caller.may_here(Verb::MemberRead)?;
    let user = find(&state, &id).await?;
    Ok(Versioned::counted(user.version, &[user.seen_at_us.unwrap_or(0)], Shown::of(user)))
}

/// Changes a person's name or role, or disables them. Whoever is disabled loses all sessions, and their tokens rest.
#[utoipa::path(
    patch, path = "/api/v1/users/{user}", operation_id = "updateUser", tag = "users", request_body = Update,
    params(
        ("user" = String, Path, description = "The id of the person."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
    ),
    responses((status = 200, description = "The person.", body = Shown), Writes),
)]
async fn update(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(id): PathOf<String>,
    if_match: IfMatch,
    JsonBody(change): JsonBody<Update>,
) -> Result<Versioned<Shown>> {
    caller.may_here(Verb::MemberWrite)?;
    let before = find(&state, &id).await?;
    if_match.check(before.version)?;
    not_above(&caller, before.role)?;
    let mut after = before.clone();
    after.name = change.name.unwrap_or(after.name);
    after.disabled = change.disabled.unwrap_or(after.disabled);
    if let Some(word) = change.role {
        after.role = role(&word)?;
        not_above(&caller, after.role)?;
    }
    let mut tx = state.meta.begin().await?;
    users::update(&mut tx, &caller.actor(), &before, &after).await?;
    tx.commit().await?;
    state.access.changed().await?;
    let user = find(&state, &id).await?;
    Ok(Versioned::counted(user.version, &[user.seen_at_us.unwrap_or(0)], Shown::of(user)))
}

/// Sends a new invitation by mail; the link before it stops working.
#[utoipa::path(
    post, path = "/api/v1/users/{user}/invitation", operation_id = "inviteUserAgain", tag = "users",
    params(("user" = String, Path, description = "The id of the person.")),
    responses((status = 202, description = "A mail is on its way."), Writes),
)]
async fn invite_again(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<StatusCode> {
    caller.may_here(Verb::MemberWrite)?;
    let user = find(&state, &id).await?;
    not_above(&caller, user.role)?;
    if user.password.is_some() || user.disabled {
        return Err(Answer::new(Kind::Conflict, "the person has a password already, or is disabled"));
    }
    if !mail::is_configured(&state.settings) {
        return Err(Answer::new(Kind::Conflict, "mail is not configured on this server")
            .hint("set `mail.url`, or give a password by `tephra admin user password`"));
    }
    let mut tx = state.meta.begin().await?;
    mail::send_link(&mut tx, &state.settings, &user, Purpose::Invitation, caller.email()).await?;
    tx.commit().await?;
    Ok(StatusCode::ACCEPTED)
}

/// Removes the second factor of somebody who has lost it.
#[utoipa::path(
    delete, path = "/api/v1/users/{user}/totp", operation_id = "resetUserTotp", tag = "users",
    params(("user" = String, Path, description = "The id of the person.")),
    responses((status = 204, description = "Removed."), Writes),
)]
async fn reset_totp(Extract(state): Extract<State>, caller: Caller, PathOf(id): PathOf<String>) -> Result<StatusCode> {
    caller.may_here(Verb::MemberWrite)?;
    let user = find(&state, &id).await?;
    not_above(&caller, user.role)?;
    if user.id == caller.user_id() {
        return Err(Answer::new(Kind::Denied, "your own second factor goes by your password")
            .hint("`POST /api/v1/me/totp/remove`"));
    }
    let mut tx = state.meta.begin().await?;
    second_factor::remove(&mut tx, &caller.actor(), &user.id).await?;
    tx.commit().await?;
    state.access.changed().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The role with that word.
pub(super) fn role(word: &str) -> Result<Role> {
    Role::parse(word).ok_or_else(|| {
        Answer::new(Kind::Invalid, format!("`{word}` is no role: viewer, member, admin or owner")).field("role")
    })
}

fn not_above(caller: &Caller, role: Role) -> Result<()> {
    if role <= caller.role() {
        return Ok(());
    }
    Err(Answer::new(Kind::Denied, format!("as {} you may not change an {role} or make one", caller.role())))
}

async fn find(state: &State, id: &str) -> Result<User> {
    state.meta.user(id).await?.ok_or_else(|| Answer::new(Kind::NotFound, format!("no person `{id}`")))
}
