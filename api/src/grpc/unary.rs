//! Calls of one message: OTLP's exports and the native `Append`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::Response;
use prost::Message as _;
use tephra_ingest::native::{self, AppendResponse, Rejected};
use tephra_ingest::{Receipt, otlp};

use super::frames::{Frames, Read};
use super::reply::{self, Body};
use crate::accept::{Accepted, Decoder, Incoming, accept};
use crate::access::Pass;
use crate::answer::{Answer, Kind, Result};
use crate::meters::Protocol;
use crate::partial::PartialSuccess;
use crate::state::State;

type Encoding = Option<Arc<str>>;

/// `LogsService/Export`.
pub(super) async fn export_logs(
    state: &State,
    pass: Pass,
    encoding: Encoding,
    frames: Frames,
) -> Result<Response<Body>> {
    let incoming = receive(state, Protocol::OtlpLogsGrpc, pass, encoding, frames).await?;
    export(state, incoming, otlp::logs_protobuf).await
}

/// `TraceService/Export`.
pub(super) async fn export_traces(
    state: &State,
    pass: Pass,
    encoding: Encoding,
    frames: Frames,
) -> Result<Response<Body>> {
    let incoming = receive(state, Protocol::OtlpTracesGrpc, pass, encoding, frames).await?;
    export(state, incoming, otlp::traces_protobuf).await
}

/// `IngestService/Append`.
pub(super) async fn append(state: &State, pass: Pass, encoding: Encoding, frames: Frames) -> Result<Response<Body>> {
    let incoming = receive(state, Protocol::Append, pass, encoding, frames).await?;
    let batch_id = BatchId::default();
    let accepted = accept(state, incoming, batch_id.decoder()).await?;
    Ok(reply::message(&appended(batch_id.get(), accepted).encode_to_vec()))
}

async fn export(state: &State, incoming: Incoming, decoder: impl Decoder) -> Result<Response<Body>> {
    let accepted = accept(state, incoming, decoder).await?;
    Ok(reply::message(&PartialSuccess::of(&accepted).protobuf()))
}

async fn receive(
    state: &State,
    protocol: Protocol,
    pass: Pass,
    encoding: Encoding,
    frames: Frames,
) -> Result<Incoming> {
    let project_id = pass.project;
    let received = read_call(protocol, pass, encoding, frames).await;
    received.inspect_err(|answer| state.ledger.refused(project_id, answer, state.clock.now_us()))
}

async fn read_call(protocol: Protocol, pass: Pass, encoding: Encoding, mut frames: Frames) -> Result<Incoming> {
    let message = match frames.next(false).await? {
        Read::Message(message) => message,
        Read::Refused { answer, .. } => return Err(answer),
        Read::End => return Err(Answer::new(Kind::Invalid, "the call has no message")),
    };
    let encoding = message.encoding(encoding.as_deref())?;
    let Pass { project: project_id, key } = pass;
    Ok(Incoming { protocol, project_id, key, encoding, body: message.body, share: message.share })
}

/// The batch's id, which the decoder finds and the answer repeats.
#[derive(Clone, Default)]
pub(super) struct BatchId(Arc<AtomicU64>);

impl BatchId {
    /// A decoder that notes the id on its way.
    pub(super) fn decoder(&self) -> impl Decoder + use<> {
        let id = self.clone();
        move |receipt: &Receipt<'_>, body: &Bytes| {
            id.note(body);
            Ok(native::batch(receipt, body)?.decoded)
        }
    }

    /// Finds the id in a message, or in its start, where every encoder writes it.
    pub(super) fn note(&self, body: &Bytes) {
        self.0.store(native::batch_id(body), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The answer to a batch that was taken.
pub(super) fn appended(batch_id: u64, accepted: Accepted) -> AppendResponse {
    let Accepted { accepted, duplicates, rejected, filtered, limited, .. } = accepted;
    let limited = limited.into_iter().map(|(index, reason)| Rejected { index, reason: reason.sentence().to_owned() });
    let rejected = rejected.into_iter().map(Into::into).chain(limited).collect();
    AppendResponse { batch_id, accepted, duplicates, rejected, refusal: None, filtered: filtered.len() as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_id_is_found_at_the_start() {
        let check = |start: &[u8], expected: u64| {
            let id = BatchId::default();
            id.note(&Bytes::copy_from_slice(start));
            assert_eq!(id.get(), expected, "{start:?}");
        };
        check(&[0x08, 0x96, 0x01, 0x12], 150);
        check(&[0x12, 0x00], 0);
        check(&[0x08, 0x80], 0);
        check(&[], 0);
    }
}
