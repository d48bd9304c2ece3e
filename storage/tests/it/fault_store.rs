//! An object store that fails at a chosen operation, in the ways that real ones do.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// How an operation goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not done, and says so.
    Before,
    /// It is done, and the answer is lost.
    After,
    /// It is done, late.
    Slow,
    /// The body of a read ends early without an error; a write or a deletion is not done.
    Truncated,
}

const SLOW: Duration = Duration::from_millis(150);

/// The wrapper.
#[derive(Debug)]
pub(crate) struct FaultStore {
    inner: Arc<dyn ObjectStore>,
    fault: Fault,
    /// The operation that fails, counted from 1; 0 for none.
    at: AtomicU64,
    done: AtomicU64,
    gone: AtomicBool,
}

impl FaultStore {
    /// A store over `inner` whose operation number `at` fails by `fault`.
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, fault: Fault, at: u64) -> Arc<Self> {
        let (at, done, gone) = (AtomicU64::new(at), AtomicU64::new(0), AtomicBool::new(false));
        Arc::new(Self { inner, fault, at, done, gone })
    }

    /// Operations so far.
    pub(crate) fn operations(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }

    /// Takes the store away, or gives it back.
    pub(crate) fn set_gone(&self, gone: bool) {
        self.gone.store(gone, Ordering::SeqCst);
    }

    /// Counts an operation; `Some` where it is the one that goes wrong.
    async fn begin(&self) -> Result<Option<Fault>> {
        let number = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        if self.gone.load(Ordering::SeqCst) {
            return Err(failed("the store is out of reach"));
        }
        if number != self.at.load(Ordering::SeqCst) {
            return Ok(None);
        }
        match self.fault {
            Fault::Before => return Err(failed("refused")),
            Fault::Slow => tokio::time::sleep(SLOW).await,
            Fault::After | Fault::Truncated => {}
        }
        Ok(Some(self.fault))
    }
}

fn failed(what: &'static str) -> Error {
    Error::Generic { store: "fault", source: format!("injected: {what}").into() }
}

/// Loses the answer of an operation that was done.
fn answer<T>(fault: Option<Fault>, result: Result<T>) -> Result<T> {
    if fault == Some(Fault::After) { Err(failed("the answer is lost")) } else { result }
}

fn changes(fault: Option<Fault>) -> Result<Option<Fault>> {
    if fault == Some(Fault::Truncated) { Err(failed("the upload was cut short")) } else { Ok(fault) }
}

impl fmt::Display for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with faults", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FaultStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let fault = changes(self.begin().await?)?;
        answer(fault, self.inner.put_opts(location, payload, opts).await)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let fault = changes(self.begin().await?)?;
        answer(fault, self.inner.put_multipart_opts(location, opts).await)
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let fault = self.begin().await?;
        let head = options.head;
        let result = answer(fault, self.inner.get_opts(location, options).await)?;
        if fault != Some(Fault::Truncated) || head {
            return Ok(result);
        }
        let (meta, range, attributes) = (result.meta.clone(), result.range.clone(), result.attributes.clone());
        let bytes = result.bytes().await?;
        let half = bytes.slice(..bytes.len() / 2);
        let payload = GetResultPayload::Stream(stream::once(async move { Ok(half) }).boxed());
        Ok(GetResult { payload, meta, range, attributes })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let fault = self.begin().await?;
        // Ranges have known lengths, so clients notice by themselves when one ends early.
        let fault = if fault == Some(Fault::Truncated) { Some(Fault::After) } else { fault };
        answer(fault, self.inner.get_ranges(location, ranges).await)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        // The count of a deletion is taken when the stream is made: callers here delete one object at a time.
        let number = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        let hit = number == self.at.load(Ordering::SeqCst);
        if self.gone.load(Ordering::SeqCst) || hit && matches!(self.fault, Fault::Before | Fault::Truncated) {
            return stream::once(async { Err(failed("refused")) }).boxed();
        }
        let deleted = self.inner.delete_stream(locations);
        if hit && self.fault == Fault::After {
            return deleted.map(|_| Err(failed("the answer is lost"))).boxed();
        }
        deleted
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let number = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        let hit = number == self.at.load(Ordering::SeqCst);
        let listed = self.inner.list(prefix);
        if self.gone.load(Ordering::SeqCst) || hit && matches!(self.fault, Fault::Before | Fault::After) {
            return stream::once(async { Err(failed("refused")) }).boxed();
        }
        if hit && self.fault == Fault::Truncated {
            // A page arrives, then the connection breaks.
            return listed.take(1).chain(stream::once(async { Err(failed("the list was cut short")) })).boxed();
        }
        listed
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let fault = changes(self.begin().await?)?;
        answer(fault, self.inner.list_with_delimiter(prefix).await)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let fault = changes(self.begin().await?)?;
        answer(fault, self.inner.copy_opts(from, to, options).await)
    }
}
