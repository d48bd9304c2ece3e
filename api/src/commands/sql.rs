//! `tephra sql`: sends a statement, shows how far it is, prints the rows, and cancels on Ctrl-C.

use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use arrow::ipc::reader::StreamReader;
use futures::StreamExt;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use reqwest::Response;
use reqwest::header::ACCEPT;
use serde::Deserialize;

use super::table;
use crate::cli::{Format, SqlArgs};
use crate::client::{Client, ProblemDetails};

const POLL: Duration = Duration::from_millis(200);
const INTERRUPTED: u8 = 130;

#[derive(Deserialize)]
struct Report {
    state: String,
    rows_read: u64,
    bytes_read: u64,
    rows: Option<u64>,
    truncated: Option<bool>,
    took_ms: u64,
    error: Option<ProblemDetails>,
}

/// Asks one question.
pub(crate) fn run(args: &SqlArgs) -> anyhow::Result<ExitCode> {
    let sql = statement(args.sql.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::find(&args.server)?;
        let id = uuid::Uuid::new_v4().simple().to_string();
        tokio::select! {
            result = ask(&client, &id, &sql, args) => result,
            _ = tokio::signal::ctrl_c() => {
                // Dropping the connection cancels as well; this also reaches a server behind a proxy.
                let path = format!("/api/v1/sql/{id}");
                let _ = tokio::time::timeout(Duration::from_secs(2), client.delete(&path).send()).await;
                eprintln!("cancelled");
                Ok(ExitCode::from(INTERRUPTED))
            }
        }
    })
}

fn statement(given: Option<&str>) -> anyhow::Result<String> {
    let sql = match given {
        Some("-") | None => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).context("could not read the statement from standard input")?;
            text
        }
        Some(sql) => sql.to_owned(),
    };
    if sql.trim().is_empty() {
        bail!("the statement is empty");
    }
    Ok(sql)
}

async fn ask(client: &Client, id: &str, sql: &str, args: &SqlArgs) -> anyhow::Result<ExitCode> {
    let spinner = spinner();
    let watch = async {
        if spinner.is_hidden() {
            std::future::pending::<()>().await;
        }
        loop {
            tokio::time::sleep(POLL).await;
            if let Ok(report) = report(client, id).await {
                let (rows, bytes) = (HumanCount(report.rows_read), HumanBytes(report.bytes_read));
                spinner.set_message(format!("{rows} rows, {bytes} read"));
            }
        }
    };
    let result = tokio::select! {
        result = fetch(client, id, sql, args, &spinner) => result,
        () = watch => unreachable!("the watch has no end"),
    };
    spinner.finish_and_clear();
    let received = match result {
        Ok(received) => received,
        Err(error) => return explain(error, sql, args),
    };
    // The rows are here; whether they are all of them the server knows.
    let report = report(client, id).await.ok();
    if let Received::Broken(reason) = received {
        match report.and_then(|report| report.error) {
            Some(problem) => return explain(problem.into(), sql, args),
            None => bail!("the answer broke off: {reason}"),
        }
    }
    if let Received::Table(text) = &received {
        super::print(text)?;
    }
    let Some(report) = report else { return Ok(ExitCode::SUCCESS) };
    if let Some(problem) = report.error {
        return explain(problem.into(), sql, args);
    }
    let rows = report.rows.unwrap_or(0);
    if report.truncated == Some(true) {
        eprintln!("only the first {rows} rows: there are more than the limit allows");
    }
    if io::stderr().is_terminal() && report.state == "done" {
        let (read, bytes) = (HumanCount(report.rows_read), HumanBytes(report.bytes_read));
        eprintln!("{} rows in {} ms ({read} rows, {bytes} read)", HumanCount(rows), report.took_ms);
    }
    Ok(ExitCode::SUCCESS)
}

/// What came.
enum Received {
    /// All of it is printed.
    Printed,
    /// All of it, to be printed.
    Table(String),
    /// The connection ended before the answer did.
    Broken(String),
}

async fn fetch(
    client: &Client,
    id: &str,
    sql: &str,
    args: &SqlArgs,
    spinner: &ProgressBar,
) -> anyhow::Result<Received> {
    let accept = match args.format {
        Format::Table | Format::Arrow => "application/vnd.apache.arrow.stream",
        Format::Json => "application/json",
        Format::Ndjson => "application/x-ndjson",
        Format::Csv => "text/csv",
    };
    let body = serde_json::json!({ "sql": sql, "rows_max": args.rows_max, "time_ms_max": args.time_ms_max });
    let request = client.post("/api/v1/sql").header(ACCEPT, accept).header(crate::http::REQUEST_ID, id).json(&body);
    let response = request.send().await.map_err(|error| client.unreachable(&error))?;
    if !response.status().is_success() {
        return Err(Client::problem(response).await.into());
    }
    if args.format == Format::Table { collect(response).await } else { pass_on(response, args.format, spinner).await }
}

async fn collect(response: Response) -> anyhow::Result<Received> {
    let bytes = match response.bytes().await {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Received::Broken(error.to_string())),
    };
    let reader = StreamReader::try_new(&bytes[..], None).context("could not read the rows")?;
    let schema = reader.schema();
    let rows = reader.collect::<Result<Vec<_>, _>>().context("could not read the rows")?;
    let cut = io::stdout().is_terminal().then_some(table::CELL_CHARS_MAX);
    Ok(Received::Table(table::draw(&schema, &rows, cut)?))
}

async fn pass_on(response: Response, format: Format, spinner: &ProgressBar) -> anyhow::Result<Received> {
    if format == Format::Arrow && io::stdout().is_terminal() {
        bail!("Arrow's stream is not for terminals; send it to a file or a program");
    }
    let (mut out, mut last) = (io::stdout(), b'\n');
    let mut parts = response.bytes_stream();
    while let Some(part) = parts.next().await {
        let part = match part {
            Ok(part) => part,
            Err(error) => return Ok(Received::Broken(error.to_string())),
        };
        last = part.last().copied().unwrap_or(last);
        spinner.suspend(|| out.write_all(&part))?;
    }
    if last != b'\n' && format == Format::Json {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(Received::Printed)
}

async fn report(client: &Client, id: &str) -> reqwest::Result<Report> {
    client.get(&format!("/api/v1/sql/{id}/progress")).send().await?.error_for_status()?.json().await
}

fn spinner() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{spinner} {elapsed} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let spinner = ProgressBar::new_spinner().with_style(style);
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

/// Prints a server's complaint with the place in the statement marked.
fn explain(error: anyhow::Error, sql: &str, args: &SqlArgs) -> anyhow::Result<ExitCode> {
    let problem: ProblemDetails = error.downcast()?;
    eprintln!("error: {}", mark(&problem, sql));
    if problem.kind == "unauthenticated" && args.server.token.is_none() {
        eprintln!("hint: give `--token`, `TEPHRA_TOKEN` or `--data-dir`");
    }
    Ok(ExitCode::FAILURE)
}

/// The message, then the line of the statement with a caret below, then the hint.
fn mark(problem: &ProblemDetails, sql: &str) -> String {
    let text = problem.to_string();
    let place = problem.line.zip(problem.column);
    let Some((line, column)) = place.and_then(|(line, column)| Some((sql.lines().nth(line.checked_sub(1)?)?, column)))
    else {
        return text;
    };
    let (message, hint) = text.split_once('\n').unwrap_or((&text, ""));
    let indent = " ".repeat(column.saturating_sub(1).min(line.chars().count()));
    format!("{message}\n  {line}\n  {indent}^\n{hint}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_fault_is_marked() {
        let problem = ProblemDetails {
            detail: "no column `levle`".to_owned(),
            line: Some(2),
            column: Some(3),
            hint: Some("did you mean `level`?".to_owned()),
            ..ProblemDetails::default()
        };
        let expected = "no column `levle` (line 2, column 3)\n    levle\n    ^\nhint: did you mean `level`?";
        assert_eq!(mark(&problem, "SELECT\n  levle\nFROM events"), expected);
        assert_eq!(mark(&ProblemDetails { line: Some(9), ..problem }, "x").lines().count(), 2);
    }

    #[test]
    fn an_empty_statement_is_refused() {
        assert!(statement(Some("  ")).is_err());
        assert_eq!(statement(Some("SELECT 1")).unwrap(), "SELECT 1");
    }
}
