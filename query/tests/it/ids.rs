//! Ids may be written in capitals and with dashes; what is no id equals nothing.

use crate::lab::{Lab, Placed, hex_id};

#[tokio::test(flavor = "multi_thread")]
async fn ids_are_found_in_every_spelling() {
    let plain = hex_id(500);
    let dashed = format!("{}-{}-{}-{}-{}", &plain[..8], &plain[8..12], &plain[12..16], &plain[16..20], &plain[20..]);
    let spellings = [plain.clone(), plain.to_uppercase(), dashed.to_uppercase(), dashed];
    for placed in [Placed::Hot, Placed::Cold] {
        let lab = Lab::with(placed, 1_000).await;
        let found = format!("{{\"event_id\":\"{plain}\"}}");
        for id in &spellings {
            for condition in [
                format!("event_id = '{id}'"),
                format!("'{id}' = event_id"),
                format!("event_id IN ('{id}', 'nonsense')"),
                format!("event_id IN ('{id}', '{plain}', '{plain}')"),
                format!("NOT (event_id <> '{id}')"),
                format!("CASE WHEN event_id = '{id}' THEN true ELSE false END"),
            ] {
                let sql = format!("SELECT event_id FROM events WHERE {condition}");
                assert_eq!(lab.rows(&[1, 2, 3], &sql).await, std::slice::from_ref(&found), "{placed:?}: {sql}");
            }
            let sql = format!("SELECT sum(CASE WHEN event_id = '{id}' THEN 1 ELSE 0 END) AS n FROM events");
            assert_eq!(lab.rows(&[1, 2, 3], &sql).await, ["{\"n\":1}"], "{placed:?}: {sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_id_equals_nothing() {
    for placed in [Placed::Hot, Placed::Cold] {
        let lab = Lab::with(placed, 900).await;
        // Every third event has no trace.
        for (condition, expected) in [
            ("trace_id = 'zz'", 0),
            ("NOT (trace_id = 'zz')", 600),
            ("trace_id <> 'zz'", 600),
            ("trace_id IN ('zz', '')", 0),
            ("trace_id NOT IN ('zz', '')", 600),
            ("group_hash = '0101010101010101'", 40),
            ("group_hash = '0101'", 0),
            ("trace_id = event_id", 0),
            ("group_hash = group_hash_full", 1),
        ] {
            let sql = format!("SELECT count(*) AS n FROM events WHERE {condition}");
            let expected = format!("{{\"n\":{expected}}}");
            assert_eq!(lab.rows(&[1, 2, 3], &sql).await, [expected], "{placed:?}: {sql}");
        }
    }
}
