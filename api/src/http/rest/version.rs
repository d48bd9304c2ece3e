//! Versions of things that people edit: `ETag` with every answer, `If-Match` with a change, 304 for what is known already.
//!
//! A tag is `"v7"`, or `"v7.…"` for a thing of which something counts up by itself; a change compares the version alone, so
//! that an event that arrives between reading and writing an issue is no conflict.

use std::convert::Infallible;

use axum::Json;
use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, ETAG, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Serialize;

use crate::answer::{Answer, Kind, Result};
use crate::state::State;

/// A thing with its version.
pub(crate) struct Versioned<T> {
    status: StatusCode,
    tag: String,
    thing: T,
}

impl<T> Versioned<T> {
    pub(crate) fn new(version: i64, thing: T) -> Self {
        Self { status: StatusCode::OK, tag: format!("\"v{version}\""), thing }
    }

    /// The same, where more than the version tells one form of the thing from another.
    pub(crate) fn counted(version: i64, counts: &[i64], thing: T) -> Self {
        let counts: String = counts.iter().map(|count| format!(".{count:x}")).collect();
        Self { status: StatusCode::OK, tag: format!("\"v{version}{counts}\""), thing }
    }

    /// The same as the answer to its making.
    pub(crate) fn created(mut self) -> Self {
        self.status = StatusCode::CREATED;
        self
    }
}

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.thing)).into_response();
        if let Ok(tag) = HeaderValue::from_str(&self.tag) {
            response.headers_mut().insert(ETAG, tag);
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        }
        response
    }
}

/// The versions that the caller takes a thing to have; none, or `*`, is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IfMatch(Option<Vec<i64>>);

impl IfMatch {
    /// Refuses a change of something that somebody else changed meanwhile.
    pub(crate) fn check(&self, version: i64) -> Result<()> {
        match &self.0 {
            Some(versions) if !versions.contains(&version) => {
                Err(Answer::new(Kind::Conflict, format!("it was changed meanwhile: its version is `v{version}` now"))
                    .hint("read it again, and send its `ETag` as `If-Match`")
                    .field("if-match"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the caller named any.
    pub(crate) fn is_given(&self) -> bool {
        self.0.is_some()
    }

    fn read(headers: &HeaderMap) -> Self {
        let tags: Vec<&str> = tags(headers, &IF_MATCH).collect();
        if tags.is_empty() || tags.contains(&"*") {
            return Self(None);
        }
        let version = |tag: &str| tag.trim_matches('"').strip_prefix('v')?.split('.').next()?.parse().ok();
        Self(Some(tags.into_iter().filter_map(version).collect()))
    }
}

impl FromRequestParts<State> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> std::result::Result<Self, Infallible> {
        Ok(Self::read(&parts.headers))
    }
}

fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|tag| !tag.is_empty())
}

/// Answers 304 instead of what the client says it has.
pub(crate) async fn unless_known(request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let plain = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let known: Vec<String> = tags(request.headers(), &IF_NONE_MATCH).map(plain).collect();
    let mut response = next.run(request).await;
    if !is_read || known.is_empty() || response.status() != StatusCode::OK {
        return response;
    }
    let Some(tag) = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()) else { return response };
    if !known.iter().any(|known| *known == plain(tag) || known == "*") {
        return response;
    }
    let kept = [ETAG, CACHE_CONTROL].map(|name| response.headers_mut().remove(&name).map(|value| (name, value)));
    let mut unchanged = StatusCode::NOT_MODIFIED.into_response();
    unchanged.headers_mut().extend(kept.into_iter().flatten());
    unchanged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_what_was_changed_meanwhile_is_refused() {
        let check = |header: &str, version: i64, fits: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, HeaderValue::from_str(header).unwrap());
            assert_eq!(IfMatch::read(&headers).check(version).is_ok(), fits, "{header} {version}");
        };
        check("\"v7\"", 7, true);
        check("\"v7\"", 8, false);
        check("\"v7.1f.3\"", 7, true);
        check("\"v6\", \"v7\"", 7, true);
        check("*", 7, true);
        check("\"something\"", 7, false);
        check("", 7, true);
        assert_eq!(IfMatch::read(&HeaderMap::new()), IfMatch(None));
    }

    #[test]
    fn tags_name_version_and_counts() {
        assert_eq!(Versioned::new(7, ()).tag, "\"v7\"");
        assert_eq!(Versioned::counted(7, &[31, 3], ()).tag, "\"v7.1f.3\"");
    }
}
