//! The same answer wherever the events lie.

use crate::lab::{Lab, Placed, hex_id};

const COUNT: usize = 3_000;

fn questions() -> Vec<String> {
    let mut questions: Vec<String> = [
        "SELECT count(*) AS n FROM events",
        "SELECT count(*) AS n, min(timestamp) AS a, max(timestamp) AS b, min(received_at) AS c FROM events",
        "SELECT level, count(*) AS n FROM events GROUP BY level",
        "SELECT group_hash, count(*) AS n, max(timestamp) AS last FROM events GROUP BY group_hash ORDER BY n DESC, group_hash LIMIT 10",
        "SELECT * FROM events ORDER BY timestamp DESC LIMIT 100",
        "SELECT event_id, timestamp FROM events ORDER BY timestamp LIMIT 7",
        "SELECT event_id FROM events WHERE service = 'svc-3' AND environment = 'production' ORDER BY timestamp DESC LIMIT 5",
        "SELECT event_id FROM events WHERE tags['customer'] = 'c5' ORDER BY timestamp DESC LIMIT 9",
        "SELECT tags['region'] AS region, count(*) AS n FROM events GROUP BY 1",
        "SELECT count(*) AS n FROM events WHERE stack LIKE '%frame_11%'",
        "SELECT count(*) AS n FROM events WHERE stack IS NULL",
        "SELECT count(*) AS n FROM events WHERE stack IS NULL OR exception_type = 'Error3'",
        "SELECT count(*) AS n FROM events WHERE NOT (exception_type = 'Error2')",
        "SELECT count(*) AS n FROM events WHERE exception_type IS DISTINCT FROM 'Error2'",
        "SELECT count(*) AS n FROM events WHERE level < 'info' AND 'prod' < environment",
        "SELECT count(*) AS n FROM events WHERE service NOT IN ('svc-1', 'x') AND level IN ('error', NULL)",
        "SELECT count(*) AS n FROM events WHERE level NOT IN ('error', NULL)",
        "SELECT count(*) AS n FROM events WHERE dist IS NULL AND logger IS NULL AND exception_type IS NOT NULL",
        "SELECT count(*) AS n FROM events WHERE upper(level) = 'ERROR' AND service LIKE 'svc-_' AND service <> level",
        "SELECT date_trunc('week', timestamp) AS week, date_trunc('second', received_at) AS s, count(*) AS n FROM events GROUP BY 1, 2",
        "SELECT date_trunc('hour', timestamp) AS hour, count(*) AS n FROM events WHERE level IN ('error', 'fatal') GROUP BY 1",
        "SELECT date_bin(interval '10 minutes', timestamp) AS slot, count(*) AS n FROM events GROUP BY 1",
        "SELECT event_id, message FROM events WHERE message LIKE '%request 14% failed in module 1%'",
        "SELECT count(*) AS n FROM events WHERE message ILIKE '%MODULE 16%'",
        "SELECT count(*) AS n FROM events WHERE timestamp >= TIMESTAMP '2026-09-21T14:30:00Z' AND timestamp < TIMESTAMP '2026-09-21T14:40:00Z'",
        "SELECT count(*) AS n FROM events WHERE received_at > TIMESTAMP '2026-09-21T14:50:00Z'",
        "SELECT count(*) AS n FROM events WHERE trace_id IS NULL",
        "SELECT count(DISTINCT user_id) AS n, count(user_id) AS m FROM events",
        "SELECT count(*) AS n FROM events WHERE user_id = 'user-77'",
        "SELECT count(*) AS n FROM events WHERE project_id = 2",
        "SELECT project_id, count(*) AS n FROM events GROUP BY project_id",
        "SELECT count(*) AS n FROM events WHERE severity > 17 AND handled",
        "SELECT substr(event_id, 1, 8) AS prefix, count(*) AS n FROM events GROUP BY 1",
        "SELECT count(*) AS n FROM events WHERE event_id LIKE 'abcdef%' AND span_id > '0000000000000100'",
        "SELECT count(*) AS n FROM events WHERE level || '-' || environment = 'error-production'",
        "SELECT a.event_id FROM events a JOIN events b ON a.group_hash_full = b.group_hash_full WHERE b.service = 'svc-1' AND b.user_id = 'user-12'",
        "SELECT count(*) AS n FROM events WHERE trace_id IN (SELECT trace_id FROM events WHERE service = 'svc-2')",
        "SELECT kind, platform, level, count(*) AS n, count(handled) AS h FROM events GROUP BY 1, 2, 3 HAVING count(*) > 3",
        "SELECT event_id FROM events WHERE service = 'svc-3' OR (level = 'fatal' AND release = '1.2.0')",
        "SELECT release, row_number() OVER (PARTITION BY release ORDER BY timestamp DESC) AS nr FROM events QUALIFY nr <= 2",
        "SELECT message FROM events WHERE event_id < 'abcdef00000000000000000000000010'",
        "SELECT length(attributes) AS l, count(*) AS n FROM events WHERE attributes LIKE '%9}' GROUP BY 1",
        "SELECT event_id, tags FROM events WHERE cardinality(tags) = 2 ORDER BY timestamp DESC LIMIT 3",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    questions.push(format!("SELECT * FROM events WHERE event_id = '{}'", hex_id(1234)));
    questions.push(format!("SELECT event_id FROM events WHERE trace_id = '{}'", hex_id(1_000_600)));
    questions.push(format!(
        "SELECT count(*) AS n FROM events WHERE event_id IN ('{}', '{}')",
        hex_id(1),
        hex_id(2_999)
    ));
    questions.push(format!("SELECT count(*) AS n FROM events WHERE trace_id <> '{}'", hex_id(1_000_600)));
    questions.push(format!("SELECT count(*) AS n FROM events WHERE trace_id NOT IN ('{}', 'x')", hex_id(1_000_600)));
    questions
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_cold_and_mixed_answer_alike() {
    let hot = Lab::with(Placed::Hot, COUNT).await;
    let cold = Lab::with(Placed::Cold, COUNT).await;
    let mixed = Lab::with(Placed::Mixed, COUNT).await;
    for projects in [&[1, 2, 3][..], &[2][..], &[1, 3][..]] {
        for sql in questions() {
            let sorted = |mut rows: Vec<String>| {
                rows.sort();
                rows
            };
            let expected = sorted(hot.rows(projects, &sql).await);
            assert!(!expected.is_empty() || projects.len() < 3, "{sql} finds nothing");
            assert_eq!(sorted(cold.rows(projects, &sql).await), expected, "cold, {projects:?}: {sql}");
            assert_eq!(sorted(mixed.rows(projects, &sql).await), expected, "mixed, {projects:?}: {sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_right() {
    for placed in [Placed::Hot, Placed::Cold, Placed::Mixed] {
        let lab = Lab::with(placed, COUNT).await;
        let check = async |projects: &[i64], sql: &str, expected: &str| {
            assert_eq!(lab.rows(projects, sql).await, [expected], "{placed:?}: {sql}");
        };
        check(&[1, 2, 3], "SELECT count(*) AS n FROM events", "{\"n\":3000}").await;
        check(&[2], "SELECT count(*) AS n FROM events", "{\"n\":1000}").await;
        check(&[9], "SELECT count(*) AS n FROM events", "{\"n\":0}").await;
        check(&[], "SELECT count(*) AS n FROM events", "{\"n\":0}").await;
        let sql = "SELECT count(*) AS n FROM events WHERE level = 'fatal' AND environment = 'staging'";
        check(&[1, 2, 3], sql, "{\"n\":750}").await;
        let sql = "SELECT event_id, timestamp, level, tags FROM events ORDER BY timestamp DESC LIMIT 1";
        let newest = "{\"event_id\":\"abcdef00000000000000000000000bb8\",\"timestamp\":\"2026-09-21T15:03:19.000000Z\",\
            \"level\":\"fatal\",\"tags\":{\"customer\":\"c9\",\"region\":\"eu\"}}";
        check(&[1, 2, 3], sql, newest).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_keeps_its_snapshot_while_events_roll() {
    use futures::StreamExt;
    let lab = Lab::with(Placed::Hot, COUNT).await;
    let options = tephra_query::SqlOptions::default();
    let projects = [1, 2, 3].map(tephra_storage::ProjectId);
    let mut answer = lab.engine.sql(&projects, "SELECT * FROM events", options).await.unwrap();
    let first = answer.stream.next().await.unwrap().unwrap().num_rows();
    lab.roll().await;
    lab.store.drop_rolled().await.unwrap();
    lab.append(COUNT..COUNT + 50).await;
    let mut rows = first;
    while let Some(batch) = answer.stream.next().await {
        rows += batch.unwrap().num_rows();
    }
    assert_eq!(rows, COUNT);
    assert_eq!(lab.rows(&[1, 2, 3], "SELECT count(*) AS n FROM events").await, ["{\"n\":3050}"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_are_listed() {
    let lab = Lab::with(Placed::Mixed, COUNT).await;
    let sql =
        "SELECT tier, sum(rows) AS n, min(day) AS day, min(retention_days) AS kept FROM files GROUP BY tier ORDER BY 1";
    let rows = lab.rows(&[1, 2, 3], sql).await;
    assert_eq!(rows[0], "{\"tier\":\"cold\",\"n\":2000,\"day\":\"2026-09-21\",\"kept\":90}");
    assert_eq!(rows[1], "{\"tier\":\"hot\",\"n\":1000,\"day\":null,\"kept\":null}");
    assert_eq!(lab.rows(&[9], "SELECT count(*) AS n FROM files").await, ["{\"n\":0}"]);
    assert_eq!(
        lab.rows(&[1], "SELECT version() AS v").await,
        [format!("{{\"v\":\"Tephra {}\"}}", env!("CARGO_PKG_VERSION"))]
    );
}
