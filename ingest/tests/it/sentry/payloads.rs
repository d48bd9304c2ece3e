//! Every payload of the corpus is accepted, however it is compressed.

use std::io::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tephra_ingest::sentry::{Auth, Category};
use tephra_ingest::{ErrorKind, inflate};
use tephra_storage::Kind;

use super::{corpus, envelope, store};
use crate::hostile::check;

const LIMIT: usize = 20 << 20;

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(self::files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The request's headers, lowercase, its path, and its body inflated.
pub(super) fn recorded(file: &Path) -> (serde_json::Value, Bytes) {
    let request: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let body = std::fs::read(file.with_extension("body")).unwrap();
    let encoding = header(&request, "content-encoding");
    (request, inflate(encoding.as_deref(), body.into(), LIMIT).unwrap())
}

fn header(request: &serde_json::Value, wanted: &str) -> Option<String> {
    let headers = request["headers"].as_object().unwrap();
    let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.map(|(_, value)| value.as_str().unwrap().to_owned())
}

pub(super) fn encodings(plain: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(plain).unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(plain).unwrap();
    let mut bare = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    bare.write_all(plain).unwrap();
    let mut br = brotli::CompressorWriter::new(Vec::new(), 4096, 3, 22);
    br.write_all(plain).unwrap();
    vec![
        ("identity", plain.to_vec()),
        ("gzip", gzip.finish().unwrap()),
        ("deflate", zlib.finish().unwrap()),
        ("deflate", bare.finish().unwrap()),
        ("br", br.into_inner()),
        ("zstd", zstd::encode_all(plain, 1).unwrap()),
    ]
}

#[test]
fn requests_of_real_sdks() {
    let Some(corpus) = corpus() else { return };
    let mut kinds = [0; 4];
    let mut counted = std::collections::BTreeMap::new();
    for file in files(&corpus.join("real-sdk"), "json") {
        let (request, body) = recorded(&file);
        let path = request["path"].as_str().unwrap();
        let query = path.split_once('?').map(|(_, query)| query);
        let auth = Auth::find(query, header(&request, "x-sentry-auth").as_deref(), None, Some(&body)).unwrap();
        assert_eq!(auth.key, "pubkey0123456789abcdef0123456789", "{}", file.display());
        assert_eq!(auth.version.as_deref(), Some("7"));
        assert!(auth.client.unwrap().starts_with("sentry."));

        let expected = envelope(body.clone()).unwrap();
        check(&expected.decoded);
        assert_eq!(expected.decoded.rejected, [], "{}", file.display());
        assert_eq!(expected.decoded.events.len(), expected.categories.len());
        for event in &expected.decoded.events {
            kinds[event.kind as usize] += 1;
            assert!(event.sdk_name.as_deref().is_some_and(|name| name.starts_with("sentry.")), "{}", file.display());
            assert!(event.trace_id.is_some(), "{}", file.display());
        }
        for row in &expected.counted {
            *counted.entry(row.category.as_str()).or_insert(0) += row.quantity;
        }
        for (encoding, compressed) in encodings(&body) {
            let inflated = inflate(Some(encoding), compressed.into(), LIMIT).unwrap();
            assert_eq!(envelope(inflated).unwrap(), expected, "{encoding}");
        }
    }
    assert_eq!(kinds, [9, 4, 5, 2], "errors, logs, messages, feedback");
    let expected =
        [("monitor", 4), ("profile", 1), ("session", 10), ("span", 12), ("trace_metric", 1), ("transaction", 1)];
    assert_eq!(counted.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn event_samples_with_and_without_an_envelope() {
    let Some(corpus) = corpus() else { return };
    let samples = corpus.join("event-samples");
    let broken = std::fs::read_to_string(samples.join("KNOWN-BROKEN")).unwrap();
    let mut broken_ones = 0;
    for file in files(&samples, "json") {
        let json = std::fs::read(&file).unwrap();
        let name = file.strip_prefix(&samples).unwrap().display().to_string();
        broken_ones += u32::from(broken.lines().any(|line| line == name));
        let alone = store(json.clone()).unwrap();
        check(&alone.decoded);
        assert_eq!((alone.decoded.events.len(), &alone.decoded.rejected[..]), (1, &[][..]), "{name}");
        let id = serde_json::from_slice::<serde_json::Value>(&json).unwrap()["event_id"].as_str().unwrap().to_owned();
        assert_eq!(hex::encode(alone.event_id.unwrap()), id.replace('-', ""), "{name}");
        assert_eq!(alone.decoded.events[0].event_id, alone.event_id);

        let mut wrapped = format!("{{}}\n{{\"type\":\"event\",\"length\":{}}}\n", json.len()).into_bytes();
        wrapped.extend(&json);
        let enveloped = envelope(wrapped).unwrap();
        assert_eq!(enveloped.decoded.events, alone.decoded.events, "{name}");
        for (encoding, compressed) in encodings(&json) {
            assert_eq!(inflate(Some(encoding), compressed.into(), LIMIT).unwrap(), json, "{encoding}");
        }
    }
    assert!(broken_ones >= 5, "{broken_ones} of the known broken ones are there");
}

#[test]
fn envelopes() {
    let Some(corpus) = corpus() else { return };
    let mut events = 0;
    let mut files_kept = 0;
    for extension in ["txt", "bin"] {
        for file in files(&corpus.join("envelopes"), extension) {
            let body = std::fs::read(&file).unwrap();
            let cut_short = ["continuous_profiling__profile_chunk_2.txt", "envelope_flutter_replay.bin"];
            if cut_short.iter().any(|name| file.ends_with(name)) {
                assert!(envelope(body).unwrap_err().message().contains("`length` runs past the end"));
                continue;
            }
            let batch = envelope(body).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            check(&batch.decoded);
            assert_eq!(batch.decoded.rejected, [], "{}", file.display());
            events += batch.decoded.events.len();
            files_kept += batch.attachments.len();
            assert!(batch.categories.iter().all(|category| !Category::UNSUPPORTED.contains(category)));
        }
    }
    assert!(events >= 10 && files_kept >= 6, "{events} events, {files_kept} attachments");
}

#[test]
fn bombs_stop_at_the_limit() {
    let zeros = vec![b' '; 16 << 20];
    for (encoding, bomb) in encodings(&zeros) {
        let error = inflate(Some(encoding), bomb.into(), 1 << 20).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{encoding}");
    }
}

#[test]
fn kinds_have_their_order() {
    assert_eq!([Kind::Error, Kind::Log, Kind::Message, Kind::Feedback].map(|kind| kind as usize), [0, 1, 2, 3]);
}
