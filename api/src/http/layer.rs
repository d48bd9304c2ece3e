//! What is around every route: the request's id, who asks and how often, the count and time, safe headers, and an answer even
//! after a panic.

use std::net::{Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State as Extract};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::header::{ALLOW, AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::REQUEST_ID;
use super::cors::{Allowed, is_ingest};
use super::document::known;
use super::headers;
use super::problem::{Failed, problem};
use super::proxy::ClientAddress;
use crate::answer::{Answer, Kind};
use crate::meters;
use crate::server::Peer;
use crate::state::State;

/// The id of the request at hand.
#[derive(Clone)]
pub(crate) struct RequestId(pub(crate) String);

const ID_BYTES_MAX: usize = 64;

/// Handles one request.
pub(super) async fn around(Extract(state): Extract<State>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none", |path| known(path.as_str()));
    let client = client(&request, &state);
    let open = is_ingest(request.uri().path());
    let allowed = Allowed::of(request.uri().path(), request.headers(), &state.settings.http.cors_origins);
    request.extensions_mut().insert(RequestId(id.clone()));
    request.extensions_mut().insert(client.clone());
    let handled = AssertUnwindSafe(handle(&state, &client, &allowed, request, next)).catch_unwind().await;
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
    headers::secure(headers, open, client.https);
    allowed.mark(headers);
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    meters::http(word(&method), route, response.status().as_u16(), started.elapsed());
    response
}

fn client(request: &Request, state: &State) -> ClientAddress {
    let nobody = || Peer::of(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    let peer = request.extensions().get::<Peer>().cloned().unwrap_or_else(nobody);
    ClientAddress::find(&peer, request.uri(), request.headers(), &state.settings.http.trusted_proxies)
}

/// Answers a preflight, or lets the request through to its handler, unless its client asks too often without a right to.
async fn handle(state: &State, client: &ClientAddress, allowed: &Allowed, request: Request, next: Next) -> Response {
    if let Some(preflight) = allowed.preflight(request.method(), request.uri().path(), request.headers()) {
        return preflight.into_response();
    }
    let path = request.uri().path();
    let limited = path.starts_with("/api/") && !is_ingest(path);
    let anonymous = !request.headers().contains_key(AUTHORIZATION) && !request.headers().contains_key(COOKIE);
    if limited && anonymous {
        match state.limits.address(client.ip) {
            Ok(()) => next.run(request).await,
            Err(answer) => answer.into_response(),
        }
    } else {
        let response = next.run(request).await;
        // Whoever shows a wrong token or session is counted as one who shows none.
        let refused = limited && response.status() == StatusCode::UNAUTHORIZED;
        match refused.then(|| state.limits.address(client.ip)) {
            Some(Err(answer)) => answer.into_response(),
            _ => response,
        }
    }
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

fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
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
