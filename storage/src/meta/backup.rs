//! Copies of the metadata database in the object store, beside the events, so that the bucket alone brings everything back.
//!
//! A copy is what SQLite itself writes while others go on reading and writing (`VACUUM INTO`), compressed, under a name
//! that tells when it was taken and its digest. It is one put: there is a whole copy or none. PostgreSQL has backups of its
//! own and is not copied.
//!
//! A crash leaves the copies that are there, and at worst a scratch file that the next copy writes anew.
//! Known weakness: what changed since the newest copy is lost with the machine.

mod keep;
mod name;
mod restore;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use sha2::{Digest, Sha256};

use super::error::told;
use super::{Backend, Meta};
use crate::cold::place::Place;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::StorageSettings;

pub use name::Copy;
pub use restore::Restored;

const SCRATCH_FILE: &str = "meta.copy";
/// A level that takes a second for 100 MB.
const LEVEL: i32 = 3;

/// The copies in one lake.
pub struct Copies {
    store: Arc<dyn ObjectStore>,
    data_dir: PathBuf,
}

impl Copies {
    /// Those in the lake that the settings name.
    ///
    /// # Errors
    /// `Invalid` for a place that cannot be one.
    pub fn open(settings: &StorageSettings) -> Result<Self> {
        let place = Place::open(&settings.data_dir, &settings.cold)?;
        Ok(Self { store: place.meta, data_dir: settings.data_dir.clone() })
    }

    /// All copies, the newest first.
    ///
    /// # Errors
    /// `Busy` where the object store cannot be reached.
    pub async fn list(&self) -> Result<Vec<Copy>> {
        let found: Vec<_> = self.store.list(None).try_collect().await.map_err(unreachable("list the copies"))?;
        let mut copies: Vec<Copy> = found.iter().filter_map(|object| Copy::parse(object.location.as_ref())).collect();
        copies.sort_unstable_by_key(|copy| std::cmp::Reverse(copy.taken_at_us()));
        Ok(copies)
    }

    /// Takes a copy, and deletes those that it makes superfluous. `None` where the newest one has the same content, or the
    /// database is PostgreSQL.
    ///
    /// # Errors
    /// `Busy` where the object store cannot be reached or the disk has no room for the copy.
    pub async fn take(&self, meta: &Meta) -> Result<Option<Copy>> {
        if meta.backend() != Backend::Sqlite {
            return Ok(None);
        }
        let scratch = self.data_dir.join(SCRATCH_FILE);
        remove(&scratch)?;
        sqlx::query("VACUUM INTO $1")
            .bind(scratch.to_string_lossy().into_owned())
            .execute(meta.pool())
            .await
            .map_err(told("could not copy the metadata database"))?;
        let file = scratch.clone();
        let packed = tokio::task::spawn_blocking(move || pack(&file)).await;
        let (bytes, digest) = packed.map_err(|error| failed("compress the copy", error))??;
        remove(&scratch)?;

        let before = self.list().await?;
        if before.first().is_some_and(|newest| newest.digest() == digest) {
            return Ok(None);
        }
        // A clock that was put back does not make a newer copy look older than the last one.
        let newest = before.first().map_or(0, Copy::taken_at_us);
        let copy = Copy::new(meta.now_us().max(newest + 1), digest);
        let create = PutMode::Create.into();
        let put = self.store.put_opts(&copy.path(), PutPayload::from(bytes), create).await;
        put.map_err(unreachable("put the copy"))?;
        for old in keep::superfluous(&before, copy.taken_at_us()) {
            if let Err(error) = self.store.delete(&old.path()).await {
                tracing::warn!(%error, copy = %old.path(), "could not delete an old copy of the metadata");
            }
        }
        Ok(Some(copy))
    }
}

fn pack(file: &Path) -> Result<(Vec<u8>, [u8; 32])> {
    let read = File::open(file).and_then(|file| zstd::stream::encode_all(file, LEVEL));
    let bytes = read.map_err(|error| failed("compress the copy", error))?;
    let digest = Sha256::digest(&bytes).into();
    Ok((bytes, digest))
}

fn remove(file: &Path) -> Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(failed("remove the last scratch file", error))
        }
        _ => Ok(()),
    }
}

fn failed(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::caused(ErrorKind::Busy, format!("could not {what} of the metadata database"), error)
}

fn unreachable(what: &'static str) -> impl Fn(object_store::Error) -> Error {
    move |error| Error::caused(ErrorKind::Busy, format!("could not {what} of the metadata in the object store"), error)
}

#[cfg(test)]
mod tests;
