//! `POST /api/v1/ingest`: one JSON object per line, an answer that names each line that was not stored anew.

use axum::Json;
use axum::body::Body;
use axum::extract::State as Extract;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde::Serialize;
use utoipa::ToSchema;

use super::body;
use super::rest::Ingests;
use crate::accept::{Accepted, Incoming, accept};
use crate::access::Pass;
use crate::answer::{Answer, Kind, Result};
use crate::meters::Protocol;
use crate::state::State;

/// The answer; indexes count the lines from 0.
#[derive(Serialize, ToSchema)]
pub(super) struct Ingested {
    accepted: u32,
    duplicates: Vec<u32>,
    rejected: Vec<RejectedLine>,
    /// How many the project's filters do not want; they need not be sent again.
    filtered: u32,
    /// Lines that a limit kept out while others came in.
    rate_limited: Vec<u32>,
}

#[derive(Serialize, ToSchema)]
struct RejectedLine {
    index: u32,
    reason: String,
}

/// Stores one event per line.
#[utoipa::path(
    post, path = "/api/v1/ingest", operation_id = "ingest", tag = "ingest", security(("key" = [])),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, description = "Stored durably, except the lines that are named.", body = Ingested), Ingests),
)]
pub(super) async fn ingest(Extract(state): Extract<State>, headers: HeaderMap, body: Body) -> Result<Json<Ingested>> {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let unread = |project| {
        let state = &state;
        move |answer: &Answer| state.ledger.refused(project, answer, state.clock.now_us())
    };
    let admitted = state
        .access
        .ingest(authorization)
        .and_then(|pass| Ok((pass.clone(), body::encoding(&headers).inspect_err(unread(pass.project))?)));
    let (Pass { project: project_id, key }, encoding) = match admitted {
        Ok(admitted) => admitted,
        Err(answer) => {
            body::drain(&state, &headers, body).await;
            return Err(answer);
        }
    };
    let (body, share) = body::read_events(&state, &headers, body).await.inspect_err(unread(project_id))?;
    let incoming = Incoming { protocol: Protocol::Ndjson, project_id, key, encoding, body, share };
    let taken = accept(&state, incoming, tephra_ingest::ndjson::lines).await?;
    let Accepted { accepted, duplicates, rejected, filtered, limited, .. } = taken;
    let nothing = accepted == 0 && duplicates.is_empty() && filtered.is_empty();
    if let (true, Some(first)) = (nothing, rejected.first()) {
        let message = format!("none of {} lines could be stored; {}", rejected.len(), first.reason);
        return Err(Answer::new(Kind::Invalid, message));
    }
    let rejected = rejected.into_iter().map(|one| RejectedLine { index: one.index, reason: one.reason }).collect();
    let rate_limited = limited.into_iter().map(|(index, _)| index).collect();
    Ok(Json(Ingested { accepted, duplicates, rejected, filtered: filtered.len() as u32, rate_limited }))
}
