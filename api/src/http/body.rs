//! Reads a request's body under every bound: size on the wire, time, and the memory of all requests.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use http_body_util::BodyExt;

use crate::accept::too_large;
use crate::answer::{Answer, Kind, Result};
use crate::budget::Share;
use crate::state::State;

/// A limit by the name of its setting.
pub(super) type Limit = (&'static str, usize);

/// Reads the whole body of an ingest request, as it came over the wire.
pub(super) async fn read_events(state: &State, headers: &HeaderMap, body: Body) -> Result<(Bytes, Share)> {
    let limit = ("ingest.wire_bytes_max", state.settings.ingest.wire_bytes_max);
    read(state, headers, body, limit, state.budget.share()).await
}

/// Reads a whole body into `share`.
pub(super) async fn read(
    state: &State,
    headers: &HeaderMap,
    mut body: Body,
    limit: Limit,
    share: Share,
) -> Result<(Bytes, Share)> {
    let total = Duration::from_millis(state.settings.http.body_ms_max);
    let result = match tokio::time::timeout(total, read_all(state, headers, &mut body, limit, share)).await {
        Ok(result) => result,
        Err(_) => Err(Answer::new(Kind::Slow, format!("the body did not come within {} s", total.as_secs()))),
    };
    if let Err(answer) = &result
        && answer.kind == Kind::TooLarge
    {
        drain(state, headers, body).await;
    }
    result
}

async fn read_all(
    state: &State,
    headers: &HeaderMap,
    body: &mut Body,
    (name, max): Limit,
    mut share: Share,
) -> Result<(Bytes, Share)> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if let Some(announced) = announced.filter(|announced| *announced > max) {
        return Err(too_large(announced, name, max));
    }
    let idle = Duration::from_millis(state.settings.http.idle_ms_max);
    let (mut first, mut all) = (None::<Bytes>, BytesMut::new());
    let mut len = 0;
    loop {
        let frame = tokio::time::timeout(idle, body.frame())
            .await
            .map_err(|_| Answer::new(Kind::Slow, format!("nothing of the body came for {} s", idle.as_secs())))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| Answer::new(Kind::Invalid, format!("could not read the body: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        len += data.len();
        if len > max {
            return Err(too_large(len, name, max));
        }
        share.grow(data.len())?;
        // Most bodies are one frame, which needs no copy.
        match first.take() {
            None if all.is_empty() => first = Some(data),
            None => all.extend_from_slice(&data),
            Some(head) => {
                all.reserve(announced.unwrap_or(0).max(len));
                all.extend_from_slice(&head);
                all.extend_from_slice(&data);
            }
        }
    }
    Ok((first.unwrap_or_else(|| all.freeze()), share))
}

/// Reads on for a moment and throws away: many clients send everything before they read the answer, and lose it when the
/// connection is closed under them.
pub(super) async fn drain(state: &State, headers: &HeaderMap, mut body: Body) {
    if headers.contains_key(EXPECT) {
        return;
    }
    let mut left = 4 * state.settings.ingest.wire_bytes_max;
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(5), reading).await;
}

/// The content encoding, where there is one.
pub(super) fn encoding(headers: &HeaderMap) -> Result<Option<String>> {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let Some(first) = values.next() else { return Ok(None) };
    let text = first.to_str().unwrap_or("?").trim().to_ascii_lowercase();
    if values.next().is_some() {
        return Err(Answer::new(Kind::Unsupported, "nested content encodings are not supported"));
    }
    Ok(Some(text).filter(|text| text != "identity" && !text.is_empty()))
}

/// The media type without its parameters, in lowercase.
pub(super) fn media_type(headers: &HeaderMap, name: http::HeaderName) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn encodings_are_read_and_two_headers_are_refused() {
        let mut headers = HeaderMap::new();
        assert_eq!(encoding(&headers), Ok(None));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
        assert_eq!(encoding(&headers), Ok(None));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("GZIP"));
        assert_eq!(encoding(&headers), Ok(Some("gzip".to_owned())));
        headers.append(CONTENT_ENCODING, HeaderValue::from_static("zstd"));
        assert_eq!(encoding(&headers).unwrap_err().kind, Kind::Unsupported);
    }
}
