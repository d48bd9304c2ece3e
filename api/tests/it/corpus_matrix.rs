//! Every payload of the corpus in every encoding and framing: none is refused that must be taken, every event is read back
//! by its id, and what came in is found in what comes out, but for what `docs/SENTRY.md` says is trimmed, moved or scrubbed.
//!
//! Each combination has a project of its own, as an event is stored once in a project. The events of the first are compared
//! with what was sent, those of the others with the first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::corpus_compare::{Sent, missing};
use crate::crowd::expect;
use crate::server::{Server, Setup};

const ENCODINGS: [&str; 6] = ["identity", "gzip", "zlib", "deflate", "br", "zstd"];
const AT_ONCE: usize = 8;
const TIME_MAX: Duration = Duration::from_secs(60);
const INFLATED_MAX: usize = 64 << 20;

/// One request of the corpus.
struct Case {
    name: String,
    kind: &'static str,
    body: Bytes,
    /// Events that must be found by their ids, with what the envelope says of them.
    events: Vec<Sent>,
    /// Whether the reference says that it is to be refused.
    broken: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_corpus_in_every_encoding_and_framing() {
    let Some(corpus) = std::env::var_os("TEPHRA_CORPUS").map(PathBuf::from) else {
        println!("skipped: TEPHRA_CORPUS is not set");
        return;
    };
    let began = Instant::now();
    let cases = Arc::new(cases(&corpus));
    let setup = Setup::default().set("limit.token_per_second", 0).set("limit.address_per_second", 0);
    let server = Arc::new(setup.start().await);
    let mut first: BTreeMap<String, Value> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (number, (encoding, chunked)) in
        ENCODINGS.into_iter().flat_map(|encoding| [(encoding, false), (encoding, true)]).enumerate()
    {
        let (project, key) = project(&server, number).await;
        let bodies: Vec<Bytes> = cases.iter().map(|case| encoded(encoding, &case.body)).collect();
        let sends = cases.iter().zip(bodies).map(|(case, body)| {
            let (server, key) = (server.clone(), key.clone());
            async move { (case, send(&server, case, project, &key, encoding, chunked, body).await) }
        });
        let answers: Vec<_> = futures::stream::iter(sends).buffer_unordered(AT_ONCE).collect().await;
        for (case, (status, text)) in answers {
            if (status == 200) == case.broken || status >= 500 {
                wrong.push(format!("{} as {encoding}, chunked {chunked}: {status} {text}", case.name));
            }
        }
        // By its id each, of the first project and of one of the others; the rest as lists, which take less time.
        let sents: Vec<&Sent> = cases.iter().flat_map(|case| &case.events).collect();
        let listed = if number == 0 { BTreeMap::new() } else { list(&server, project).await };
        let reads = sents.iter().enumerate().map(|(place, sent)| {
            let (server, listed) = (&server, &listed);
            async move {
                let path = format!("/api/v1/projects/{project}/events/{}", sent.id);
                let by_id = number == 0 || place % (2 * ENCODINGS.len() - 1) + 1 == number;
                match listed.get(&sent.id).filter(|_| !by_id) {
                    Some(stored) => (*sent, stored.clone()),
                    None => (*sent, expect(server, Method::GET, &path, None, 200).await),
                }
            }
        });
        let read: Vec<_> = futures::stream::iter(reads).buffer_unordered(AT_ONCE).collect().await;
        for (sent, stored) in read {
            if number == 0 {
                wrong.extend(missing(sent, &stored).into_iter().map(|what| format!("{}: {what}", sent.name)));
            }
            let stored = settled(stored, sent);
            let before = first.entry(sent.id.clone()).or_insert_with(|| stored.clone());
            if *before != stored {
                wrong.push(format!("{} differs as {encoding}, chunked {chunked}: {before:#} {stored:#}", sent.name));
            }
        }
    }
    let shown: Vec<_> = wrong.iter().take(60).cloned().collect();
    assert!(wrong.is_empty(), "{} faults:\n{}\n{}", wrong.len(), shown.join("\n"), server.log());
    let events: usize = cases.iter().map(|case| case.events.len()).sum();
    println!("{} requests of {} events in {:?}", cases.len() * 12, events, began.elapsed());
    assert!(events > 180 && cases.len() > 200, "{events} {}", cases.len());
    assert!(began.elapsed() < TIME_MAX, "{:?}", began.elapsed());
}

/// All events of a project by their ids.
async fn list(server: &Server, project: i64) -> BTreeMap<String, Value> {
    let (mut all, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let path = format!("/api/v1/projects/{project}/events?limit=200&from=1970-01-01T00:00:00Z{cursor}");
        let page = expect(server, Method::GET, &path, None, 200).await;
        for event in page["items"].as_array().unwrap() {
            all.insert(event["event_id"].as_str().unwrap().to_owned(), event.clone());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

async fn project(server: &Server, number: usize) -> (i64, String) {
    if number == 0 {
        return (1, server.key.clone());
    }
    let new = json!({ "slug": format!("p-{number}"), "name": format!("P {number}") });
    let id = expect(server, Method::POST, "/api/v1/projects", Some(new), 201).await["id"].as_i64().unwrap();
    let path = format!("/api/v1/projects/{id}/keys");
    let key = expect(server, Method::POST, &path, Some(json!({ "name": "tests" })), 201).await;
    (id, key["key"].as_str().unwrap().to_owned())
}

async fn send(
    server: &Server,
    case: &Case,
    project: i64,
    key: &str,
    encoding: &str,
    chunked: bool,
    body: Bytes,
) -> (u16, String) {
    let url = format!("{}/api/{project}/{}/", server.url, case.kind);
    let body = if chunked {
        let chunks: Vec<_> =
            body.chunks(1021).map(|chunk| Ok::<_, std::io::Error>(Bytes::copy_from_slice(chunk))).collect();
        reqwest::Body::wrap_stream(futures::stream::iter(chunks))
    } else {
        body.into()
    };
    let mut request = server.http.post(url).body(body);
    request = request.header("x-sentry-auth", format!("Sentry sentry_key={key}, sentry_version=7"));
    if encoding != "identity" {
        request = request.header("content-encoding", if encoding == "zlib" { "deflate" } else { encoding });
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn encoded(encoding: &str, body: &Bytes) -> Bytes {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    let mut out = Vec::new();
    match encoding {
        "gzip" => GzEncoder::new(&mut out, Compression::fast()).write_all(body).unwrap(),
        "zlib" => ZlibEncoder::new(&mut out, Compression::fast()).write_all(body).unwrap(),
        "deflate" => DeflateEncoder::new(&mut out, Compression::fast()).write_all(body).unwrap(),
        "br" => brotli::CompressorWriter::new(&mut out, 4096, 1, 18).write_all(body).unwrap(),
        "zstd" => out = zstd::encode_all(&body[..], 1).unwrap(),
        _ => return body.clone(),
    }
    out.into()
}

/// What of a stored event is the same in each project.
fn settled(mut stored: Value, sent: &Sent) -> Value {
    let columns = stored.as_object_mut().unwrap();
    columns.remove("project_id");
    columns.remove("received_at");
    if sent.sent_at.is_some() {
        // By its clock it was sent when it arrived, each time another moment.
        for drifting in ["timestamp", "breadcrumbs"] {
            columns.remove(drifting);
        }
        if let Some(attributes) = columns.get_mut("attributes").and_then(Value::as_object_mut) {
            attributes.remove("clock_drift_ms");
        }
    }
    stored
}

fn cases(corpus: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut ids = BTreeSet::new();
    for folder in ["bugsink", "glitchtip", "sentry"] {
        for file in files(&corpus.join("event-samples").join(folder), "json") {
            let name = format!("{folder}/{}", file.file_name().unwrap().to_str().unwrap());
            let text = String::from_utf8(fs::read(&file).unwrap()).unwrap();
            let event: Value = serde_json::from_str(&text).unwrap();
            let own = event["event_id"].as_str().unwrap();
            let made = |form: &str| format!("{:x}", uuid::Uuid::from_u128(hash(&format!("{form} {name}"))).simple());
            // Some samples share an id; the second of them gets another, and is otherwise the same to the byte.
            let id = own.replace('-', "");
            let (text, id) =
                if ids.insert(id.clone()) { (text, id) } else { (text.replace(own, &made("store")), made("store")) };
            cases.push(Case {
                kind: "store",
                body: text.clone().into(),
                events: vec![Sent { name: format!("{name} by store"), id, sent_at: None, event: event.clone() }],
                name: format!("{name} by store"),
                broken: false,
            });
            let id = made("envelope");
            let body = format!("{{\"event_id\":\"{id}\"}}\n{{\"type\":\"event\",\"length\":{}}}\n{text}\n", text.len());
            cases.push(Case {
                kind: "envelope",
                body: body.into(),
                events: vec![Sent { name: format!("{name} by envelope"), id, sent_at: None, event }],
                name: format!("{name} by envelope"),
                broken: false,
            });
        }
    }
    for file in files(&corpus.join("envelopes"), "txt").into_iter().chain(files(&corpus.join("envelopes"), "bin")) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let body = Bytes::from(fs::read(&file).unwrap());
        let (events, broken) = match envelope(&name, &body, &mut ids) {
            Some(events) => (events, false),
            None => (Vec::new(), true),
        };
        cases.push(Case { name, kind: "envelope", body, events, broken });
    }
    for file in files(&corpus.join("real-sdk"), "json") {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let request: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let headers = request["headers"].as_object().unwrap();
        let encoding = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
        let encoding = encoding.and_then(|(_, value)| value.as_str());
        let body = Bytes::from(fs::read(file.with_extension("body")).unwrap());
        let body = tephra_ingest::inflate(encoding, body, INFLATED_MAX).unwrap();
        let events = envelope(&name, &body, &mut ids).unwrap_or_else(|| panic!("{name} is no envelope"));
        cases.push(Case { name, kind: "envelope", body, events, broken: false });
    }
    cases
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

fn hash(text: &str) -> u128 {
    let digest = <sha2::Sha256 as sha2::Digest>::digest(text.as_bytes());
    u128::from_be_bytes(digest[..16].try_into().unwrap())
}

/// The events of an envelope, read by the letter of the reference (2.4); `None` where that refuses it.
fn envelope(name: &str, body: &[u8], ids: &mut BTreeSet<String>) -> Option<Vec<Sent>> {
    let line = |at: usize| at + body[at..].iter().position(|byte| *byte == b'\n').unwrap_or(body.len() - at);
    let object = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok().filter(Value::is_object);
    let headers = object(&body[..line(0)])?;
    let id = headers["event_id"].as_str().map(|id| id.replace('-', ""));
    let sent_at = headers["sent_at"].as_str().map(str::to_owned);
    let (mut events, mut at) = (Vec::new(), line(0) + 1);
    while at < body.len() {
        if body[at] == b'\n' {
            at += 1;
            continue;
        }
        let item = object(&body[at..line(at)])?;
        let start = (line(at) + 1).min(body.len());
        let end = match item["length"].as_u64() {
            Some(length) => start + length as usize,
            None => line(start),
        };
        if end > body.len() || body.get(end).is_some_and(|byte| *byte != b'\n') {
            return None;
        }
        let kind = item["type"].as_str()?;
        if let ("event" | "feedback", Some(event)) = (kind, object(&body[start..end])) {
            let own = event["event_id"].as_str().map(|id| id.replace('-', ""));
            let id = id.clone().or(own).unwrap_or_else(|| panic!("{name}: an event without an id"));
            assert!(ids.insert(id.clone()), "{name}: {id} is in the corpus twice");
            events.push(Sent { name: name.to_owned(), id, sent_at: sent_at.clone(), event });
        }
        at = end + 1;
    }
    Some(events)
}
