//! `POST /api/v1/admin/roll`: rolls what is hot now, and answers when it is committed.

use std::time::Instant;

use axum::Json;
use axum::extract::State as Extract;
use serde::Serialize;
use tephra_compactor::Rolled;
use utoipa::ToSchema;

use super::rest::Reads;
use crate::answer::Result;
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;

/// What a roll did.
#[derive(Serialize, ToSchema)]
#[schema(as = Rolled)]
pub(super) struct RollAnswer {
    rows: u64,
    files: u64,
    bytes: u64,
    version: u64,
    took_ms: u64,
}

/// Writes what is hot to Parquet now, and answers when it is committed.
#[utoipa::path(
    post, path = "/api/v1/admin/roll", operation_id = "roll", tag = "server",
    responses((status = 200, description = "What the roll did.", body = RollAnswer), Reads),
)]
pub(super) async fn roll(Extract(state): Extract<State>, caller: Caller) -> Result<Json<RollAnswer>> {
    caller.may_here(Verb::ServerAdmin)?;
    let roll = state.core()?.roll.clone();
    tracing::info!(caller = caller.id(), "rolling by request");
    let started = Instant::now();
    let rolled = roll.roll_now().await?;
    let Rolled { rows, files, bytes, version, .. } = rolled;
    Ok(Json(RollAnswer { rows, files, bytes, version, took_ms: started.elapsed().as_millis() as u64 }))
}
