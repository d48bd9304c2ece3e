//! Logging in and out: the password, the code, single sign-on, a forgotten password.
//!
//! The session comes as a cookie that scripts cannot read; its CSRF value comes in the body. Requests of other sites' pages
//! are refused here too, so that nobody is logged in as somebody else.

use axum::Json;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Redirect, Response};
use http::{Extensions, HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use tephra_storage::meta::sessions;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{JsonBody, Opens, QueryOf, Writes};
use crate::answer::{Answer, Kind, Result};
use crate::auth::login::Passed;
use crate::auth::session::{Begun, LASTS_US};
use crate::auth::{cookie, csrf, login, oidc, recover};
use crate::caller::{Person, Place};
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(routes!(methods))
        .routes(routes!(log_in))
        .routes(routes!(log_in_totp))
        .routes(routes!(log_out))
        .routes(routes!(forgot))
        .routes(routes!(reset))
        .routes(routes!(oidc_login))
        .routes(routes!(oidc_callback))
}

/// How people may log in here.
#[derive(Serialize, ToSchema)]
struct LoginMethods {
    password: bool,
    /// What the provider of single sign-on is called; null where there is none.
    oidc: Option<String>,
    /// Whether a forgotten password can be mended by mail.
    mail: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    email: String,
    password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LoginCode {
    /// The `ticket` of the login.
    ticket: String,
    /// Six digits, or a recovery code.
    code: String,
}

/// What came of a login. The session is in the cookie.
#[derive(Serialize, ToSchema)]
struct LoggedIn {
    /// To be sent as `X-Tephra-CSRF` with each request that changes something; null while the code is still to come.
    csrf: Option<String>,
    /// To be sent with the code to `/api/v1/login/totp`; null where the login is complete.
    ticket: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Forgotten {
    email: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPasswordByLink {
    /// What stands behind the `#` of the link.
    token: String,
    password: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OidcBegin {
    /// Where to go on after the login: a path of this server.
    #[serde(default)]
    return_to: String,
}

/// Further parts are the provider's to add.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OidcBack {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

/// Tells how people may log in.
#[utoipa::path(
    get, path = "/api/v1/login", operation_id = "loginMethods", tag = "login", security(()),
    responses((status = 200, description = "How.", body = LoginMethods), Opens),
)]
async fn methods(Extract(state): Extract<State>) -> Json<LoginMethods> {
    let oidc = state.auth.oidc.as_ref().map(|oidc| oidc.name().to_owned());
    Json(LoginMethods { password: true, oidc, mail: crate::auth::mail::is_configured(&state.settings) })
}

/// Logs in by password.
#[utoipa::path(
    post, path = "/api/v1/login", operation_id = "login", tag = "login", security(()), request_body = Login,
    responses((status = 200, description = "A session, or a ticket for the code.", body = LoggedIn), Writes),
)]
async fn log_in(
    Extract(state): Extract<State>,
    place: Place,
    headers: HeaderMap,
    cookies: Cookies,
    JsonBody(login): JsonBody<Login>,
) -> Result<Json<LoggedIn>> {
    csrf::same_origin(&state.settings, place.host.as_deref(), &headers)?;
    let before = cookie::read(&state.settings, &headers);
    match login::by_password(&state, &place, &login.email, login.password, before).await? {
        Passed::In(begun) => Ok(cookies.begin(&state, begun)),
        Passed::NeedsCode(ticket) => Ok(Json(LoggedIn { csrf: None, ticket: Some(ticket) })),
    }
}

/// Logs in by the code, after the password.
#[utoipa::path(
    post, path = "/api/v1/login/totp", operation_id = "loginCode", tag = "login", security(()), request_body = LoginCode,
    responses((status = 200, description = "A session.", body = LoggedIn), Writes),
)]
async fn log_in_totp(
    Extract(state): Extract<State>,
    place: Place,
    headers: HeaderMap,
    cookies: Cookies,
    JsonBody(login): JsonBody<LoginCode>,
) -> Result<Json<LoggedIn>> {
    csrf::same_origin(&state.settings, place.host.as_deref(), &headers)?;
    let before = cookie::read(&state.settings, &headers);
    let begun = login::by_code(&state, &place, &login.ticket, &login.code, before).await?;
    Ok(cookies.begin(&state, begun))
}

/// Logs out: ends the session.
#[utoipa::path(
    post, path = "/api/v1/logout", operation_id = "logout", tag = "login",
    responses((status = 204, description = "The session is over."), Writes),
)]
async fn log_out(Extract(state): Extract<State>, Person(caller): Person, cookies: Cookies) -> Result<StatusCode> {
    let mut tx = state.meta.begin().await?;
    sessions::end_own(&mut tx, &caller.actor(), "login.end", caller.user_id(), caller.id()).await?;
    tx.commit().await?;
    state.access.known.forget();
    cookie::set(&cookies.0, cookie::header(&state.settings, "", 0));
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a link for a new password, if there is such a person; the answer is the same if not.
#[utoipa::path(
    post, path = "/api/v1/password/forgot", operation_id = "forgotPassword", tag = "login", security(()),
    request_body = Forgotten,
    responses((status = 202, description = "If there is such a person, a mail is on its way."), Writes),
)]
async fn forgot(
    Extract(state): Extract<State>,
    place: Place,
    headers: HeaderMap,
    JsonBody(forgotten): JsonBody<Forgotten>,
) -> Result<StatusCode> {
    csrf::same_origin(&state.settings, place.host.as_deref(), &headers)?;
    recover::forgot(&state, &place, &forgotten.email)?;
    Ok(StatusCode::ACCEPTED)
}

/// Sets a new password by the link of a mail. All sessions of the person end.
#[utoipa::path(
    post, path = "/api/v1/password/reset", operation_id = "resetPassword", tag = "login", security(()),
    request_body = NewPasswordByLink,
    responses((status = 204, description = "The password is set: log in with it."), Writes),
)]
async fn reset(
    Extract(state): Extract<State>,
    place: Place,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewPasswordByLink>,
) -> Result<StatusCode> {
    csrf::same_origin(&state.settings, place.host.as_deref(), &headers)?;
    recover::reset(&state, &place, &new.token, new.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends the browser to the provider of single sign-on.
#[utoipa::path(
    get, path = "/api/v1/oidc/login", operation_id = "oidcLogin", tag = "login", security(()), params(OidcBegin),
    responses((status = 303, description = "To the provider."), Writes),
)]
async fn oidc_login(
    Extract(state): Extract<State>,
    QueryOf(query): QueryOf<OidcBegin>,
    cookies: Cookies,
) -> Result<Response> {
    let begin = provider(&state)?.begin(oidc::local(&query.return_to), state.meta.now_us()).await?;
    let bound = cookie::header_named(&state.settings, oidc::COOKIE, &begin.cookie, oidc::LASTS_SECONDS);
    cookie::set(&cookies.0, bound);
    Ok(Redirect::to(&begin.url).into_response())
}

/// Takes the browser back from the provider of single sign-on.
#[utoipa::path(
    get, path = "/api/v1/oidc/callback", operation_id = "oidcCallback", tag = "login", security(()), params(OidcBack),
    responses((status = 303, description = "Logged in; to where the login was begun."), Writes),
)]
async fn oidc_callback(
    Extract(state): Extract<State>,
    place: Place,
    headers: HeaderMap,
    QueryOf(query): QueryOf<OidcBack>,
    cookies: Cookies,
) -> Result<Response> {
    let provider = provider(&state)?;
    if query.error.is_some() {
        return Err(Answer::new(Kind::Unauthenticated, "the provider of single sign-on refused the login"));
    }
    let (Some(login), Some(code)) = (&query.state, &query.code) else {
        return Err(Answer::new(Kind::Invalid, "the provider's answer has no `state` and `code`").field("code"));
    };
    let browser = cookie::read_named(oidc::COOKIE, &headers);
    let before = cookie::read(&state.settings, &headers);
    let (begun, back) = oidc::finish(&state, provider, &place, (login, code), browser, before).await?;
    cookie::set(&cookies.0, cookie::header_named(&state.settings, oidc::COOKIE, "", 0));
    cookie::set(&cookies.0, cookie::header(&state.settings, &begun.secret, LASTS_US / 1_000_000));
    Ok(Redirect::to(&back).into_response())
}

fn provider(state: &State) -> Result<&oidc::Oidc> {
    state.auth.oidc.as_ref().ok_or_else(|| Answer::new(Kind::NotFound, "there is no single sign-on here"))
}

/// The cookies of the answer.
struct Cookies(Extensions);

impl Cookies {
    fn begin(&self, state: &State, begun: Begun) -> Json<LoggedIn> {
        cookie::set(&self.0, cookie::header(&state.settings, &begun.secret, LASTS_US / 1_000_000));
        Json(LoggedIn { csrf: Some(begun.csrf), ticket: None })
    }
}

impl axum::extract::FromRequestParts<State> for Cookies {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut http::request::Parts,
        _: &State,
    ) -> std::result::Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.clone()))
    }
}
