//! The gRPC interface: OTLP and the native protocol, one message at a time as bytes.
//!
//! The frames are read here and not by tonic: its codec answers a message that is too large with OUT_OF_RANGE, which OTLP
//! clients take for "send it again", ends a stream for one bad batch, and knows no bound over all requests. Its statuses
//! are used as they are.

mod append_stream;
mod frames;
mod reply;
mod unary;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::answer::{Answer, Kind};
use crate::meters;
use crate::state::State;
use reply::Body;

const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const APPEND: &str = "/tephra.v1.IngestService/Append";
const APPEND_STREAM: &str = "/tephra.v1.IngestService/AppendStream";

/// Handles one call.
pub(crate) async fn serve(state: State, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let started = Instant::now();
    let method = known(request.uri().path());
    let handled = AssertUnwindSafe(call(&state, request)).catch_unwind().await;
    let response = handled.unwrap_or_else(|_| {
        tracing::error!(method, "a gRPC handler panicked");
        Err(Answer::new(Kind::Internal, "the call hit a bug; the server's log has it"))
    });
    let response = response.unwrap_or_else(|answer| {
        tracing::debug!(method, kind = answer.kind.word(), reason = answer.message, "refused a call");
        reply::failed(&answer)
    });
    meters::grpc(method, started.elapsed());
    Ok(response)
}

async fn call(state: &State, request: Request<Incoming>) -> crate::answer::Result<Response<Body>> {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if request.method() != Method::POST || !content_type.starts_with("application/grpc") {
        return Ok(reply::no_grpc(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let pass = state.access.ingest(authorization)?;
    let project_id = pass.project;
    let path = request.uri().path().to_owned();
    let encoding = frames::encoding(request.headers());
    let encoding = encoding.inspect_err(|answer| state.ledger.refused(project_id, answer, state.clock.now_us()));
    let encoding: Option<Arc<str>> = encoding?.map(Into::into);
    let frames = frames::Frames::new(state, request.into_body());
    match path.as_str() {
        LOGS => unary::export_logs(state, pass, encoding, frames).await,
        TRACES => unary::export_traces(state, pass, encoding, frames).await,
        APPEND => unary::append(state, pass, encoding, frames).await,
        APPEND_STREAM => Ok(append_stream::serve(state, pass, encoding, frames)),
        _ => Err(Answer::new(Kind::NotFound, format!("no method `{path}`"))),
    }
}

/// The label of metrics.
fn known(path: &str) -> &'static str {
    match path {
        LOGS => "logs_export",
        TRACES => "traces_export",
        APPEND => "append",
        APPEND_STREAM => "append_stream",
        _ => "none",
    }
}
