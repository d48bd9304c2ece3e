//! The ledger balances to the event, whatever was sent and however busy the server was.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tephra_storage::meta::ledger::{LedgerFilter, Outcome};
use tephra_storage::meta::{Meta, MetaSettings};
use tephra_storage::{ProjectId, SystemClock};

use crate::protocol::{Protocol, Sample, samples};
use crate::server::{Server, Setup};

/// Events by outcome and reason, once the server has stopped.
async fn books(data_dir: &Path) -> BTreeMap<(Outcome, String), i64> {
    let meta = Meta::open(&MetaSettings::default(), data_dir, Arc::new(SystemClock)).await.unwrap();
    let filter = LedgerFilter { projects: vec![ProjectId(1)], ..LedgerFilter::default() };
    let mut books = BTreeMap::new();
    for row in meta.ledger(&filter, 10_000).await.unwrap() {
        *books.entry((row.outcome, row.reason)).or_default() += row.events;
    }
    meta.close().await;
    books
}

fn sum(books: &BTreeMap<(Outcome, String), i64>, wanted: impl Fn(Outcome) -> bool) -> i64 {
    books.iter().filter(|((outcome, _), _)| wanted(*outcome)).map(|(_, events)| events).sum()
}

fn balance(books: &BTreeMap<(Outcome, String), i64>) {
    let received = sum(books, |outcome| outcome == Outcome::Received);
    let others = sum(books, |outcome| !matches!(outcome, Outcome::Received | Outcome::ClientDropped));
    assert_eq!(received, others, "{books:?}");
}

#[tokio::test]
async fn what_is_received_is_stored_or_said_why_not_on_every_protocol() {
    let mut server = Server::start().await;
    let mut expected = (0, 0, 0);
    for protocol in Protocol::ALL {
        let batch = samples(5);
        protocol.send(&server, &batch).await;
        protocol.send(&server, &[batch[..2].to_vec(), samples(1)].concat()).await;
        protocol.send_raw(&server, protocol.garbage(), None, Some(&server.key)).await;
        protocol.send_raw(&server, protocol.encode(&samples(1)), Some("lzma"), Some(&server.key)).await;
        expected = (expected.0 + 6, expected.1 + 2, expected.2 + 2);
    }
    assert!(server.stop().success());
    let books = books(&server.data_dir()).await;
    balance(&books);
    let of = |wanted| sum(&books, |outcome| outcome == wanted);
    let found = (of(Outcome::Stored), of(Outcome::Duplicate), of(Outcome::Rejected));
    assert_eq!(found, expected, "{books:?}");
}

#[tokio::test]
async fn the_ledger_balances_under_overload() {
    let server = Arc::new(Setup::default().set("hot.append_queue_bytes_max", 4000).start().await);
    let mut senders = Vec::new();
    for sender in 0..24 {
        let server = server.clone();
        senders.push(tokio::spawn(async move {
            let mut sent = 0;
            for round in 0..12 {
                let batch = if round % 4 == 3 {
                    vec![Sample::new("a"), Sample::broken(), Sample::new("b")]
                } else {
                    samples(7)
                };
                let protocol = [Protocol::Native, Protocol::Ndjson][(sender + round) % 2];
                protocol.send(&server, &batch).await;
                sent += batch.len() as i64;
            }
            sent
        }));
    }
    let mut sent = 0;
    for sender in senders {
        sent += sender.await.unwrap();
    }
    let stored = server.count("true").await as i64;
    let mut server = Arc::into_inner(server).unwrap();
    assert!(server.stop().success());
    let books = books(&server.data_dir()).await;
    balance(&books);
    assert_eq!(sum(&books, |outcome| outcome == Outcome::Received), sent, "{books:?}");
    assert_eq!(sum(&books, |outcome| outcome == Outcome::Stored), stored, "{books:?}");
    assert!(books.contains_key(&(Outcome::Rejected, "busy".to_owned())), "it was not busy: {books:?}");
}
