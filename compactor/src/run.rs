//! Carries a roll out: pin a range, sort it, write its files, commit once, let the hot copies go.
//!
//! Before the commit nothing has changed but files that no version names; after it, the watermark hides what is still
//! in RocksDB. So a crash on any line here loses and doubles nothing.

use std::sync::Arc;
use std::time::Instant;

use tephra_storage::schema::COLUMNS;
use tephra_storage::{Error, ErrorKind, FileWriter, HotSegment, NewFile, Partition, Result, Store, failpoint};

use crate::sort::Sorted;

/// What a roll did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rolled {
    /// Events that are cold now.
    pub rows: u64,
    /// Files that hold them.
    pub files: u64,
    /// The bytes of the files.
    pub bytes: u64,
    /// The version of the lake that shows them.
    pub version: u64,
    /// The last sequence number that was rolled.
    pub through: u64,
}

/// Rolls the oldest hot events of about `bytes_max`. `None` where nothing is hot.
///
/// # Errors
/// `Busy` where the object store failed: nothing is lost, the next roll tries again.
pub async fn roll(store: &Store, bytes_max: usize) -> Result<Option<Rolled>> {
    let began = Instant::now();
    let Some(range) = store.begin_roll(bytes_max).await? else { return Ok(None) };
    let segments = range.segments().to_vec();
    let retention_days = store.retention_days();
    let files = tokio::task::spawn_blocking(move || write_files(&segments, retention_days)).await;
    let files = files.map_err(|error| Error::caused(ErrorKind::Internal, "a roll panicked", error))??;
    failpoint::hit("roll.after_sort")?;

    let mut rolled = Rolled { through: range.through(), ..Rolled::default() };
    let mut placed = Vec::with_capacity(files.len());
    for (partition, file) in files {
        rolled.rows += file.rows;
        rolled.bytes += file.bytes.len() as u64;
        rolled.files += 1;
        placed.push(range.place(partition, file).await?);
    }
    match range.commit(&placed).await? {
        Some(version) => rolled.version = version,
        None => {
            tracing::warn!(through = rolled.through, "an earlier roll of unknown outcome had committed these events");
            let status = store.status();
            rolled = Rolled { through: status.watermark, version: status.cold_version, ..Rolled::default() };
        }
    }
    drop_rolled(store).await;
    let took = began.elapsed();
    metrics::histogram!("tephra_roll_seconds").record(took.as_secs_f64());
    metrics::counter!("tephra_roll_events_total").increment(rolled.rows);
    metrics::counter!("tephra_roll_bytes_total").increment(rolled.bytes);
    let Rolled { rows, files, bytes, version, through } = rolled;
    tracing::info!(
        rows,
        files,
        bytes,
        version,
        through,
        took_ms = took.as_millis() as u64,
        "rolled hot events into the lake"
    );
    Ok(Some(rolled))
}

/// Drops what is cold from the hot tier. Failing only costs room: the next roll tries again.
pub(crate) async fn drop_rolled(store: &Store) {
    if let Err(error) = store.drop_rolled().await {
        tracing::warn!(%error, "could not drop rolled events from the hot tier");
    }
}

fn write_files(segments: &[Arc<HotSegment>], retention_days: u16) -> Result<Vec<(Partition, NewFile)>> {
    let all: Vec<usize> = (0..COLUMNS.len()).collect();
    let mut batches = Vec::new();
    for segment in segments {
        batches.extend(segment.read(&all)?);
    }
    let sorted = Sorted::new(&batches, retention_days)?;
    let mut files = Vec::new();
    for partition in sorted.partitions() {
        let mut writer = FileWriter::new()?;
        for batch in sorted.read(partition) {
            writer.write(&batch?)?;
        }
        files.push((partition.clone(), writer.finish()?));
    }
    Ok(files)
}
