//! What is counted: the names are documented in `docs/METRICS.md`.
//!
//! Counters and times are written where things happen; gauges of the store and of the process are read when somebody asks.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tephra_ingest::FilterReason;
use tephra_ingest::sentry::Category;

use crate::accept::Accepted;
use crate::answer::Kind;
use crate::gate::{self, Reason};
use crate::process;
use crate::state::State;

/// How events came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    OtlpLogsGrpc,
    OtlpTracesGrpc,
    OtlpLogsHttp,
    OtlpTracesHttp,
    Append,
    AppendStream,
    Ndjson,
    SentryEnvelope,
    SentryStore,
    SentrySecurity,
    SentryMinidump,
    SentryAttachments,
    SentryNel,
    SentryCron,
    SentryFeedback,
}

impl Protocol {
    /// The value of the label `protocol`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::OtlpLogsGrpc => "otlp_logs_grpc",
            Self::OtlpTracesGrpc => "otlp_traces_grpc",
            Self::OtlpLogsHttp => "otlp_logs_http",
            Self::OtlpTracesHttp => "otlp_traces_http",
            Self::Append => "append",
            Self::AppendStream => "append_stream",
            Self::Ndjson => "ndjson",
            Self::SentryEnvelope => "sentry_envelope",
            Self::SentryStore => "sentry_store",
            Self::SentrySecurity => "sentry_security",
            Self::SentryMinidump => "sentry_minidump",
            Self::SentryAttachments => "sentry_attachments",
            Self::SentryNel => "sentry_nel",
            Self::SentryCron => "sentry_cron",
            Self::SentryFeedback => "sentry_feedback",
        }
    }
}

impl Protocol {
    /// Whether its clients are Sentry's SDKs, which send nothing twice and read limits by category.
    pub(crate) fn is_sentry(self) -> bool {
        !matches!(
            self,
            Self::OtlpLogsGrpc
                | Self::OtlpTracesGrpc
                | Self::OtlpLogsHttp
                | Self::OtlpTracesHttp
                | Self::Append
                | Self::AppendStream
                | Self::Ndjson
        )
    }

    /// What its requests may bring, where it is refused unread while nothing of that may come in. An envelope is read all the
    /// same, as what a client says it dropped is never limited.
    pub(crate) fn brings(self) -> Option<&'static [Category]> {
        match self {
            Self::SentryEnvelope | Self::SentryNel | Self::SentryCron => None,
            Self::SentrySecurity => Some(&[Category::Security]),
            Self::SentryFeedback => Some(&[Category::Feedback]),
            Self::SentryAttachments => Some(&[Category::Attachment]),
            _ => Some(&gate::ANY_EVENT),
        }
    }
}

/// The recorder of this process.
#[derive(Clone)]
pub(crate) struct Meters(PrometheusHandle);

const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
const BYTES: [f64; 8] = [1e3, 1e4, 1e5, 1e6, 4e6, 16e6, 64e6, 256e6];
const COUNTS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];

impl Meters {
    /// Installs the recorder; a process has one however many servers it runs.
    pub(crate) fn install() -> anyhow::Result<Self> {
        static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();
        if let Some(handle) = INSTALLED.get() {
            return Ok(Self(handle.clone()));
        }
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES)?
            .set_buckets(&COUNTS)?
            .build_recorder();
        let handle = INSTALLED.get_or_init(|| recorder.handle()).clone();
        // A recorder that somebody else installed first keeps its place.
        let _ = metrics::set_global_recorder(recorder);
        Ok(Self(handle))
    }

    /// Folds what histograms gathered; to be called every few seconds.
    pub(crate) fn upkeep(&self) {
        self.0.run_upkeep();
    }

    /// The text for Prometheus, with present gauges.
    pub(crate) fn render(&self, state: &State) -> String {
        refresh(state);
        let mut text = self.0.render();
        // Counters of the facade are whole numbers, and CPU time is not.
        if let Some(usage) = process::usage() {
            text.push_str("# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total ");
            text.push_str(&format!("{:.2}\n", usage.cpu_seconds));
        }
        text
    }
}

/// Counts a request that was read.
pub(crate) fn accepted(protocol: Protocol, bytes: usize, accepted: &Accepted, outcome: &'static str) {
    let word = protocol.word();
    let (duplicates, rejected) = (accepted.duplicates.len() as u64, accepted.rejected.len() as u64);
    let kept_out = (accepted.filtered.len() + accepted.limited.len()) as u64;
    let received = u64::from(accepted.accepted) + duplicates + rejected + kept_out;
    counter!("tephra_ingest_requests_total", "protocol" => word, "outcome" => outcome).increment(1);
    counter!("tephra_ingest_wire_bytes_total", "protocol" => word).increment(bytes as u64);
    counter!("tephra_ingest_events_received_total", "protocol" => word).increment(received);
    counter!("tephra_ingest_events_accepted_total", "protocol" => word).increment(u64::from(accepted.accepted));
    counter!("tephra_ingest_events_duplicate_total", "protocol" => word).increment(duplicates);
    counter!("tephra_ingest_events_rejected_total", "protocol" => word).increment(rejected);
    for reason in FilterReason::ALL {
        let filtered = accepted.filtered.iter().filter(|(_, of)| *of == reason).count() as u64;
        if filtered > 0 {
            counter!("tephra_ingest_events_filtered_total", "protocol" => word, "reason" => reason.as_str())
                .increment(filtered);
        }
    }
    for limit in &accepted.limits {
        let events = accepted.limited.iter().filter(|(_, reason)| *reason == limit.reason).count();
        let is_first = accepted.limits.iter().find(|other| other.reason == limit.reason) == Some(limit);
        limited_events(protocol, limit.reason, if is_first { events as u64 } else { 0 });
    }
}

/// Counts a request that was refused unread, as one event that a limit kept out.
pub(crate) fn limited(protocol: Protocol, reason: Reason, events: u64) {
    counter!("tephra_ingest_events_received_total", "protocol" => protocol.word()).increment(events);
    limited_events(protocol, reason, events);
}

fn limited_events(protocol: Protocol, reason: Reason, events: u64) {
    if events > 0 {
        let (protocol, reason) = (protocol.word(), reason.as_str());
        counter!("tephra_ingest_events_rate_limited_total", "protocol" => protocol, "reason" => reason)
            .increment(events);
    }
}

/// Counts a request of which nothing was stored.
pub(crate) fn refused(protocol: Protocol, bytes: usize, kind: Kind) {
    counter!("tephra_ingest_requests_total", "protocol" => protocol.word(), "outcome" => kind.word()).increment(1);
    counter!("tephra_ingest_wire_bytes_total", "protocol" => protocol.word()).increment(bytes as u64);
}

/// Counts what was accepted and is no event: spans without exceptions.
pub(crate) fn ignored(count: u64) {
    if count > 0 {
        counter!("tephra_ingest_spans_ignored_total").increment(count);
    }
}

/// Counts an HTTP request.
pub(crate) fn http(method: &'static str, route: &'static str, status: u16, took: Duration) {
    counter!("tephra_http_requests_total", "method" => method, "route" => route, "status" => status.to_string())
        .increment(1);
    histogram!("tephra_http_request_seconds", "route" => route).record(took.as_secs_f64());
}

/// Counts a gRPC call.
pub(crate) fn grpc(method: &'static str, took: Duration) {
    counter!("tephra_grpc_requests_total", "method" => method).increment(1);
    histogram!("tephra_grpc_request_seconds", "method" => method).record(took.as_secs_f64());
}

fn refresh(state: &State) {
    gauge!("tephra_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!("tephra_uptime_seconds").set(state.started.elapsed().as_secs_f64());
    gauge!("tephra_requests_memory_bytes").set(state.budget.used() as f64);
    gauge!("tephra_projects_in_spike").set(state.gate.spikes(state.clock.now_us()) as f64);
    gauge!("tephra_queries_running").set(state.running.count() as f64);
    if let Some(usage) = process::usage() {
        gauge!("process_resident_memory_bytes").set(usage.resident_bytes as f64);
        gauge!("process_open_fds").set(usage.open_files as f64);
        gauge!("process_threads").set(usage.threads as f64);
    }
    let Some(core) = state.core_if_open() else {
        gauge!("tephra_ready").set(0.0);
        return;
    };
    let status = core.store.status();
    let lag_us = status.oldest_hot_received_at.map_or(0, |oldest| (state.clock.now_us() - oldest).max(0));
    gauge!("tephra_ready").set(f64::from(u8::from(status.not_writable.is_none())));
    gauge!("tephra_store_writable").set(f64::from(u8::from(status.not_writable.is_none())));
    gauge!("tephra_hot_rows").set(status.hot_rows as f64);
    gauge!("tephra_hot_bytes").set(status.hot_bytes as f64);
    gauge!("tephra_hot_segments").set(status.hot_segments as f64);
    gauge!("tephra_hot_last_sequence").set(status.last_sequence as f64);
    gauge!("tephra_hot_kept_runs").set(status.kept_runs as f64);
    gauge!("tephra_hot_quarantined_batches").set(status.quarantined as f64);
    gauge!("tephra_roll_watermark").set(status.watermark as f64);
    gauge!("tephra_roll_lag_seconds").set(lag_us as f64 / 1e6);
    gauge!("tephra_cold_version").set(status.cold_version as f64);
    gauge!("tephra_cold_files").set(status.cold_files as f64);
    gauge!("tephra_cold_rows").set(status.cold_rows as f64);
    gauge!("tephra_cold_bytes").set(status.cold_bytes as f64);
    gauge!("tephra_disk_free_bytes").set(status.free_disk_bytes as f64);
}
