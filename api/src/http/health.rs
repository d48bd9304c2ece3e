//! Whether the process lives, whether it takes requests, what it holds, and what it counted.

use axum::Json;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::Serialize;
use tephra_storage::StoreStatus;

use crate::answer::{Answer, Kind, Result};
use crate::process;
use crate::state::State;

/// `GET /livez`: always yes.
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: yes when events can be stored and queries answered, else why not.
pub(super) async fn readyz(Extract(state): Extract<State>) -> Result<&'static str> {
    match state.core()?.store.status().not_writable {
        Some(reason) => Err(Answer::new(Kind::Busy, reason)),
        None => Ok("ok\n"),
    }
}

/// `GET /metrics`: the text of Prometheus.
pub(super) async fn metrics(Extract(state): Extract<State>) -> Response {
    let text = state.meters.render(&state);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// What `GET /api/v1/status` tells.
#[derive(Serialize)]
pub(super) struct Status {
    version: &'static str,
    pid: u32,
    uptime_seconds: u64,
    node_id: String,
    store: StoreStatus,
    resident_bytes: u64,
    cpu_seconds: f64,
    queries_running: usize,
}

/// `GET /api/v1/status`.
pub(super) async fn status(Extract(state): Extract<State>, headers: HeaderMap) -> Result<Json<Status>> {
    state.access.read(headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()))?;
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
