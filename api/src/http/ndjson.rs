//! `POST /api/v1/ingest`: one JSON object per line, an answer that names each line that was not stored anew.

use axum::Json;
use axum::body::Body;
use axum::extract::State as Extract;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde::Serialize;

use super::body;
use crate::accept::{Accepted, Incoming, accept};
use crate::answer::{Answer, Kind, Result};
use crate::meters::Protocol;
use crate::state::State;

/// The answer; indexes count the lines from 0.
#[derive(Serialize)]
pub(super) struct Ingested {
    accepted: u32,
    duplicates: Vec<u32>,
    rejected: Vec<RejectedLine>,
}

#[derive(Serialize)]
struct RejectedLine {
    index: u32,
    reason: String,
}

/// Stores the lines.
pub(super) async fn ingest(Extract(state): Extract<State>, headers: HeaderMap, body: Body) -> Result<Json<Ingested>> {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let admitted = state.access.ingest(authorization).and_then(|project| Ok((project, body::encoding(&headers)?)));
    let (project_id, encoding) = match admitted {
        Ok(admitted) => admitted,
        Err(answer) => {
            body::drain(&state, &headers, body).await;
            return Err(answer);
        }
    };
    let (body, share) = body::read_events(&state, &headers, body).await?;
    let incoming = Incoming { protocol: Protocol::Ndjson, project_id, encoding, body, share };
    let Accepted { accepted, duplicates, rejected } = accept(&state, incoming, tephra_ingest::ndjson::lines).await?;
    if let (0, true, Some(first)) = (accepted, duplicates.is_empty(), rejected.first()) {
        let message = format!("none of {} lines could be stored; {}", rejected.len(), first.reason);
        return Err(Answer::new(Kind::Invalid, message));
    }
    let rejected = rejected.into_iter().map(|one| RejectedLine { index: one.index, reason: one.reason }).collect();
    Ok(Json(Ingested { accepted, duplicates, rejected }))
}
