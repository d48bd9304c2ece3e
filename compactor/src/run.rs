//! Carries a roll out: pin a range, sort it, write its files, commit once, let the hot copies go.
//!
//! Before the commit nothing has changed but files that no version names; after it, the watermark hides what is still
//! in RocksDB. So a crash on any line here loses and doubles nothing.
//!
//! A hot batch that turns out damaged is set aside, as recovery does: kept, counted and shown, and the rest rolls on.

use std::sync::Arc;
use std::time::Instant;

use tephra_storage::schema::COLUMNS;
use tephra_storage::{
    Error, ErrorKind, FileWriter, HotSegment, NewFile, Partition, Result, RollRange, Store, failpoint,
};
use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};

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
/// `Busy` where the object store failed: nothing is lost, the next roll tries again. `Corrupt` where the hot tier is
/// damaged beyond what can be set aside.
pub async fn roll(store: &Store, bytes_max: usize) -> Result<Option<Rolled>> {
    let began = Instant::now();
    let Some(mut range) = store.begin_roll(bytes_max).await? else { return Ok(None) };
    let retention_days = store.retention_days();
    let files = match sort(&range, retention_days).await {
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            if range.set_damaged_aside().await? == 0 {
                return Err(error);
            }
            sort(&range, retention_days).await?
        }
        files => files?,
    };
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

/// The files that a range makes, before they have a place.
async fn sort(range: &RollRange<'_>, retention_days: u16) -> Result<Vec<(Partition, NewFile)>> {
    let segments = range.segments().to_vec();
    let (done, files) = tokio::sync::oneshot::channel();
    let work = move || {
        yield_to_ingest();
        let _ = done.send(write_files(&segments, retention_days)); // nobody waits where the server stops
    };
    let thread = std::thread::Builder::new().name("tephra-roll".into()).spawn(work);
    thread.map_err(|error| Error::caused(ErrorKind::Internal, "could not start a thread for the roll", error))?;
    files.await.map_err(|error| Error::caused(ErrorKind::Internal, "a roll panicked", error))?
}

/// A roll takes a core for seconds, and nobody waits for it: where cores are short, those who wait for an answer come first.
fn yield_to_ingest() {
    let set = ThreadPriorityValue::try_from(25).and_then(|quarter| {
        let set = set_current_thread_priority(ThreadPriority::Crossplatform(quarter));
        set.map_err(|error| format!("{error:?}"))
    });
    if let Err(error) = set {
        tracing::debug!(error, "could not lower the priority of the roll");
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
