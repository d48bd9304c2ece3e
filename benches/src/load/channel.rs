//! Connections, and gRPC with requests that are bytes already.

use std::marker::PhantomData;
use std::time::Duration;

use anyhow::Context;
use bytes::{BufMut, Bytes};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::Protocol;
use super::schedule::Counts;
use crate::server::Server;

const OTLP_PATH: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const APPEND_PATH: &str = "/tephra.v1.IngestService/Append";
const STREAM_PATH: &str = "/tephra.v1.IngestService/AppendStream";
/// Where the server does not say when to come back.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(100);

/// One connection.
#[derive(Clone, Debug)]
pub(super) enum Sender {
    Otlp(Rpc),
    Native(Rpc),
    Stream(Rpc),
    Http(Http),
}

/// What became of a batch.
#[derive(Debug)]
pub(super) enum Outcome {
    Stored(Counts),
    /// Send it again, after this time.
    Refused(Duration, String),
    Failed(String),
}

/// Opens the connections of a run.
pub(super) async fn connect(server: &Server, protocol: Protocol, connections: usize) -> anyhow::Result<Vec<Sender>> {
    let mut senders = Vec::with_capacity(connections);
    for _ in 0..connections.max(1) {
        senders.push(match protocol {
            Protocol::OtlpGrpc => Sender::Otlp(Rpc::connect(server).await?),
            Protocol::Native => Sender::Stream(Rpc::connect(server).await?),
            Protocol::NativeUnary => Sender::Native(Rpc::connect(server).await?),
            Protocol::OtlpHttp => Sender::Http(Http::new(server, "/v1/logs", "application/x-protobuf")?),
            Protocol::Ndjson => Sender::Http(Http::new(server, "/api/v1/ingest", "application/x-ndjson")?),
            Protocol::Sentry => Sender::Http(Http::sentry(server)?),
        });
    }
    Ok(senders)
}

impl Sender {
    /// Sends one batch of `events` events and waits for the answer.
    pub(super) async fn send(&self, body: Bytes, events: u64) -> Outcome {
        match self {
            Self::Otlp(rpc) => match rpc.unary::<ExportLogsServiceResponse>(OTLP_PATH, body).await {
                Ok(answer) => Outcome::Stored(otlp_counts(&answer, events)),
                Err(status) => outcome(&status),
            },
            Self::Native(rpc) | Self::Stream(rpc) => match rpc.unary::<AppendResponse>(APPEND_PATH, body).await {
                Ok(answer) => answer.outcome(),
                Err(status) => outcome(&status),
            },
            Self::Http(http) => http.send(body, events).await,
        }
    }
}

/// A gRPC channel over a connection of its own.
#[derive(Clone, Debug)]
pub(super) struct Rpc {
    channel: Channel,
    authorization: MetadataValue<Ascii>,
}

impl Rpc {
    async fn connect(server: &Server) -> anyhow::Result<Self> {
        let endpoint = Endpoint::from_shared(server.grpc.clone())?.tcp_nodelay(true);
        let endpoint = endpoint.initial_stream_window_size(1 << 20).initial_connection_window_size(4 << 20);
        let channel = endpoint.connect().await.with_context(|| format!("could not connect to `{}`", server.grpc))?;
        Ok(Self { channel, authorization: format!("Bearer {}", server.key).parse()? })
    }

    async fn unary<R: Message + Default + 'static>(&self, path: &'static str, body: Bytes) -> Result<R, Status> {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let answer = grpc.unary(self.request(body), PathAndQuery::from_static(path), BytesCodec::default()).await?;
        Ok(answer.into_inner())
    }

    /// Opens an `AppendStream`.
    pub(super) async fn stream(
        &self,
        requests: impl tokio_stream::Stream<Item = Bytes> + Send + 'static,
    ) -> Result<tonic::Streaming<AppendResponse>, Status> {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = PathAndQuery::from_static(STREAM_PATH);
        Ok(grpc.streaming(self.request(requests), path, BytesCodec::default()).await?.into_inner())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.authorization.clone());
        request
    }
}

/// An HTTP client over connections of its own.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    url: String,
    key: String,
    content_type: &'static str,
    encoding: Option<&'static str>,
}

impl Http {
    fn sentry(server: &Server) -> anyhow::Result<Self> {
        let project = server.dsn.rsplit('/').next().filter(|project| project.parse::<u64>().is_ok());
        let project = project.context("the protocol `sentry` needs `--data-dir` or `--dsn`")?;
        let path = format!("/api/{project}/envelope/?sentry_version=7&sentry_key={}", server.key);
        let encoding = Some("gzip");
        Ok(Self { encoding, ..Self::new(server, &path, "application/x-sentry-envelope")? })
    }

    fn new(server: &Server, path: &str, content_type: &'static str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
        Ok(Self { client, url: format!("{}{path}", server.url), key: server.key.clone(), content_type, encoding: None })
    }

    async fn send(&self, body: Bytes, events: u64) -> Outcome {
        let mut request = self.client.post(&self.url).header("content-type", self.content_type);
        request = match self.encoding {
            Some(encoding) => request.header("content-encoding", encoding),
            None => request.bearer_auth(&self.key),
        };
        let answer = match request.body(body).send().await {
            Ok(answer) => answer,
            Err(error) => return Outcome::Refused(RETRY_AFTER, error.to_string()),
        };
        let status = answer.status();
        let after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes = answer.bytes().await.unwrap_or_default();
        if status.is_success() {
            return Outcome::Stored(http_counts(&bytes, events));
        }
        let reason = format!("{status}: {}", String::from_utf8_lossy(&bytes).trim());
        match status.as_u16() {
            429 | 502..=504 => Outcome::Refused(after.map_or(RETRY_AFTER, Duration::from_secs), reason),
            _ => Outcome::Failed(reason),
        }
    }
}

/// What a gRPC status means for the batch.
pub(super) fn outcome(status: &Status) -> Outcome {
    let reason = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::Cancelled => {
            Outcome::Refused(RETRY_AFTER, reason)
        }
        _ => Outcome::Failed(reason),
    }
}

fn otlp_counts(answer: &ExportLogsServiceResponse, events: u64) -> Counts {
    let rejected = answer.partial_success.as_ref().map_or(0, |partial| partial.rejected_log_records.max(0) as u64);
    Counts { accepted: events.saturating_sub(rejected), duplicates: 0, rejected }
}

/// Reads `accepted`, `duplicates` and `rejected`, each a number or a list, of an answer in JSON.
fn http_counts(body: &[u8], events: u64) -> Counts {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let count = |name: &str| {
        let value = answer.get(name)?;
        value.as_u64().or_else(|| Some(value.as_array()?.len() as u64))
    };
    let rejected = count("rejected").unwrap_or(0);
    let duplicates = count("duplicates").or_else(|| count("duplicate")).unwrap_or(0);
    let accepted = count("accepted").unwrap_or(events.saturating_sub(rejected + duplicates));
    Counts { accepted, duplicates, rejected }
}

/// `tephra.v1.AppendResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AppendResponse {
    #[prost(uint64, tag = "1")]
    pub(super) batch_id: u64,
    #[prost(uint32, tag = "2")]
    accepted: u32,
    #[prost(uint32, repeated, tag = "3")]
    duplicates: Vec<u32>,
    #[prost(message, repeated, tag = "4")]
    rejected: Vec<Rejected>,
    #[prost(message, optional, tag = "5")]
    refusal: Option<Refusal>,
}

#[derive(Clone, PartialEq, Message)]
struct Rejected {
    #[prost(uint32, tag = "1")]
    index: u32,
    #[prost(string, tag = "2")]
    reason: String,
}

#[derive(Clone, PartialEq, Message)]
struct Refusal {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    reason: String,
    #[prost(uint32, tag = "3")]
    retry_after_ms: u32,
}

const REFUSAL_BUSY: i32 = 3;

impl AppendResponse {
    pub(super) fn outcome(&self) -> Outcome {
        match &self.refusal {
            Some(refusal) if refusal.kind == REFUSAL_BUSY => {
                let after = Duration::from_millis(u64::from(refusal.retry_after_ms)).max(Duration::from_millis(1));
                Outcome::Refused(after, refusal.reason.clone())
            }
            Some(refusal) => Outcome::Failed(refusal.reason.clone()),
            None => Outcome::Stored(Counts {
                accepted: u64::from(self.accepted),
                duplicates: self.duplicates.len() as u64,
                rejected: self.rejected.len() as u64,
            }),
        }
    }
}

/// Sends bytes as they are, reads answers as `R`.
#[derive(Debug)]
struct BytesCodec<R>(PhantomData<fn() -> R>);

impl<R> Default for BytesCodec<R> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<R: Message + Default + 'static> Codec for BytesCodec<R> {
    type Encode = Bytes;
    type Decode = R;
    type Encoder = BytesEncoder;
    type Decoder = Self;

    fn encoder(&mut self) -> BytesEncoder {
        BytesEncoder
    }

    fn decoder(&mut self) -> Self {
        Self::default()
    }
}

#[derive(Debug)]
struct BytesEncoder;

impl Encoder for BytesEncoder {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(item.len());
        out.put(item);
        Ok(())
    }
}

impl<R: Message + Default + 'static> Decoder for BytesCodec<R> {
    type Item = R;
    type Error = Status;

    fn decode(&mut self, input: &mut DecodeBuf<'_>) -> Result<Option<R>, Status> {
        R::decode(input).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
