//! What the store is told: plain values with defaults that need nothing but a data directory.

use std::path::PathBuf;

/// Settings of both tiers.
#[derive(Clone, Debug)]
pub struct StorageSettings {
    /// Where the hot tier lies, and the lake where `cold.url` is empty.
    pub data_dir: PathBuf,
    /// The name under which this node's watermark stands in the lake. Never changes for a data directory.
    pub node_id: String,
    /// The hot tier.
    pub hot: HotSettings,
    /// The cold tier.
    pub cold: ColdSettings,
}

impl StorageSettings {
    /// Defaults over a data directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            node_id: "node-1".into(),
            hot: HotSettings::default(),
            cold: ColdSettings::default(),
        }
    }
}

/// When an append is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// After its group is fsynced.
    #[default]
    Fsync,
    /// After it is handed to the operating system: a power cut loses about the last second.
    Relaxed,
}

/// Settings of the hot tier.
#[derive(Clone)]
pub struct HotSettings {
    /// A group of appends is closed at about this size.
    pub append_group_bytes_max: usize,
    /// Requests that wait for the appender; more are answered Busy.
    pub append_queue_bytes_max: usize,
    /// Batches kept in memory for queries and the next roll; older ones are read from RocksDB.
    pub memory_bytes_max: usize,
    /// Appends are refused while less than this is free on the disk of the data directory.
    pub disk_reserve_bytes: u64,
    /// How long an event id is remembered.
    pub dedup_window_hours: u32,
    /// The room for remembered event ids on disk; the window shrinks where it does not suffice.
    pub dedup_bytes_max: u64,
    /// Consumers of the change feed that exist from the start on: nothing is dropped before each has released it.
    pub consumers: Vec<String>,
    /// Rolled batches stay in the feed for so long at least.
    pub keep_rolled_ms: u64,
    /// When an append is answered.
    pub durability: Durability,
    /// Open even though batches that were acknowledged are missing, and say which.
    pub accept_data_loss: bool,
    /// A file system of the tests' own.
    #[doc(hidden)]
    pub env: Option<rocksdb::Env>,
}

impl Default for HotSettings {
    fn default() -> Self {
        Self {
            append_group_bytes_max: 4 << 20,
            append_queue_bytes_max: 64 << 20,
            memory_bytes_max: 256 << 20,
            disk_reserve_bytes: 1 << 30,
            dedup_window_hours: 24,
            dedup_bytes_max: 2 << 30,
            consumers: Vec::new(),
            keep_rolled_ms: 0,
            durability: Durability::Fsync,
            accept_data_loss: false,
            env: None,
        }
    }
}

impl std::fmt::Debug for HotSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HotSettings")
            .field("memory_bytes_max", &self.memory_bytes_max)
            .field("disk_reserve_bytes", &self.disk_reserve_bytes)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}

/// Settings of the cold tier.
#[derive(Clone, Debug)]
pub struct ColdSettings {
    /// Where the lake lies: `file:///…` or `s3://bucket/prefix`; empty is `lake` in the data directory.
    pub url: String,
    /// Access to S3.
    pub s3: S3Settings,
    /// How long events are kept, in days.
    pub retention_days: u16,
    /// A checkpoint of the table's log is written every so many commits.
    pub checkpoint_commits: u64,
    /// How long old log entries are kept, in hours.
    pub log_retention_hours: u64,
    /// How long a file that no version names is kept, in minutes. Longer than any query and any upload.
    pub vacuum_grace_minutes: u64,
}

impl Default for ColdSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            s3: S3Settings::default(),
            retention_days: 90,
            checkpoint_commits: 64,
            log_retention_hours: 24,
            vacuum_grace_minutes: 60,
        }
    }
}

/// Access to an S3-compatible object store.
#[derive(Clone, Default)]
pub struct S3Settings {
    /// `https://…` of a server other than AWS.
    pub endpoint: String,
    /// The region; `us-east-1` where empty.
    pub region: String,
    /// Where empty, the environment and the instance's role are asked.
    pub access_key_id: String,
    /// The secret of `access_key_id`.
    pub secret_access_key: String,
    /// Allow `http://` endpoints.
    pub allow_http: bool,
}

impl std::fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Settings")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}
