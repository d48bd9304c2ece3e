//! Tephra's own protocol as a foreign client would write it down from `ingest.proto`: only the fields these tests send.

use std::str::FromStr;

use prost::Message;
use tonic::Request;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AppendRequest {
    #[prost(uint64, tag = "1")]
    pub(crate) batch_id: u64,
    #[prost(message, optional, tag = "2")]
    pub(crate) resource: Option<Resource>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) stacks: Vec<Stack>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) events: Vec<Event>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Resource {
    #[prost(string, tag = "1")]
    pub(crate) service: String,
    #[prost(string, tag = "2")]
    pub(crate) environment: String,
    #[prost(message, repeated, tag = "9")]
    pub(crate) tags: Vec<Tag>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tag {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Stack {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
}

/// Strings are bytes here, so that a test can send what is not UTF-8.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Event {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) event_id: Vec<u8>,
    #[prost(int64, tag = "2")]
    pub(crate) timestamp_us: i64,
    #[prost(int32, tag = "3")]
    pub(crate) level: i32,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) message: Vec<u8>,
    #[prost(string, tag = "7")]
    pub(crate) exception_type: String,
    #[prost(uint32, tag = "10")]
    pub(crate) stack: u32,
    #[prost(message, repeated, tag = "18")]
    pub(crate) tags: Vec<Tag>,
    #[prost(string, tag = "19")]
    pub(crate) attributes_json: String,
    #[prost(message, optional, tag = "21")]
    pub(crate) resource: Option<Resource>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AppendResponse {
    #[prost(uint64, tag = "1")]
    pub(crate) batch_id: u64,
    #[prost(uint32, tag = "2")]
    pub(crate) accepted: u32,
    #[prost(uint32, repeated, tag = "3")]
    pub(crate) duplicates: Vec<u32>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) rejected: Vec<Rejected>,
    #[prost(message, optional, tag = "5")]
    pub(crate) refusal: Option<Refusal>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Rejected {
    #[prost(uint32, tag = "1")]
    pub(crate) index: u32,
    #[prost(string, tag = "2")]
    pub(crate) reason: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Refusal {
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(string, tag = "2")]
    pub(crate) reason: String,
    #[prost(uint32, tag = "3")]
    pub(crate) retry_after_ms: u32,
}

/// The kind of a refusal that a smaller batch may escape.
pub(crate) const REFUSED_TOO_LARGE: i32 = 2;

/// Opens a stream that sends `batches` and returns the answers as they come.
pub(crate) async fn append_stream(
    url: &str,
    key: &str,
    batches: impl tokio_stream::Stream<Item = AppendRequest> + Send + 'static,
) -> Result<tonic::Streaming<AppendResponse>, tonic::Status> {
    let channel = Channel::from_shared(url.to_owned()).unwrap().connect().await.unwrap();
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let mut request = Request::new(batches);
    request.metadata_mut().insert("authorization", MetadataValue::from_str(&format!("Bearer {key}")).unwrap());
    let path = http::uri::PathAndQuery::from_static("/tephra.v1.IngestService/AppendStream");
    Ok(client.streaming(request, path, ProstCodec::default()).await?.into_inner())
}
