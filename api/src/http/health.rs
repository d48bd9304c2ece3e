//! Whether the process lives, whether it takes requests, what it holds, and what it counted.

use axum::Json;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde::Serialize;
use tephra_storage::StoreStatus;
use utoipa::ToSchema;

use super::problem::Problem;
use super::rest::Reads;
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::process;
use crate::roles::Verb;
use crate::state::State;

/// Whether the process lives: always yes.
#[utoipa::path(
    get, path = "/livez", operation_id = "livez", tag = "server", security(()),
    responses((status = 200, description = "It does.", body = String)),
)]
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// Whether events can be stored and queries answered, else why not.
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "server", security(()),
    responses(
        (status = 200, description = "They can.", body = String),
        (status = 503, description = "Not now, and why.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn readyz(Extract(state): Extract<State>) -> Result<&'static str> {
    match state.core()?.store.status().not_writable {
        Some(reason) => Err(Answer::new(Kind::Busy, reason)),
        None => Ok("ok\n"),
    }
}

/// Counts and gauges for Prometheus; see docs/METRICS.md.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "server", security(()),
    responses((status = 200, description = "The text format of Prometheus.", body = String)),
)]
pub(super) async fn metrics(Extract(state): Extract<State>) -> Response {
    let text = state.meters.render(&state);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// What `GET /api/v1/status` tells.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    version: &'static str,
    pid: u32,
    uptime_seconds: u64,
    node_id: String,
    /// Rows, bytes, segments and files of both tiers; `not_writable` says why events are refused, where they are.
    #[schema(value_type = Object)]
    store: StoreStatus,
    resident_bytes: u64,
    cpu_seconds: f64,
    queries_running: usize,
}

/// Tells what the server holds.
#[utoipa::path(
    get, path = "/api/v1/status", operation_id = "status", tag = "server",
    responses((status = 200, description = "What it holds.", body = Status), Reads),
)]
pub(super) async fn status(Extract(state): Extract<State>, caller: Caller) -> Result<Json<Status>> {
    caller.may_here(Verb::ServerRead)?;
    let status = state.core()?.store.status();
    let usage = process::usage();
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        uptime_seconds: state.started.elapsed().as_secs(),
        node_id: state.settings.storage.node_id.clone(),
        store: status,
        resident_bytes: usage.as_ref().map_or(0, |usage| usage.resident_bytes),
        cpu_seconds: usage.as_ref().map_or(0.0, |usage| usage.cpu_seconds),
        queries_running: state.running.count(),
    }))
}
