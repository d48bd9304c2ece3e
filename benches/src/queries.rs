//! The seven queries that all engines are asked, their answers checked against what the generator knows.
//!
//! The text of a query is the same for Tephra and for DuckDB but for the form of ids. A first run and the median of the
//! next five are reported, the time from sending the statement until the last byte of the answer.

mod duckdb;
mod expected;
mod table;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::args::DataSetArgs;
use crate::generate::DataSet;
use crate::server::{Server, ServerArgs};
use expected::Query;
use table::{Column, Timing};

const READY_LIMIT: Duration = Duration::from_secs(60);

/// Arguments of `tephra-bench queries`.
#[derive(Clone, Debug, clap::Args)]
pub struct QueriesArgs {
    #[command(flatten)]
    data: DataSetArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// Runs after the first; their median is reported.
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// Only these queries, by letter: `adg`.
    #[arg(long)]
    only: Option<String>,
    /// Restart the server before each query with `--restart-cmd`, so that its first run is cold.
    #[arg(long, requires = "restart_cmd")]
    cold: bool,
    /// A command line that restarts the server and returns.
    #[arg(long)]
    restart_cmd: Option<String>,
    /// What the table calls the state of the data: hot, cold, mixed.
    #[arg(long, default_value = "")]
    state: String,
    /// Ask DuckDB the same of the lake's files; the path of a Python with `duckdb` and `pytz`.
    #[arg(long)]
    compare_duckdb: Option<PathBuf>,
    /// Print the queries as `duckdb_queries.py` reads them, and stop.
    #[arg(long)]
    print_spec: bool,
    /// Write the figures to this file as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Asks the queries, checks the answers and prints the table.
pub async fn run(args: &QueriesArgs) -> anyhow::Result<()> {
    let server = Server::new(&args.server)?;
    let data = Arc::new(DataSet::new(args.data.settings(server.data_dir.as_deref())?));
    let mut queries = expected::queries(&data, args.data.range());
    if let Some(only) = &args.only {
        queries.retain(|query| only.contains(query.letter));
    }
    if args.print_spec {
        return Ok(serde_json::to_writer_pretty(std::io::stdout().lock(), &duckdb::spec(&queries, args.repeat))?);
    }
    let mut columns = vec![Column { name: format!("Tephra {}", args.state).trim().to_owned(), timings: Vec::new() }];
    for query in &queries {
        let timing = ask(&server, args, query).await?;
        columns[0].timings.push(timing);
    }
    if let Some(python) = &args.compare_duckdb {
        let data_dir = server.data_dir.as_ref().context("DuckDB reads the lake: give `--data-dir`")?;
        columns.push(duckdb::run(python, &data_dir.join("lake/events"), &queries, args.repeat)?);
    }
    table::print(&mut std::io::stdout().lock(), &queries, &columns)?;
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_vec_pretty(&table::to_json(&queries, &columns))?)?;
    }
    let wrong: Vec<_> =
        queries.iter().zip(&columns[0].timings).filter_map(|(q, t)| Some((q.letter, t.wrong.clone()?))).collect();
    if !wrong.is_empty() {
        bail!("answers differ from what was loaded: {wrong:?}");
    }
    Ok(())
}

async fn ask(server: &Server, args: &QueriesArgs, query: &Query) -> anyhow::Result<Timing> {
    if let Some(command) = args.restart_cmd.as_ref().filter(|_| args.cold) {
        let status = Command::new("sh").args(["-c", command]).status().context("could not run the restart command")?;
        if !status.success() {
            bail!("the restart command ended with {status}");
        }
        server.wait_ready(READY_LIMIT).await?;
    }
    let (text, first) = server.sql(&query.sql).await?;
    let rows = text.lines().filter(|line| !line.is_empty()).map(serde_json::from_str).collect::<Result<Vec<_>, _>>();
    let wrong = query.expected.check(&rows.context("the answer is not lines of JSON")?);
    let mut took = Vec::with_capacity(args.repeat);
    for _ in 0..args.repeat {
        took.push(server.sql(&query.sql).await?.1);
    }
    Ok(Timing::new(first, took, wrong))
}
