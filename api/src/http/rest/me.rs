//! The caller: who they are, their name and password, and their sessions.

use axum::Json;
use axum::extract::State as Extract;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tephra_storage::ProjectId;
use tephra_storage::meta::sessions::{self, SecondFactor, Session};
use tephra_storage::meta::users::{self, User};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{JsonBody, Page, PathOf, Reads, Time, Writes};
use crate::access::HeldUp;
use crate::answer::{Answer, Kind, Result};
use crate::auth::password::{self, Verified};
use crate::auth::{cookie, mail};
use crate::caller::{Caller, Person};
use crate::roles::{Verb, Verbs};
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(routes!(get, update))
        .routes(routes!(change_password))
        .routes(routes!(sessions, end_other_sessions))
        .routes(routes!(end_session))
}

/// The caller.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    id: String,
    email: String,
    name: String,
    /// In the organisation: `viewer`, `member`, `admin` or `owner`.
    role: String,
    /// Whether a token calls, and not a person.
    token: bool,
    /// To be sent as `X-Tephra-CSRF` with each request that changes something; null for tokens.
    csrf: Option<String>,
    /// What is to be done before anything else: `password`, `second_factor`, or null.
    held_up: Option<&'static str>,
    /// Whether there is a password; without one it is single sign-on.
    password: bool,
    /// Whether a second factor is set up.
    second_factor: bool,
    recovery_codes_left: usize,
    /// What may be done in the organisation.
    verbs: Vec<&'static str>,
    projects: Vec<MyProject>,
}

/// A project that the caller reaches.
#[derive(Serialize, ToSchema)]
struct MyProject {
    #[schema(value_type = i64)]
    id: ProjectId,
    slug: String,
    name: String,
    role: String,
    /// What may be done there.
    verbs: Vec<&'static str>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MeChange {
    name: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    /// The present password.
    current: String,
    /// 10 to 128 characters.
    password: String,
}

/// A session of the caller.
#[derive(Serialize, ToSchema)]
struct MySession {
    id: String,
    /// Whether it is the one that asks.
    current: bool,
    created_at: Time,
    seen_at: Time,
    expires_at: Time,
    address: String,
    agent: String,
    second_factor: bool,
}

/// Tells who calls, what they may do and where.
#[utoipa::path(
    get, path = "/api/v1/me", operation_id = "me", tag = "me",
    responses((status = 200, description = "The caller.", body = Me), Reads),
)]
async fn get(Extract(state): Extract<State>, caller: Either) -> Result<Json<Me>> {
    shown(&state, &caller.0).await.map(Json)
}

/// Changes the caller's name.
#[utoipa::path(
    patch, path = "/api/v1/me", operation_id = "updateMe", tag = "me", request_body = MeChange,
    responses((status = 200, description = "The caller.", body = Me), Writes),
)]
async fn update(
    Extract(state): Extract<State>,
    Person(caller): Person,
    JsonBody(change): JsonBody<MeChange>,
) -> Result<Json<Me>> {
    let before = own(&state, &caller).await?;
    let after = User { name: change.name, ..before.clone() };
    let mut tx = state.meta.begin().await?;
    users::update(&mut tx, &caller.actor(), &before, &after)
        .await
        .map_err(|error| Answer::from(error).field("name"))?;
    tx.commit().await?;
    shown(&state, &caller).await.map(Json)
}

/// Changes the caller's password. All other sessions end.
#[utoipa::path(
    post, path = "/api/v1/me/password", operation_id = "changePassword", tag = "me", request_body = PasswordChange,
    responses((status = 204, description = "Changed."), Writes),
)]
async fn change_password(
    Extract(state): Extract<State>,
    Person(caller): Person,
    JsonBody(change): JsonBody<PasswordChange>,
) -> Result<StatusCode> {
    let user = own(&state, &caller).await?;
    verify(&state, &caller, &user, change.current, "current").await?;
    password::check(&change.password, &user.email, "password")?;
    if user.password_once
        && state.auth.hasher.verify(change.password.clone(), user.password.clone()).await? != Verified::Wrong
    {
        return Err(Answer::new(Kind::Invalid, "the new password is the old one").field("password"));
    }
    let hash = state.auth.hasher.hash(change.password).await?;
    let mut tx = state.meta.begin().await?;
    users::set_password(&mut tx, &caller.actor(), &user.id, &hash, false, Some(caller.id())).await?;
    mail::tell_changed(&mut tx, &state.settings, &user, &caller.place().ip.to_string()).await?;
    tx.commit().await?;
    state.access.known.forget();
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the caller's sessions.
#[utoipa::path(
    get, path = "/api/v1/me/sessions", operation_id = "listSessions", tag = "me",
    responses((status = 200, description = "The sessions, newest first.", body = Page<MySession>), Reads),
)]
async fn sessions(Extract(state): Extract<State>, Person(caller): Person) -> Result<Json<Page<MySession>>> {
    let sessions = state.meta.sessions_of(caller.user_id()).await?;
    let shown = |session: Session| MySession {
        current: session.id == caller.id(),
        id: session.id,
        created_at: Time(session.created_at_us),
        seen_at: Time(session.seen_at_us),
        expires_at: Time(session.expires_at_us),
        address: session.address,
        agent: session.agent,
        second_factor: session.second_factor == SecondFactor::Shown,
    };
    Ok(Json(Page::whole(sessions.into_iter().map(shown).collect())))
}

/// Ends all sessions of the caller but the one that asks.
#[utoipa::path(
    delete, path = "/api/v1/me/sessions", operation_id = "endOtherSessions", tag = "me",
    responses((status = 204, description = "They are over."), Writes),
)]
async fn end_other_sessions(Extract(state): Extract<State>, Person(caller): Person) -> Result<StatusCode> {
    let mut tx = state.meta.begin().await?;
    sessions::end_others(&mut tx, &caller.actor(), caller.user_id(), caller.id()).await?;
    tx.commit().await?;
    state.access.known.forget();
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a session of the caller.
#[utoipa::path(
    delete, path = "/api/v1/me/sessions/{session}", operation_id = "endSession", tag = "me",
    params(("session" = String, Path, description = "The id of the session.")),
    responses((status = 204, description = "It is over."), Writes),
)]
async fn end_session(
    Extract(state): Extract<State>,
    Person(caller): Person,
    PathOf(id): PathOf<String>,
) -> Result<StatusCode> {
    let mut tx = state.meta.begin().await?;
    if !sessions::end_own(&mut tx, &caller.actor(), "session.end", caller.user_id(), &id).await? {
        return Err(Answer::new(Kind::NotFound, "there is no such session"));
    }
    tx.commit().await?;
    state.access.known.forget();
    Ok(StatusCode::NO_CONTENT)
}

/// The caller as a row.
pub(super) async fn own(state: &State, caller: &Caller) -> Result<User> {
    let user = state.meta.user(caller.user_id()).await?;
    user.ok_or_else(|| Answer::new(Kind::Unauthenticated, "the session is over: log in again"))
}

/// Asks for the password again, throttled as a login is.
pub(super) async fn verify(state: &State, caller: &Caller, user: &User, password: String, field: &str) -> Result<()> {
    state.auth.throttle.begin(&user.email, caller.place().ip, state.meta.now_us())?;
    if state.auth.hasher.verify(password, user.password.clone()).await? == Verified::Wrong {
        return Err(Answer::new(Kind::Invalid, "this is not your present password").field(field));
    }
    state.auth.throttle.succeeded(&user.email, caller.place().ip);
    Ok(())
}

async fn shown(state: &State, caller: &Caller) -> Result<Me> {
    let user = own(state, caller).await?;
    let all = state.meta.projects().await?;
    let mut projects = Vec::new();
    for project in all {
        let Some(role) = caller.role_in(project.id) else { continue };
        let verbs = Verbs::ALL.iter().filter(|verb| caller.may(*verb, project.id).is_ok()).map(Verb::as_str).collect();
        let role = role.as_str().to_owned();
        projects.push(MyProject { id: project.id, slug: project.slug, name: project.name, role, verbs });
    }
    Ok(Me {
        role: caller.role().as_str().to_owned(),
        token: caller.is_token(),
        csrf: caller.csrf().map(str::to_owned),
        held_up: caller.held_up().map(|held_up| match held_up {
            HeldUp::Password => "password",
            HeldUp::SecondFactor => "second_factor",
        }),
        password: user.password.is_some(),
        second_factor: user.has_totp(),
        recovery_codes_left: state.meta.recovery_codes(&user.id).await?.len(),
        verbs: Verbs::ALL.iter().filter(|verb| caller.may_here(*verb).is_ok()).map(Verb::as_str).collect(),
        projects,
        id: user.id,
        email: user.email,
        name: user.name,
    })
}

/// Anybody with a token or session, held up or not.
struct Either(Caller);

impl axum::extract::FromRequestParts<State> for Either {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut http::request::Parts, state: &State) -> Result<Self> {
        if cookie::read(&state.settings, &parts.headers).is_some()
            && !parts.headers.contains_key(http::header::AUTHORIZATION)
        {
            return Person::from_request_parts(parts, state).await.map(|Person(caller)| Self(caller));
        }
        Caller::from_request_parts(parts, state).await.map(Self)
    }
}
