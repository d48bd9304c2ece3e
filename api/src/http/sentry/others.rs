//! The rest of Sentry's routes: crashes, files for events that are elsewhere, and what is counted only.

use axum::extract::{Path, Request, State as Extract};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::de::IgnoredAny;
use tephra_ingest::sentry::{self, Category, Counted, SentryBatch};
use tephra_ingest::{Error, ErrorKind};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{self, Refused, Sent};
use super::{Form, Named, Taken, take, take_for};
use crate::answer::{Answer, Kind, Result};
use crate::http::body;
use crate::http::rest::SentryRefusals;
use crate::meters::Protocol;
use crate::state::State;

const MINIDUMP: Form = Form {
    protocol: Protocol::SentryMinidump,
    decode: |receipt, policy, head, body| sentry::minidump(receipt, policy, &head.sender(), body),
    has_dsn: false,
};
const FILES: Form = Form {
    protocol: Protocol::SentryAttachments,
    decode: |receipt, policy, head, body| {
        let unknown = || Error::new(ErrorKind::Malformed, "the path names no event");
        sentry::files(receipt, policy, &head.sender(), head.event_id.ok_or_else(unknown)?, body)
    },
    has_dsn: false,
};
const NEL: Form = Form {
    protocol: Protocol::SentryNel,
    decode: |_, _, _, body| {
        let reports = serde_json::from_slice::<Vec<IgnoredAny>>(body).map_or(1, |reports| reports.len() as u64);
        Ok(counted(Category::Security, reports))
    },
    has_dsn: false,
};
const CRON: Form =
    Form { protocol: Protocol::SentryCron, decode: |_, _, _, _| Ok(counted(Category::Monitor, 1)), has_dsn: false };

fn counted(category: Category, quantity: u64) -> SentryBatch {
    let counted = vec![Counted { category, reason: "unsupported", quantity }];
    SentryBatch { counted: counted.into_iter().filter(|row| row.quantity > 0).collect(), ..SentryBatch::default() }
}

/// The routes, each with and without the slash at its end.
pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(routes!(minidump))
        .routes(routes!(attachments))
        .routes(routes!(nel))
        .routes(routes!(check_in, begin_check_in))
        .routes(routes!(check_in_by_key, begin_check_in_by_key))
        .route("/api/{project}/minidump", post(minidump))
        .route("/api/{project}/events/{event}/attachments", post(attachments))
        .route("/api/{project}/nel", post(nel))
        .route("/api/{project}/cron/{monitor}", get(check_in).post(begin_check_in))
        .route("/api/{project}/cron/{monitor}/{key}", get(check_in_by_key).post(begin_check_in_by_key))
}

/// Stores a crash: the minidump as a file of an event that says why and where.
#[utoipa::path(
    post, path = "/api/{project}/minidump/", operation_id = "sentryMinidump", tag = "ingest", security(("dsn" = [])),
    params(("project" = i64, Path, description = "The number of the project, as in the DSN.")),
    request_body(content((Vec<u8> = "application/octet-stream"), (Vec<u8> = "multipart/form-data")),
        description = "The dump, or a form with it as `upload_file_minidump`."),
    responses(
        (status = 200, description = "Stored durably: the id of the event.", body = String, content_type = "text/plain"),
        (status = 400, description = "There is no minidump.", body = Refused), SentryRefusals,
    ),
)]
async fn minidump(Extract(state): Extract<State>, request: Request) -> Response {
    match take(&state, request, &MINIDUMP).await {
        Ok(taken) => {
            let id = uuid::Uuid::from_bytes(taken.event_id.unwrap_or_default()).hyphenated().to_string();
            answer::limited(&taken, ([(CONTENT_TYPE, "text/plain; charset=utf-8")], id).into_response())
        }
        Err(answer) => answer::refused(&answer),
    }
}

/// Stores files for an event that is sent elsewhere, before or after.
#[utoipa::path(
    post, path = "/api/{project}/events/{event}/attachments/", operation_id = "sentryAttachments", tag = "ingest",
    security(("dsn" = [])),
    params(
        ("project" = i64, Path, description = "The number of the project, as in the DSN."),
        ("event" = String, Path, description = "The id of the event."),
    ),
    request_body(content((Vec<u8> = "multipart/form-data"))),
    responses(
        (status = 201, description = "Stored durably, except what is counted in the ledger.", body = Sent),
        (status = 400, description = "The body is no form.", body = Refused),
        (status = 404, description = "The path names no event.", body = Refused), SentryRefusals,
    ),
)]
async fn attachments(
    Extract(state): Extract<State>,
    Path((_, event)): Path<(String, String)>,
    request: Request,
) -> Response {
    let sent = async {
        let Some(id) = event_id(&event) else {
            let (parts, unread) = request.into_parts();
            body::drain(&state, &parts.headers, unread).await;
            return Err(Answer::new(Kind::NotFound, format!("no event `{event}`")));
        };
        take_for(&state, request, &FILES, Some(Named::Event(id))).await
    };
    respond(StatusCode::CREATED, sent.await)
}

/// Counts a browser's reports of failed requests; they are not kept.
#[utoipa::path(
    post, path = "/api/{project}/nel/", operation_id = "sentryNel", tag = "ingest", security(("dsn" = [])),
    params(("project" = i64, Path, description = "The number of the project, as in the DSN.")),
    request_body(content((Object = "application/reports+json"), (Object = "application/json"))),
    responses(
        (status = 200, description = "Counted.", body = Sent),
        (status = 400, description = "The request is wrong.", body = Refused), SentryRefusals,
    ),
)]
async fn nel(Extract(state): Extract<State>, request: Request) -> Response {
    respond(StatusCode::OK, take(&state, request, &NEL).await)
}

/// Counts a check-in of a scheduled job; they are not kept.
#[utoipa::path(
    get, path = "/api/{project}/cron/{monitor}/", operation_id = "sentryCheckIn", tag = "ingest", security(("dsn" = [])),
    params(
        ("project" = i64, Path, description = "The number of the project, as in the DSN."),
        ("monitor" = String, Path, description = "The job."),
    ),
    responses(
        (status = 202, description = "Counted.", body = Sent),
        (status = 400, description = "The request is wrong.", body = Refused), SentryRefusals,
    ),
)]
async fn check_in(Extract(state): Extract<State>, request: Request) -> Response {
    respond(StatusCode::ACCEPTED, take(&state, request, &CRON).await)
}

/// Counts a check-in of a scheduled job that has a body.
#[utoipa::path(
    post, path = "/api/{project}/cron/{monitor}/", operation_id = "sentryBeginCheckIn", tag = "ingest",
    security(("dsn" = [])),
    params(
        ("project" = i64, Path, description = "The number of the project, as in the DSN."),
        ("monitor" = String, Path, description = "The job."),
    ),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 202, description = "Counted.", body = Sent),
        (status = 400, description = "The request is wrong.", body = Refused), SentryRefusals,
    ),
)]
async fn begin_check_in(Extract(state): Extract<State>, request: Request) -> Response {
    respond(StatusCode::ACCEPTED, take(&state, request, &CRON).await)
}

/// Counts a check-in of a scheduled job, the key in the path.
#[utoipa::path(
    get, path = "/api/{project}/cron/{monitor}/{key}/", operation_id = "sentryCheckInByKey", tag = "ingest", security(()),
    params(
        ("project" = i64, Path, description = "The number of the project, as in the DSN."),
        ("monitor" = String, Path, description = "The job."),
        ("key" = String, Path, description = "The key of the DSN."),
    ),
    responses(
        (status = 202, description = "Counted.", body = Sent),
        (status = 400, description = "The request is wrong.", body = Refused), SentryRefusals,
    ),
)]
async fn check_in_by_key(
    Extract(state): Extract<State>,
    Path((_, _, key)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    respond(StatusCode::ACCEPTED, take_for(&state, request, &CRON, Some(Named::Key(key))).await)
}

/// Counts a check-in of a scheduled job that has a body, the key in the path.
#[utoipa::path(
    post, path = "/api/{project}/cron/{monitor}/{key}/", operation_id = "sentryBeginCheckInByKey", tag = "ingest",
    security(()),
    params(
        ("project" = i64, Path, description = "The number of the project, as in the DSN."),
        ("monitor" = String, Path, description = "The job."),
        ("key" = String, Path, description = "The key of the DSN."),
    ),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 202, description = "Counted.", body = Sent),
        (status = 400, description = "The request is wrong.", body = Refused), SentryRefusals,
    ),
)]
async fn begin_check_in_by_key(
    Extract(state): Extract<State>,
    Path((_, _, key)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    respond(StatusCode::ACCEPTED, take_for(&state, request, &CRON, Some(Named::Key(key))).await)
}

fn respond(status: StatusCode, taken: Result<Taken>) -> Response {
    match taken {
        Ok(taken) => {
            let mut response = answer::sent(&taken);
            *response.status_mut() = status;
            response
        }
        Err(answer) => answer::refused(&answer),
    }
}

/// An event's id in any of its forms.
fn event_id(text: &str) -> Option<[u8; 16]> {
    uuid::Uuid::try_parse(text).ok().map(uuid::Uuid::into_bytes).filter(|id| *id != [0; 16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_in_two_forms() {
        let id = "fc6d8c0c43fc4630ad850ee518f1b9d0";
        assert_eq!(event_id(id).map(hex::encode).as_deref(), Some(id));
        assert_eq!(event_id("FC6D8C0C-43FC-4630-AD85-0EE518F1B9D0").map(hex::encode).as_deref(), Some(id));
        for other in ["", "x", &id[1..], "00000000000000000000000000000000"] {
            assert_eq!(event_id(other), None, "{other}");
        }
    }
}
