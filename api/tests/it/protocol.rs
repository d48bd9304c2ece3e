//! The same batch over every protocol, and one reading of all their answers.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message;
use serde_json::{Value, json};
use tonic::Code;

use crate::server::Server;
use crate::{grpc, native, otlp};

/// One event as these tests send it.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) id: [u8; 16],
    pub(crate) timestamp_us: i64,
    pub(crate) message: Vec<u8>,
    pub(crate) attributes: Vec<(String, Vec<u8>)>,
    /// Written so that no decoder can read this one record.
    pub(crate) broken: bool,
}

impl Sample {
    /// An event of now with an id of its own.
    pub(crate) fn new(message: impl AsRef<[u8]>) -> Self {
        Self {
            id: *uuid::Uuid::new_v4().as_bytes(),
            timestamp_us: now_us(),
            message: message.as_ref().to_vec(),
            attributes: Vec::new(),
            broken: false,
        }
    }

    pub(crate) fn broken() -> Self {
        Self { broken: true, ..Self::new("broken") }
    }

    pub(crate) fn at(self, timestamp_us: i64) -> Self {
        Self { timestamp_us, ..self }
    }

    pub(crate) fn with(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        self.attributes.push((name.into(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn id_hex(&self) -> String {
        hex::encode(self.id)
    }
}

pub(crate) fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

/// `count` events of now.
pub(crate) fn samples(count: usize) -> Vec<Sample> {
    (0..count).map(|number| Sample::new(format!("sample {number}"))).collect()
}

/// The ways in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    OtlpGrpc,
    OtlpProtobuf,
    OtlpJson,
    Native,
    Ndjson,
}

impl Protocol {
    pub(crate) const ALL: [Self; 5] = [Self::OtlpGrpc, Self::OtlpProtobuf, Self::OtlpJson, Self::Native, Self::Ndjson];

    pub(crate) fn is_grpc(self) -> bool {
        matches!(self, Self::OtlpGrpc | Self::Native)
    }

    /// Whether its text is JSON, which cannot hold invalid UTF-8.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::OtlpJson | Self::Ndjson)
    }

    /// A request with these events.
    pub(crate) fn encode(self, samples: &[Sample]) -> Vec<u8> {
        match self {
            Self::OtlpGrpc | Self::OtlpProtobuf => otlp::logs_protobuf(samples),
            Self::OtlpJson => otlp::logs_json(samples),
            Self::Native => native_batch(samples),
            Self::Ndjson => samples.iter().flat_map(|sample| line(sample).into_bytes()).collect(),
        }
    }

    /// What none of its decoders can read.
    pub(crate) fn garbage(self) -> Vec<u8> {
        if self.is_text() { b"{\"resourceLogs\": [{\"scope".to_vec() } else { vec![0xff; 64] }
    }

    /// Sends a good request.
    pub(crate) async fn send(self, server: &Server, samples: &[Sample]) -> Outcome {
        self.send_raw(server, self.encode(samples), None, Some(&server.key)).await
    }

    /// Sends a body as it is: it must be in the `encoding` that it claims, if it is to be read.
    pub(crate) async fn send_raw(
        self,
        server: &Server,
        body: Vec<u8>,
        encoding: Option<&str>,
        key: Option<&str>,
    ) -> Outcome {
        let authorization = key.map(|key| format!("Bearer {key}"));
        if self.is_grpc() {
            let path = if self == Self::Native { "/tephra.v1.IngestService/Append" } else { otlp::LOGS };
            let reply = grpc::call(&server.grpc, path, body.into(), encoding, authorization.as_deref()).await;
            return Outcome {
                protocol: self,
                status: Status::Grpc(reply.status.code()),
                says_when_to_retry: reply.says_when_to_retry(),
                text: reply.status.message().to_owned(),
                receipt: (reply.status.code() == Code::Ok).then(|| self.receipt(&reply.message)),
            };
        }
        let (path, content_type) = match self {
            Self::OtlpProtobuf => ("/v1/logs", "application/x-protobuf"),
            Self::OtlpJson => ("/v1/logs", "application/json"),
            _ => ("/api/v1/ingest", "application/x-ndjson"),
        };
        let mut request = server.http.post(format!("{}{path}", server.url)).header("content-type", content_type);
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let answer = request.body(body).send().await.unwrap_or_else(|error| panic!("{self:?}: no answer: {error:?}"));
        let status = answer.status();
        let says_when_to_retry = answer.headers().contains_key("retry-after");
        let body = answer.bytes().await.unwrap();
        Outcome {
            protocol: self,
            status: Status::Http(status.as_u16()),
            says_when_to_retry,
            text: String::from_utf8_lossy(&body).into_owned(),
            receipt: status.is_success().then(|| self.receipt(&body)),
        }
    }

    fn receipt(self, body: &Bytes) -> Receipt {
        match self {
            Self::OtlpGrpc | Self::OtlpProtobuf => {
                let partial =
                    ExportLogsServiceResponse::decode(body.clone()).unwrap().partial_success.unwrap_or_default();
                let rejected = partial.rejected_log_records.try_into().unwrap();
                Receipt { rejected, reasons: partial.error_message, duplicates: None }
            }
            Self::OtlpJson => {
                let answer: Value = serde_json::from_slice(body).unwrap();
                let partial = &answer["partialSuccess"];
                let number = &partial["rejectedLogRecords"];
                let rejected = number.as_u64().or_else(|| number.as_str()?.parse().ok()).unwrap_or(0);
                let reasons = partial["errorMessage"].as_str().unwrap_or_default().to_owned();
                Receipt { rejected, reasons, duplicates: None }
            }
            Self::Native => {
                let answer = native::AppendResponse::decode(body.clone()).unwrap();
                let reasons =
                    answer.rejected.iter().map(|rejected| format!("{}: {}\n", rejected.index, rejected.reason));
                Receipt {
                    rejected: answer.rejected.len() as u64,
                    reasons: reasons.collect(),
                    duplicates: Some(answer.duplicates.len() as u64),
                }
            }
            Self::Ndjson => {
                let answer: Value = serde_json::from_slice(body).unwrap();
                Receipt {
                    rejected: length(&answer["rejected"]),
                    reasons: answer["rejected"].to_string(),
                    duplicates: Some(length(&answer["duplicates"])),
                }
            }
        }
    }
}

fn length(value: &Value) -> u64 {
    value.as_array().map(|items| items.len() as u64).or_else(|| value.as_u64()).unwrap_or(0)
}

fn native_batch(samples: &[Sample]) -> Vec<u8> {
    let resource = native::Resource { service: "shop".into(), ..Default::default() };
    let mut batch =
        native::AppendRequest { batch_id: 1, resource: Some(resource), ..Default::default() }.encode_to_vec();
    for sample in samples {
        batch.extend(otlp::field(4, &native_event(sample)));
    }
    batch
}

fn native_event(sample: &Sample) -> Vec<u8> {
    if sample.broken {
        return vec![0x2a, 0x7f, 0x01];
    }
    let attributes: serde_json::Map<String, Value> = sample
        .attributes
        .iter()
        .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned().into()))
        .collect();
    native::Event {
        event_id: sample.id.to_vec(),
        timestamp_us: sample.timestamp_us,
        level: 5,
        message: sample.message.clone(),
        attributes_json: if attributes.is_empty() { String::new() } else { Value::Object(attributes).to_string() },
        ..Default::default()
    }
    .encode_to_vec()
}

fn line(sample: &Sample) -> String {
    if sample.broken {
        return "{\"message\": \"broken\n".to_owned();
    }
    let attributes: serde_json::Map<String, Value> = sample
        .attributes
        .iter()
        .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned().into()))
        .collect();
    let event = json!({
        "event_id": sample.id_hex(),
        "timestamp": sample.timestamp_us,
        "level": "error",
        "service": "shop",
        "message": String::from_utf8_lossy(&sample.message),
        "attributes": attributes,
    });
    format!("{event}\n")
}

/// The status in its protocol's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Http(u16),
    Grpc(Code),
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) protocol: Protocol,
    pub(crate) status: Status,
    pub(crate) says_when_to_retry: bool,
    pub(crate) text: String,
    receipt: Option<Receipt>,
}

/// What a good answer says.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) rejected: u64,
    pub(crate) reasons: String,
    /// Where the protocol tells.
    pub(crate) duplicates: Option<u64>,
}

/// The rows of the table of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Stored,
    Malformed,
    TooLarge,
    NoKey,
    NoRight,
    UnknownEncoding,
    RateLimited,
    Busy,
}

impl Answer {
    fn status(self, protocol: Protocol) -> Status {
        let (http, grpc) = match self {
            Self::Stored => (200, Code::Ok),
            Self::Malformed => (400, Code::InvalidArgument),
            Self::TooLarge => (413, Code::InvalidArgument),
            Self::NoKey => (401, Code::Unauthenticated),
            Self::NoRight => (403, Code::PermissionDenied),
            Self::UnknownEncoding => (415, Code::Unimplemented),
            Self::RateLimited => (429, Code::Unavailable),
            Self::Busy => (503, Code::Unavailable),
        };
        if protocol.is_grpc() { Status::Grpc(grpc) } else { Status::Http(http) }
    }
}

impl Outcome {
    /// Fails unless the answer is this row of the table, and says when to come back only where that may help.
    #[track_caller]
    pub(crate) fn expect(self, answer: Answer) -> Self {
        assert_eq!(self.status, answer.status(self.protocol), "{:?}, {answer:?}: {}", self.protocol, self.text);
        let later = matches!(answer, Answer::Busy | Answer::RateLimited);
        assert_eq!(self.says_when_to_retry, later, "{:?}, {answer:?}: {}", self.protocol, self.text);
        if answer != Answer::Stored {
            assert!(!self.text.is_empty(), "{:?}, {answer:?}: no reason", self.protocol);
        }
        self
    }

    /// What a good answer says.
    #[track_caller]
    pub(crate) fn receipt(self) -> Receipt {
        self.expect(Answer::Stored).receipt.unwrap()
    }

    /// Fails unless everything was taken.
    #[track_caller]
    pub(crate) fn expect_whole(self) {
        let protocol = self.protocol;
        let receipt = self.receipt();
        assert_eq!(receipt.rejected, 0, "{protocol:?}: {}", receipt.reasons);
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}
