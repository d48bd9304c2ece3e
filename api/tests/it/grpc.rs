//! Raw gRPC: one message as bytes, in whatever encoding it claims, and the status that comes back.

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::{Service, ServiceExt};

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: Status,
    /// The message, where the status is OK.
    pub(crate) message: Bytes,
}

impl Reply {
    /// Whether it says when to come back.
    pub(crate) fn says_when_to_retry(&self) -> bool {
        self.status.get_error_details().retry_info().is_some_and(|info| info.retry_delay.is_some())
    }
}

/// Calls a unary method. `encoding` is claimed as it is; `message` must be encoded already.
pub(crate) async fn call(
    url: &str,
    path: &str,
    message: Bytes,
    encoding: Option<&str>,
    authorization: Option<&str>,
) -> Reply {
    let channel = Channel::from_shared(url.to_owned()).unwrap().connect().await.unwrap();
    call_on(channel, path, message, encoding, authorization).await
}

/// The same on a connection that is there.
pub(crate) async fn call_on(
    mut channel: Channel,
    path: &str,
    message: Bytes,
    encoding: Option<&str>,
    authorization: Option<&str>,
) -> Reply {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(u8::from(encoding.is_some()));
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put(message);

    let mut request = http::Request::post(path).header("content-type", "application/grpc").header("te", "trailers");
    if let Some(encoding) = encoding {
        request = request.header("grpc-encoding", encoding);
    }
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let request = request.body(tonic::body::Body::new(Full::new(frame.freeze()))).unwrap();

    let response = match channel.ready().await.unwrap().call(request).await {
        Ok(response) => response,
        Err(error) => return Reply { status: Status::from_error(error.into()), message: Bytes::new() },
    };
    let http = response.status();
    if let Some(status) = Status::from_header_map(response.headers()) {
        return Reply { status, message: Bytes::new() };
    }
    let body = response.into_body().collect().await.unwrap();
    let status = body.trailers().and_then(Status::from_header_map);
    let status = status.unwrap_or_else(|| Status::unknown(format!("no grpc-status; HTTP {http}")));
    let body = body.to_bytes();
    let message = if status.code() == Code::Ok { body.slice(5..) } else { Bytes::new() };
    Reply { status, message }
}
