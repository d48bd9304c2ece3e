//! Keeps what lies beside the live files short and honest: unnamed files go, checkpoints are sealed, the log is checked.
//!
//! A roll that died between its put and its commit leaves a file that no version names; one that died within a put to the
//! local disk leaves a file under a temporary name, which no listing of the store shows. Each is deleted by its exact name,
//! after a grace longer than any upload and any query.
//!
//! Checkpoints are Parquet and carry no checksum: a digest beside each one stands for it.

use std::fs;
use std::io;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deltalake_core::kernel::Action;
use deltalake_core::logstore::LogStoreRef;
use futures::TryStreamExt;
use hashbrown::HashSet;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt};
use xxhash_rust::xxh3::xxh3_128;

use crate::cold::catalog::ColdVersion;
use crate::cold::{commit, durable};
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint;

/// Deletes data files that `live` does not name and that were written before `oldest_kept_ms`.
pub(crate) async fn unnamed(store: &Arc<dyn ObjectStore>, live: &ColdVersion, oldest_kept_ms: i64) -> Result<usize> {
    let named: HashSet<&str> = live.files.iter().map(|file| file.path.as_str()).collect();
    let failed = |error| Error::caused(ErrorKind::Busy, "could not sweep the lake", error);
    let mut swept = 0;
    let listed: Vec<_> = store.list(None).try_collect().await.map_err(failed)?;
    for object in listed {
        let path = object.location.as_ref();
        let data = path.starts_with("retention_days=") && path.ends_with(".parquet");
        let young = object.last_modified.timestamp_millis() >= oldest_kept_ms;
        if !data || young || named.contains(path) {
            continue;
        }
        failpoint::hit("vacuum.before_delete")?;
        match store.delete(&object.location).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => swept += 1,
            Err(error) => return Err(failed(error)),
        }
        tracing::info!(path, bytes = object.size, "deleted a file that no version of the lake names");
    }
    metrics::counter!("tephra_cold_vacuumed_files_total").increment(swept as u64);
    Ok(swept)
}

/// Deletes what puts to the local disk had not finished when they were cut short before `oldest_kept_ms`.
pub(crate) async fn unfinished(directory: PathBuf, oldest_kept_ms: i64) -> Result<usize> {
    let oldest_kept = UNIX_EPOCH + Duration::from_millis(u64::try_from(oldest_kept_ms).unwrap_or(0));
    let swept = tokio::task::spawn_blocking(move || sweep(&directory, oldest_kept)).await;
    let swept = swept.map_err(|error| Error::caused(ErrorKind::Internal, "could not sweep the lake", error))??;
    metrics::counter!("tephra_cold_vacuumed_files_total").increment(swept as u64);
    Ok(swept)
}

fn sweep(directory: &FsPath, oldest_kept: SystemTime) -> Result<usize> {
    let failed =
        |error: io::Error| Error::caused(ErrorKind::Busy, format!("could not sweep `{}`", directory.display()), error);
    let mut swept = 0;
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            swept += sweep(&path, oldest_kept)?;
            continue;
        }
        if !durable::is_unfinished(&path) {
            continue;
        }
        // Its put may end at this moment and take the name away.
        let Ok(meta) = entry.metadata() else { continue };
        if meta.modified().map_err(failed)? >= oldest_kept {
            continue;
        }
        failpoint::hit("vacuum.before_delete")?;
        match fs::remove_file(&path) {
            Ok(()) => swept += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        }
        tracing::info!(path = %path.display(), bytes = meta.len(), "deleted a file that was never finished");
    }
    Ok(swept)
}

/// Writes the digest of the checkpoint of `version` beside it.
pub(crate) async fn seal_checkpoint(store: &dyn ObjectStore, version: u64) -> Result<()> {
    let failed = |error| Error::caused(ErrorKind::Busy, format!("could not seal checkpoint {version}"), error);
    let found = store.get(&checkpoint(version)).await.map_err(failed)?;
    let size = found.meta.size;
    let bytes = found.bytes().await.map_err(failed)?;
    if bytes.len() as u64 != size {
        return Err(Error::busy(format!("checkpoint {version} was read short: {} of {size} bytes", bytes.len())));
    }
    let digest = format!("{:032x}", xxh3_128(&bytes));
    store.put(&seal(version), digest.into()).await.map_err(failed)?;
    Ok(())
}

/// Writes the digest of the commit that made the table, which carries no checksum: it is not one of ours.
pub(crate) async fn seal_first_commit(log: &LogStoreRef, store: &dyn ObjectStore) -> Result<()> {
    let failed = |error| Error::caused(ErrorKind::Busy, "could not seal the lake's first commit", error);
    let unreadable = |error| Error::caused(ErrorKind::Busy, "could not read the lake's first commit", error);
    if let Some(entry) = log.read_commit_entry(0).await.map_err(unreadable)? {
        let actions = commit::decode(0, &entry)?;
        let is_whole = actions.iter().any(|action| matches!(action, Action::Metadata(_)))
            && actions.iter().any(|action| matches!(action, Action::Protocol(_)));
        if !is_whole {
            return Err(Error::new(ErrorKind::Busy, "could not read the lake's first commit: it came cut short"));
        }
        let digest = format!("{:032x}", xxh3_128(&entry));
        store.put(&Path::from(FIRST_SEAL), digest.into()).await.map_err(failed)?;
    }
    Ok(())
}

/// Whether the first commit is what was written, where that is known.
async fn check_first_commit(entry: &[u8], store: &dyn ObjectStore) -> Result<()> {
    let failed = |error| Error::caused(ErrorKind::Busy, "could not check the lake's first commit", error);
    let sealed = match store.get(&Path::from(FIRST_SEAL)).await {
        Ok(sealed) => sealed.bytes().await.map_err(failed)?,
        // The process ended between the two, or another program made the table.
        Err(StoreError::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if sealed.as_ref() == format!("{:032x}", xxh3_128(entry)).as_bytes() {
        return Ok(());
    }
    Err(Error::corrupt("commit 0 of the lake is damaged: its digest does not match"))
}

/// Checks the newest checkpoint and every commit after it; returns the checkpoint's version.
///
/// # Errors
/// `Corrupt` naming the checkpoint or commit.
pub(crate) async fn verify_log(log: &LogStoreRef, store: &dyn ObjectStore) -> Result<u64> {
    let failed = |error| Error::caused(ErrorKind::Busy, "could not check the lake's log", error);
    let listed: Vec<_> = store.list(Some(&Path::from("_delta_log"))).try_collect().await.map_err(failed)?;
    let versions = listed
        .iter()
        .filter_map(|object| object.location.filename()?.strip_suffix(".checkpoint.parquet")?.parse::<u64>().ok());
    let newest = versions.max();
    if let Some(found) = newest {
        match store.get(&seal(found)).await {
            Ok(sealed) => {
                let digest = sealed.bytes().await.map_err(failed)?;
                let bytes = store.get(&checkpoint(found)).await.map_err(failed)?.bytes().await.map_err(failed)?;
                if digest.as_ref() != format!("{:032x}", xxh3_128(&bytes)).as_bytes() {
                    let path = checkpoint(found);
                    return Err(Error::corrupt(format!("`{path}` of the lake is damaged: its digest does not match")));
                }
            }
            // The process ended between the checkpoint and its seal, or another program wrote it.
            Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let mut next = newest.map_or(0, |found| found + 1);
    let unreadable = |error| Error::caused(ErrorKind::Busy, "could not read the lake's log", error);
    while let Some(entry) = log.read_commit_entry(next).await.map_err(unreadable)? {
        if next == 0 {
            check_first_commit(&entry, store).await?;
        }
        commit::decode(next, &entry)?;
        next += 1;
    }
    Ok(newest.unwrap_or(0))
}

const FIRST_SEAL: &str = "_tephra/00000000000000000000.commit.digest";

fn checkpoint(version: u64) -> Path {
    Path::from(format!("_delta_log/{version:020}.checkpoint.parquet"))
}

fn seal(version: u64) -> Path {
    Path::from(format!("_tephra/{version:020}.checkpoint.digest"))
}
