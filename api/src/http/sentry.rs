//! Sentry's protocol: a program with a Sentry SDK sends its errors here once its DSN names this server.
//!
//! What an SDK sends and Tephra does not keep (sessions, spans, check-ins) is never an error: it is counted in the ledger, and
//! the answer tells the SDK to keep it for an hour. Answers have the form that SDKs read, not that of the rest of the API.
//!
//! A client that goes away is stored all the same. A crash before the answer may have stored the event, and as SDKs send
//! nothing twice, an event whose request was cut off is lost with it.

mod answer;
mod books;
mod door;
mod files;
mod others;
mod otlp;
mod report;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::{Request, State as Extract};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use tephra_ingest::Receipt;
use tephra_ingest::sentry::{self, Policy, Sender, SentryBatch};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body;
use super::proxy::ClientAddress;
use super::rest::SentryRefusals;
use crate::accept::{Incoming, accept_then, closed};
use crate::access::Pass;
use crate::answer::{Answer, Kind, Result};
use crate::gate::{self, COUNTED};
use crate::meters::Protocol;
use crate::sift::Brought;
use crate::state::State;
use answer::{Refused, Sent};
use files::Files;

/// What differs between the routes.
struct Form {
    protocol: Protocol,
    decode: fn(&Receipt<'_>, &Policy, &Head, &Bytes) -> tephra_ingest::Result<SentryBatch>,
    /// Whether the body may carry the whole DSN, as that of a browser does that posts through a tunnel.
    has_dsn: bool,
}

const ENVELOPE: Form = Form {
    protocol: Protocol::SentryEnvelope,
    decode: |receipt, policy, head, body| sentry::envelope(receipt, policy, &head.sender(), body),
    has_dsn: true,
};
const STORE: Form = Form {
    protocol: Protocol::SentryStore,
    decode: |receipt, policy, head, body| sentry::store(receipt, policy, &head.sender(), body),
    has_dsn: false,
};
const SECURITY: Form = Form {
    protocol: Protocol::SentrySecurity,
    decode: |receipt, policy, head, body| sentry::security(receipt, policy, &head.sender(), body),
    has_dsn: false,
};

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
        .route("/api/store", post(store))
        .route("/api/store/", post(store))
        .merge(others::routes())
        .merge(otlp::routes())
        .merge(report::routes())
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
    /// Whether something was not even read, for a limit.
    limited: bool,
}

async fn take(state: &State, request: Request, form: &'static Form) -> Result<Taken> {
    take_for(state, request, form, None).await
}

/// The same for an event or a key that stands in the path.
async fn take_for(state: &State, request: Request, form: &'static Form, named: Option<Named>) -> Result<Taken> {
    let (parts, body) = request.into_parts();
    let (path, query, headers) = (parts.uri.path(), parts.uri.query(), &parts.headers);
    let (event_id, key) = match named {
        Some(Named::Event(id)) => (Some(id), None),
        Some(Named::Key(key)) => (None, Some(key)),
        None => (None, None),
    };
    let admitted = match door::key(query, headers).or(key) {
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
    let of = |pass: &Option<Pass>| pass.as_ref().map(|pass| pass.project);
    let admitted = admitted.and_then(|pass| {
        let encoding = body::encoding(headers).inspect_err(unread(of(&pass)))?;
        Ok((pass, encoding))
    });
    let (pass, encoding) = match admitted {
        Ok(admitted) => admitted,
        Err(answer) => {
            body::drain(state, headers, body).await;
            return Err(answer);
        }
    };
    let (body, share) = body::read_events(state, headers, body).await.inspect_err(unread(of(&pass)))?;
    let incoming = match pass {
        Some(Pass { project: project_id, key }) => {
            Incoming { protocol: form.protocol, project_id, key, encoding, body, share }
        }
        None => door::through_tunnel(state, path, form.protocol, encoding, body, share).await?,
    };
    let address = parts.extensions.get::<ClientAddress>().map(|client| client.ip);
    store_batch(state, incoming, form, Head::new(address, headers, query, event_id)).await
}

/// What the path of a request names besides the project.
enum Named {
    Event([u8; 16]),
    Key(String),
}

/// What a decoder needs of a request besides its body.
struct Head {
    address: Option<IpAddr>,
    agent: Option<String>,
    content_type: Option<String>,
    query: Option<String>,
    /// The event that the files of the body belong to.
    event_id: Option<[u8; 16]>,
}

impl Head {
    fn new(address: Option<IpAddr>, headers: &HeaderMap, query: Option<&str>, event_id: Option<[u8; 16]>) -> Self {
        let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
        let (agent, content_type) = (header(USER_AGENT), header(CONTENT_TYPE));
        Self { address, agent, content_type, query: query.map(str::to_owned), event_id }
    }

    fn sender(&self) -> Sender<'_> {
        Sender {
            address: self.address,
            user_agent: self.agent.as_deref(),
            query: self.query.as_deref(),
            content_type: self.content_type.as_deref(),
        }
    }
}

async fn store_batch(state: &State, incoming: Incoming, form: &'static Form, head: Head) -> Result<Taken> {
    let taken = Arc::new(OnceLock::new());
    let files = Files::new(incoming.key.clone());
    let (told, came, books) = (taken.clone(), files.clone(), state.clone());
    // An envelope is opened all the same: what its client dropped itself is never limited.
    let is_envelope = form.protocol == Protocol::SentryEnvelope;
    let limit = is_envelope.then(|| closed(state, &incoming, &COUNTED, state.clock.now_us())).flatten();
    let reason = limit.as_ref().map(|limit| limit.reason);
    let decoder = move |receipt: &Receipt<'_>, body: &Bytes| {
        let policy = Policy { limited: reason.is_some(), ..files::policy(&books.settings.attachment) };
        let batch = (form.decode)(receipt, &policy, &head, body)?;
        // Here, as what is not kept is known now, and whoever waits for the answer may be gone by then.
        let limited = books::note(&books.ledger, receipt, &batch, reason);
        let unwanted = answer::is_unwanted(&batch.counted);
        let _ = told.set(Taken { event_id: batch.event_id, unwanted, limited });
        came.put(receipt, batch.attachments);
        Ok(Brought { decoded: batch.decoded, categories: Some(batch.categories), agent: head.agent })
    };
    let then = Some(files.keep(state));
    let stored = accept_then(state, incoming, decoder, then).await?;
    let taken = taken.get().copied().unwrap_or_default();
    let mut limits = stored.limits;
    limits.extend(limit.filter(|_| taken.limited));
    let nothing = stored.accepted == 0 && stored.duplicates.is_empty() && stored.filtered.is_empty();
    match stored.rejected.into_iter().next() {
        // What could be stored was; the SDK is told what not to send for a while.
        _ if !limits.is_empty() => Err(gate::answer(limits)),
        Some(first) if nothing => Err(Answer::new(Kind::Invalid, first.reason)),
        _ => Ok(taken),
    }
}
