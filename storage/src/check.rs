//! Reads everything that is stored and compares it with what was written.
//!
//! Opening the store has checked the hot batches, the log and the watermarks already; here every byte of every live
//! file is read and its digest compared, and files that no version names are counted.

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt};

use crate::cold::catalog::{ColdFile, ColdVersion};
use crate::error::{Error, ErrorKind, Result};

/// What a check found.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct CheckReport {
    /// Live files that were read to their end.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Live files whose bytes are not what was written, and where.
    pub damaged: Vec<String>,
    /// Live files that are not there.
    pub missing: Vec<String>,
    /// Files of another writer, without digests.
    pub unsealed: Vec<String>,
    /// Files that no version of the table names: swept after the grace.
    pub unnamed: Vec<String>,
}

impl CheckReport {
    /// Whether every event is readable.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.missing.is_empty()
    }
}

/// Checks the files of `version` in `store`.
pub(crate) async fn files(store: &dyn ObjectStore, version: &ColdVersion) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    for file in &version.files {
        file_digests(store, file, &mut report).await?;
    }
    let failed = |error| Error::caused(ErrorKind::Busy, "could not list the lake", error);
    let listed: Vec<_> = store.list(None).try_collect().await.map_err(failed)?;
    let live = |path: &str| version.files.iter().any(|file| file.path == path);
    let data =
        listed.iter().map(|object| object.location.to_string()).filter(|path| path.starts_with("retention_days="));
    report.unnamed = data.filter(|path| !live(path)).collect();
    Ok(report)
}

async fn file_digests(store: &dyn ObjectStore, file: &ColdFile, report: &mut CheckReport) -> Result<()> {
    let path = Path::from(file.path.as_str());
    if file.digests.is_empty() {
        report.unsealed.push(file.path.clone());
    }
    for segment in 0..file.digests.len() {
        let range = file.digests.range(segment);
        let (start, end) = (range.start, range.end);
        match store.get_range(&path, range).await {
            Ok(bytes) if file.digests.matches(segment, &bytes) => {}
            Ok(_) => report.damaged.push(format!("`{path}` between bytes {start} and {end}")),
            Err(StoreError::NotFound { .. }) => {
                report.missing.push(format!("`{path}`"));
                return Ok(());
            }
            // A range behind the end is how a store tells that a file was cut short.
            Err(error) if store.head(&path).await.is_ok_and(|meta| meta.size < end) => {
                report.damaged.push(format!("`{path}` is cut short before byte {end}: {error}"));
                return Ok(());
            }
            Err(error) => return Err(Error::caused(ErrorKind::Busy, format!("could not read `{path}`"), error)),
        }
    }
    report.files += 1;
    report.bytes += file.size_bytes;
    Ok(())
}
