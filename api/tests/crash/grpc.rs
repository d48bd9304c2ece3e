//! The gRPC ways in: OTLP, call by call, and `AppendStream`, several batches on their way at once.

use std::time::Duration;

use anyhow::Result;
use futures::Stream;
use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use tephra_ingest::native::proto::{AppendRequest, AppendResponse};
use tephra_ingest::native::refusal;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::client::Answer;

const EXPORT: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const APPEND_STREAM: &str = "/tephra.v1.IngestService/AppendStream";
/// Far longer than any answer takes of a server that is there.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(120);

/// Speaks to one server; connects when first used, and again when the connection broke.
#[derive(Clone)]
pub(crate) struct Grpc {
    channel: Channel,
    authorization: MetadataValue<Ascii>,
}

impl Grpc {
    pub(crate) fn new(url: &str, key: &str) -> Result<Self> {
        let channel = Endpoint::from_shared(url.to_owned())?.tcp_nodelay(true).connect_lazy();
        Ok(Self { channel, authorization: format!("Bearer {key}").parse()? })
    }

    /// Sends a request of OTLP, whose answer does not tell duplicates apart.
    pub(crate) async fn export(&self, logs: ExportLogsServiceRequest) -> Answer {
        let call = async {
            let mut client = self.ready().await?;
            let codec = ProstCodec::<ExportLogsServiceRequest, ExportLogsServiceResponse>::default();
            client.unary(self.request(logs), PathAndQuery::from_static(EXPORT), codec).await
        };
        match tokio::time::timeout(ANSWER_MAX, call).await {
            Ok(Ok(answer)) => {
                let partial = answer.into_inner().partial_success.unwrap_or_default();
                Answer::Acked { counts: None, rejected: partial.rejected_log_records.unsigned_abs() }
            }
            Ok(Err(status)) => refused(&status),
            Err(_) => Answer::Unknown(format!("no answer within {ANSWER_MAX:?}")),
        }
    }

    /// Opens a stream of batches; its answers come in their order.
    pub(crate) async fn append_stream(
        &self,
        batches: impl Stream<Item = AppendRequest> + Send + 'static,
    ) -> Result<Streaming<AppendResponse>, Status> {
        let mut client = self.ready().await?;
        let codec = ProstCodec::<AppendRequest, AppendResponse>::default();
        let path = PathAndQuery::from_static(APPEND_STREAM);
        Ok(client.streaming(self.request(batches), path, codec).await?.into_inner())
    }

    async fn ready(&self) -> Result<tonic::client::Grpc<Channel>, Status> {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(client)
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.authorization.clone());
        request
    }
}

/// What the answer to a streamed batch says.
pub(crate) fn appended(answer: &AppendResponse) -> Answer {
    match &answer.refusal {
        None => Answer::Acked {
            counts: Some((u64::from(answer.accepted), answer.duplicates.len() as u64)),
            rejected: answer.rejected.len() as u64,
        },
        Some(refusal) if refusal.kind == refusal::Kind::Busy as i32 => Answer::Unknown(refusal.reason.clone()),
        Some(refusal) => Answer::Refused(refusal.reason.clone()),
    }
}

fn refused(status: &Status) -> Answer {
    let why = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        Code::InvalidArgument | Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => {
            Answer::Refused(why)
        }
        _ => Answer::Unknown(why),
    }
}
