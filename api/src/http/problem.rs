//! Failures as problem documents (RFC 9457), and as statuses for OTLP, which wants `google.rpc.Status`.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use prost::Message;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, Kind};

/// The body of a failed request: a problem document (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    type_: &'static str,
    /// A few words for people.
    title: &'static str,
    status: u16,
    /// What was attempted, on what, and what went wrong.
    detail: String,
    /// What went wrong, in one word for programs.
    kind: &'static str,
    request_id: String,
    /// The input field at fault, as the request spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
    /// Where in a statement or search the fault is, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    line: Option<u64>,
    /// The character in the line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    column: Option<u64>,
    /// What may help.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hint: Option<String>,
    /// When to come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after_ms: Option<u64>,
}

impl Problem {
    pub(crate) fn new(answer: &Answer, request_id: &str) -> Self {
        Self {
            type_: "about:blank",
            title: answer.kind.title(),
            status: answer.kind.http().as_u16(),
            detail: answer.message.clone(),
            kind: answer.kind.word(),
            request_id: request_id.to_owned(),
            field: answer.field.as_deref().map(str::to_owned),
            line: answer.position.map(|(line, _)| line),
            column: answer.position.map(|(_, column)| column),
            hint: answer.hint.clone(),
            retry_after_ms: answer.retry_after.map(|after| after.as_millis() as u64),
        }
    }
}

/// A failure on its way out; the layer around all routes writes it, because the layer knows the request's id.
#[derive(Clone)]
pub(super) struct Failed(pub(super) Answer);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = self.kind.http().into_response();
        response.extensions_mut().insert(Failed(self));
        response
    }
}

/// Writes a problem document.
pub(super) fn problem(answer: &Answer, request_id: &str) -> Response {
    let body = serde_json::to_vec(&Problem::new(answer, request_id)).unwrap_or_default();
    headed(answer, "application/problem+json", body)
}

/// Writes a `google.rpc.Status`, in the form of the request.
pub(super) fn otlp_status(answer: &Answer, json: bool) -> Response {
    let status = RpcStatus { code: answer.kind.grpc() as i32, message: answer.message.clone() };
    if json {
        let text = serde_json::json!({ "code": status.code, "message": status.message }).to_string();
        headed(answer, "application/json", text.into_bytes())
    } else {
        headed(answer, "application/x-protobuf", status.encode_to_vec())
    }
}

fn headed(answer: &Answer, content_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = (answer.kind.http(), body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(seconds) = answer.retry_after_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if answer.kind == Kind::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tephra\""));
    }
    debug_assert!(response.status() != StatusCode::OK);
    response
}

/// `google.rpc.Status` without details.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_where_and_when_to_come_back() {
        let answer = Answer { position: Some((2, 7)), ..Answer::new(Kind::Busy, "full").hint("wait") };
        let value = serde_json::to_value(Problem::new(&answer, "r1")).unwrap();
        let expected = serde_json::json!({
            "type": "about:blank", "title": "Busy", "status": 503, "detail": "full", "kind": "busy",
            "request_id": "r1", "line": 2, "column": 7, "hint": "wait", "retry_after_ms": 1000,
        });
        assert_eq!(value, expected);
        let response = problem(&answer, "r1");
        assert_eq!(response.headers()[RETRY_AFTER], "1");
    }

    #[test]
    fn a_problem_names_the_field_at_fault() {
        let answer = Answer::new(Kind::Invalid, "not an address").field("email");
        assert_eq!(serde_json::to_value(Problem::new(&answer, "r")).unwrap()["field"], "email");
    }

    #[test]
    fn no_access_names_the_scheme() {
        let response = problem(&Answer::new(Kind::Unauthenticated, "no"), "r");
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers().contains_key(WWW_AUTHENTICATE));
    }
}
