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
        || path == "/api/v1/ingest"
        || path.strip_prefix("/api/").and_then(project).unwrap_or(false)
}

fn is_sentry(kind: &str) -> bool {
    matches!(kind.trim_end_matches('/'), "envelope" | "store" | "security" | "csp-report")
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
    pub(super) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<(StatusCode, HeaderMap)> {
        let asked = method == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let methods = match self {
            Self::Anybody => INGEST_METHODS,
            Self::Origin(_) => REST_METHODS,
            Self::Nobody => return None,
        };
        if !asked {
            return None;
        }
        let mut answer = HeaderMap::new();
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
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
        for path in ["/v1/logs", "/api/v1/ingest", "/api/42/envelope/", "/api/42/store", "/api/7/csp-report/"] {
            assert!(is_ingest(path), "{path}");
        }
        for path in ["/", "/api/v1/sql", "/api/v1/ingest/x", "/api/v1/envelope/", "/api//envelope/", "/api/42/users"] {
            assert!(!is_ingest(path), "{path}");
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
        let (status, answer) = Allowed::Anybody.preflight(&Method::OPTIONS, &headers).unwrap();
        assert_eq!(
            (status, &answer[ACCESS_CONTROL_ALLOW_HEADERS]),
            (StatusCode::NO_CONTENT, &"authorization".parse().unwrap())
        );
        assert!(Allowed::Anybody.preflight(&Method::POST, &headers).is_none());
        assert!(Allowed::Nobody.preflight(&Method::OPTIONS, &headers).is_none());
        assert!(Allowed::Anybody.preflight(&Method::OPTIONS, &HeaderMap::new()).is_none());
    }
}
