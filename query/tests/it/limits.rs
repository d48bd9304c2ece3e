//! Time, rows, memory and turns are limited, and the answer says by what.

use std::time::{Duration, Instant};

use futures::StreamExt;
use tephra_query::{ErrorKind, QuerySettings, SqlOptions};
use tephra_storage::ProjectId;

use crate::lab::{Lab, Placed, settings};

const ALL: [i64; 3] = [1, 2, 3];

#[tokio::test(flavor = "multi_thread")]
async fn a_long_query_ends_in_time() {
    let lab = Lab::with(Placed::Hot, 3_000).await;
    let sql = "SELECT count(*) AS n FROM events a, events b, events c WHERE length(a.message || b.message || c.message) % 7 = 3";
    let started = Instant::now();
    let options = SqlOptions { time_ms_max: Some(300), ..SqlOptions::default() };
    let error = lab.ask(&ALL, sql, options).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Timeout, "the query took longer than 300 ms"));
    assert!(started.elapsed() < Duration::from_secs(5));
    // Its turn and its threads are free again.
    assert_eq!(lab.rows(&ALL, "SELECT count(*) AS n FROM events").await, ["{\"n\":3000}"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_cut_and_the_answer_says_so() {
    let lab = Lab::with(Placed::Mixed, 300).await;
    for (rows_max, rows, truncated) in [(10, 10, true), (300, 300, false), (299, 299, true), (1_000, 300, false)] {
        let options = SqlOptions { rows_max: Some(rows_max), ..SqlOptions::default() };
        let (found, progress) = lab.ask(&ALL, "SELECT event_id FROM events", options).await.unwrap();
        assert_eq!((found.len(), progress.truncated()), (rows, truncated), "{rows_max}");
        assert_eq!(progress.rows_returned(), rows as u64);
    }
    let limited = QuerySettings { rows_max: 7, ..settings() };
    let lab = Lab::with_settings(Placed::Hot, 300, limited).await;
    let (found, progress) = lab.ask(&ALL, "SELECT event_id FROM events", SqlOptions::default()).await.unwrap();
    assert_eq!((found.len(), progress.truncated()), (7, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sort_spills_and_an_aggregate_that_cannot_is_refused() {
    let small = QuerySettings { memory_bytes_max: 16 << 20, ..settings() };
    let lab = Lab::with_settings(Placed::Hot, 3_000, small).await;
    let sql = "SELECT max(n) AS n FROM (SELECT row_number() OVER (ORDER BY a.message, b.n) AS n \
        FROM events a CROSS JOIN generate_series(1, 60) AS b(n))";
    assert_eq!(lab.rows(&ALL, sql).await, ["{\"n\":180000}"]);
    let sql =
        "SELECT cardinality(array_agg(a.message || b.n)) AS n FROM events a CROSS JOIN generate_series(1, 200) AS b(n)";
    let small = QuerySettings { memory_bytes_max: 2 << 20, ..settings() };
    let lab = Lab::with_settings(Placed::Hot, 3_000, small).await;
    let error = lab.error(sql).await;
    assert_eq!(error.kind, ErrorKind::ResourcesExhausted, "{error:?}");
    assert!(error.message.contains("query.memory_bytes_max"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_queries_are_answered_busy() {
    let one = QuerySettings { concurrent_max: 1, queue_ms_max: 50, ..settings() };
    let lab = Lab::with_settings(Placed::Hot, 3_000, one).await;
    let projects = ALL.map(ProjectId);
    let long = "SELECT a.message FROM events a, events b ORDER BY length(a.message || b.message)";
    let running = lab.engine.sql(&projects, long, SqlOptions::default()).await.unwrap();
    assert_eq!(lab.error("SELECT 1").await.kind, ErrorKind::Busy);
    drop(running);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(lab.rows(&ALL, "SELECT 1 AS n").await, ["{\"n\":1}"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_counts_what_was_read() {
    let lab = Lab::with(Placed::Mixed, 3_000).await;
    let sql = "SELECT count(*) AS n FROM events WHERE message LIKE '%module 1%'";
    let (_, progress) = lab.ask(&ALL, sql, SqlOptions::default()).await.unwrap();
    assert!((1..=3_000).contains(&progress.rows_read()), "{}", progress.rows_read());
    assert!(progress.bytes_read() > 1_000);
    let mut answer = lab.engine.sql(&ALL.map(ProjectId), "SELECT * FROM events", SqlOptions::default()).await.unwrap();
    assert!(answer.stream.next().await.is_some());
    assert!(answer.progress.rows_read() > 0);
}
