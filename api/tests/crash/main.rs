//! The crash harness: kills a real server, cuts its power and rots its files, and holds what comes back against a ledger.
//!
//! Clients send over NDJSON, OTLP and `AppendStream` and write down every event as acknowledged, refused or unanswered,
//! outside the file system under test. After each crash: acknowledged ⊆ stored ⊆ sent, nothing refused is stored, each event
//! once, each batch whole, every content as it was sent; unanswered batches are sent again and have to be recognised. At the
//! end the lake is read as a stranger reads it, by the Delta log and plain Parquet.
//!
//! `cargo test --workspace --features tephra/failpoints,tephra/planted-bugs --test crash -- --kills 50 --cuts 100`; `--plants` shows that
//! planted bugs are caught. Moments are random, so a seed repeats the choices and not always the timing.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

mod args;
mod client;
mod cut;
mod events;
mod flip;
mod fscut;
mod grpc;
mod lake;
mod ledger;
mod leftovers;
mod load;
mod plants;
mod report;
mod rounds;
mod server;
mod stream;
mod sys;
mod wire;

use std::process::{Command, ExitCode};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::Parser;

use crate::args::{Args, Mode};
use crate::events::Random;
use crate::report::Report;

/// A run that could not be made, which is no finding.
const BROKEN: u8 = 2;

fn main() -> ExitCode {
    // Runners that look for single tests find none here.
    if std::env::args().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    match start(Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("the crash harness could not run: {error:#}");
            ExitCode::from(BROKEN)
        }
    }
}

fn start(args: Args) -> Result<ExitCode> {
    let now =
        || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64 % 1_000_000_000);
    let seed = args.seed.unwrap_or_else(now);
    if args.plants {
        plants::all(seed)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(plant) = &args.plant
        && std::env::var_os(plants::VARIABLE).is_none()
    {
        // The store in this process reads the variable too, and a process cannot safely set its own.
        let arguments = std::env::args_os().skip(1);
        let status = Command::new(std::env::current_exe()?).args(arguments).env(plants::VARIABLE, plant).status()?;
        return Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(BROKEN)));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let began = Instant::now();
    println!("crash: mode {}, seed {seed}", args.mode);
    let report = runtime.block_on(run(&args, seed))?;
    print!("{report}");
    println!("  took             {:.1} s", began.elapsed().as_secs_f64());
    if report.violations.is_empty() {
        println!("no promise was broken");
        return Ok(ExitCode::SUCCESS);
    }
    for violation in &report.violations {
        println!("violation: {violation}");
    }
    for kept in &report.kept {
        println!("kept for a look: {}", kept.display());
    }
    println!("to repeat: {}", repeat(&args, seed));
    Ok(ExitCode::from(plants::CAUGHT as u8))
}

async fn run(args: &Args, seed: u64) -> Result<Report> {
    let mut report = Report::default();
    let mut random = Random::new(seed);
    let wanted = |mode: Mode| args.mode == mode || args.mode == Mode::All;
    let (random, found) = (&mut random, &mut report);
    let per_life = args.rounds_per_dir.max(1);
    if wanted(Mode::Kill) {
        rounds::kills(args.kills, per_life, random, found).await.context("in `kill`")?;
    }
    if wanted(Mode::Points) && found.violations.is_empty() {
        rounds::points(args.point.as_deref(), random, found).await.context("in `points`")?;
    }
    // Both kinds of cut share the count, unless only one is asked for or possible.
    let impossible = fscut::impossible();
    let (simulated, real) = match (args.mode, impossible) {
        (Mode::All, None) => (args.cuts - args.cuts / 3, args.cuts / 3),
        (Mode::All, Some(_)) | (Mode::Cut, _) => (args.cuts, 0),
        (_, None) => (0, args.cuts),
        _ => (0, 0),
    };
    if wanted(Mode::Cut) && found.violations.is_empty() {
        cut::cuts(simulated, per_life, random, found).await.context("in `cut`")?;
    }
    if wanted(Mode::Fscut) && found.violations.is_empty() {
        found.skipped.extend(impossible.map(str::to_owned));
        fscut::cuts(real, per_life.min(10), random, found).await.context("in `fscut`")?;
    }
    if wanted(Mode::Flip) && found.violations.is_empty() {
        flip::flips(args.cuts, random, found).await.context("in `flip`")?;
    }
    Ok(report)
}

fn repeat(args: &Args, seed: u64) -> String {
    let Args { kills, cuts, mode, point, plant, .. } = args;
    let mut command = format!(
        "cargo test --workspace --features tephra/failpoints,tephra/planted-bugs --test crash -- --mode {mode} --kills {kills} --cuts {cuts} --seed {seed}"
    );
    for (flag, value) in [("--point", point), ("--plant", plant)] {
        if let Some(value) = value {
            command.push_str(&format!(" {flag} {value}"));
        }
    }
    command
}
