//! Bytes as a Sentry envelope.
#![no_main]
#![allow(unsafe_code, missing_docs, reason = "the macro of libFuzzer")]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tephra_fuzz::{check, receipt};
use tephra_ingest::Limits;
use tephra_ingest::sentry::{self, Auth, Policy, Sender};

fuzz_target!(|data: &[u8]| {
    let (limits, body) = (Limits::default(), Bytes::copy_from_slice(data));
    let _ = Auth::find(None, None, None, Some(&body));
    if let Ok(batch) = sentry::envelope(&receipt(&limits), &Policy::default(), &Sender::default(), &body) {
        check(&batch.decoded);
        assert_eq!(batch.decoded.events.len(), batch.categories.len());
    }
});
