//! A session sees its projects' events and nothing else.

use tephra_query::SqlOptions;

use crate::lab::{Lab, Placed, event};

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_reaches_another_project() {
    for placed in [Placed::Hot, Placed::Cold, Placed::Mixed] {
        let lab = Lab::with(placed, 900).await;
        for condition in [
            "true",
            "project_id = 2",
            "project_id = 2 OR true",
            "project_id IN (1, 2, 3)",
            "project_id <> 1",
            "NOT (project_id = 1)",
            "project_id IS NOT NULL OR 1 = 1",
            "coalesce(nullif(project_id, 1), 2) = 2",
            "tags['customer'] = 'c5' OR project_id = 2",
            "event_id IN (SELECT event_id FROM events)",
            "EXISTS (SELECT 1 FROM events e WHERE e.project_id = 2) OR true",
            "length(message) > 0 OR random() < 2",
        ] {
            let sql = format!("SELECT DISTINCT project_id AS p FROM events WHERE {condition}");
            let rows = lab.rows(&[1], &sql).await;
            assert!(rows.iter().all(|row| row == "{\"p\":1}"), "{placed:?}: {sql}: {rows:?}");
            let sql =
                format!("SELECT count(*) AS n FROM events WHERE ({condition}) AND exception_value LIKE 'value %1'");
            let rows = lab.rows(&[1], &sql).await;
            assert!(rows[0] == "{\"n\":30}" || rows[0] == "{\"n\":0}" || condition.contains("c5"), "{sql}: {rows:?}");
        }
        for sql in [
            "SELECT a.project_id AS p FROM events a JOIN events b ON a.group_hash = b.group_hash GROUP BY 1",
            "SELECT b.project_id AS p FROM events a FULL JOIN events b ON a.project_id <> b.project_id WHERE b.project_id IS NOT NULL GROUP BY 1",
            "SELECT project_id AS p FROM events UNION SELECT project_id FROM tephra.public.events",
            "SELECT max(project_id) AS p FROM events",
            "WITH all_of_it AS (SELECT * FROM events) SELECT DISTINCT project_id AS p FROM all_of_it",
            "SELECT p FROM (SELECT project_id AS p, row_number() OVER (ORDER BY timestamp) AS r FROM events) GROUP BY p",
        ] {
            assert_eq!(lab.rows(&[1], sql).await, ["{\"p\":1}"], "{placed:?}: {sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_tells_nothing_of_others() {
    for placed in [Placed::Hot, Placed::Cold] {
        let lab = Lab::empty(crate::lab::settings()).await;
        let named = |n: usize, logger: &str| {
            let mut event = event(n);
            event.logger = Some(logger.into());
            event.release = Some(logger.into());
            event.message = Some(logger.into());
            event
        };
        lab.append_events(1, (0..50).map(|n| named(n, "17")).collect()).await;
        lab.append_events(2, (50..100).map(|n| named(n, "secret")).collect()).await;
        if placed == Placed::Cold {
            lab.roll().await;
        }
        for column in ["logger", "release", "message"] {
            let sql = format!("SELECT count(*) AS n FROM events WHERE CAST({column} AS BIGINT) = 17");
            assert_eq!(lab.rows(&[1], &sql).await, ["{\"n\":50}"], "{placed:?}: {sql}");
            let both = lab.ask(&[1, 2], &sql, SqlOptions::default()).await.unwrap_err();
            assert!(both.message.contains("secret"), "{both:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_holds_the_callers_tables_only() {
    let lab = Lab::with(Placed::Mixed, 300).await;
    let sql = "SELECT table_catalog AS c, table_schema AS s, table_name AS t FROM information_schema.tables \
        WHERE table_schema <> 'information_schema' ORDER BY 3";
    let expected =
        ["{\"c\":\"tephra\",\"s\":\"public\",\"t\":\"events\"}", "{\"c\":\"tephra\",\"s\":\"public\",\"t\":\"files\"}"];
    assert_eq!(lab.rows(&[1], sql).await, expected);
    assert!(lab.rows(&[1], "SHOW TABLES").await.iter().any(|row| row.contains("\"events\"")));
    assert_eq!(lab.rows(&[1], "SHOW COLUMNS FROM events").await.len(), 40);
    assert_eq!(lab.rows(&[1], "DESCRIBE events").await.len(), 40);
}
