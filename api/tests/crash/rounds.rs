//! Rounds against a real server: start, check, load, crash, again on what is left.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use tempfile::TempDir;
use tephra_storage::SystemClock;
use tephra_storage::meta::issues::{IssueFilter, IssueSort};
use tephra_storage::meta::{Meta, MetaSettings};

use crate::client::{Client, Way};
use crate::events::{Events, Random};
use crate::lake;
use crate::ledger::{Ledger, Stored};
use crate::leftovers;
use crate::load::{Load, deliver};
use crate::report::Report;
use crate::server::{Server, Setup, Started};

/// The points that storage and compactor name, in the order of an event's way.
pub(crate) const POINTS: [&str; 21] = [
    "append.before_write",
    "append.after_write",
    "append.after_sync",
    "append.after_publish",
    "count.before_commit",
    "count.after_commit",
    "mark.before_write",
    "roll.begin",
    "roll.after_sort",
    "roll.before_put",
    "roll.after_put",
    "commit.before_write",
    "commit.after_write",
    "roll.after_commit",
    "roll.before_delete",
    "roll.after_delete",
    "checkpoint.before",
    "checkpoint.after",
    "vacuum.before_delete",
    "recovery.begin",
    "recovery.end",
];

/// How long a point may take to be reached under load.
const REACH_MS_MAX: u64 = 15_000;
/// How long the load runs past an error: a roll that failed is tried again within it.
const ERROR_MS: u64 = 2_500;
/// How long a sweep may take to come round.
const SWEEP_MS_MAX: u64 = 15_000;
/// How long the load runs before a random kill.
const LOAD_MS_MAX: u64 = 900;
const POINTS_PER_LIFE: usize = 5;

/// One data directory over its rounds.
pub(crate) struct Life {
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    pub(crate) data_dir: PathBuf,
    pub(crate) log: PathBuf,
    temporary: Option<TempDir>,
}

impl Life {
    /// A fresh data directory, with its ledger and log beside it.
    pub(crate) fn new(random: &mut Random) -> Result<Self> {
        let temporary = TempDir::with_prefix("tephra-crash-")?;
        let data_dir = temporary.path().join("data");
        std::fs::create_dir(&data_dir)?;
        let mut life = Self::at(data_dir, temporary.path(), random)?;
        life.temporary = Some(temporary);
        Ok(life)
    }

    /// The same over a directory of the caller's, with ledger and log in `beside`.
    pub(crate) fn at(data_dir: PathBuf, beside: &Path, random: &mut Random) -> Result<Self> {
        let events = Events::new(random.next(), chrono::Utc::now().timestamp_micros());
        let ledger = Ledger::new(events, &beside.join("ledger"))?;
        let log = beside.join("server.log");
        Ok(Self { ledger: Arc::new(Mutex::new(ledger)), data_dir, log, temporary: None })
    }

    pub(crate) fn spawn(&self, setup: &Setup) -> Result<Server> {
        Server::spawn(&self.data_dir, &self.log, setup)
    }

    pub(crate) fn load(&self, client: &Client, random: &mut Random) -> Load {
        Load::start(client, &self.ledger, random.next())
    }

    /// Compares what the server says with the ledger, sends again what had no answer, and compares again.
    pub(crate) async fn check(&self, client: &Client) -> Result<()> {
        let events = self.ledger.lock().events.clone();
        let mut stored = Stored::new(&events, "sql");
        client.read_all(&mut stored).await.context("could not read the events back")?;
        let unknown = self.ledger.lock().settle(&stored);
        let missing = |stored: &Stored| unknown.iter().map(|batch| batch.count - stored.count_of(batch)).sum::<u64>();
        let (before, absent) = (stored.rows(), missing(&stored));
        for (number, batch) in unknown.iter().enumerate() {
            let way = Way::ALL[number % Way::ALL.len()];
            let deadline = Instant::now() + Duration::from_secs(20);
            while deliver(client, way, &self.ledger, batch).await {
                if Instant::now() > deadline {
                    bail!("batch {} is not accepted 20 s after the restart", batch.first);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        if !unknown.is_empty() {
            let after = client.number("SELECT count(*) AS n FROM events").await?;
            if after != before + absent {
                let (first, many) = (unknown[0].first, unknown.len());
                self.ledger.lock().violation(format!(
                    "{before} events were stored, {absent} of {many} unanswered batches (first: {first}) were not; after \
                     sending those again there are {after}"
                ));
            }
        }
        Ok(())
    }

    /// Ends the life of the directory: everything rolled, read through SQL and from the lake, then stopped in order.
    pub(crate) async fn end(&self, report: &mut Report) -> Result<()> {
        let mut server = self.spawn(&Setup::default())?;
        let client = server.ready().await?;
        self.check(&client).await?;
        client.roll().await.context("could not roll")?;
        self.check(&client).await?;
        self.swept().await?;
        let counted = "SELECT count(*) AS n FROM events WHERE kind IN ('error', 'message') OR (kind = 'log' AND level IN ('error', 'fatal'))";
        let expected = client.number(counted).await?;
        server.stop().await?;
        self.counted(expected).await?;
        let mut stored = Stored::new(&self.ledger.lock().events.clone(), "lake");
        lake::read_all(&self.data_dir.join("lake/events"), &mut stored).await?;
        let left = self.ledger.lock().settle(&stored);
        if !left.is_empty() {
            bail!("{} batches still have no answer", left.len());
        }
        self.account(report);
        Ok(())
    }

    /// Compares the events that issues count with those that are stored and belong to issues.
    async fn counted(&self, expected: u64) -> Result<()> {
        let meta = Meta::open(&MetaSettings::default(), &self.data_dir, Arc::new(SystemClock)).await?;
        let projects = meta.projects().await?.iter().map(|project| project.id).collect();
        let filter = IssueFilter { projects, ..IssueFilter::default() };
        let issues = meta.issues(&filter, IssueSort::Events, None, 1_000_000).await?.issues;
        let counted = issues.iter().map(|issue| issue.events.unsigned_abs()).sum::<u64>();
        meta.close().await;
        if counted != expected {
            let text = format!("issues count {counted} events, and {expected} that are stored belong to issues");
            self.ledger.lock().violation(text);
        }
        Ok(())
    }

    /// Waits until the running server has swept what crashes left.
    async fn swept(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_millis(SWEEP_MS_MAX);
        while let left @ 1.. = leftovers::count(&self.data_dir) {
            if Instant::now() > deadline {
                bail!("{left} files that no version names are not swept within {SWEEP_MS_MAX} ms");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Adds this life's sums to the report.
    pub(crate) fn account(&self, report: &mut Report) {
        let mut ledger = self.ledger.lock();
        report.add(&std::mem::take(&mut ledger.totals));
    }

    pub(crate) fn broken(&self) -> bool {
        !self.ledger.lock().violations().is_empty()
    }

    /// Hands over what was found, and keeps the directory for a look where something was.
    ///
    /// A round that could not be finished is a finding as well: a server that does not come back has lost everything.
    pub(crate) fn close(mut self, outcome: Result<()>, report: &mut Report) {
        self.account(report);
        let mut found = self.ledger.lock().violations().to_vec();
        found.extend(outcome.err().map(|error| format!("{error:#}")));
        if found.is_empty() {
            return;
        }
        report.violations.extend(found);
        report.kept.extend(self.temporary.take().map(TempDir::keep));
    }
}

/// `kill -9` at random moments: under load, or while starting.
pub(crate) async fn kills(rounds: u32, per_life: u32, random: &mut Random, report: &mut Report) -> Result<()> {
    let mut left = rounds;
    while left > 0 && report.violations.is_empty() {
        let life = Life::new(random)?;
        let outcome = kill_life(&life, left.min(per_life), random, report).await;
        life.close(outcome, report);
        left = left.saturating_sub(per_life);
    }
    Ok(())
}

async fn kill_life(life: &Life, rounds: u32, random: &mut Random, report: &mut Report) -> Result<()> {
    for _ in 0..rounds {
        if random.one_in(4) {
            // A start that is killed as well; recovery has to bear being interrupted.
            let mut server = life.spawn(&Setup::default())?;
            tokio::time::sleep(Duration::from_millis(random.below(400))).await;
            server.kill()?;
            report.kills_at_start += 1;
        }
        let mut server = life.spawn(&Setup::default())?;
        let client = server.ready().await?;
        life.check(&client).await?;
        let load = life.load(&client, random);
        tokio::time::sleep(Duration::from_millis(20 + random.below(LOAD_MS_MAX))).await;
        server.kill()?;
        load.finish().await;
        report.kills += 1;
        if life.broken() {
            return Ok(());
        }
    }
    life.end(report).await
}

/// Every named point: abort at its first and at a later hit, and an error there.
pub(crate) async fn points(only: Option<&str>, random: &mut Random, report: &mut Report) -> Result<()> {
    let chosen: Vec<&str> = POINTS.into_iter().filter(|point| only.is_none_or(|only| only == *point)).collect();
    for some in chosen.chunks(POINTS_PER_LIFE) {
        let life = Life::new(random)?;
        let outcome = point_life(&life, some, random, report).await;
        life.close(outcome, report);
        if !report.violations.is_empty() {
            break;
        }
    }
    Ok(())
}

async fn point_life(life: &Life, points: &[&str], random: &mut Random, report: &mut Report) -> Result<()> {
    for point in points {
        let later = format!("abort@{}", 2 + random.below(3));
        let error = format!("error@{}", 1 + random.below(3));
        let actions: &[&str] = match *point {
            // A start passes these once.
            "recovery.begin" | "recovery.end" => &["abort@1", "error@1"],
            _ => &["abort@1", &later, &error],
        };
        for action in actions {
            pass(life, point, action, random, report).await.with_context(|| format!("with `{point}={action}`"))?;
            if life.broken() {
                life.ledger.lock().violation(format!("found with the point `{point}={action}`"));
                return Ok(());
            }
            println!("  passed           {point}={action}");
        }
    }
    life.end(report).await
}

/// One round with one armed point, then a start without it.
async fn pass(life: &Life, point: &str, action: &str, random: &mut Random, report: &mut Report) -> Result<()> {
    leftovers::leave(&life.data_dir)?;
    let setup = Setup { failpoints: format!("{point}={action}"), ..Setup::default() };
    let mut server = life.spawn(&setup)?;
    let aborts = action.starts_with("abort");
    match server.started().await? {
        // Reached while starting: by recovery itself, or by a first roll of what the last round left.
        Started::Exited(_) if aborts || point.starts_with("recovery") => {}
        Started::Exited(status) => bail!("the server ended at its start with {status}:\n{}", server.log_tail()),
        Started::Ready(client) => {
            let load = life.load(&client, random);
            let wait = Duration::from_millis(if aborts { REACH_MS_MAX } else { ERROR_MS });
            let reached = exits_within(&mut server, wait).await?;
            server.kill()?;
            load.finish().await;
            if aborts && !reached {
                report.unreached.push(format!("{point}={action}"));
            }
        }
    }
    report.points += 1;
    let mut server = life.spawn(&Setup::default())?;
    let client = server.ready().await?;
    life.check(&client).await?;
    server.kill()?;
    Ok(())
}

async fn exits_within(server: &mut Server, wait: Duration) -> Result<bool> {
    let deadline = Instant::now() + wait;
    while Instant::now() < deadline {
        if server.exited()?.is_some() {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(false)
}
