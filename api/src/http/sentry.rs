//! Sentry's protocol: a program with a Sentry SDK sends its errors here once its DSN names this server.
//!
//! What an SDK sends and Tephra does not keep (sessions, spans, attachments) is never an error: it is counted in the ledger, and
//! the answer tells the SDK to keep it for an hour. Answers have the form that SDKs read, not that of the rest of the API.
//!
//! A client that goes away is stored all the same. A crash before the answer may have stored the event, and as SDKs send
//! nothing twice, an event whose request was cut off is lost with it.
//!
//! Known weakness: attachments are counted and dropped.

mod answer;
mod books;
mod door;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::{Request, State as Extract};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::HeaderMap;
use http::header::USER_AGENT;
use tephra_ingest::Receipt;
use tephra_ingest::sentry::{self, Policy, Sender, SentryBatch};
use tephra_storage::Level;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body;
use super::proxy::ClientAddress;
use super::rest::SentryRefusals;
use crate::accept::{Accepted, Incoming, accept};
use crate::answer::{Answer, Kind, Result};
use crate::meters::Protocol;
use crate::state::State;
use answer::{Refused, Sent};

/// What is kept besides events: logs of every level, and no files.
const POLICY: Policy =
    Policy { logs_from: Some(Level::Trace), attachments: false, attachment_bytes_max: 0, attachments_max: 0 };

/// What differs between the routes.
struct Form {
    protocol: Protocol,
    decode: fn(&Receipt<'_>, &Policy, &Sender<'_>, &Bytes) -> tephra_ingest::Result<SentryBatch>,
    /// Whether the body may carry the whole DSN, as that of a browser does that posts through a tunnel.
    has_dsn: bool,
}

const ENVELOPE: Form = Form { protocol: Protocol::SentryEnvelope, decode: sentry::envelope, has_dsn: true };
const STORE: Form = Form { protocol: Protocol::SentryStore, decode: sentry::store, has_dsn: false };
const SECURITY: Form = Form { protocol: Protocol::SentrySecurity, decode: sentry::security, has_dsn: false };

/// The routes, each with and without the slash at its end; the document shows the form that SDKs use.
pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(routes!(envelope))
        .routes(routes!(store))
        .routes(routes!(security))
        .routes(routes!(csp_report))
        .route("/api/{project}/envelope", post(envelope))
        .route("/api/{project}/store", post(store))
        .route("/api/{project}/security", post(security))
        .route("/api/{project}/csp-report", post(csp_report))
}

/// Stores the events of a Sentry envelope.
#[utoipa::path(
    post, path = "/api/{project}/envelope/", operation_id = "sentryEnvelope", tag = "ingest", security(("dsn" = [])),
    params(("project" = i64, Path, description = "The number of the project, as in the DSN.")),
    request_body(content = String, content_type = "application/x-sentry-envelope"),
    responses(
        (status = 200, description = "Stored durably, except what is counted in the ledger.", body = Sent),
        (status = 400, description = "The envelope is malformed.", body = Refused), SentryRefusals,
    ),
)]
async fn envelope(Extract(state): Extract<State>, request: Request) -> Response {
    respond(&state, request, &ENVELOPE).await
}

/// Stores one event of an older Sentry SDK.
#[utoipa::path(
    post, path = "/api/{project}/store/", operation_id = "sentryStore", tag = "ingest", security(("dsn" = [])),
    params(("project" = i64, Path, description = "The number of the project, as in the DSN.")),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, description = "Stored durably.", body = Sent),
        (status = 400, description = "The body is no event.", body = Refused), SentryRefusals,
    ),
)]
async fn store(Extract(state): Extract<State>, request: Request) -> Response {
    respond(&state, request, &STORE).await
}

/// Stores a browser's security reports.
#[utoipa::path(
    post, path = "/api/{project}/security/", operation_id = "sentrySecurity", tag = "ingest", security(("dsn" = [])),
    params(("project" = i64, Path, description = "The number of the project, as in the DSN.")),
    request_body(content((Object = "application/csp-report"), (Object = "application/reports+json"))),
    responses(
        (status = 200, description = "Stored durably.", body = Sent),
        (status = 400, description = "The body is no report.", body = Refused), SentryRefusals,
    ),
)]
async fn security(Extract(state): Extract<State>, request: Request) -> Response {
    respond(&state, request, &SECURITY).await
}

/// Stores a browser's security reports, under their older name.
#[utoipa::path(
    post, path = "/api/{project}/csp-report/", operation_id = "sentryCspReport", tag = "ingest", security(("dsn" = [])),
    params(("project" = i64, Path, description = "The number of the project, as in the DSN.")),
    request_body(content((Object = "application/csp-report"), (Object = "application/reports+json"))),
    responses(
        (status = 200, description = "Stored durably.", body = Sent),
        (status = 400, description = "The body is no report.", body = Refused), SentryRefusals,
    ),
)]
async fn csp_report(Extract(state): Extract<State>, request: Request) -> Response {
    respond(&state, request, &SECURITY).await
}

async fn respond(state: &State, request: Request, form: &'static Form) -> Response {
    match take(state, request, form).await {
        Ok(taken) => answer::sent(&taken),
        Err(answer) => answer::refused(&answer),
    }
}

/// What an answer says of a request that was taken.
#[derive(Clone, Copy, Default)]
struct Taken {
    event_id: Option<[u8; 16]>,
    /// Whether something came that is never kept.
    unwanted: bool,
}

async fn take(state: &State, request: Request, form: &'static Form) -> Result<Taken> {
    let (parts, body) = request.into_parts();
    let (path, query, headers) = (parts.uri.path(), parts.uri.query(), &parts.headers);
    let admitted = match door::key(query, headers) {
        Some(key) => door::admit(state, path, &key).map(Some),
        None if form.has_dsn => Ok(None),
        None => Err(door::nobody()),
    };
    let unread = |project: Option<_>| {
        move |answer: &Answer| {
            if let Some(project) = project {
                state.ledger.refused(project, answer, state.clock.now_us());
            }
        }
    };
    let admitted = admitted.and_then(|project| Ok((project, body::encoding(headers).inspect_err(unread(project))?)));
    let (project, encoding) = match admitted {
        Ok(admitted) => admitted,
        Err(answer) => {
            body::drain(state, headers, body).await;
            return Err(answer);
        }
    };
    let (body, share) = body::read_events(state, headers, body).await.inspect_err(unread(project))?;
    let incoming = match project {
        Some(project_id) => Incoming { protocol: form.protocol, project_id, encoding, body, share },
        None => door::through_tunnel(state, path, form.protocol, encoding, body, share).await?,
    };
    let address = parts.extensions.get::<ClientAddress>().map(|client| client.ip);
    store_batch(state, incoming, form, Head::new(address, headers, query)).await
}

/// What a decoder needs of a request besides its body.
struct Head {
    address: Option<IpAddr>,
    agent: Option<String>,
    query: Option<String>,
}

impl Head {
    fn new(address: Option<IpAddr>, headers: &HeaderMap, query: Option<&str>) -> Self {
        let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).map(str::to_owned);
        Self { address, agent, query: query.map(str::to_owned) }
    }
}

async fn store_batch(state: &State, incoming: Incoming, form: &'static Form, head: Head) -> Result<Taken> {
    let taken = Arc::new(OnceLock::new());
    let (told, books) = (taken.clone(), state.clone());
    let decoder = move |receipt: &Receipt<'_>, body: &Bytes| {
        let sender = Sender { address: head.address, user_agent: head.agent.as_deref(), query: head.query.as_deref() };
        let batch = (form.decode)(receipt, &POLICY, &sender, body)?;
        // Here, as what is not kept is known now, and whoever waits for the answer may be gone by then.
        books::note(&books.ledger, receipt, &batch);
        let _ = told.set(Taken { event_id: batch.event_id, unwanted: answer::is_unwanted(&batch.counted) });
        Ok(batch.decoded)
    };
    let Accepted { accepted, duplicates, rejected } = accept(state, incoming, decoder).await?;
    match (accepted, duplicates.is_empty(), rejected.into_iter().next()) {
        (0, true, Some(first)) => Err(Answer::new(Kind::Invalid, first.reason)),
        _ => Ok(taken.get().copied().unwrap_or_default()),
    }
}
