//! Bytes as a compressed body: the first says how. What comes out never exceeds the limit.
#![no_main]
#![allow(unsafe_code, missing_docs, reason = "the macro of libFuzzer")]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tephra_ingest::inflate;

const ENCODINGS: [&str; 6] = ["gzip", "x-gzip", "deflate", "br", "zstd", "identity"];
const LIMIT: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let encoding = ENCODINGS[usize::from(*first) % ENCODINGS.len()];
    if let Ok(body) = inflate(Some(encoding), Bytes::copy_from_slice(rest), LIMIT) {
        assert!(body.len() <= LIMIT.max(rest.len()), "{} bytes of {encoding}", body.len());
    }
});
