//! What a run measured, as a table and as JSON.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::json;

use super::Protocol;
use super::schedule::Recorder;
use crate::generate::Size;

const MB: f64 = 1e6;

/// Everything that is known of a run.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) protocol: Protocol,
    pub(super) size: Size,
    pub(super) events: u64,
    pub(super) batch: u64,
    pub(super) connections: usize,
    pub(super) in_flight: usize,
    pub(super) rate: Option<f64>,
    /// From the first batch to the last answer.
    pub(super) seconds: f64,
    pub(super) json_bytes_per_event: f64,
    pub(super) client_cpu_seconds: f64,
    pub(super) server: Option<ServerUse>,
    pub(super) rolled: Option<Rolled>,
    /// Bytes under the data directory when the last batch was answered.
    pub(super) disk_acked: BTreeMap<String, u64>,
    /// Bytes under the data directory at the end.
    pub(super) disk: BTreeMap<String, u64>,
    /// By how much it grew in the run.
    pub(super) disk_grown: BTreeMap<String, i64>,
    /// The samples of `/metrics` that changed, by how much.
    pub(super) metrics: BTreeMap<String, f64>,
    pub(super) outcome: Recorder,
}

/// What the server's process used; "at rest" includes the roll and what went on in the background.
#[derive(Debug, serde::Serialize)]
pub(super) struct ServerUse {
    pub(super) cpu_seconds_acked: f64,
    pub(super) cpu_seconds_at_rest: f64,
    pub(super) cpu_seconds_per_million_acked: f64,
    pub(super) cpu_seconds_per_million_at_rest: f64,
    /// In this run.
    pub(super) rss_peak_bytes: u64,
    /// Since the process began.
    pub(super) rss_high_water_bytes: u64,
    pub(super) rss_after_bytes: u64,
}

/// The roll at the end.
#[derive(Debug, serde::Serialize)]
pub(super) struct Rolled {
    pub(super) milliseconds: f64,
    pub(super) answer: String,
}

impl Report {
    fn events_per_second(&self) -> f64 {
        self.outcome.accepted as f64 / self.seconds
    }

    fn ack_ms(&self, quantile: f64) -> f64 {
        self.outcome.latency.value_at_quantile(quantile) as f64 / 1e3
    }

    /// Data files of the lake per event of this run; only after a roll that left nothing hot.
    fn lake_bytes_per_event(&self) -> Option<f64> {
        let grown = self.rolled.as_ref().and(self.disk_grown.get("lake"))?;
        Some(*grown as f64 / self.outcome.accepted.max(1) as f64)
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        json!({
            "protocol": self.protocol,
            "size": self.size,
            "events": self.events,
            "batch": self.batch,
            "connections": self.connections,
            "in_flight": self.in_flight,
            "rate": self.rate,
            "seconds": self.seconds,
            "events_per_second": self.events_per_second(),
            "json_bytes_per_event": self.json_bytes_per_event,
            "json_mb_per_second": self.events_per_second() * self.json_bytes_per_event / MB,
            "wire_mb_per_second": self.outcome.wire_bytes as f64 / self.seconds / MB,
            "wire_bytes_per_event": self.outcome.wire_bytes as f64 / self.events.max(1) as f64,
            "ack_ms": {
                "p50": self.ack_ms(0.5), "p90": self.ack_ms(0.9), "p99": self.ack_ms(0.99), "max": self.ack_ms(1.0),
            },
            "accepted": self.outcome.accepted,
            "duplicates": self.outcome.duplicates,
            "rejected": self.outcome.rejected,
            "refusals": self.outcome.refusals,
            "errors": self.outcome.errors,
            "first_refusal": self.outcome.first_refusal,
            "first_error": self.outcome.first_error,
            "client_cpu_seconds": self.client_cpu_seconds,
            "server": self.server,
            "rolled": self.rolled,
            "lake_bytes_per_event": self.lake_bytes_per_event(),
            "json_to_lake": self.lake_bytes_per_event().map(|bytes| self.json_bytes_per_event / bytes),
            "disk_acked": self.disk_acked,
            "disk": self.disk,
            "disk_grown": self.disk_grown,
            "metrics": self.metrics,
        })
    }

    pub(super) fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let (json_rate, wire_rate) = (
            self.events_per_second() * self.json_bytes_per_event / MB,
            self.outcome.wire_bytes as f64 / self.seconds / MB,
        );
        let loop_kind = self.rate.map_or("closed loop".to_owned(), |rate| format!("{rate:.0} events/s intended"));
        let protocol = json!(self.protocol);
        writeln!(
            out,
            "{} events of {:.0} B as JSON, {}, batches of {}, {} connections × {} under way, {loop_kind}",
            self.events,
            self.json_bytes_per_event,
            protocol.as_str().unwrap_or_default(),
            self.batch,
            self.connections,
            self.in_flight,
        )?;
        let mut row = |name: &str, value: String| writeln!(out, "| {name:<34} | {value:>34} |");
        row("what", "measured".to_owned())?;
        row("---", "---:".to_owned())?;
        row("events/s", format!("{:.0}", self.events_per_second()))?;
        row("MB/s as JSON / on the wire", format!("{json_rate:.1} / {wire_rate:.1}"))?;
        let quantiles = [0.5, 0.9, 0.99, 1.0].map(|quantile| format!("{:.2}", self.ack_ms(quantile)));
        row("ack p50 / p90 / p99 / max, ms", quantiles.join(" / "))?;
        let counts = [self.outcome.accepted, self.outcome.duplicates, self.outcome.rejected];
        row("accepted / duplicate / rejected", counts.map(|count| count.to_string()).join(" / "))?;
        row("refused and sent again / given up", format!("{} / {}", self.outcome.refusals, self.outcome.errors))?;
        row("CPU of the client, s", format!("{:.1}", self.client_cpu_seconds))?;
        if let Some(server) = &self.server {
            let seconds = [server.cpu_seconds_acked, server.cpu_seconds_at_rest];
            row("CPU of the server acked / at rest, s", seconds.map(|s| format!("{s:.1}")).join(" / "))?;
            let seconds = [server.cpu_seconds_per_million_acked, server.cpu_seconds_per_million_at_rest];
            row("… per million events", seconds.map(|s| format!("{s:.1}")).join(" / "))?;
            let memory = [server.rss_peak_bytes, server.rss_high_water_bytes, server.rss_after_bytes];
            row("RSS peak / since start / after, MB", memory.map(|m| format!("{:.0}", m as f64 / MB)).join(" / "))?;
        }
        for (name, bytes) in &self.disk {
            let acked = self.disk_acked.get(name).copied().unwrap_or(0);
            row(
                &format!("disk `{name}` acked / at rest, MB"),
                format!("{:.1} / {:.1}", acked as f64 / MB, *bytes as f64 / MB),
            )?;
        }
        if let Some(rolled) = &self.rolled {
            row("roll, ms", format!("{:.0}", rolled.milliseconds))?;
        }
        if let Some(bytes) = self.lake_bytes_per_event() {
            row("lake, bytes per event", format!("{bytes:.1}"))?;
            row("raw JSON to lake", format!("{:.1}×", self.json_bytes_per_event / bytes))?;
        }
        for (name, value) in
            self.metrics.iter().filter(|(name, _)| !name.contains("_bucket") && !name.contains("quantile="))
        {
            row(&format!("Δ {name}"), format!("{value:.3}"))?;
        }
        for (what, text) in [("first refusal", &self.outcome.first_refusal), ("first error", &self.outcome.first_error)]
        {
            if let Some(text) = text {
                writeln!(out, "{what}: {text}")?;
            }
        }
        Ok(())
    }
}

/// The samples that changed, by how much.
pub(super) fn changed(before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let change = |(name, value): (&String, &f64)| (name.clone(), value - before.get(name).copied().unwrap_or(0.0));
    after.iter().map(change).filter(|(_, value)| *value != 0.0).collect()
}

/// By how many bytes each name grew.
pub(super) fn grown(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, i64> {
    let grown =
        |(name, bytes): (&String, &u64)| (name.clone(), *bytes as i64 - before.get(name).map_or(0, |b| *b as i64));
    after.iter().map(grown).collect()
}
