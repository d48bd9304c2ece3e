//! A batch in the bytes of its protocol.

use std::sync::Arc;

use bytes::Bytes;

use super::Protocol;
use super::schedule::Job;
use crate::generate::{DataSet, Draw, JsonEncoder, NativeEncoder, NativeScratch, OtlpEncoder, OtlpScratch};

/// Shared by all senders.
#[derive(Debug)]
pub(super) struct Encoder {
    data: Arc<DataSet>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Otlp(OtlpEncoder),
    Native(NativeEncoder),
    Json(JsonEncoder),
}

/// A sender's own buffers.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    draws: Vec<Draw>,
    otlp: OtlpScratch,
    native: Option<NativeScratch>,
}

impl Encoder {
    pub(super) fn new(protocol: Protocol, data: &Arc<DataSet>, uids: bool) -> Self {
        let form = match protocol {
            Protocol::OtlpGrpc | Protocol::OtlpHttp => Form::Otlp(OtlpEncoder::new(data, uids)),
            Protocol::Native | Protocol::NativeUnary => Form::Native(NativeEncoder::new(data)),
            Protocol::Ndjson => Form::Json(JsonEncoder::new(data)),
        };
        Self { data: data.clone(), form }
    }

    /// The batch's bytes; the native protocol's `batch_id` is the batch's number.
    pub(super) fn encode(&self, job: &Job, scratch: &mut Scratch) -> Bytes {
        scratch.draws.clear();
        scratch.draws.extend(job.events.clone().map(|index| self.data.draw(index)));
        let mut out = Vec::with_capacity(scratch.draws.len() * 2_600 + 64);
        match &self.form {
            Form::Otlp(encoder) => encoder.encode(&scratch.draws, &mut scratch.otlp, &mut out),
            Form::Native(encoder) => {
                let native = scratch.native.get_or_insert_default();
                encoder.encode(job.batch, &scratch.draws, native, &mut out);
            }
            Form::Json(encoder) => scratch.draws.iter().for_each(|draw| encoder.encode(draw, &mut out)),
        }
        out.into()
    }
}
