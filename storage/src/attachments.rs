//! Files that came with events, beside the events in the lake: one object for each, under names by which the files of an
//! event are one listing and those past their term are known without being read.
//!
//! An object is one put, fsynced on a local disk: it is there whole or not at all. It begins with a header of its own, so that
//! the bucket alone says what a file is called, and holds the digest of the file, which is compared whenever it is read.
//!
//! A crash leaves the files that were put. Those of a request that got no answer come again with it and take the same names,
//! so that none is there twice. On a local disk a crash may also leave an unfinished file, which the next sweep deletes.
//!
//! Known weakness: an event is looked for under each term of the lake, and expiry lists all files once a day.

mod name;
mod object;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use hashbrown::{HashMap, HashSet};
use object_store::path::Path;
use object_store::{Error as StoreError, GetOptions, GetRange, ObjectStore, ObjectStoreExt};

use crate::cold::vacuum;
use crate::error::{Error, ErrorKind, Result};
use crate::event::ProjectId;
use crate::failpoint;
use name::{Name, days_of, prefix};

/// Objects that are put or looked into at the same time for one request.
const AT_ONCE: usize = 4;
/// Nothing has been swept yet.
const NEVER: i64 = i64::MIN;

/// A file that is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAttachment {
    /// The event that it belongs to, which may not be there yet.
    pub event_id: [u8; 16],
    /// What the sender calls it; no path.
    pub name: String,
    /// As the sender says.
    pub content_type: Option<String>,
    /// What it is for: `event.attachment`, `event.minidump`, …
    pub kind: String,
    /// The file.
    pub bytes: Bytes,
}

/// What is known of a file without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its name within the event: 32 hexadecimal digits, made of what it is called and what it holds.
    pub id: String,
    /// As [`NewAttachment::name`].
    pub name: String,
    /// As [`NewAttachment::content_type`].
    pub content_type: Option<String>,
    /// As [`NewAttachment::kind`].
    pub kind: String,
    /// Its bytes.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// When it came, µs UTC.
    pub received_at: i64,
    /// Where it lies.
    path: Path,
}

/// What became of the files of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Files that are there now and were not before.
    pub stored: u32,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were there before.
    pub known: u32,
    /// Files for which their event had no room left.
    pub surplus: u32,
}

/// The files of one lake.
pub(crate) struct Attachments {
    store: Arc<dyn ObjectStore>,
    directory: Option<PathBuf>,
    /// The last day, since 1970, on which expired files were looked for.
    swept: AtomicI64,
}

impl Attachments {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, directory: Option<PathBuf>) -> Self {
        Self { store, directory, swept: AtomicI64::new(NEVER) }
    }

    /// Keeps files, up to `count_max` for each event; they are durable when this returns.
    ///
    /// # Errors
    /// `Busy` where the lake cannot be reached or the disk is full: some of the files may be there, and keeping all of them
    /// again does no harm.
    pub(crate) async fn keep(
        &self,
        project: ProjectId,
        retention_days: u16,
        received_at: i64,
        files: Vec<NewAttachment>,
        count_max: usize,
    ) -> Result<Kept> {
        let digested = tokio::task::spawn_blocking(move || object::digest(files)).await;
        let digested =
            digested.map_err(|error| Error::caused(ErrorKind::Internal, "could not read the attachments", error))?;
        let mut there = HashMap::<[u8; 16], HashSet<String>>::new();
        let mut kept = Kept::default();
        let mut puts = Vec::new();
        for (file, id, sha256) in digested {
            if !there.contains_key(&file.event_id) {
                let names = self.names(project, &file.event_id).await?;
                there.insert(file.event_id, names.into_iter().map(|(name, _)| name.id).collect());
            }
            let Some(ids) = there.get_mut(&file.event_id) else { continue };
            if ids.contains(&id) {
                kept.known += 1;
            } else if ids.len() >= count_max {
                kept.surplus += 1;
            } else {
                let event = file.event_id;
                let name = Name { retention_days, project, event, id: id.clone(), day: days_of(received_at) };
                kept.stored += 1;
                kept.bytes += file.bytes.len() as u64;
                puts.push((name.path(), object::write(&file, &sha256, received_at)));
                ids.insert(id);
            }
        }
        let put = |(path, payload)| async move {
            failpoint::hit("attachment.before_put")?;
            let put = self.store.put(&path, payload).await;
            put.map_err(|error| Error::caused(ErrorKind::Busy, "could not write an attachment to the lake", error))?;
            failpoint::hit("attachment.after_put")
        };
        futures::stream::iter(puts).map(put).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        Ok(kept)
    }

    /// The files of an event, by name.
    ///
    /// # Errors
    /// `Busy` where the lake cannot be reached, `Corrupt` for an object that is none of ours.
    pub(crate) async fn list(&self, project: ProjectId, event: &[u8; 16]) -> Result<Vec<Attachment>> {
        let names = self.names(project, event).await?;
        let look = |(name, path)| self.look(name, path);
        let found: Vec<Option<Attachment>> =
            futures::stream::iter(names).map(look).buffer_unordered(AT_ONCE).try_collect().await?;
        let mut found: Vec<Attachment> = found.into_iter().flatten().collect();
        found.sort_unstable_by(|a, b| (&a.name, a.received_at, &a.id).cmp(&(&b.name, b.received_at, &b.id)));
        Ok(found)
    }

    /// One file of an event.
    ///
    /// # Errors
    /// As [`Attachments::list`].
    pub(crate) async fn find(&self, project: ProjectId, event: &[u8; 16], id: &str) -> Result<Option<Attachment>> {
        let names = self.names(project, event).await?;
        match names.into_iter().find(|(name, _)| name.id == id) {
            Some((name, path)) => self.look(name, path).await,
            None => Ok(None),
        }
    }

    /// The bytes of a file; `None` where it has expired since it was found.
    ///
    /// # Errors
    /// `Busy` where the lake cannot be reached, `Corrupt` where they are not what was kept.
    pub(crate) async fn read(&self, attachment: &Attachment) -> Result<Option<Bytes>> {
        let found = match self.store.get(&attachment.path).await {
            Ok(found) => found.bytes().await,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => Err(error),
        };
        let whole = found.map_err(unreachable("read an attachment"))?;
        let checked = attachment.clone();
        let read = tokio::task::spawn_blocking(move || object::read(&whole, &checked)).await;
        read.map_err(|error| Error::caused(ErrorKind::Internal, "could not read an attachment", error))?.map(Some)
    }

    /// Deletes what is past its term, once a day, and what was not finished before `oldest_kept_ms`. Returns how many.
    ///
    /// # Errors
    /// `Busy` where the lake cannot be reached; the next call tries again.
    pub(crate) async fn expire(&self, now_us: i64, oldest_kept_ms: i64) -> Result<usize> {
        let today = days_of(now_us);
        if self.swept.load(Ordering::Relaxed) >= today {
            return Ok(0);
        }
        let mut listed = self.store.list(None);
        let mut expired = Vec::new();
        while let Some(object) = listed.next().await {
            let object = object.map_err(unreachable("list the attachments"))?;
            // What has another name is not ours to delete.
            if Name::parse(object.location.as_ref()).is_some_and(|name| name.ends() <= today) {
                expired.push(object.location);
            }
        }
        for path in &expired {
            failpoint::hit("attachment.before_delete")?;
            match self.store.delete(path).await {
                Ok(()) | Err(StoreError::NotFound { .. }) => self.remove_empty(path),
                Err(error) => return Err(unreachable("delete an expired attachment")(error)),
            }
        }
        if let Some(directory) = self.directory.clone().filter(|directory| directory.is_dir()) {
            vacuum::unfinished(directory, oldest_kept_ms).await?;
        }
        metrics::counter!("tephra_attachments_expired_total").increment(expired.len() as u64);
        self.swept.store(today, Ordering::Relaxed);
        Ok(expired.len())
    }

    /// The names of an event's files with their places, each once.
    async fn names(&self, project: ProjectId, event: &[u8; 16]) -> Result<Vec<(Name, Path)>> {
        let failed = unreachable("list the attachments");
        let terms = self.store.list_with_delimiter(None).await.map_err(&failed)?.common_prefixes;
        let mut names: Vec<(Name, Path)> = Vec::new();
        for term in terms {
            let listed: Vec<_> =
                self.store.list(Some(&prefix(&term, project, event))).try_collect().await.map_err(&failed)?;
            for object in listed {
                let Some(name) = Name::parse(object.location.as_ref()) else { continue };
                // A request that came again on the next day.
                if !names.iter().any(|(known, _)| known.id == name.id) {
                    names.push((name, object.location));
                }
            }
        }
        Ok(names)
    }

    /// Reads an object's header; `None` where it has just expired.
    async fn look(&self, name: Name, path: Path) -> Result<Option<Attachment>> {
        let range = GetRange::Bounded(0..object::HEAD_BYTES_MAX);
        let head = match self.store.get_opts(&path, GetOptions { range: Some(range), ..GetOptions::default() }).await {
            Ok(head) => head.bytes().await,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => Err(error),
        };
        let head = head.map_err(unreachable("read an attachment's header"))?;
        object::head(&head, name.id, path).map(Some)
    }

    /// A local store keeps directories in which nothing is left.
    fn remove_empty(&self, path: &Path) {
        let Some(directory) = &self.directory else { return };
        // One that holds another file stays, as removing it fails.
        let _ = directory.join(path.as_ref()).parent().map(std::fs::remove_dir);
    }
}

fn unreachable(what: &'static str) -> impl Fn(StoreError) -> Error {
    move |error| Error::caused(ErrorKind::Busy, format!("could not {what} in the lake"), error)
}

#[cfg(test)]
mod tests;
