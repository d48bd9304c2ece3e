//! OTLP over HTTP: logs and traces, as protobuf or JSON, answered in the same form.

use axum::body::Body;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use tephra_ingest::{Decoded, Receipt, otlp};
use utoipa::ToSchema;

use super::body;
use super::problem::otlp_status;
use super::rest::OtlpRefusals;
use crate::accept::{Incoming, accept};
use crate::access::Pass;
use crate::answer::{Answer, Kind, Result};
use crate::meters::Protocol;
use crate::partial::PartialSuccess;
use crate::state::State;

type Decode = fn(&Receipt<'_>, &Bytes) -> tephra_ingest::Result<Decoded>;

/// What differs between the two signals.
pub(super) struct Signal {
    protocol: Protocol,
    protobuf: Decode,
    json: Decode,
    rejected: &'static str,
}

pub(super) const LOGS: Signal = Signal {
    protocol: Protocol::OtlpLogsHttp,
    protobuf: otlp::logs_protobuf,
    json: otlp::logs_json,
    rejected: "rejectedLogRecords",
};
pub(super) const TRACES: Signal = Signal {
    protocol: Protocol::OtlpTracesHttp,
    protobuf: otlp::traces_protobuf,
    json: otlp::traces_json,
    rejected: "rejectedSpans",
};

/// The answer in JSON, for the document.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "`PartialSuccess` writes it")]
pub(super) struct OtlpAnswer {
    /// What was not stored, and why.
    partial_success: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Stores log records sent by OTLP.
#[utoipa::path(
    post, path = "/v1/logs", operation_id = "exportLogs", tag = "ingest", security(("key" = [])),
    request_body(content((Vec<u8> = "application/x-protobuf"), (Object = "application/json"))),
    responses(
        (status = 200, description = "Stored durably, except what `partialSuccess` counts.",
            content((Vec<u8> = "application/x-protobuf"), (OtlpAnswer = "application/json"))),
        OtlpRefusals,
    ),
)]
pub(super) async fn logs(Extract(state): Extract<State>, headers: HeaderMap, body: Body) -> Response {
    respond(&state, &headers, body, &LOGS, by_bearer(&state, &headers)).await
}

/// Stores the exceptions of spans sent by OTLP.
#[utoipa::path(
    post, path = "/v1/traces", operation_id = "exportTraces", tag = "ingest", security(("key" = [])),
    request_body(content((Vec<u8> = "application/x-protobuf"), (Object = "application/json"))),
    responses(
        (status = 200, description = "Stored durably, except what `partialSuccess` counts.",
            content((Vec<u8> = "application/x-protobuf"), (OtlpAnswer = "application/json"))),
        OtlpRefusals,
    ),
)]
pub(super) async fn traces(Extract(state): Extract<State>, headers: HeaderMap, body: Body) -> Response {
    respond(&state, &headers, body, &TRACES, by_bearer(&state, &headers)).await
}

/// What the key in `Authorization` opens.
fn by_bearer(state: &State, headers: &HeaderMap) -> Result<Pass> {
    state.access.ingest(headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()))
}

/// Stores a request for the project to which its key admits it.
pub(super) async fn respond(
    state: &State,
    headers: &HeaderMap,
    body: Body,
    signal: &Signal,
    admitted: Result<Pass>,
) -> Response {
    let form = form(headers);
    let json = form.as_ref().is_ok_and(|json| *json);
    let result = match form {
        Ok(json) => export(state, headers, body, (signal, json), admitted).await,
        Err(answer) => {
            body::drain(state, headers, body).await;
            Err(answer)
        }
    };
    match result {
        Ok(partial) if json => {
            let text = partial.json(signal.rejected);
            (StatusCode::OK, [(CONTENT_TYPE, "application/json")], text).into_response()
        }
        Ok(partial) => (StatusCode::OK, [(CONTENT_TYPE, "application/x-protobuf")], partial.protobuf()).into_response(),
        Err(answer) => otlp_status(&answer, json),
    }
}

async fn export(
    state: &State,
    headers: &HeaderMap,
    body: Body,
    (signal, json): (&Signal, bool),
    admitted: Result<Pass>,
) -> Result<PartialSuccess> {
    let unread = |project| move |answer: &Answer| state.ledger.refused(project, answer, state.clock.now_us());
    let admitted =
        admitted.and_then(|pass| Ok((pass.clone(), body::encoding(headers).inspect_err(unread(pass.project))?)));
    let (Pass { project: project_id, key }, encoding) = match admitted {
        Ok(admitted) => admitted,
        Err(answer) => {
            body::drain(state, headers, body).await;
            return Err(answer);
        }
    };
    let (body, share) = body::read_events(state, headers, body).await.inspect_err(unread(project_id))?;
    let decoder = if json { signal.json } else { signal.protobuf };
    let incoming = Incoming { protocol: signal.protocol, project_id, key, encoding, body, share };
    Ok(PartialSuccess::of(&accept(state, incoming, decoder).await?))
}

/// Whether the request is JSON.
fn form(headers: &HeaderMap) -> Result<bool> {
    match body::media_type(headers, CONTENT_TYPE).as_deref() {
        Some("application/json") => Ok(true),
        Some("application/x-protobuf" | "application/protobuf") => Ok(false),
        other => Err(Answer::new(Kind::Unsupported, format!("content type `{}` is not OTLP's", other.unwrap_or("")))
            .hint("send `application/x-protobuf` or `application/json`")),
    }
}
