//! Brings the newest good copy back into an empty data directory.
//!
//! A copy is good when its bytes have the digest of its name and SQLite finds nothing wrong with it; otherwise the one before
//! it is taken. The database gets its name last, so that a crash leaves none, and the command can be given again.

use std::fs::File;
use std::path::Path;

use object_store::ObjectStoreExt;
use sha2::{Digest, Sha256};
use sqlx::any::AnyPoolOptions;

use super::super::open::{SQLITE_FILE, install_drivers, sqlite_url};
use super::{Copies, Copy, failed, remove, unreachable};
use crate::error::{Error, ErrorKind, Result};

const UNFINISHED_FILE: &str = "meta.restoring";

/// What was brought back.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The copy that was good.
    pub copy: Copy,
    /// Newer ones that were not, and why.
    pub damaged: Vec<(Copy, String)>,
}

impl Copies {
    /// Brings the newest good copy back, without where `node_id` stood in counting events into issues: the copy may have counted
    /// batches that went with the old machine, or lack some that are in the lake, so the next start counts the lake anew.
    ///
    /// # Errors
    /// `Conflict` where there is a metadata database already, `NotFound` where there is no copy, `Corrupt` where none is good,
    /// `Busy` where the object store cannot be reached.
    pub async fn restore(&self, node_id: &str) -> Result<Restored> {
        let target = self.data_dir.join(SQLITE_FILE);
        if target.exists() {
            let text = format!("there is a metadata database already: `{}`", target.display());
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        let copies = self.list().await?;
        if copies.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "the object store holds no copy of the metadata"));
        }
        let mut damaged = Vec::new();
        for copy in copies {
            let unfinished = self.data_dir.join(UNFINISHED_FILE);
            match self.bring(&copy, &unfinished, node_id).await {
                Ok(()) => {
                    let named = std::fs::rename(&unfinished, &target);
                    let synced = named.and_then(|()| File::open(&self.data_dir)?.sync_all());
                    synced.map_err(|error| failed("name the copy", error))?;
                    return Ok(Restored { copy, damaged });
                }
                Err(error) if error.kind() == ErrorKind::Corrupt => damaged.push((copy, error.to_string())),
                Err(error) => return Err(error),
            }
        }
        let list: Vec<String> = damaged.iter().map(|(copy, why)| format!("`{copy}`: {why}")).collect();
        Err(Error::corrupt(format!("no copy of the metadata is good: {}", list.join("; "))))
    }

    async fn bring(&self, copy: &Copy, file: &Path, node_id: &str) -> Result<()> {
        let got = self.store.get(&copy.path()).await.map_err(unreachable("read a copy"))?;
        let bytes = got.bytes().await.map_err(unreachable("read a copy"))?;
        if Sha256::digest(&bytes)[..] != copy.digest() {
            return Err(Error::corrupt("its bytes are not those that were written"));
        }
        let written = File::create(file).and_then(|mut out| {
            zstd::stream::copy_decode(&bytes[..], &mut out)?;
            out.sync_all()
        });
        written.map_err(|error| failed("write the copy", error))?;
        let sound = settle(file, node_id).await;
        // What SQLite leaves beside a file under its unfinished name would be taken for another database's.
        for end in ["-wal", "-shm", "-journal"] {
            remove(&file.with_file_name(format!("{UNFINISHED_FILE}{end}")))?;
        }
        sound
    }
}

/// Checks the whole file, and forgets where the node stood.
async fn settle(file: &Path, node_id: &str) -> Result<()> {
    install_drivers();
    let unsound = |error: sqlx::Error| Error::corrupt(format!("it is no sound database: {error}"));
    let pool = AnyPoolOptions::new().max_connections(1).connect(&sqlite_url(file)?).await.map_err(unsound)?;
    let checked = async {
        let found: Vec<(String,)> = sqlx::query_as("PRAGMA integrity_check").fetch_all(&pool).await?;
        if found.first().is_none_or(|(word,)| word != "ok") {
            let faults: Vec<String> = found.into_iter().take(3).map(|(fault,)| fault).collect();
            return Ok(Err(Error::corrupt(format!("it is no sound database: {}", faults.join("; ")))));
        }
        sqlx::query("DELETE FROM counted WHERE node_id = $1").bind(node_id).execute(&pool).await?;
        Ok(Ok(()))
    };
    let checked = checked.await.map_err(unsound);
    pool.close().await;
    checked?
}
