//! The newest n with all their columns: sorted narrow and read by place, the rows are those of a plain sort.

use crate::lab::{Lab, Placed};

/// More than any late read takes: the plain plan.
const PLAIN: usize = 20_000;

const QUESTIONS: [&str; 8] = [
    "SELECT * FROM events ORDER BY timestamp DESC",
    "SELECT * FROM events WHERE service = 'svc-3' AND environment = 'staging' ORDER BY timestamp DESC",
    "SELECT * FROM events WHERE stack LIKE '%frame_7%' ORDER BY timestamp DESC",
    "SELECT stack, message AS text, upper(level) AS l, tags['customer'] AS c, timestamp AS t FROM events ORDER BY t",
    "SELECT e.message, e.trace_id, e.event_id FROM events e WHERE e.level <> 'info' ORDER BY e.level, e.timestamp DESC",
    "SELECT message, stack FROM events ORDER BY severity NULLS FIRST, length(message) DESC, event_id",
    "SELECT stack, project_id, tags FROM events WHERE tags['customer'] = 'c4' ORDER BY received_at DESC, project_id",
    "SELECT * FROM (SELECT * FROM events WHERE handled IS NULL) AS inside ORDER BY inside.timestamp",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_are_those_of_a_plain_sort() {
    for placed in [Placed::Hot, Placed::Cold, Placed::Mixed] {
        let lab = Lab::with(placed, 600).await;
        for projects in [&[1, 2, 3][..], &[2][..]] {
            for question in QUESTIONS {
                let all = lab.rows(projects, &format!("{question} LIMIT {PLAIN}")).await;
                for (limit, offset) in [(1, 0), (7, 3), (500, 0)] {
                    let sql = format!("{question} LIMIT {limit} OFFSET {offset}");
                    let rows = lab.rows(projects, &sql).await;
                    let expected: Vec<_> = all.iter().skip(offset).take(limit).cloned().collect();
                    assert_eq!(rows, expected, "{placed:?} {projects:?}: {sql}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wide_rows_are_read_late_and_narrow_ones_at_once() {
    let lab = Lab::with(Placed::Mixed, 600).await;
    let plan =
        lab.analyze(&[1, 2, 3], "SELECT * FROM events WHERE service = 'svc-3' ORDER BY timestamp DESC LIMIT 9").await;
    assert!(plan.contains("FetchExec: columns=38") && plan.contains("rows_fetched=9"), "{plan}");
    for sql in [
        "SELECT timestamp, level FROM events ORDER BY timestamp DESC LIMIT 9",
        "SELECT * FROM events ORDER BY timestamp DESC LIMIT 20000",
        "SELECT * FROM events ORDER BY timestamp DESC",
        "SELECT * FROM events LIMIT 9",
    ] {
        let plan = lab.analyze(&[1, 2, 3], sql).await;
        assert!(!plan.contains("FetchExec"), "{sql}: {plan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn places_have_no_name_in_sql() {
    let lab = Lab::with(Placed::Mixed, 60).await;
    for name in ["__part", "__row"] {
        let error = lab.error(&format!("SELECT {name} FROM events ORDER BY timestamp DESC LIMIT 5")).await;
        assert!(error.message.contains(name), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_reads_take_part_in_larger_statements() {
    let lab = Lab::with(Placed::Mixed, 600).await;
    let newest = "SELECT * FROM events ORDER BY timestamp DESC LIMIT 50";
    let rows = lab.rows(&[1, 2, 3], &format!("SELECT count(*) AS n, count(stack) AS s FROM ({newest})")).await;
    assert_eq!(rows, [r#"{"n":50,"s":25}"#]);
    let sql = format!("SELECT a.message FROM ({newest}) a JOIN ({newest}) b ON a.event_id = b.event_id");
    assert_eq!(lab.rows(&[1, 2, 3], &sql).await.len(), 50);
}
