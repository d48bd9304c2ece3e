//! The same queries on the lake's files by DuckDB, through `duckdb_queries.py`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::expected::Query;
use super::table::{Column, Timing};

const SCRIPT: &str = include_str!("../../duckdb_queries.py");

/// What the script reads.
pub(super) fn spec(queries: &[Query], repeat: usize) -> Value {
    let queries =
        queries.iter().map(|query| json!({ "letter": query.letter, "what": query.what, "sql": query.duckdb }));
    json!({ "repeat": repeat, "queries": queries.collect::<Vec<_>>() })
}

/// Runs the script and checks its answers as Tephra's are.
pub(super) fn run(python: &Path, lake: &Path, queries: &[Query], repeat: usize) -> anyhow::Result<Column> {
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT, "--spec", "-", "--json", "--lake"]).arg(lake);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not run `{}`", python.display()))?;
    let mut stdin = child.stdin.take().context("the child has no standard input")?;
    stdin.write_all(&serde_json::to_vec(&spec(queries, repeat))?)?;
    drop(stdin);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("`duckdb_queries.py` ended with {}", output.status);
    }
    let answer: Value = serde_json::from_slice(&output.stdout).context("`duckdb_queries.py` printed no JSON")?;
    let version = answer["version"].as_str().unwrap_or_default();
    let timings = queries.iter().zip(answer["queries"].as_array().into_iter().flatten()).map(|(query, answer)| {
        let rows = answer["rows"].as_array().cloned().unwrap_or_default();
        Timing {
            first_ms: answer["first_ms"].as_f64().unwrap_or(f64::NAN),
            warm_ms: answer["warm_ms"].as_f64(),
            wrong: query.expected.check(&rows),
        }
    });
    Ok(Column { name: format!("DuckDB {version}"), timings: timings.collect() })
}
