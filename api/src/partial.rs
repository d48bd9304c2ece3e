//! OTLP's answer to a request that was taken: how many records were not, and why. The same message for logs and traces.

use bytes::Bytes;
use prost::Message;

use crate::accept::Accepted;

/// Reasons that are written out; the rest is counted.
const REASONS_MAX: usize = 5;

/// `ExportLogsPartialSuccess` and `ExportTracePartialSuccess`, which have one form.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// `ExportLogsServiceResponse` and `ExportTraceServiceResponse`, which have one form.
#[derive(Clone, PartialEq, Message)]
struct Exported {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

impl PartialSuccess {
    pub(crate) fn of(accepted: &Accepted) -> Self {
        let rejected = accepted.rejected.iter().map(|one| (one.index, one.reason.as_str()));
        let limited = accepted.limited.iter().map(|(index, reason)| (*index, reason.sentence()));
        let rejected = rejected.chain(limited);
        let number = accepted.rejected.len() + accepted.limited.len();
        let mut reasons: Vec<String> =
            rejected.take(REASONS_MAX).map(|(index, reason)| format!("record {index}: {reason}")).collect();
        if number > REASONS_MAX {
            reasons.push(format!("and {} more", number - REASONS_MAX));
        }
        Self { rejected: number as i64, error_message: reasons.join("; ") }
    }

    fn is_whole(&self) -> bool {
        self.rejected == 0 && self.error_message.is_empty()
    }

    /// The whole answer as protobuf; nothing where everything was taken.
    pub(crate) fn protobuf(self) -> Bytes {
        if self.is_whole() {
            return Bytes::new();
        }
        Exported { partial_success: Some(self) }.encode_to_vec().into()
    }

    /// The whole answer as JSON; 64-bit numbers are text there.
    pub(crate) fn json(self, rejected: &str) -> String {
        if self.is_whole() {
            return "{}".to_owned();
        }
        let partial = serde_json::json!({ rejected: self.rejected.to_string(), "errorMessage": self.error_message });
        serde_json::json!({ "partialSuccess": partial }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
    use tephra_ingest::Rejected;

    use super::*;

    #[test]
    fn the_answer_is_what_opentelemetry_reads() {
        let rejected = (0..7).map(|index| Rejected { index, reason: "too large".to_owned() }).collect();
        let partial = PartialSuccess::of(&Accepted { accepted: 1, rejected, ..Accepted::default() });
        let read = ExportLogsServiceResponse::decode(partial.clone().protobuf()).unwrap().partial_success.unwrap();
        assert_eq!(read.rejected_log_records, 7);
        assert!(read.error_message.starts_with("record 0: too large; "), "{}", read.error_message);
        assert!(read.error_message.ends_with("and 2 more"), "{}", read.error_message);
        assert!(partial.json("rejectedLogRecords").contains("\"rejectedLogRecords\":\"7\""));
    }

    #[test]
    fn a_whole_success_is_empty() {
        let partial = PartialSuccess::of(&Accepted::default());
        assert!(partial.clone().protobuf().is_empty());
        assert_eq!(partial.json("rejectedSpans"), "{}");
    }
}
