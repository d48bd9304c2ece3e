//! The lake on an S3-compatible server: the same answers, and a start that refuses a store it could lose data on.

use crate::protocol::{Protocol, samples};
use crate::python::S3Server;
use crate::server::{Folder, Setup};

fn on(s3: &S3Server) -> Setup {
    Setup::default()
        .set("cold.url", "s3://lake/tephra")
        .set("cold.s3_endpoint", &s3.url)
        .set("cold.s3_access_key_id", "test")
        .set("cold.s3_secret_access_key", "test")
        .set("cold.s3_allow_http", true)
}

#[tokio::test]
async fn the_server_rolls_to_s3_and_answers_from_it() {
    let s3 = S3Server::start();
    let mut server = on(&s3).start().await;
    let mut stored = 0;
    for round in 0..3 {
        for protocol in Protocol::ALL {
            protocol.send(&server, &samples(10)).await.expect_whole();
            stored += 10;
        }
        let rows = server.rows("SELECT * FROM events ORDER BY event_id").await;
        server.roll().await;
        assert_eq!(server.rows("SELECT * FROM events ORDER BY event_id").await, rows, "round {round}");
        assert_eq!(rows.len(), stored);
        server = server.kill_and_restart().await;
        assert_eq!(server.count("true").await, stored as u64, "round {round}, after a kill");
    }
    assert!(!server.table().exists(), "there is a local lake beside the one in S3");
}

#[tokio::test]
async fn a_store_that_ignores_conditional_puts_is_refused_at_the_start() {
    let s3 = S3Server::start_without_conditions();
    let folder = Folder::new();
    let printed = on(&s3).refuse(&folder.path().join("data")).to_lowercase();
    assert!(printed.contains("conditional") || printed.contains("if-none-match"), "{printed}");
}
