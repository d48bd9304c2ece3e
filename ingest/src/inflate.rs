//! Undoes a request's `content-encoding`, never holding more than the limit.
//!
//! Every decoder is read through one bound, so that a bomb costs as much as an honest body of the limit. What a decoder
//! itself may ask for is bounded too: a zstd window of 8 MiB, a brotli window of 16 MiB.

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use crate::error::{Error, ErrorKind, Result};

/// Memory that a zstd sender may ask of us, as a power of two (8 MiB).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// The first bits of a brotli stream with a window of up to 1 GiB, which RFC 7932 does not know.
const BROTLI_LARGE_WINDOW: u8 = 0x11;

const BROTLI_BUFFER_BYTES: usize = 4 << 10;

/// The request's bytes as the protocol's decoder wants them.
///
/// `encoding` is the header as it came: none, `identity`, `gzip` (or `x-gzip`), `deflate` (with zlib's frame, or the bare
/// stream that some senders make of it), `br` or `zstd`. Decompression stops at `limit` bytes.
pub fn inflate(encoding: Option<&str>, body: Bytes, limit: usize) -> Result<Bytes> {
    let encoding = encoding.unwrap_or_default().trim();
    if encoding.contains(',') {
        return Err(Error::unsupported(format!("encoding `{encoding}` is nested; compress once, by `gzip` or `zstd`")));
    }
    let is = |name: &str| encoding.eq_ignore_ascii_case(name);
    if encoding.is_empty() || is("identity") {
        return if body.len() > limit { Err(over(limit)) } else { Ok(body) };
    }
    if is("gzip") || is("x-gzip") {
        return read("gzip", MultiGzDecoder::new(&body[..]), body.len(), limit);
    }
    if is("deflate") {
        return deflate(&body, limit);
    }
    if is("br") {
        if body.first().is_some_and(|first| first & 0x7f == BROTLI_LARGE_WINDOW) {
            return Err(Error::malformed("br body asks for a large window; use one of at most 16 MiB"));
        }
        return read("br", brotli::Decompressor::new(&body[..], BROTLI_BUFFER_BYTES), body.len(), limit);
    }
    if is("zstd") {
        let bad = |error| Error::malformed(format!("could not start on the zstd body: {error}"));
        let mut decoder = zstd::stream::read::Decoder::with_buffer(&body[..]).map_err(bad)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(bad)?;
        return read("zstd", decoder, body.len(), limit);
    }
    let known = "use `gzip`, `zstd`, `br`, `deflate` or `identity`";
    Err(Error::unsupported(format!("encoding `{encoding}` is not known; {known}")))
}

/// Undoes `deflate`, which is zlib's format by the standard, and a bare deflate stream where senders mistook it.
pub(crate) fn deflate(body: &[u8], limit: usize) -> Result<Bytes> {
    let bare = || read("deflate", DeflateDecoder::new(body), body.len(), limit);
    let framed = match body {
        [method, flags, ..] => method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31),
        _ => false,
    };
    if !framed {
        return bare();
    }
    // A bare stream can begin like a frame, if seldom; the checksum at the end tells.
    match read("deflate", ZlibDecoder::new(body), body.len(), limit) {
        Err(error) if error.kind() == ErrorKind::Malformed => bare().map_err(|_| error),
        inflated => inflated,
    }
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

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn bare(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn br(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
        encoder.write_all(bytes).unwrap();
        encoder.into_inner()
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
            (Some("x-gzip"), gzip(&plain)),
            (Some("deflate"), zlib(&plain)),
            (Some("deflate"), bare(&plain)),
            (Some("BR"), br(&plain)),
            (Some("zstd"), squeezed),
        ] {
            assert_eq!(inflate(encoding, body.into(), plain.len()).unwrap(), plain, "{encoding:?}");
        }
    }

    #[test]
    fn stops_at_the_limit() {
        let zeros = vec![0u8; 16 << 20];
        for (encoding, body) in [
            ("gzip", gzip(&zeros)),
            ("deflate", zlib(&zeros)),
            ("deflate", bare(&zeros)),
            ("br", br(&zeros)),
            ("zstd", zstd::encode_all(&zeros[..], 1).unwrap()),
        ] {
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
        assert_eq!(kind("zstd", gzip.clone(), 100), ErrorKind::Malformed);
        let (zlib, br) = (zlib(b"hello"), br(b"hello"));
        for (encoding, body) in [("deflate", &zlib), ("br", &br)] {
            assert_eq!(kind(encoding, body[..body.len() - 2].to_vec(), 100), ErrorKind::Malformed, "{encoding}");
            assert_eq!(kind(encoding, gzip.clone(), 100), ErrorKind::Malformed, "{encoding}");
            assert_eq!(kind(encoding, vec![], 100), ErrorKind::Malformed, "{encoding}");
        }
    }

    #[test]
    fn refuses_a_zstd_window_beyond_8_mib() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&vec![7; 1 << 20]).unwrap();
        assert_eq!(kind("zstd", encoder.finish().unwrap(), 2 << 20), ErrorKind::Malformed);
    }

    #[test]
    fn refuses_a_large_brotli_window() {
        let params = brotli::enc::BrotliEncoderParams { large_window: true, lgwin: 30, ..Default::default() };
        let mut body = Vec::new();
        brotli::BrotliCompress(&mut &vec![7; 1 << 20][..], &mut body, &params).unwrap();
        assert_eq!(kind("br", body, 2 << 20), ErrorKind::Malformed);
    }

    #[test]
    fn refuses_other_and_nested_encodings() {
        for encoding in ["compress", "gzip, gzip", "identity,gzip", "snappy"] {
            assert_eq!(kind(encoding, vec![], 100), ErrorKind::Unsupported, "{encoding}");
        }
        assert!(inflate(Some("gzip, gzip"), Bytes::new(), 1).unwrap_err().message().contains("nested"));
    }
}
