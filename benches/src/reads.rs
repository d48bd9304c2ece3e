//! The reads of people who look at issues and events, mixed, at an even rate; and sockets that only listen.
//!
//! An open loop: each request has a time at which it is due, and its latency counts from then, so that a server that falls
//! behind shows it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::server::{Server, ServerArgs};

const COUNTED_LIMIT: Duration = Duration::from_secs(120);

/// Arguments of `tephra-bench reads`.
#[derive(Clone, Debug, clap::Args)]
pub struct ReadsArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// The project whose issues and events are read.
    #[arg(long, default_value_t = 1)]
    project: u64,
    /// Wait until the project has this many issues.
    #[arg(long, default_value_t = 0)]
    issues: u64,
    /// Requests per second.
    #[arg(long, default_value_t = 500.0)]
    rate: f64,
    /// How long.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Requests under way at most.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Only requests whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Write the figures to this file as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// One kind of read: its share of the mix and its paths, taken in turn.
struct Kind {
    name: &'static str,
    share: u32,
    paths: Vec<String>,
}

/// Runs the mix and prints its latencies.
pub async fn run(args: &ReadsArgs) -> anyhow::Result<()> {
    let server = Arc::new(Server::new(&args.server)?);
    wait_counted(&server, args).await?;
    let mut kinds = kinds(&server, args.project).await?;
    if let Some(only) = &args.only {
        kinds.retain(|kind| kind.name.contains(only.as_str()));
    }
    if kinds.is_empty() {
        bail!("no read has `{}` in its name", args.only.as_deref().unwrap_or_default());
    }
    for kind in &kinds {
        // Once before the clock runs: a fault is told with its text, and caches are as warm as they are in use.
        for path in &kind.paths {
            let (status, text) = server.get(path).await?;
            if status != 200 {
                bail!("`{path}` was answered {status}: {text}");
            }
        }
    }
    let turns: Arc<Vec<usize>> = Arc::new(spread(&kinds));
    let kinds = Arc::new(kinds);
    let (next, start) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let total = (args.rate * args.seconds as f64) as u64;
    let tasks: Vec<_> = (0..args.connections)
        .map(|_| {
            let (server, kinds, turns, next) = (server.clone(), kinds.clone(), turns.clone(), next.clone());
            let rate = args.rate;
            tokio::spawn(async move {
                let mut seen: BTreeMap<&'static str, Seen> = BTreeMap::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= total {
                        return seen;
                    }
                    let due = start + Duration::from_secs_f64(number as f64 / rate);
                    tokio::time::sleep_until(due.into()).await;
                    let kind = &kinds[turns[number as usize % turns.len()]];
                    let path = &kind.paths[number as usize / turns.len() % kind.paths.len()];
                    let answer = server.get(path).await;
                    let entry = seen.entry(kind.name).or_default();
                    match answer {
                        Ok((200, _)) => entry.took(due.elapsed()),
                        Ok((status, text)) => entry.failed(format!("{status} to `{path}`: {text}")),
                        Err(error) => entry.failed(format!("{error:#}")),
                    }
                }
            })
        })
        .collect();
    let mut all: BTreeMap<&'static str, Seen> = BTreeMap::new();
    for task in tasks {
        for (name, seen) in task.await? {
            all.entry("all").or_default().add(&seen);
            all.entry(name).or_default().add(&seen);
        }
    }
    report(args, &all, start.elapsed())
}

/// Waits until as many issues as are wanted have been counted.
async fn wait_counted(server: &Server, args: &ReadsArgs) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let counts = server.get(&format!("/api/v1/issues/counts?project={}", args.project)).await?;
        let value: Value =
            serde_json::from_str(&counts.1).with_context(|| format!("counts of issues: {}", counts.1))?;
        let issues: u64 =
            ["unresolved", "resolved", "archived"].iter().filter_map(|state| value[*state].as_u64()).sum();
        if issues >= args.issues {
            return Ok(());
        }
        if start.elapsed() > COUNTED_LIMIT {
            bail!("project {} has {issues} issues after {} s", args.project, COUNTED_LIMIT.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What became of the requests of one kind.
struct Seen {
    latency: Histogram<u64>,
    failures: u64,
    first_failure: Option<String>,
}

impl Default for Seen {
    fn default() -> Self {
        let latency = Histogram::new(3).expect("three digits are within the histogram's limits");
        Self { latency, failures: 0, first_failure: None }
    }
}

impl Seen {
    fn took(&mut self, time: Duration) {
        let _ = self.latency.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    fn failed(&mut self, reason: String) {
        self.failures += 1;
        self.first_failure.get_or_insert(reason);
    }

    fn add(&mut self, other: &Self) {
        let _ = self.latency.add(&other.latency);
        self.failures += other.failures;
        if self.first_failure.is_none() {
            self.first_failure.clone_from(&other.first_failure);
        }
    }

    fn ms(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e3
    }
}

/// Each kind as often as its share, evenly mixed.
fn spread(kinds: &[Kind]) -> Vec<usize> {
    let total: u32 = kinds.iter().map(|kind| kind.share).sum();
    let mut owed = vec![0_i64; kinds.len()];
    (0..total)
        .map(|_| {
            for (owed, kind) in owed.iter_mut().zip(kinds) {
                *owed += i64::from(kind.share);
            }
            let most = (0..kinds.len()).max_by_key(|index| owed[*index]).unwrap_or(0);
            owed[most] -= i64::from(total);
            most
        })
        .collect()
}

async fn kinds(server: &Server, project: u64) -> anyhow::Result<Vec<Kind>> {
    let lines =
        |text: &str| -> Vec<Value> { text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect() };
    let column = |rows: &[Value], name: &str| -> Vec<String> {
        rows.iter().filter_map(|row| row[name].as_str().map(str::to_owned)).collect()
    };
    let sample = "SELECT event_id, service FROM events WHERE kind = 'error' ORDER BY timestamp DESC LIMIT 200";
    let rows = lines(&server.sql(sample).await?.0);
    let (events, services) = (column(&rows, "event_id"), column(&rows, "service"));
    let (status, text) = server.get(&format!("/api/v1/issues?project={project}&limit=100")).await?;
    let issues: Value =
        serde_json::from_str(&text).with_context(|| format!("issues were answered {status}: {text}"))?;
    let issues: Vec<String> =
        issues["items"].as_array().into_iter().flatten().map(|issue| issue["id"].to_string()).collect();
    if events.is_empty() || issues.is_empty() {
        bail!("project {project} has no events or no issues: load some first");
    }
    let some = |items: &[String], path: &dyn Fn(&str) -> String| -> Vec<String> {
        items.iter().take(50).map(|item| path(item.trim_matches('"'))).collect()
    };
    let base = format!("/api/v1/projects/{project}");
    let sorts = ["last_seen", "first_seen", "events", "users"];
    Ok(vec![
        Kind {
            name: "issue list",
            share: 8,
            paths: sorts.iter().map(|sort| format!("/api/v1/issues?project={project}&sort={sort}&limit=25")).collect(),
        },
        Kind { name: "issue", share: 3, paths: some(&issues, &|id| format!("/api/v1/issues/{id}")) },
        Kind {
            name: "events of an issue",
            share: 2,
            paths: some(&issues, &|id| format!("/api/v1/issues/{id}/events?limit=25")),
        },
        Kind {
            name: "event list",
            share: 3,
            paths: vec![format!("{base}/events?limit=50"), format!("{base}/events?limit=50&query=level:error")],
        },
        Kind {
            name: "event list by tag",
            share: 2,
            paths: some(&services, &|service| format!("{base}/events?limit=50&query=service:{service}")),
        },
        Kind { name: "event", share: 2, paths: some(&events, &|id| format!("{base}/events/{id}")) },
    ])
}

fn report(args: &ReadsArgs, all: &BTreeMap<&'static str, Seen>, took: Duration) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "| read | requests | p50 ms | p99 ms | max ms | failed |\n| --- | ---: | ---: | ---: | ---: | ---: |"
    )?;
    for (name, seen) in all {
        let (p50, p99, max) = (seen.ms(0.5), seen.ms(0.99), seen.ms(1.0));
        let count = seen.latency.len();
        writeln!(out, "| {name} | {count} | {p50:.1} | {p99:.1} | {max:.1} | {} |", seen.failures)?;
    }
    let done: u64 = all.get("all").map_or(0, |seen| seen.latency.len());
    writeln!(out, "{:.0} requests/s intended, {:.0} done", args.rate, done as f64 / took.as_secs_f64())?;
    for seen in all.values().filter_map(|seen| seen.first_failure.as_ref()).take(1) {
        writeln!(out, "first failure: {seen}")?;
    }
    if let Some(path) = &args.json {
        let kinds: BTreeMap<_, _> = all
            .iter()
            .map(|(name, seen)| {
                let count = seen.latency.len();
                (*name, json!({ "requests": count, "p50_ms": seen.ms(0.5), "p99_ms": seen.ms(0.99), "failed": seen.failures }))
            })
            .collect();
        let figures = json!({ "rate": args.rate, "done_per_second": done as f64 / took.as_secs_f64(), "reads": kinds });
        std::fs::write(path, serde_json::to_vec_pretty(&figures)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_has_every_kind_as_often_as_its_share() {
        let kind = |share| Kind { name: "", share, paths: Vec::new() };
        let turns = spread(&[kind(1), kind(3)]);
        assert_eq!(turns.len(), 4);
        assert_eq!(turns.iter().filter(|turn| **turn == 1).count(), 3);
    }
}
