//! The organisation of this server.

use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use tephra_storage::meta::organisation;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{IfMatch, JsonBody, Reads, Time, Versioned, Writes};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(get, update))
}

/// The organisation.
#[derive(Serialize, ToSchema)]
struct Organisation {
    name: String,
    /// Whether everybody with a password needs a second factor.
    second_factor_required: bool,
    created_at: Time,
}

/// What is to be changed of the organisation; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrganisationUpdate)]
struct Update {
    name: Option<String>,
    second_factor_required: Option<bool>,
}

fn shown(organisation: organisation::Organisation) -> Versioned<Organisation> {
    let shown = Organisation {
        name: organisation.name,
        second_factor_required: organisation.second_factor_required,
        created_at: Time(organisation.created_at_us),
    };
    Versioned::new(organisation.version, shown)
}

async fn read(state: &State) -> Result<organisation::Organisation> {
    let found = state.meta.organisation().await?;
    found.ok_or_else(|| Answer::new(Kind::Internal, "there is no organisation"))
}

/// Tells of the organisation.
#[utoipa::path(
    get, path = "/api/v1/organisation", operation_id = "getOrganisation", tag = "organisation",
    responses((status = 200, description = "The organisation.", body = Organisation), Reads),
)]
async fn get(Extract(state): Extract<State>, caller: Caller) -> Result<Versioned<Organisation>> {
    caller.may_here(Verb::OrganisationRead)?;
    read(&state).await.map(shown)
}

/// Changes the organisation.
#[utoipa::path(
    patch, path = "/api/v1/organisation", operation_id = "updateOrganisation", tag = "organisation",
    request_body = Update,
    params(("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on.")),
    responses((status = 200, description = "The organisation.", body = Organisation), Writes),
)]
async fn update(
    Extract(state): Extract<State>,
    caller: Caller,
    if_match: IfMatch,
    JsonBody(change): JsonBody<Update>,
) -> Result<Versioned<Organisation>> {
    caller.may_here(Verb::OrganisationWrite)?;
    let before = read(&state).await?;
    if_match.check(before.version)?;
    let mut after = before.clone();
    if let Some(name) = change.name {
        if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            let message = "`name` is to be 1 to 100 characters without control characters";
            return Err(Answer::new(Kind::Invalid, message).field("name"));
        }
        after.name = name.trim().to_owned();
    }
    after.second_factor_required = change.second_factor_required.unwrap_or(before.second_factor_required);
    let mut tx = state.meta.begin().await?;
    organisation::update(&mut tx, &caller.actor(), &before, &after).await?;
    tx.commit().await?;
    state.access.changed().await?;
    Ok(shown(organisation::Organisation { version: before.version + 1, ..after }))
}
