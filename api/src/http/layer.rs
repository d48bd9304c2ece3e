//! What is around every route: the request's id, the count and time, safe headers, and an answer even after a panic.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::header::{ALLOW, CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Method};

use super::REQUEST_ID;
use super::problem::{Failed, problem};
use super::routes::ROUTE_PATHS;
use crate::answer::{Answer, Kind};
use crate::meters;

/// The id of the request at hand.
#[derive(Clone)]
pub(super) struct RequestId(pub(super) String);

const ID_BYTES_MAX: usize = 64;

/// Handles one request.
pub(super) async fn around(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none", |path| known(path.as_str()));
    request.extensions_mut().insert(RequestId(id.clone()));
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = handled.unwrap_or_else(|_| {
        tracing::error!(request_id = id, route, "a request handler panicked");
        Answer::new(Kind::Internal, "the request hit a bug; the server's log has it by the request id").into_response()
    });
    if let Some(Failed(answer)) = response.extensions_mut().remove::<Failed>() {
        let allow = response.headers_mut().remove(ALLOW);
        response = problem(&answer, &id);
        if let Some(allow) = allow {
            response.headers_mut().insert(ALLOW, allow);
        }
        tracing::debug!(
            request_id = id,
            route,
            kind = answer.kind.word(),
            reason = answer.message,
            "refused a request"
        );
    }
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    meters::http(word(&method), route, response.status().as_u16(), started.elapsed());
    response
}

/// The client's own id where it is fit for logs and headers, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let fit = |id: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(plain)
    };
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(fit);
    given.map_or_else(|| uuid::Uuid::now_v7().simple().to_string(), str::to_owned)
}

/// Labels of metrics are of the routes only, however many paths and methods clients think of.
fn known(path: &str) -> &'static str {
    ROUTE_PATHS.iter().copied().find(|route| *route == path).unwrap_or("none")
}

fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfit_ids_are_replaced() {
        let check = |given: &str, kept: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(given).unwrap());
            assert_eq!(request_id(&headers) == given, kept, "{given}");
        };
        check("abc-1_2.3", true);
        check("", false);
        check("a b", false);
        check(&"x".repeat(65), false);
    }
}
