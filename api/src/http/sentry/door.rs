//! Who sends: the key of the DSN, in any of the places where SDKs put it, and the project that it must belong to.
//!
//! No message and no log repeats a key: of a wrong one, they name the part that is no secret.

use bytes::Bytes;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tephra_ingest::sentry::Auth;

use crate::accept::{Incoming, inflate_apart};
use crate::access::Pass;
use crate::answer::{Answer, Kind, Result};
use crate::budget::Share;
use crate::meters::Protocol;
use crate::state::State;

/// The key in the query or in a header.
pub(super) fn key(query: Option<&str>, headers: &HeaderMap) -> Option<String> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    Auth::find(query, header("x-sentry-auth"), header(AUTHORIZATION.as_str()), None).map(|auth| auth.key)
}

/// The answer to those who name no key.
pub(super) fn nobody() -> Answer {
    Answer::new(Kind::Unauthenticated, "missing authorization information")
        .hint("send the key of the DSN as `sentry_key` in the query or in `X-Sentry-Auth`")
}

/// What the key opens, which must be the project in the path.
pub(super) fn admit(state: &State, path: &str, key: &str) -> Result<Pass> {
    let pass = state.access.ingest_key(key)?;
    // The oldest SDKs name no project.
    if number(path) == Some(pass.project.0) || path.trim_end_matches('/') == "/api/store" {
        return Ok(pass);
    }
    Err(Answer::new(Kind::Denied, "the key is not of the project in the path")
        .hint("take the DSN as the project shows it"))
}

/// Admits an envelope that carries the DSN itself, and undoes its encoding on the way.
pub(super) async fn through_tunnel(
    state: &State,
    path: &str,
    protocol: Protocol,
    encoding: Option<String>,
    body: Bytes,
    share: Share,
) -> Result<Incoming> {
    let (body, share) = match encoding {
        None => (body, share),
        Some(encoding) => inflate_apart(state, encoding, body, share).await?,
    };
    let auth = Auth::of_envelope(&body).ok_or_else(nobody)?;
    let Pass { project: project_id, key } = admit(state, path, &auth.key)?;
    Ok(Incoming { protocol, project_id, key, encoding: None, body, share })
}

/// The number in `/api/42/envelope/`.
fn number(path: &str) -> Option<i64> {
    path.strip_prefix("/api/")?.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_a_number() {
        for (path, expected) in
            [("/api/42/envelope/", Some(42)), ("/api/42/store", Some(42)), ("/api/v1/envelope/", None), ("/x", None)]
        {
            assert_eq!(number(path), expected, "{path}");
        }
    }
}
