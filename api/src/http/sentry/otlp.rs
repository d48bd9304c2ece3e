//! OTLP under the address of a project, for programs that know its DSN only: the same decoders as `/v1/logs` and `/v1/traces`.

use axum::body::Body;
use axum::extract::State as Extract;
use axum::response::Response;
use axum::routing::post;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::door;
use crate::access::{Pass, bearer};
use crate::answer::Result;
use crate::http::otlp::{self, LOGS, OtlpAnswer, TRACES};
use crate::http::rest::OtlpRefusals;
use crate::state::State;

/// The routes; the older ones have no name of their own in the document.
pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(routes!(logs))
        .routes(routes!(traces))
        .route("/api/{project}/integration/otlp/v1/logs/", post(logs))
        .route("/api/{project}/integration/otlp/v1/traces/", post(traces))
        .route("/api/{project}/otlp/v1/logs", post(logs))
        .route("/api/{project}/otlp/v1/logs/", post(logs))
        .route("/api/{project}/otlp/v1/traces", post(traces))
        .route("/api/{project}/otlp/v1/traces/", post(traces))
}

/// Stores log records sent by OTLP to a project's address.
#[utoipa::path(
    post, path = "/api/{project}/integration/otlp/v1/logs", operation_id = "sentryExportLogs", tag = "ingest",
    security(("dsn" = [])), params(("project" = i64, Path, description = "The number of the project, as in the DSN.")),
    request_body(content((Vec<u8> = "application/x-protobuf"), (Object = "application/json"))),
    responses(
        (status = 200, description = "Stored durably, except what `partialSuccess` counts.",
            content((Vec<u8> = "application/x-protobuf"), (OtlpAnswer = "application/json"))),
        OtlpRefusals,
    ),
)]
async fn logs(Extract(state): Extract<State>, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    otlp::respond(&state, &headers, body, &LOGS, admit(&state, &uri, &headers)).await
}

/// Stores the exceptions of spans sent by OTLP to a project's address.
#[utoipa::path(
    post, path = "/api/{project}/integration/otlp/v1/traces", operation_id = "sentryExportTraces", tag = "ingest",
    security(("dsn" = [])), params(("project" = i64, Path, description = "The number of the project, as in the DSN.")),
    request_body(content((Vec<u8> = "application/x-protobuf"), (Object = "application/json"))),
    responses(
        (status = 200, description = "Stored durably, except what `partialSuccess` counts.",
            content((Vec<u8> = "application/x-protobuf"), (OtlpAnswer = "application/json"))),
        OtlpRefusals,
    ),
)]
async fn traces(Extract(state): Extract<State>, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    otlp::respond(&state, &headers, body, &TRACES, admit(&state, &uri, &headers)).await
}

/// What the key opens, which stands where Sentry's SDKs put it or where OpenTelemetry's do.
fn admit(state: &State, uri: &Uri, headers: &HeaderMap) -> Result<Pass> {
    match door::key(uri.query(), headers) {
        Some(key) => door::admit(state, uri.path(), &key),
        None => {
            let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
            authorization.ok_or_else(door::nobody)?;
            door::admit(state, uri.path(), bearer(authorization, "an ingest key")?)
        }
    }
}
