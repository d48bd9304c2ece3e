//! Functions that grow stop at their limits, also where constants are folded.

use tephra_query::ErrorKind;

use crate::lab::{Lab, Placed};

#[tokio::test(flavor = "multi_thread")]
async fn bombs_are_refused() {
    let lab = Lab::with(Placed::Hot, 300).await;
    let doubled = |expr: &str, levels: usize| {
        (0..levels).fold(format!("SELECT {expr} AS x"), |inner, _| format!("SELECT x || x AS x FROM ({inner})"))
    };
    for sql in [
        "SELECT length(repeat('x', 2000000000)) AS n",
        "SELECT length(repeat(message, 2000000000)) AS n FROM events",
        "SELECT length(repeat(message, 100000)) AS n FROM events",
        "SELECT length(lpad('x', 1000000000, 'y')) AS n",
        "SELECT length(rpad(level, 1000000000, 'y')) AS n FROM events",
        "SELECT cardinality(array_repeat(1, 200000000)) AS n",
        "SELECT cardinality(array_repeat(array_repeat(1, 1000), 100000)) AS n",
        "SELECT cardinality(range(0, 200000000)) AS n",
        "SELECT cardinality(range(0, CAST(severity AS BIGINT) * 100000000)) AS n FROM events",
        "SELECT cardinality(generate_series(0, 200000000)) AS n",
        "SELECT cardinality(generate_series(DATE '1000-01-01', DATE '9999-01-01', INTERVAL '1 day')) AS n",
        "SELECT cardinality(array_resize([1], 200000000, 0)) AS n",
        "SELECT count(*) AS n FROM generate_series(1, 100000000)",
        "SELECT count(*) AS n FROM range(0, 1000000000000)",
        "SELECT length(replace(repeat('a', 1000000), 'a', repeat('b', 1000000))) AS n",
        "SELECT length(replace(repeat('a', 1000), '', repeat('b', 1000000))) AS n",
        "SELECT length(regexp_replace(repeat('a', 1000000), 'a', repeat('b', 1000000), 'g')) AS n",
        "SELECT length(concat(repeat('a', 900000), repeat('b', 900000))) AS n",
        "SELECT length(concat_ws(repeat('a', 900000), 'a', 'b', 'c', 'd')) AS n",
        "SELECT length(array_to_string(range(0, 100000), repeat('x', 1000000))) AS n",
        "SELECT length(to_char(now(), repeat('%c', 500000))) AS n",
        &doubled("repeat('x', 1000000)", 3),
        &doubled("message", 40),
    ] {
        let error = match lab.ask(&[1, 2, 3], sql, Default::default()).await {
            // A column of lists over events, some of whose bounds are NULL.
            Ok((rows, _)) => panic!("{sql}: {} rows", rows.len()),
            Err(error) => error,
        };
        // Nested forty deep, a statement is refused before it could grow.
        assert!(matches!(error.kind, ErrorKind::ResourcesExhausted | ErrorKind::Invalid), "{sql}: {error:?}");
        assert!(error.message.contains("limit"), "{sql}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_use_works() {
    let lab = Lab::with(Placed::Hot, 300).await;
    for (sql, expected) in [
        ("SELECT length(repeat('x', 1000)) AS v", "1000"),
        ("SELECT lpad('7', 3, '0') AS v", "\"007\""),
        ("SELECT 'a' || 'b' || 1 AS v", "\"ab1\""),
        ("SELECT 'a' || NULL AS v", "null"),
        ("SELECT [1] || [2] AS v", "[1,2]"),
        ("SELECT replace('a-b-c', '-', '+') AS v", "\"a+b+c\""),
        ("SELECT regexp_replace('n 12 m 7', '[0-9]+', 'N', 'g') AS v", "\"n N m N\""),
        ("SELECT concat_ws(',', 'a', 'b') AS v", "\"a,b\""),
        ("SELECT cardinality(range(0, 1000)) AS v", "1000"),
        ("SELECT array_to_string([1, 2], '-') AS v", "\"1-2\""),
        ("SELECT count(*) AS v FROM generate_series(1, 1000)", "1000"),
        ("SELECT upper('abc') AS v", "\"ABC\""),
        ("SELECT count(*) AS v FROM events WHERE regexp_replace(stack, 'frame_[0-9]+', 'f') LIKE '%at f%'", "150"),
        (
            "SELECT count(*) AS v FROM events WHERE length(replace(stack, ' ', '    ')) = \
             length(stack) + 3 * (length(stack) - length(replace(stack, ' ', '')))",
            "150",
        ),
        (
            "SELECT max(message || '/' || level) AS v FROM events WHERE level = 'fatal' AND message LIKE '% 99 %'",
            "\"request 99 failed in module 14/fatal\"",
        ),
    ] {
        assert_eq!(lab.rows(&[1, 2, 3], sql).await, [format!("{{\"v\":{expected}}}")], "{sql}");
    }
}
