//! `POST /api/v1/sql`: one statement, its rows streamed; beside it, how far it is and how to cancel it.
//!
//! The status waits for the first rows, so that most failures still get one. Dropping the connection cancels the query.

use std::sync::Arc;

use arrow::array::RecordBatch;
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State as Extract};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::header::{ACCEPT, CONTENT_TYPE, TRAILER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde::Deserialize;
use tephra_query::output::{Encoder, Format, Statistics};
use tephra_query::{AnswerStream, Progress, SqlOptions};
use tephra_storage::ProjectId;
use utoipa::ToSchema;

use super::body;
use super::layer::RequestId;
use super::rest::{self, Reads, SqlRefusals};
use crate::answer::{Answer, Kind, Result};
use crate::budget::Budget;
use crate::caller::Caller;
use crate::roles::Verb;
use crate::running::{Outcome, Query, Report};
use crate::state::State;

const TRUNCATED: HeaderName = HeaderName::from_static("x-tephra-truncated");
const ROWS: HeaderName = HeaderName::from_static("x-tephra-rows");

/// A request in JSON; the alternative is the bare statement as text.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Statement {
    /// One statement that only reads.
    sql: String,
    /// Rows at most; the server's own limit holds as well.
    rows_max: Option<u64>,
    /// Milliseconds at most; the server's own limit holds as well.
    time_ms_max: Option<u64>,
}

/// The answer in JSON, for the document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "`Encoder` writes it")]
struct Rows {
    columns: Vec<RowsColumn>,
    rows: Vec<serde_json::Map<String, serde_json::Value>>,
    /// Whether there were more rows than a limit allows.
    #[schema(nullable = false)]
    truncated: Option<bool>,
    #[schema(nullable = false)]
    statistics: Option<serde_json::Map<String, serde_json::Value>>,
    /// Set where the query failed behind its first rows.
    #[schema(nullable = false)]
    error: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A column of an answer.
#[derive(ToSchema)]
#[expect(dead_code, reason = "`Encoder` writes it")]
struct RowsColumn {
    name: String,
    #[schema(rename = "type")]
    type_: String,
}

/// Answers one statement, its rows streamed.
#[utoipa::path(
    post, path = "/api/v1/sql", operation_id = "sql", tag = "sql",
    params(("x-request-id" = Option<String>, Header, description = "By which the query can be watched and cancelled.",
        max_length = 64)),
    request_body(content((String = "text/plain"), (String = "application/sql"), (Statement = "application/json"))),
    responses(
        (status = 200, description = "The rows. Trailers: `x-tephra-rows`, `x-tephra-truncated`.", content(
            (Rows = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"),
            (Vec<u8> = "application/vnd.apache.arrow.stream"))),
        SqlRefusals,
    ),
)]
pub(super) async fn sql(
    Extract(state): Extract<State>,
    caller: Caller,
    Extension(RequestId(id)): Extension<RequestId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let projects = readable(&state, &caller).await?;
    let format = format(&headers)?;
    // Room for the JSON around the statement; the engine has the word on the statement itself.
    let max = 6 * state.settings.query.sql_bytes_max + 4096;
    let share = Budget::new(max).share();
    let (body, _share) = body::read(&state, &headers, body, ("query.sql_bytes_max", max), share).await?;
    let statement = statement(&headers, &body)?;
    let engine = state.core()?.engine.clone();
    let guard = Guard { query: state.running.begin(&id, projects.clone())?, rows: 0 };
    let options = SqlOptions { rows_max: statement.rows_max, time_ms_max: statement.time_ms_max };
    let started = guard.unless_cancelled(async { Ok(engine.sql(&projects, &statement.sql, options).await?) }).await;
    let mut answer = started.map_err(|answer| guard.failed(answer))?;
    guard.query.watch(answer.progress.clone());
    let first = guard.unless_cancelled(async { Ok(answer.stream.next().await.transpose()?) }).await;
    let first = first.map_err(|answer| guard.failed(answer))?;
    let (encoder, head) = Encoder::start(format, &answer.schema).map_err(|error| guard.failed(error.into()))?;
    let sending = Sending { head: Some(head), first, rows: answer.stream, encoder, progress: answer.progress, guard };
    let frames = stream::unfold(Some(Part::Rows(Box::new(sending))), |part| async { part?.send().await });
    let mut response = Body::new(StreamBody::new(frames)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(TRAILER, HeaderValue::from_static("x-tephra-truncated, x-tephra-rows"));
    Ok(response)
}

/// Tells how far a query is, and for a minute how it ended.
#[utoipa::path(
    get, path = "/api/v1/sql/{request_id}/progress", operation_id = "sqlProgress", tag = "sql",
    params(("request_id" = String, Path, description = "The `x-request-id` of the query.")),
    responses((status = 200, description = "How far it is.", body = Report), Reads),
)]
pub(super) async fn progress(
    Extract(state): Extract<State>,
    caller: Caller,
    Path(request_id): Path<String>,
) -> Result<Json<Report>> {
    Ok(Json(state.running.find(&request_id, &readable(&state, &caller).await?)?.report()))
}

/// Cancels a query.
#[utoipa::path(
    delete, path = "/api/v1/sql/{request_id}", operation_id = "cancelSql", tag = "sql",
    params(("request_id" = String, Path, description = "The `x-request-id` of the query.")),
    responses((status = 204, description = "Cancelled."), Reads),
)]
pub(super) async fn cancel(
    Extract(state): Extract<State>,
    caller: Caller,
    Path(request_id): Path<String>,
) -> Result<StatusCode> {
    state.running.find(&request_id, &readable(&state, &caller).await?)?.cancelled.cancel();
    Ok(StatusCode::NO_CONTENT)
}

/// The projects whose events the caller reads: none for those who know none, and no right for those who may not in any.
async fn readable(state: &State, caller: &Caller) -> Result<Vec<ProjectId>> {
    rest::projects(state, caller, None, Verb::EventRead).await
}

fn format(headers: &HeaderMap) -> Result<Format> {
    let accept = headers.get(ACCEPT).map_or("", |value| value.to_str().unwrap_or("?"));
    Format::from_accept(accept).ok_or_else(|| {
        Answer::new(Kind::Unsupported, format!("answers do not come as `{accept}`")).hint(
            "accept `application/json`, `application/x-ndjson`, `text/csv` or `application/vnd.apache.arrow.stream`",
        )
    })
}

fn statement(headers: &HeaderMap, body: &[u8]) -> Result<Statement> {
    match body::media_type(headers, CONTENT_TYPE).as_deref() {
        Some("application/json") => serde_json::from_slice(body).map_err(|error| {
            Answer::new(Kind::Invalid, format!("the body is not a query: {error}"))
                .hint("send `{\"sql\": \"SELECT …\", \"rows_max\": 100, \"time_ms_max\": 5000}`; only `sql` is needed")
        }),
        None | Some("" | "text/plain" | "application/sql" | "application/x-www-form-urlencoded") => {
            let sql = std::str::from_utf8(body)
                .map_err(|error| Answer::new(Kind::Invalid, format!("the statement is not UTF-8: {error}")))?;
            Ok(Statement { sql: sql.to_owned(), rows_max: None, time_ms_max: None })
        }
        Some(other) => Err(Answer::new(Kind::Unsupported, format!("a statement does not come as `{other}`"))
            .hint("send `text/plain`, `application/sql` or `application/json`")),
    }
}

/// What is left of an answer.
enum Part {
    Rows(Box<Sending>),
    Trailers(HeaderMap),
}

/// Rows on their way.
struct Sending {
    head: Option<Vec<u8>>,
    first: Option<RecordBatch>,
    rows: AnswerStream,
    encoder: Encoder,
    progress: Arc<Progress>,
    guard: Guard,
}

type Sent = std::result::Result<Frame<Bytes>, Answer>;

/// Why rows stop before their end.
enum Break {
    Failed(tephra_query::Error),
    Cancelled,
}

impl Part {
    /// Sends a piece of the body; returns what is left.
    async fn send(self) -> Option<(Sent, Option<Self>)> {
        let mut sending = match self {
            Self::Rows(sending) => sending,
            Self::Trailers(trailers) => return Some((Ok(Frame::trailers(trailers)), None)),
        };
        if let Some(head) = sending.head.take().filter(|head| !head.is_empty()) {
            return Some((Ok(Frame::data(head.into())), Some(Self::Rows(sending))));
        }
        Some(match sending.batch().await {
            Ok(Some(rows)) => (Ok(Frame::data(rows.into())), Some(Self::Rows(sending))),
            Ok(None) => sending.finish(),
            Err(Break::Failed(error)) => sending.fail(&error),
            Err(Break::Cancelled) => (Err(sending.guard.failed(cancelled())), None),
        })
    }
}

impl Sending {
    async fn batch(&mut self) -> std::result::Result<Option<Vec<u8>>, Break> {
        let batch = match self.first.take() {
            Some(batch) => Some(batch),
            None => {
                let query = self.guard.query.clone();
                tokio::select! {
                    () = query.cancelled.cancelled() => return Err(Break::Cancelled),
                    batch = self.rows.next() => batch.transpose().map_err(Break::Failed)?,
                }
            }
        };
        let Some(batch) = batch else { return Ok(None) };
        self.guard.rows += batch.num_rows() as u64;
        self.encoder.batch(&batch).map(Some).map_err(Break::Failed)
    }

    fn finish(self) -> (Sent, Option<Part>) {
        let Self { encoder, progress, guard, .. } = self;
        let (rows, truncated) = (guard.rows, progress.truncated());
        match encoder.finish(truncated, &Statistics::from(progress.as_ref())) {
            Ok(tail) => {
                guard.query.end(Outcome { rows, truncated, failure: None });
                let truncated = HeaderValue::from_static(if truncated { "true" } else { "false" });
                let trailers = HeaderMap::from_iter([(TRUNCATED, truncated), (ROWS, HeaderValue::from(rows))]);
                (Ok(Frame::data(tail.into())), Some(Part::Trailers(trailers)))
            }
            Err(error) => (Err(guard.failed(error.into())), None),
        }
    }

    fn fail(self, error: &tephra_query::Error) -> (Sent, Option<Part>) {
        let tail = self.encoder.fail(error);
        let answer = self.guard.failed(error.clone().into());
        // CSV and Arrow have no place for an error: breaking off is what no client takes for the end.
        if tail.is_empty() { (Err(answer), None) } else { (Ok(Frame::data(tail.into())), None) }
    }
}

fn cancelled() -> Answer {
    Answer::new(Kind::Cancelled, "the query was cancelled")
}

/// Enters a query as cancelled when its handler or its answer is dropped before the end.
struct Guard {
    query: Arc<Query>,
    rows: u64,
}

impl Guard {
    async fn unless_cancelled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            () = self.query.cancelled.cancelled() => Err(cancelled()),
            result = work => result,
        }
    }

    fn failed(&self, answer: Answer) -> Answer {
        self.query.end(Outcome { rows: self.rows, truncated: false, failure: Some(answer.clone()) });
        answer
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let failure = Some(Answer::new(Kind::Cancelled, "the client went away"));
        self.query.end(Outcome { rows: self.rows, truncated: false, failure });
    }
}
