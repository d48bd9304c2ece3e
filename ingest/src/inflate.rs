//! Undoes a request's `content-encoding`, never holding more than the limit.

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

/// Memory that a zstd sender may ask of us, as a power of two (8 MiB).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// The request's bytes as the protocol's decoder wants them.
///
/// `encoding` is the header as it came: none, `identity`, `gzip` or `zstd`. Decompression stops at `limit` bytes.
pub fn inflate(encoding: Option<&str>, body: Bytes, limit: usize) -> Result<Bytes> {
    let encoding = encoding.unwrap_or_default().trim();
    if encoding.contains(',') {
        return Err(Error::unsupported(format!("encoding `{encoding}` is nested; compress once, by `gzip` or `zstd`")));
    }
    if encoding.is_empty() || encoding.eq_ignore_ascii_case("identity") {
        return if body.len() > limit { Err(over(limit)) } else { Ok(body) };
    }
    if encoding.eq_ignore_ascii_case("gzip") || encoding.eq_ignore_ascii_case("x-gzip") {
        return read("gzip", MultiGzDecoder::new(&body[..]), body.len(), limit);
    }
    if encoding.eq_ignore_ascii_case("zstd") {
        let bad = |error| Error::malformed(format!("could not start on the zstd body: {error}"));
        let mut decoder = zstd::stream::read::Decoder::with_buffer(&body[..]).map_err(bad)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(bad)?;
        return read("zstd", decoder, body.len(), limit);
    }
    Err(Error::unsupported(format!("encoding `{encoding}` is not known; use `gzip`, `zstd` or `identity`")))
}

fn read(name: &str, decoder: impl Read, compressed: usize, limit: usize) -> Result<Bytes> {
    let mut inflated = Vec::with_capacity(compressed.saturating_mul(6).min(limit).min(1 << 20));
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(most).read_to_end(&mut inflated).map_err(|error| {
        Error::malformed(format!("{name} body is broken after {} inflated bytes: {error}", inflated.len()))
    })?;
    if inflated.len() > limit { Err(over(limit)) } else { Ok(inflated.into()) }
}

fn over(limit: usize) -> Error {
    Error::too_large(format!("request exceeds `request_bytes_max` of {limit} bytes after decompression"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::error::ErrorKind;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn kind(encoding: &str, body: Vec<u8>, limit: usize) -> ErrorKind {
        inflate(Some(encoding), body.into(), limit).unwrap_err().kind()
    }

    #[test]
    fn undoes_each_encoding() {
        let plain = b"hello ".repeat(1_000);
        let twice = [gzip(&plain[..3_000]), gzip(&plain[3_000..])].concat();
        let squeezed = zstd::encode_all(&plain[..], 3).unwrap();
        for (encoding, body) in [
            (None, plain.clone()),
            (Some(""), plain.clone()),
            (Some("identity"), plain.clone()),
            (Some(" GZIP "), gzip(&plain)),
            (Some("gzip"), twice),
            (Some("zstd"), squeezed),
        ] {
            assert_eq!(inflate(encoding, body.into(), plain.len()).unwrap(), plain, "{encoding:?}");
        }
    }

    #[test]
    fn stops_at_the_limit() {
        let zeros = vec![0u8; 64 << 20];
        for (encoding, body) in [("gzip", gzip(&zeros)), ("zstd", zstd::encode_all(&zeros[..], 1).unwrap())] {
            let error = inflate(Some(encoding), body.into(), 1 << 20).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge);
            assert!(error.message().contains("`request_bytes_max` of 1048576"), "{error}");
        }
        assert_eq!(kind("identity", vec![0; 11], 10), ErrorKind::TooLarge);
        assert!(inflate(None, vec![0; 10].into(), 10).is_ok());
    }

    #[test]
    fn refuses_broken_bodies() {
        let zstd = zstd::encode_all(&b"hello"[..], 3).unwrap();
        let gzip = gzip(b"hello");
        assert_eq!(kind("gzip", gzip[..gzip.len() - 1].to_vec(), 100), ErrorKind::Malformed);
        assert_eq!(kind("gzip", [&gzip[..], b"tail"].concat(), 100), ErrorKind::Malformed);
        assert_eq!(kind("gzip", zstd.clone(), 100), ErrorKind::Malformed);
        assert_eq!(kind("zstd", zstd[..zstd.len() - 1].to_vec(), 100), ErrorKind::Malformed);
        assert_eq!(kind("zstd", [&zstd[..], b"tail"].concat(), 100), ErrorKind::Malformed);
        assert_eq!(kind("zstd", gzip, 100), ErrorKind::Malformed);
    }

    #[test]
    fn refuses_a_zstd_window_beyond_8_mib() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&vec![7; 1 << 20]).unwrap();
        assert_eq!(kind("zstd", encoder.finish().unwrap(), 2 << 20), ErrorKind::Malformed);
    }

    #[test]
    fn refuses_other_and_nested_encodings() {
        for encoding in ["br", "deflate", "gzip, gzip", "identity,gzip", "snappy"] {
            assert_eq!(kind(encoding, vec![], 100), ErrorKind::Unsupported, "{encoding}");
        }
        assert!(inflate(Some("gzip, gzip"), Bytes::new(), 1).unwrap_err().message().contains("nested"));
    }
}
