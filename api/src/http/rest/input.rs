//! What a request holds, read into a type: the JSON body, the query of the address, the parts of its path.
//!
//! What does not fit is answered with a problem document that names the field at fault. Types refuse what they do not know
//! (`deny_unknown_fields`), so that a misspelt field is a mistake and not silence.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::answer::{Answer, Kind, Result};
use crate::budget::Budget;
use crate::http::body;
use crate::state::State;

/// A body of JSON.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

/// The part of the address after `?`.
#[derive(Debug)]
pub(crate) struct QueryOf<T>(pub(crate) T);

/// The named parts of the path. One that cannot be the name of anything is not found.
#[derive(Debug)]
pub(crate) struct PathOf<T>(pub(crate) T);

const BODY_BYTES_MAX: usize = 1 << 20;

impl<T: DeserializeOwned> FromRequest<State> for JsonBody<T> {
    type Rejection = Answer;

    async fn from_request(request: Request, state: &State) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let media_type = body::media_type(&parts.headers, CONTENT_TYPE);
        if media_type.as_deref() != Some("application/json") {
            let given = media_type.unwrap_or_default();
            return Err(Answer::new(Kind::Unsupported, format!("the body comes as `{given}`"))
                .hint("send JSON with `Content-Type: application/json`"));
        }
        if let Some(encoding) = body::encoding(&parts.headers)? {
            return Err(Answer::new(Kind::Unsupported, format!("a body of JSON does not come as `{encoding}`")));
        }
        let share = Budget::new(BODY_BYTES_MAX).share();
        let (bytes, _share) = body::read(state, &parts.headers, body, ("body", BODY_BYTES_MAX), share).await?;
        read_json(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned> FromRequestParts<State> for QueryOf<T> {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self> {
        let query = parts.uri.query().unwrap_or_default();
        let is_utf8 = percent_decoded_is_utf8(query);
        if !is_utf8 {
            return Err(Answer::new(Kind::Invalid, "the query of the address is not UTF-8"));
        }
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(at_fault("could not read the query of the address", &innermost(&rejection))),
        }
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<State> for PathOf<T> {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(_) => Err(Answer::new(Kind::NotFound, format!("there is nothing at `{}`", parts.uri.path()))),
        }
    }
}

/// Tells a field that is null from one that is absent: `Option<Option<T>>` with `#[serde(default, deserialize_with = …)]`.
pub(super) fn given<'de, D, T>(deserializer: D) -> std::result::Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    serde::Deserialize::deserialize(deserializer).map(Some)
}

/// Reads JSON into its type.
fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    match axum::Json::from_bytes(bytes) {
        Ok(axum::Json(value)) => Ok(value),
        Err(JsonRejection::JsonDataError(error)) => Err(at_fault("could not read the body", &innermost(&error))),
        Err(error) => Err(Answer::new(Kind::Invalid, format!("the body is not JSON: {}", innermost(&error)))),
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

/// An answer to `path.to.field: what is wrong`, as the readers of JSON and queries write it.
fn at_fault(what: &str, text: &str) -> Answer {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']');
    let (path, message) = match text.split_once(": ") {
        Some((path, message)) if !path.is_empty() && path.chars().all(plain) => (path, message),
        _ => ("", text),
    };
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split('`').next());
    let field = match named {
        Some(name) if path.is_empty() || path == name => name.to_owned(),
        Some(name) if path.ends_with(&format!(".{name}")) => path.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None => path.to_owned(),
    };
    // Where in the text it stands helps with broken JSON only.
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let answer = Answer::new(Kind::Invalid, format!("{what}: {message}"));
    if field.is_empty() { answer } else { answer.field(field) }
}

/// Whether all that is written as `%XX` is UTF-8: the reader of queries would put other letters in its place.
fn percent_decoded_is_utf8(query: &str) -> bool {
    let (mut bytes, mut rest) = (Vec::with_capacity(query.len()), query.as_bytes());
    while let [first, tail @ ..] = rest {
        rest = tail;
        let hex = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                rest = tail;
            }
            _ => bytes.push(*first),
        }
    }
    std::str::from_utf8(&bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it reads matters")]
    struct Outer {
        name: String,
        inner: Option<Inner>,
        list: Option<Vec<u8>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it reads matters")]
    struct Inner {
        count: u8,
    }

    #[test]
    fn the_field_at_fault_is_named() {
        let check = |text: &str, field: Option<&str>| {
            let answer = read_json::<Outer>(text.as_bytes()).unwrap_err();
            assert_eq!(answer.kind, Kind::Invalid);
            assert_eq!(answer.field.as_deref(), field, "{text}: {}", answer.message);
        };
        check(r#"{"name": 3}"#, Some("name"));
        check(r#"{}"#, Some("name"));
        check(r#"{"name": "a", "nmae": 3}"#, Some("nmae"));
        check(r#"{"name": "a", "name": "b"}"#, Some("name"));
        check(r#"{"name": "a", "inner": {"count": 700}}"#, Some("inner.count"));
        check(r#"{"name": "a", "inner": {}}"#, Some("inner.count"));
        check(r#"{"name": "a", "inner": {"count": 1, "x": 2}}"#, Some("inner.x"));
        check(r#"{"name": "a", "list": [1, "b"]}"#, Some("list[1]"));
        check(r#"[]"#, None);
        check(r#"{"name": "#, None);
        check("", None);
    }

    #[test]
    fn queries_name_the_field_too() {
        let check = |query: &str, field: &str| {
            let uri = format!("/x?{query}").parse().unwrap();
            let rejection = Query::<Inner>::try_from_uri(&uri).unwrap_err();
            assert_eq!(at_fault("no", &innermost(&rejection)).field.as_deref(), Some(field), "{query}");
        };
        check("count=a", "count");
        check("count=1&count=2", "count");
        check("count=1&cuont=2", "cuont");
        check("", "count");
    }

    #[test]
    fn letters_that_are_none_are_refused() {
        assert!(percent_decoded_is_utf8("a=%C3%A9&b=%zz%"));
        assert!(!percent_decoded_is_utf8("a=%C3&b=1"));
    }
}
