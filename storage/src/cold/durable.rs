//! The local file system as an object store whose puts survive a power cut.
//!
//! `object_store`'s own never calls fsync. Here an object is written under a temporary name and fsynced, then takes its
//! name by a link (create) or a rename (overwrite), and then its directory is fsynced; directories made on the way are
//! fsynced into their parents. So a name that is seen always holds all of its bytes.
//!
//! Small ranges are read on the caller's thread: mostly they lie in the page cache, and handing such a read to another
//! thread and back costs ten times the read. A query reads hundreds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, Result, UploadPart,
};
use parking_lot::Mutex;

use crate::failpoint;

/// A local directory tree, addressed by absolute paths.
#[derive(Debug)]
pub(crate) struct DurableLocal {
    inner: Arc<LocalFileSystem>,
}

impl DurableLocal {
    pub(crate) fn new() -> Self {
        Self { inner: Arc::new(LocalFileSystem::new()) }
    }
}

impl std::fmt::Display for DurableLocal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("local file system, fsynced")
    }
}

#[async_trait]
impl ObjectStore for DurableLocal {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let target = self.inner.path_to_filesystem(location)?;
        let location = location.clone();
        let create = match opts.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => return self.inner.put_opts(&location, payload, opts).await,
        };
        let written = tokio::task::spawn_blocking(move || put(&target, &payload, create)).await;
        written.map_err(|error| Error::JoinError { source: error })?.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => {
                Error::AlreadyExists { path: location.to_string(), source: Box::new(source) }
            }
            _ => Error::Generic { store: "local", source: Box::new(source) },
        })?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let store = Self { inner: self.inner.clone() };
        Ok(Box::new(Upload { store, location: location.clone(), parts: Arc::default() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match &options.range {
            Some(GetRange::Bounded(range)) if is_plain(&options) && is_small(range.end.saturating_sub(range.start)) => {
                let target = self.inner.path_to_filesystem(location)?;
                get_small(&target, location, range.clone()).map_err(|error| failed(location, error))
            }
            _ => self.inner.get_opts(location, options).await,
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if !is_small(ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum()) {
            return self.inner.get_ranges(location, ranges).await;
        }
        let target = self.inner.path_to_filesystem(location)?;
        let read = || {
            let file = File::open(&target)?;
            ranges.iter().map(|range| read_range(&file, range)).collect::<io::Result<Vec<_>>>()
        };
        read().map_err(|error| failed(location, error))
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

/// What is read at once on the caller's thread.
const SMALL_BYTES: u64 = 4 << 20;

fn is_small(bytes: u64) -> bool {
    bytes <= SMALL_BYTES
}

/// Whether nothing but a range is asked for.
fn is_plain(options: &GetOptions) -> bool {
    let conditions = [&options.if_match, &options.if_none_match, &options.version];
    let times = [options.if_modified_since, options.if_unmodified_since];
    !options.head && conditions.iter().all(|set| set.is_none()) && times.iter().all(Option::is_none)
}

fn get_small(target: &FsPath, location: &Path, range: Range<u64>) -> io::Result<GetResult> {
    let file = File::open(target)?;
    let metadata = file.metadata()?;
    let range = range.start..range.end.min(metadata.len());
    if range.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the range lies outside the file"));
    }
    let bytes = read_range(&file, &range)?;
    let meta = ObjectMeta {
        location: location.clone(),
        last_modified: metadata.modified()?.into(),
        size: metadata.len(),
        e_tag: None,
        version: None,
    };
    let payload = GetResultPayload::Stream(futures::stream::once(async { Ok(bytes) }).boxed());
    Ok(GetResult { payload, meta, range, attributes: Attributes::default() })
}

fn read_range(file: &File, range: &Range<u64>) -> io::Result<Bytes> {
    let mut bytes = vec![0; range.end.saturating_sub(range.start) as usize];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes.into())
}

fn failed(location: &Path, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound { path: location.to_string(), source: Box::new(source) },
        _ => Error::Generic { store: "local", source: Box::new(source) },
    }
}

/// Whether a file is one that a put had not finished: `NAME#DIGITS`, by which `object_store` too names what it writes and
/// leaves out of its listings. A crash leaves such a file behind.
pub(crate) fn is_unfinished(path: &FsPath) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.split_once('#')
        .is_some_and(|(_, digits)| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

fn put(target: &FsPath, payload: &PutPayload, create: bool) -> io::Result<()> {
    let directory = target.parent().ok_or_else(|| io::Error::other("an object without a directory"))?;
    make_directory(directory)?;
    let temporary = PathBuf::from(format!("{}#{}", target.display(), uuid::Uuid::new_v4().as_u128()));
    let written = write_synced(&temporary, payload).and_then(|()| {
        if create {
            fs::hard_link(&temporary, target).and_then(|()| fs::remove_file(&temporary))
        } else {
            fs::rename(&temporary, target)
        }
    });
    if written.is_err() {
        // The error that matters is the first one.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    sync_directory(directory)
}

fn write_synced(path: &FsPath, payload: &PutPayload) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    for chunk in payload {
        file.write_all(chunk)?;
    }
    file.sync_all()
}

fn make_directory(directory: &FsPath) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = directory.parent().ok_or_else(|| io::Error::other("a directory without a parent"))?;
    make_directory(parent)?;
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_directory(parent)
}

fn sync_directory(directory: &FsPath) -> io::Result<()> {
    if failpoint::planted("no_dir_fsync") {
        return Ok(());
    }
    File::open(directory)?.sync_all()
}

/// Parts are gathered in memory and put at once: what goes this way here is small.
#[derive(Debug)]
struct Upload {
    store: DurableLocal,
    location: Path,
    parts: Arc<Mutex<Vec<PutPayload>>>,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts.lock().push(data);
        Box::pin(futures::future::ready(Ok(())))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let parts = std::mem::take(&mut *self.parts.lock());
        let payload: PutPayload = parts.iter().flatten().cloned().collect();
        self.store.put(&self.location, payload).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts.lock().clear();
        Ok(())
    }
}
