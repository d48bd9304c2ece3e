//! Figures of the store, for operators, metrics and the decision to roll.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::Store;
use crate::hot::db::{BATCHES, IDS};

/// Figures of the store at one moment.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct StoreStatus {
    /// Events in the hot tier.
    pub hot_rows: u64,
    /// About the bytes that they take in memory when read.
    pub hot_bytes: u64,
    /// The bytes of the hot tier on disk.
    pub hot_disk_bytes: u64,
    /// Hot segments.
    pub hot_segments: usize,
    /// The last sequence number that was acknowledged.
    pub last_sequence: u64,
    /// The last sequence number that the lake covers.
    pub watermark: u64,
    /// When the oldest hot event was received, µs.
    pub oldest_hot_received_at: Option<i64>,
    /// The version of the lake's table.
    pub cold_version: u64,
    /// Live files.
    pub cold_files: usize,
    /// Events in them.
    pub cold_rows: u64,
    /// Their bytes.
    pub cold_bytes: u64,
    /// The last sequence number that each consumer of the change feed is done with. What is behind the least of them stays on
    /// the disk of the hot tier.
    pub consumers: BTreeMap<String, u64>,
    /// Runs of rolled batches that are kept for them, or for clients of the live view.
    pub kept_runs: usize,
    /// Hot batches in quarantine.
    pub quarantined: u64,
    /// Why appends are refused, where they are.
    pub not_writable: Option<String>,
    /// Free bytes on the disk of the data directory.
    pub free_disk_bytes: u64,
    /// The window for duplicates in force, in hours.
    pub dedup_window_hours: u32,
    /// The bytes of remembered event ids on disk.
    pub dedup_disk_bytes: u64,
}

impl Store {
    /// Figures of the store.
    pub fn status(&self) -> StoreStatus {
        let inner = &self.0;
        let (hot, cold) = inner.tiers.view();
        let full = inner.disk.admit().err().map(|error| error.to_string());
        let (consumers, kept_runs) = inner.tiers.holds();
        let now_s = u32::try_from(inner.clock.now_us() / 1_000_000).unwrap_or(0);
        StoreStatus {
            hot_rows: hot.iter().map(|segment| segment.rows() as u64).sum(),
            hot_bytes: hot.iter().map(|segment| segment.bytes() as u64).sum(),
            hot_disk_bytes: inner.db.disk_bytes(BATCHES),
            hot_segments: hot.len(),
            last_sequence: inner.health.acknowledged.load(Ordering::Acquire),
            watermark: inner.lake.watermark(&cold),
            oldest_hot_received_at: hot.iter().map(|segment| segment.received().0).min(),
            cold_version: cold.version,
            cold_files: cold.files.len(),
            cold_rows: cold.rows(),
            cold_bytes: cold.bytes(),
            consumers,
            kept_runs,
            quarantined: inner.quarantined.load(Ordering::Relaxed),
            not_writable: inner.health.closed.lock().clone().or(full),
            free_disk_bytes: inner.disk.free_bytes(),
            dedup_window_hours: inner.dedup.window_hours(now_s),
            dedup_disk_bytes: inner.db.disk_bytes(IDS),
        }
    }
}
