//! The lake is open: DuckDB and Python's `deltalake` read it in place and find the very rows that Tephra's SQL gives.

use crate::native::{self, AppendRequest, Event, Resource, Stack, Tag};
use crate::protocol::{Protocol, Sample, now_us, samples};
use crate::python;
use crate::server::Server;

#[tokio::test]
async fn duckdb_and_deltalake_read_the_rows_that_sql_gives() {
    let server = Server::start().await;
    for protocol in Protocol::ALL {
        let odd = Sample::new("zeile 1\nzeile 2\t\u{1f30b} \"quoted\" \\ \0 end").with("größe", "8½");
        let old = Sample::new("from 1999").at(925_000_000_000_000);
        let empty = Sample::new("");
        protocol.send(&server, &[samples(20), vec![odd, old, empty]].concat()).await.expect_whole();
    }
    python::run("otel_logs.py", &["grpc", &server.grpc, &server.key]);
    server.roll().await;
    check(&server, 5 * 23 + 3);

    append_natively(&server, 500).await;
    server.roll().await;
    check(&server, 5 * 23 + 3 + 500);
}

/// Stacks that repeat, tags, ids: what the columns' encodings are for.
async fn append_natively(server: &Server, count: u64) {
    let event = |number: u64| Event {
        event_id: uuid::Uuid::new_v4().as_bytes().to_vec(),
        timestamp_us: now_us(),
        level: (number % 6) as i32 + 1,
        message: format!("event {number}").into_bytes(),
        exception_type: if number.is_multiple_of(3) { String::new() } else { format!("Error{}", number % 7) },
        stack: (number % 4) as u32,
        tags: vec![Tag { name: "shard".into(), value: (number % 5).to_string() }],
        attributes_json: if number.is_multiple_of(2) {
            r#"{"b":[1,2.5,null],"a":{"c":true}}"#.into()
        } else {
            String::new()
        },
        ..Default::default()
    };
    let batch = AppendRequest {
        batch_id: 1,
        resource: Some(Resource { service: "native".into(), ..Default::default() }),
        stacks: (0..3).map(|number| Stack { text: format!("at f{number} (a.rs:{number})\n").repeat(30) }).collect(),
        events: (0..count).map(event).collect(),
    };
    let mut answers = native::append_stream(&server.grpc, &server.key, tokio_stream::iter([batch])).await.unwrap();
    let answer = answers.message().await.unwrap().unwrap();
    assert_eq!(u64::from(answer.accepted), count, "{answer:?}");
}

fn check(server: &Server, rows: usize) {
    let table = server.table();
    let equal = python::run("lake.py", &[table.to_str().unwrap(), &server.url, &server.token]);
    assert_eq!(equal, rows.to_string());
}
