//! Bytes as the JSON of one event, in the forms of Sentry's `store` and of Tephra's own lines.
#![no_main]
#![allow(unsafe_code, missing_docs, reason = "the macro of libFuzzer")]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tephra_fuzz::{check, receipt};
use tephra_ingest::sentry::{self, Policy, Sender};
use tephra_ingest::{Limits, ndjson};

fuzz_target!(|data: &[u8]| {
    let (limits, body) = (Limits::default(), Bytes::copy_from_slice(data));
    if let Ok(batch) = sentry::store(&receipt(&limits), &Policy::default(), &Sender::default(), &body) {
        check(&batch.decoded);
    }
    if let Ok(batch) = sentry::security(&receipt(&limits), &Policy::default(), &Sender::default(), &body) {
        check(&batch.decoded);
    }
    if let Ok(decoded) = ndjson::lines(&receipt(&limits), &body) {
        check(&decoded);
    }
});
