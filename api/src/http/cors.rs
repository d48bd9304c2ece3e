//! Which pages of other origins may read our answers (CORS).
//!
//! Events come from pages of any origin, with a key that is public and without cookies. The REST API answers pages of the
//! origins that the operator names, cookies included. All else gets no header, so that a browser keeps it from every page.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::settings::Origins;

const INGEST_METHODS: &str = "POST";
/// For what is asked by an address alone.
const INGEST_READ_METHODS: &str = "GET, POST";
/// What SDKs send, for those who do not say what they will.
const INGEST_HEADERS: &str = "x-sentry-auth, x-requested-with, x-forwarded-for, origin, referer, accept, content-type, \
     authentication, authorization, content-encoding, transfer-encoding, sentry-trace, baggage, traceparent";
const REST_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
const INGEST_EXPOSED: &str = "x-request-id, retry-after, x-sentry-error, x-sentry-rate-limits";
const REST_EXPOSED: &str = "etag, location, retry-after, x-request-id";
/// Browsers ask again after two hours, whatever longer time they are told.
const REMEMBERED_SECONDS: &str = "7200";

/// What a page of another origin may do with a route.
pub(super) enum Allowed {
    /// Any page, without cookies.
    Anybody,
    /// This origin, with cookies.
    Origin(HeaderValue),
    Nobody,
}

/// Whether a path takes events.
pub(crate) fn is_ingest(path: &str) -> bool {
    let project = |rest: &str| {
        let (project, kind) = rest.split_once('/')?;
        Some(!project.is_empty() && project.bytes().all(|byte| byte.is_ascii_digit()) && is_sentry(kind))
    };
    path.starts_with("/v1/")
        || matches!(path, "/api/v1/ingest" | "/api/store" | "/api/store/" | REPORT | "/api/embed/error-page/")
        || path.strip_prefix("/api/").and_then(project).unwrap_or(false)
}

/// The form of `showReportDialog`.
const REPORT: &str = "/api/embed/error-page";

fn is_sentry(kind: &str) -> bool {
    let kind = kind.strip_suffix('/').unwrap_or(kind);
    match kind.split_once('/') {
        None => matches!(kind, "envelope" | "store" | "security" | "csp-report" | "nel" | "minidump"),
        Some(("cron", rest)) => !rest.is_empty(),
        Some(("events", rest)) => {
            rest.split_once('/').is_some_and(|(event, what)| !event.is_empty() && what == "attachments")
        }
        Some(("integration", rest)) => matches!(rest, "otlp/v1/logs" | "otlp/v1/traces"),
        Some(("otlp", rest)) => matches!(rest, "v1/logs" | "v1/traces"),
        Some(_) => false,
    }
}

/// Whether a path is asked by `GET`, too.
fn is_read(path: &str) -> bool {
    path.starts_with(REPORT) || path.contains("/cron/")
}

/// The path without what stands before it where a server is known below the root of its host: a DSN may have a path, and
/// SDKs send below that. Of ingest only, as nothing else is meant to be called so. `None` where there is nothing to leave out.
pub(super) fn without_prefix(path: &str) -> Option<&str> {
    if is_ingest(path) {
        return None;
    }
    path.match_indices('/').skip(1).map(|(at, _)| &path[at..]).find(|rest| rest.starts_with("/api/") && is_ingest(rest))
}

impl Allowed {
    /// Decides for one request.
    pub(super) fn of(path: &str, headers: &HeaderMap, origins: &Origins) -> Self {
        if is_ingest(path) {
            return Self::Anybody;
        }
        let origin =
            headers.get(ORIGIN).filter(|origin| origins.0.iter().any(|known| known.as_bytes() == origin.as_bytes()));
        match origin {
            Some(origin) if path.starts_with("/api/") => Self::Origin(origin.clone()),
            _ => Self::Nobody,
        }
    }

    /// The answer to a browser that asks before it sends the request itself.
    pub(super) fn preflight(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<(StatusCode, HeaderMap)> {
        let is_browser = headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let methods = match self {
            Self::Anybody if is_read(path) => INGEST_READ_METHODS,
            Self::Anybody => INGEST_METHODS,
            Self::Origin(_) if is_browser => REST_METHODS,
            _ => return None,
        };
        if method != Method::OPTIONS {
            return None;
        }
        let mut answer = HeaderMap::new();
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        if matches!(self, Self::Anybody) {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(INGEST_HEADERS));
        }
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(REMEMBERED_SECONDS));
        // `*` would leave out `authorization`; whoever may send the request may choose its headers.
        if let Some(wanted) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
            answer.append(VARY, HeaderValue::from_static("access-control-request-headers"));
        }
        Some((StatusCode::NO_CONTENT, answer))
    }

    /// Marks an answer.
    pub(super) fn mark(self, headers: &mut HeaderMap) {
        let exposed = match self {
            Self::Anybody => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
                INGEST_EXPOSED
            }
            Self::Origin(origin) => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
                headers.append(VARY, HeaderValue::from_static("origin"));
                REST_EXPOSED
            }
            Self::Nobody => return,
        };
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(path: &str, origin: Option<&'static str>) -> HeaderMap {
        let origins = Origins(vec!["https://app.example".to_owned()]);
        let mut headers = HeaderMap::new();
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
        }
        let mut answer = HeaderMap::new();
        Allowed::of(path, &headers, &origins).mark(&mut answer);
        answer
    }

    #[test]
    fn paths_that_take_events_are_known() {
        for path in [
            "/v1/logs",
            "/api/v1/ingest",
            "/api/42/envelope/",
            "/api/42/store",
            "/api/7/csp-report/",
            "/api/7/nel/",
            "/api/7/minidump",
            "/api/7/cron/nightly",
            "/api/7/cron/nightly/key/",
            "/api/7/events/0f/attachments/",
            "/api/7/integration/otlp/v1/logs",
            "/api/7/otlp/v1/traces/",
            "/api/store/",
            "/api/embed/error-page/",
        ] {
            assert!(is_ingest(path), "{path}");
        }
        for path in [
            "/",
            "/api/v1/sql",
            "/api/v1/ingest/x",
            "/api/v1/envelope/",
            "/api//envelope/",
            "/api/42/users",
            "/api/42/cron/",
            "/api/42/events/0f",
            "/api/42/events//attachments",
            "/api/v1/projects/1/events/0f/attachments",
            "/api/42/integration/otlp/v1/metrics",
        ] {
            assert!(!is_ingest(path), "{path}");
        }
    }

    #[test]
    fn what_stands_before_ingest_is_left_out() {
        let check = |path: &str, expected: Option<&str>| assert_eq!(without_prefix(path), expected, "{path}");
        check("/tephra/api/42/envelope/", Some("/api/42/envelope/"));
        check("/a/b/api/42/cron/x", Some("/api/42/cron/x"));
        check("/api/api/42/store/", Some("/api/42/store/"));
        check("/x/api/api/42/store", Some("/api/42/store"));
        check("/x/api/embed/error-page/", Some("/api/embed/error-page/"));
        check("/x/api/v1/ingest", Some("/api/v1/ingest"));
        for path in ["/api/42/envelope/", "/x/api/v1/sql", "/x/api/v1/projects", "/x", "/xapi/42/envelope/"] {
            check(path, None);
        }
    }

    #[test]
    fn only_named_origins_reach_the_rest_api() {
        let allowed = |path: &str, origin: Option<&'static str>| {
            let answer = answer(path, origin);
            let origin = answer.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap().to_owned());
            (origin, answer.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS))
        };
        assert_eq!(
            allowed("/api/v1/issues", Some("https://app.example")),
            (Some("https://app.example".to_owned()), true)
        );
        assert_eq!(allowed("/api/v1/issues", Some("https://evil.example")), (None, false));
        assert_eq!(allowed("/api/v1/issues", Some("null")), (None, false));
        assert_eq!(allowed("/api/v1/issues", None), (None, false));
        assert_eq!(allowed("/livez", Some("https://app.example")), (None, false));
        assert_eq!(allowed("/v1/logs", Some("https://evil.example")), (Some("*".to_owned()), false));
    }

    #[test]
    fn a_preflight_is_answered_where_it_may_succeed() {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_static("https://x.example"));
        headers.insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"));
        headers.insert(ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static("authorization"));
        let (status, answer) = Allowed::Anybody.preflight(&Method::OPTIONS, "/v1/logs", &headers).unwrap();
        assert_eq!(
            (status, &answer[ACCESS_CONTROL_ALLOW_HEADERS]),
            (StatusCode::NO_CONTENT, &"authorization".parse().unwrap())
        );
        assert!(Allowed::Anybody.preflight(&Method::POST, "/v1/logs", &headers).is_none());
        assert!(Allowed::Nobody.preflight(&Method::OPTIONS, "/", &headers).is_none());
        let (_, answer) = Allowed::Anybody.preflight(&Method::OPTIONS, "/api/7/cron/x", &HeaderMap::new()).unwrap();
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_METHODS], "GET, POST");
        assert!(answer[ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap().contains("x-sentry-auth"));
        let origin = Allowed::Origin(HeaderValue::from_static("https://x.example"));
        assert!(origin.preflight(&Method::OPTIONS, "/", &HeaderMap::new()).is_none());
    }
}
