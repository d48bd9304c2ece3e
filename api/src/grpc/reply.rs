//! Answers of gRPC: messages in frames, and the status behind them. Answers are small and are sent as they are.

use std::convert::Infallible;

use bytes::{BufMut, Bytes, BytesMut};
use futures::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::answer::Answer;

/// The body of an answer.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const ACCEPTED: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// One message and success.
pub(super) fn message(message: &[u8]) -> Response<Body> {
    let frames = [Ok(Frame::data(frame(message))), Ok(Frame::trailers(success()))];
    of(StreamBody::new(stream::iter(frames)).boxed_unsync())
}

/// A body of messages and, at its end, a status.
pub(super) fn of(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response.headers_mut().insert(ACCEPTED, HeaderValue::from_static("gzip,zstd,identity"));
    response
}

/// No message, a status only.
pub(super) fn failed(answer: &Answer) -> Response<Body> {
    let mut response = of(Empty::new().boxed_unsync());
    response.headers_mut().extend(trailers(answer));
    response
}

/// The answer to what is not gRPC.
pub(super) fn no_grpc(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Empty::new().boxed_unsync());
    *response.status_mut() = status;
    response
}

/// A message with its flag and length.
pub(super) fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put_slice(message);
    frame.freeze()
}

/// The status of success.
pub(super) fn success() -> HeaderMap {
    HeaderMap::from_iter([(STATUS, HeaderValue::from_static("0"))])
}

/// The status of a failure, with when to come back where there is such a time.
pub(super) fn trailers(answer: &Answer) -> HeaderMap {
    let status = match answer.retry_after {
        Some(after) => {
            let details = ErrorDetails::with_retry_info(Some(after));
            Status::with_error_details(answer.kind.grpc(), &answer.message, details)
        }
        None => Status::new(answer.kind.grpc(), &answer.message),
    };
    let mut headers = HeaderMap::new();
    if let Err(error) = status.add_header(&mut headers) {
        tracing::error!(%error, "could not write a status");
        headers.insert(STATUS, HeaderValue::from(answer.kind.grpc() as i32));
    }
    headers
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::Code;

    use super::*;
    use crate::answer::Kind;

    #[test]
    fn busy_carries_when_to_come_back_and_others_do_not() {
        let busy = Answer::new(Kind::Busy, "full").after(Duration::from_secs(7));
        let status = Status::from_header_map(&trailers(&busy)).unwrap();
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "full"));
        assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_secs(7)));
        let large = Status::from_header_map(&trailers(&Answer::new(Kind::TooLarge, "limit `x`\n"))).unwrap();
        assert_eq!((large.code(), large.message()), (Code::InvalidArgument, "limit `x`\n"));
        assert!(large.get_details_retry_info().is_none());
    }

    #[test]
    fn a_frame_has_a_flag_and_a_length() {
        assert_eq!(&frame(b"abc")[..], b"\0\0\0\0\x03abc");
    }
}
