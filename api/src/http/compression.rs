//! Answers in gzip, br or zstd, as the client accepts them.
//!
//! It lies around everything else, so that failures and streamed rows are compressed alike. Rows that wait for the next
//! ones are flushed: a reader sees each batch when it is there, not when some block of the encoder is full.

use http::{Extensions, HeaderMap, StatusCode, Version};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

/// What is smaller costs more to compress than to send.
const BYTES_MIN: u16 = 1024;

/// The layer.
pub(super) fn layer() -> CompressionLayer<impl Predicate + Send + Sync + 'static> {
    let fit = SizeAbove::new(BYTES_MIN)
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::SSE)
        .and(NotForContentType::const_new("font/"))
        .and(no_upgrade);
    // The defaults are for answers made on the fly: gzip 6, br 4, zstd 3.
    CompressionLayer::new().quality(CompressionLevel::Default).compress_when(fit)
}

/// What follows an upgrade is not HTTP.
fn no_upgrade(status: StatusCode, _: Version, _: &HeaderMap, _: &Extensions) -> bool {
    status != StatusCode::SWITCHING_PROTOCOLS
}
