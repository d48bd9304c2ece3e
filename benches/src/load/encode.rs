//! A batch in the bytes of its protocol.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use anyhow::ensure;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::Protocol;
use super::schedule::Job;
use crate::generate::{
    DataSet, Draw, JsonEncoder, NativeEncoder, NativeScratch, OtlpEncoder, OtlpScratch, SentryEncoder,
};

/// What prepared bodies may take together.
const PREPARED_BYTES_MAX: usize = 4 << 30;

/// Shared by all senders.
#[derive(Debug)]
pub(super) struct Encoder {
    data: Arc<DataSet>,
    form: Form,
    /// Bodies that were made before the clock starts, from this event on.
    prepared: (u64, Vec<Bytes>),
}

#[derive(Debug)]
enum Form {
    Otlp(OtlpEncoder),
    Native(NativeEncoder),
    Json(JsonEncoder),
    Sentry(SentryEncoder),
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
            Protocol::Sentry => Form::Sentry(SentryEncoder::new(data)),
        };
        Self { data: data.clone(), form, prepared: Default::default() }
    }

    /// Makes the bodies of envelopes beforehand: compressing costs a client more than the server's whole work.
    pub(super) fn prepare(&mut self, events: Range<u64>) -> anyhow::Result<()> {
        let Form::Sentry(encoder) = &self.form else { return Ok(()) };
        let (mut text, mut bodies, mut bytes) = (Vec::new(), Vec::new(), 0);
        for index in events.clone() {
            text.clear();
            encoder.encode(&self.data.draw(index), &mut text);
            let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
            gzip.write_all(&text)?;
            let body = gzip.finish()?;
            bytes += body.len();
            ensure!(bytes < PREPARED_BYTES_MAX, "{} envelopes do not fit in memory: send fewer `--events`", events.end);
            bodies.push(body.into());
        }
        self.prepared = (events.start, bodies);
        Ok(())
    }

    /// The batch's bytes; the native protocol's `batch_id` is the batch's number.
    pub(super) fn encode(&self, job: &Job, scratch: &mut Scratch) -> Bytes {
        if let Some(body) =
            job.events.start.checked_sub(self.prepared.0).and_then(|at| self.prepared.1.get(at as usize))
        {
            return body.clone();
        }
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
            Form::Sentry(encoder) => scratch.draws.iter().for_each(|draw| encoder.encode(draw, &mut out)),
        }
        out.into()
    }
}
