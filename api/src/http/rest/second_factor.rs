//! The caller's second factor: set up by a secret and a first code, removed by the password, with recovery codes.

use axum::Json;
use axum::extract::State as Extract;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tephra_storage::meta::second_factor;
use tephra_storage::meta::users::User;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::me::{own, verify};
use super::{JsonBody, Writes};
use crate::answer::{Answer, Kind, Result};
use crate::auth::totp;
use crate::caller::{Caller, Person};
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(routes!(prepare))
        .routes(routes!(confirm))
        .routes(routes!(remove))
        .routes(routes!(renew))
}

/// What an app needs. It holds once it was confirmed.
#[derive(Serialize, ToSchema)]
struct TotpSecret {
    /// Base 32, to be typed.
    secret: String,
    /// `otpauth://…`, to be shown as a picture.
    url: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordAgain {
    /// The present password; may be empty for those who have none.
    password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TotpCode {
    /// Six digits of the app.
    code: String,
}

/// Codes that each log in once in place of the app. They are shown this once.
#[derive(Serialize, ToSchema)]
struct RecoveryCodes {
    codes: Vec<String>,
}

/// Begins to set up a second factor.
#[utoipa::path(
    post, path = "/api/v1/me/totp", operation_id = "prepareTotp", tag = "me", request_body = PasswordAgain,
    responses((status = 200, description = "What the app needs.", body = TotpSecret), Writes),
)]
async fn prepare(
    Extract(state): Extract<State>,
    Person(caller): Person,
    JsonBody(again): JsonBody<PasswordAgain>,
) -> Result<Json<TotpSecret>> {
    let user = proven(&state, &caller, again).await?;
    let secret = totp::new_secret();
    let mut tx = state.meta.begin().await?;
    second_factor::prepare(&mut tx, &user.id, &state.auth.sealer.seal(&user.id, &secret)?).await?;
    tx.commit().await?;
    let url = totp::url(&secret, &user.email)?;
    Ok(Json(TotpSecret { secret, url }))
}

/// Puts the second factor in force by a first code.
#[utoipa::path(
    post, path = "/api/v1/me/totp/confirm", operation_id = "confirmTotp", tag = "me", request_body = TotpCode,
    responses((status = 200, description = "In force; recovery codes.", body = RecoveryCodes), Writes),
)]
async fn confirm(
    Extract(state): Extract<State>,
    Person(caller): Person,
    JsonBody(given): JsonBody<TotpCode>,
) -> Result<Json<RecoveryCodes>> {
    let user = own(&state, &caller).await?;
    let secret = user.totp_secret.as_deref().filter(|_| !user.has_totp()).ok_or_else(|| {
        Answer::new(Kind::Conflict, "no second factor was prepared, or one is in force").hint("`POST /api/v1/me/totp`")
    })?;
    state.auth.throttle.begin(&user.email, caller.place().ip, state.meta.now_us())?;
    let opened = state.auth.sealer.unseal(&user.id, secret)?;
    let step = totp::step(&opened, &given.code, state.meta.now_us())?.ok_or_else(|| {
        Answer::new(Kind::Invalid, "the code is wrong: is the clock of the device right?").field("code")
    })?;
    let codes = totp::recovery_codes();
    let mut tx = state.meta.begin().await?;
    second_factor::confirm(&mut tx, &caller.actor(), &user.id, secret, step, &totp::digests(&codes)).await?;
    tx.commit().await?;
    state.access.known.forget();
    state.auth.throttle.succeeded(&user.email, caller.place().ip);
    Ok(Json(RecoveryCodes { codes }))
}

/// Removes the second factor and its recovery codes.
#[utoipa::path(
    post, path = "/api/v1/me/totp/remove", operation_id = "removeTotp", tag = "me", request_body = PasswordAgain,
    responses((status = 204, description = "Removed."), Writes),
)]
async fn remove(
    Extract(state): Extract<State>,
    Person(caller): Person,
    JsonBody(again): JsonBody<PasswordAgain>,
) -> Result<StatusCode> {
    let user = proven(&state, &caller, again).await?;
    let mut tx = state.meta.begin().await?;
    second_factor::remove(&mut tx, &caller.actor(), &user.id).await?;
    tx.commit().await?;
    state.access.known.forget();
    Ok(StatusCode::NO_CONTENT)
}

/// Replaces the recovery codes.
#[utoipa::path(
    post, path = "/api/v1/me/totp/recovery-codes", operation_id = "renewRecoveryCodes", tag = "me",
    request_body = PasswordAgain,
    responses((status = 200, description = "New ones; the old do not hold.", body = RecoveryCodes), Writes),
)]
async fn renew(
    Extract(state): Extract<State>,
    Person(caller): Person,
    JsonBody(again): JsonBody<PasswordAgain>,
) -> Result<Json<RecoveryCodes>> {
    let user = proven(&state, &caller, again).await?;
    if !user.has_totp() {
        return Err(Answer::new(Kind::Conflict, "there is no second factor"));
    }
    let codes = totp::recovery_codes();
    let mut tx = state.meta.begin().await?;
    second_factor::renew_codes(&mut tx, &caller.actor(), &user.id, &totp::digests(&codes)).await?;
    tx.commit().await?;
    Ok(Json(RecoveryCodes { codes }))
}

/// The caller, who has shown the password again.
async fn proven(state: &State, caller: &Caller, again: PasswordAgain) -> Result<User> {
    let user = own(state, caller).await?;
    if user.password.is_some() {
        verify(state, caller, &user, again.password, "password").await?;
    }
    Ok(user)
}
