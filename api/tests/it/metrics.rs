//! Every name that Prometheus meets at `/metrics` is explained in `docs/METRICS.md`, and nothing else is explained there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::native::{self, AppendRequest, Event};
use crate::protocol::{Protocol, Sample, now_us, samples};
use crate::server::{Server, Setup};

const DOCUMENT: &str = include_str!("../../../docs/METRICS.md");
const CRATES: [&str; 5] = ["storage", "ingest", "compactor", "query", "api"];
/// Written as text, because it is no whole number.
const BY_HAND: &str = "process_cpu_seconds_total";

/// The names in the first column of the tables.
fn explained() -> BTreeSet<String> {
    let columns = DOCUMENT.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
    columns.flat_map(|column| column.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// The names that the text of `/metrics` gives a type.
fn served(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// The names that the sources count under.
fn written(directory: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            written(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            for call in ["counter!(", "gauge!(", "histogram!("] {
                let arguments = source.split(call).skip(1).map(str::trim_start);
                let found = arguments.filter_map(|text| text.strip_prefix('"')?.split('"').next());
                names.extend(found.map(str::to_owned));
            }
        }
    }
}

#[test]
fn the_document_explains_what_the_sources_count_and_nothing_else() {
    let mut names = BTreeSet::from([BY_HAND.to_owned()]);
    for name in CRATES {
        written(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src"), &mut names);
    }
    let explained = explained();
    let missing: Vec<_> = names.difference(&explained).collect();
    assert!(missing.is_empty(), "not in docs/METRICS.md: {missing:?}");
    let stale: Vec<_> = explained.difference(&names).collect();
    assert!(stale.is_empty(), "only in docs/METRICS.md: {stale:?}");
}

#[tokio::test]
async fn every_name_of_a_running_server_is_explained() {
    let server = Setup::default().set("roll.tidy_interval_ms", 50).start().await;
    for protocol in Protocol::ALL {
        protocol.send(&server, &samples(2)).await.expect_whole();
        protocol.send(&server, &[Sample::broken(), Sample::new("beside a broken one")]).await;
        protocol.send_raw(&server, protocol.garbage(), None, Some(&server.key)).await;
    }
    append_stream(&server).await;
    server.roll().await;
    Protocol::Native.send(&server, &samples(1)).await.expect_whole();
    assert!(server.count("message IS NOT NULL").await > 10);
    server.ask("SELECT nothing FROM events", "application/json").await;
    server.get("/no/such/page").await;

    let (status, text) = server.get("/metrics").await;
    assert_eq!(status, 200);
    let (served, explained) = (served(&text), explained());
    assert!(served.len() > 30, "few names are served: {served:?}");
    let missing: Vec<_> = served.difference(&explained).collect();
    assert!(missing.is_empty(), "not in docs/METRICS.md: {missing:?}");
}

async fn append_stream(server: &Server) {
    let event = Event {
        event_id: uuid::Uuid::new_v4().as_bytes().to_vec(),
        timestamp_us: now_us(),
        level: 5,
        message: b"by a stream".to_vec(),
        ..Default::default()
    };
    let batch = AppendRequest { batch_id: 1, events: vec![event], ..Default::default() };
    let mut answers = native::append_stream(&server.grpc, &server.key, tokio_stream::iter([batch])).await.unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().accepted, 1);
}
