//! Bytes as OTLP logs and traces, in protobuf and JSON, and as a batch of the native protocol.
#![no_main]
#![allow(unsafe_code, missing_docs, reason = "the macro of libFuzzer")]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tephra_fuzz::{check, receipt};
use tephra_ingest::{Limits, native, otlp};

fuzz_target!(|data: &[u8]| {
    let (limits, body) = (Limits::default(), Bytes::copy_from_slice(data));
    let receipt = receipt(&limits);
    let decoded = [
        otlp::logs_protobuf(&receipt, &body),
        otlp::logs_json(&receipt, &body),
        otlp::traces_protobuf(&receipt, &body),
        otlp::traces_json(&receipt, &body),
        native::batch(&receipt, &body).map(|batch| batch.decoded),
    ];
    decoded.iter().flatten().for_each(check);
});
