//! What the engine is told: plain values with defaults.

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct QuerySettings {
    /// Memory that all running queries share; operators that pass their part spill or fail.
    pub memory_bytes_max: usize,
    /// Room for spilled rows on disk.
    pub spill_bytes_max: u64,
    /// Rows of one answer; what is beyond is cut, and the answer says so.
    pub rows_max: u64,
    /// Wall time of one query, planning included.
    pub time_ms_max: u64,
    /// Queries that run at once.
    pub concurrent_max: usize,
    /// How long a query waits for its turn before it is answered Busy.
    pub queue_ms_max: u64,
    /// Threads of the engine's own, and partitions of a plan; 0 is one for each core.
    pub threads: usize,
    /// Length of a statement.
    pub sql_bytes_max: usize,
    /// Parquet footers and page indexes kept in memory.
    pub metadata_cache_bytes: usize,
    /// Answers of lists that are kept while nothing changes; 0 keeps none.
    pub answer_cache_bytes: usize,
}

impl Default for QuerySettings {
    fn default() -> Self {
        Self {
            memory_bytes_max: 256 << 20,
            spill_bytes_max: 2 << 30,
            rows_max: 100_000,
            time_ms_max: 30_000,
            concurrent_max: 16,
            queue_ms_max: 5_000,
            threads: 0,
            sql_bytes_max: 64 << 10,
            metadata_cache_bytes: 64 << 20,
            answer_cache_bytes: 16 << 20,
        }
    }
}

/// What one request asks for, within the settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct SqlOptions {
    /// Fewer rows than `rows_max` of the settings.
    pub rows_max: Option<u64>,
    /// Less time than `time_ms_max` of the settings.
    pub time_ms_max: Option<u64>,
}
