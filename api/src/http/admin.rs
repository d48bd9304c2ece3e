//! `POST /api/v1/admin/roll`: rolls what is hot now, and answers when it is committed.

use std::time::Instant;

use axum::Json;
use axum::extract::State as Extract;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde::Serialize;
use tephra_compactor::Rolled;

use crate::answer::Result;
use crate::state::State;

/// What a roll did.
#[derive(Serialize)]
pub(super) struct RollAnswer {
    rows: u64,
    files: u64,
    bytes: u64,
    version: u64,
    took_ms: u64,
}

/// Rolls now.
pub(super) async fn roll(Extract(state): Extract<State>, headers: HeaderMap) -> Result<Json<RollAnswer>> {
    let reader = state.access.read(headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()))?;
    let roll = state.core()?.roll.clone();
    tracing::info!(token = reader.token_id, "rolling by request");
    let started = Instant::now();
    let rolled = roll.roll_now().await?;
    let Rolled { rows, files, bytes, version, .. } = rolled;
    Ok(Json(RollAnswer { rows, files, bytes, version, took_ms: started.elapsed().as_millis() as u64 }))
}
