//! The table of a run.

use std::io::Write;
use std::time::Duration;

use serde_json::json;

use super::expected::Query;

/// One engine.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// In the order of the queries.
    pub(super) timings: Vec<Timing>,
}

/// One query on one engine.
#[derive(Clone, Debug)]
pub(super) struct Timing {
    pub(super) first_ms: f64,
    /// Median of the runs after the first, where there were any.
    pub(super) warm_ms: Option<f64>,
    /// How the answer differs from the expected one.
    pub(super) wrong: Option<String>,
}

impl Timing {
    pub(super) fn new(first: Duration, mut warm: Vec<Duration>, wrong: Option<String>) -> Self {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        warm.sort();
        Self { first_ms: ms(first), warm_ms: warm.get(warm.len() / 2).copied().map(ms), wrong }
    }
}

pub(super) fn print(out: &mut impl Write, queries: &[Query], columns: &[Column]) -> std::io::Result<()> {
    let heads: Vec<_> = columns.iter().map(|column| format!("{}, warm / first ms", column.name)).collect();
    writeln!(out, "| query | {} |", heads.join(" | "))?;
    writeln!(out, "|---|{}", "---:|".repeat(columns.len()))?;
    for (at, query) in queries.iter().enumerate() {
        let cells = columns.iter().map(|column| {
            let timing = &column.timings[at];
            let warm = timing.warm_ms.map_or("–".to_owned(), |ms| format!("{ms:.1}"));
            let mark = if timing.wrong.is_some() { " **wrong**" } else { "" };
            format!("{warm} / {:.1}{mark}", timing.first_ms)
        });
        writeln!(out, "| {} {} | {} |", query.letter, query.what, cells.collect::<Vec<_>>().join(" | "))?;
    }
    for column in columns {
        for (query, timing) in queries.iter().zip(&column.timings) {
            if let Some(wrong) = &timing.wrong {
                writeln!(out, "{}, query {}: {wrong}", column.name, query.letter)?;
            }
        }
    }
    Ok(())
}

pub(super) fn to_json(queries: &[Query], columns: &[Column]) -> serde_json::Value {
    let columns = columns.iter().map(|column| {
        let timings = queries.iter().zip(&column.timings).map(|(query, timing)| {
            json!({ "query": query.letter, "warm_ms": timing.warm_ms, "first_ms": timing.first_ms, "wrong": timing.wrong })
        });
        json!({ "engine": column.name, "queries": timings.collect::<Vec<_>>() })
    });
    columns.collect()
}
