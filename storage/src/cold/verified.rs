//! The lake's object store as readers see it: bytes of a data file are checked before they are returned.
//!
//! A segment of a file (a row group, or the footer with what precedes it) is fetched whole and compared with its digest
//! when it is first touched; after that its ranges are read directly. Files this process has written itself count as
//! checked only once read back, since the disk may have lied.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use hashbrown::HashMap;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::Mutex;

use crate::cold::digest::Digests;
use crate::failpoint;

/// What a read returns where the bytes are not what was written. It is the source of an `object_store` error.
#[derive(Debug)]
pub struct DigestMismatch {
    /// The file, relative to the table.
    pub path: String,
    /// The damaged bytes lie in this range.
    pub range: Range<u64>,
}

impl std::fmt::Display for DigestMismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, range } = self;
        write!(
            f,
            "`{path}` is damaged between bytes {} and {}: its digest does not match the commit",
            range.start, range.end
        )
    }
}

impl std::error::Error for DigestMismatch {}

/// The wrapped store.
#[derive(Debug)]
pub(crate) struct Verified {
    inner: Arc<dyn ObjectStore>,
    files: Mutex<HashMap<String, Arc<File>>>,
}

#[derive(Debug)]
struct File {
    digests: Digests,
    checked: Mutex<Vec<bool>>,
}

impl Verified {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, files: Mutex::default() }
    }

    /// Tells the digests of a live file.
    pub(crate) fn expect(&self, path: &str, digests: &Digests) {
        let checked = Mutex::new(vec![false; digests.len()]);
        self.files.lock().entry_ref(path).or_insert_with(|| Arc::new(File { digests: digests.clone(), checked }));
    }

    /// Forgets a file that is no longer live.
    pub(crate) fn forget(&self, path: &str) {
        self.files.lock().remove(path);
    }

    fn file(&self, location: &Path) -> Option<Arc<File>> {
        self.files.lock().get(location.as_ref()).cloned()
    }

    /// Checks the segments that `range` touches and were not checked before.
    async fn check(&self, location: &Path, file: &File, range: &Range<u64>) -> Result<()> {
        if failpoint::planted("no_digest_check") {
            return Ok(());
        }
        for segment in file.digests.touched(range) {
            if file.checked.lock().get(segment).copied().unwrap_or(true) {
                continue;
            }
            let whole = file.digests.range(segment);
            let bytes = self.inner.get_range(location, whole.clone()).await?;
            metrics::counter!("tephra_cold_verified_bytes_total").increment(bytes.len() as u64);
            if !file.digests.matches(segment, &bytes) {
                metrics::counter!("tephra_cold_digest_mismatches_total").increment(1);
                let mismatch = DigestMismatch { path: location.to_string(), range: whole };
                tracing::error!(%mismatch, "a cold file is damaged");
                return Err(Error::Generic { store: "lake", source: Box::new(mismatch) });
            }
            if let Some(checked) = file.checked.lock().get_mut(segment) {
                *checked = true;
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} with digests", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Verified {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let Some(file) = self.file(location).filter(|_| !options.head) else {
            return self.inner.get_opts(location, options).await;
        };
        let length = file.digests.range(file.digests.len().saturating_sub(1)).end;
        let range = match &options.range {
            None => 0..length,
            Some(GetRange::Bounded(range)) => range.start..range.end.min(length),
            Some(GetRange::Offset(start)) => *start..length,
            Some(GetRange::Suffix(bytes)) => length.saturating_sub(*bytes)..length,
        };
        self.check(location, &file, &range).await?;
        metrics::counter!("tephra_cold_reads_total").increment(1);
        let result = self.inner.get_opts(location, options).await?;
        debug_assert!(matches!(result.payload, GetResultPayload::Stream(_) | GetResultPayload::File(..)));
        Ok(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if let Some(file) = self.file(location) {
            for range in ranges {
                self.check(location, &file, range).await?;
            }
        }
        metrics::counter!("tephra_cold_reads_total").increment(1);
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
