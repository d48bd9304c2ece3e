//! Sends a data set to a server and measures both sides.
//!
//! Batches are encoded where they are sent, from parts that were rendered before the clock starts. In a closed loop each
//! connection keeps a fixed number of batches under way. In an open loop batches have a time at which they should go out,
//! and their latency counts from there, whatever held them up, so that a slow server cannot hide behind a patient client.

mod channel;
mod encode;
mod report;
mod schedule;
mod stream;
mod unary;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::args::{DataSetArgs, write_manifest};
use crate::generate::DataSet;
use crate::server::{MemoryWatch, Server, ServerArgs, cpu_seconds, memory_bytes, wait_idle};
use encode::Encoder;
use report::{Report, Rolled, ServerUse};
use schedule::{Recorder, Schedule};

const MILLION: f64 = 1e6;
const SETTLE: Duration = Duration::from_secs(20);

/// How events travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// OTLP logs over gRPC.
    OtlpGrpc,
    /// OTLP logs over HTTP.
    OtlpHttp,
    /// Tephra's protocol, one stream per connection.
    Native,
    /// Tephra's protocol, one call per batch.
    NativeUnary,
    /// Lines of JSON over HTTP.
    Ndjson,
    /// Sentry envelopes of one event, gzip.
    Sentry,
}

/// Arguments of `tephra-bench load`.
#[derive(Clone, Debug, clap::Args)]
pub struct LoadArgs {
    #[command(flatten)]
    data: DataSetArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// How events travel.
    #[arg(long, value_enum, default_value_t = Protocol::OtlpGrpc)]
    protocol: Protocol,
    /// Events of a batch.
    #[arg(long, default_value_t = 1_000)]
    batch: u64,
    /// One event per request; the same as `--batch 1`.
    #[arg(long)]
    single: bool,
    /// Connections.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Batches under way on each connection [default: 4 on a stream, else 1].
    #[arg(long)]
    in_flight: Option<usize>,
    /// Events per second that should go out, whether or not earlier ones were answered (an open loop).
    #[arg(long)]
    rate: Option<f64>,
    /// Send `log.record.uid` with OTLP records, by which the server knows duplicates.
    #[arg(long)]
    uids: bool,
    /// Roll at the end; its work is part of what is measured.
    #[arg(long)]
    roll: bool,
    /// Write the report to this file as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Runs a load and prints its report.
pub async fn run(args: &LoadArgs) -> anyhow::Result<()> {
    let server = Server::new(&args.server)?;
    let settings = args.data.settings(server.data_dir.as_deref())?;
    let single = args.single || args.protocol == Protocol::Sentry;
    let (range, batch) = (args.data.range(), if single { 1 } else { args.batch.max(1) });
    let in_flight = args.in_flight.unwrap_or(if args.protocol == Protocol::Native { 4 } else { 1 }).max(1);
    if let Some(data_dir) = &server.data_dir {
        write_manifest(data_dir, &settings)?;
    }
    let data = Arc::new(DataSet::new(settings));
    let json_bytes = data.json_bytes_mean();
    let mut encoder = Encoder::new(args.protocol, &data, args.uids);
    if args.protocol == Protocol::Sentry {
        encoder.prepare(range.clone())?;
    }
    let encoder = Arc::new(encoder);
    let senders = channel::connect(&server, args.protocol, args.connections).await?;

    let pid = server.pid();
    let watch = pid.map(MemoryWatch::start);
    let (cpu_before, own_before) = (pid.and_then(cpu_seconds), cpu_seconds(std::process::id()));
    let (disk_before, metrics_before) = (server.disk(), server.metrics().await);
    let schedule = Arc::new(Schedule::new(range.clone(), batch, args.rate));
    let mut workers = tokio::task::JoinSet::new();
    for sender in senders {
        match sender {
            channel::Sender::Stream(stream) => {
                workers.spawn(stream::run(stream, schedule.clone(), encoder.clone(), in_flight));
            }
            sender => (0..in_flight).for_each(|_| {
                workers.spawn(unary::run(sender.clone(), schedule.clone(), encoder.clone()));
            }),
        }
    }
    let mut total = Recorder::default();
    while let Some(recorder) = workers.join_next().await {
        total.add(recorder.context("a connection's task failed")?);
    }
    let seconds = schedule.start().elapsed().as_secs_f64();
    let own_cpu = cpu_seconds(std::process::id()).zip(own_before).map(|(after, before)| after - before);
    let cpu_acked = pid.and_then(cpu_seconds);

    let disk_acked = server.disk();
    let mut rolled = None;
    if args.roll {
        let (answer, took) = server.roll().await?;
        rolled = Some(Rolled { answer, milliseconds: took.as_secs_f64() * 1e3 });
    }
    if let Some(pid) = pid {
        wait_idle(pid, SETTLE).await;
    }
    let stored = total.accepted.max(1) as f64;
    let cpu = |after: Option<f64>| after.zip(cpu_before).map(|(after, before)| after - before);
    let server_use = pid.zip(watch).map(|(pid, watch)| {
        let (acked, at_rest) = (cpu(cpu_acked).unwrap_or(0.0), cpu(cpu_seconds(pid)).unwrap_or(0.0));
        ServerUse {
            cpu_seconds_acked: acked,
            cpu_seconds_at_rest: at_rest,
            cpu_seconds_per_million_acked: acked * MILLION / stored,
            cpu_seconds_per_million_at_rest: at_rest * MILLION / stored,
            rss_peak_bytes: watch.peak_bytes(),
            rss_high_water_bytes: memory_bytes(pid, "VmHWM").unwrap_or(0),
            rss_after_bytes: memory_bytes(pid, "VmRSS").unwrap_or(0),
        }
    });
    let report = Report {
        protocol: args.protocol,
        size: data.settings.size,
        events: range.end - range.start,
        batch,
        connections: args.connections,
        in_flight,
        rate: args.rate,
        seconds,
        json_bytes_per_event: json_bytes,
        client_cpu_seconds: own_cpu.unwrap_or(0.0),
        server: server_use,
        rolled,
        disk_acked,
        disk_grown: report::grown(&disk_before, &server.disk()),
        disk: server.disk(),
        metrics: report::changed(&metrics_before, &server.metrics().await),
        outcome: total,
    };
    report.print(&mut std::io::stdout().lock())?;
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report.to_json())?)
            .with_context(|| format!("could not write `{}`", path.display()))?;
    }
    if report.outcome.errors > 0 {
        bail!("{} batches failed: {}", report.outcome.errors, report.outcome.first_error.unwrap_or_default());
    }
    Ok(())
}
