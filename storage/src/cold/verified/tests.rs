//! A store that lies the second time is not asked a second time before its first answer was believed.

use std::sync::atomic::{AtomicU64, Ordering};

use futures::stream::{self, StreamExt};
use object_store::memory::InMemory;
use object_store::{GetRange, GetResultPayload, ObjectStoreExt};

use super::*;

const PATH: &str = "day=2026-01-01/a.parquet";
const ENDS: [u64; 3] = [100, 250, 300];

/// Tells the truth about each byte once; whoever asks again gets it with a flipped bit.
#[derive(Debug)]
struct Fickle {
    inner: InMemory,
    told: Mutex<Vec<bool>>,
    asked_bytes: AtomicU64,
}

impl std::fmt::Display for Fickle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("fickle")
    }
}

#[async_trait]
impl ObjectStore for Fickle {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let found = self.inner.get_opts(location, options).await?;
        let (meta, range, attributes) = (found.meta.clone(), found.range.clone(), found.attributes.clone());
        let mut bytes = found.bytes().await?.to_vec();
        self.asked_bytes.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        for (byte, told) in bytes.iter_mut().zip(&mut self.told.lock()[range.start as usize..]) {
            *byte ^= u8::from(std::mem::replace(told, true));
        }
        let payload = GetResultPayload::Stream(stream::iter([Ok(bytes.into())]).boxed());
        Ok(GetResult { payload, meta, range, attributes })
    }

    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
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

fn content() -> Vec<u8> {
    (0..300u32).map(|number| (number * 7 % 251) as u8).collect()
}

/// A file of three segments of which nothing was read yet.
async fn lake() -> (Verified, Arc<Fickle>, Path) {
    let fickle = Fickle {
        inner: InMemory::new(),
        told: Mutex::new(vec![false; content().len()]),
        asked_bytes: AtomicU64::new(0),
    };
    let (fickle, path) = (Arc::new(fickle), Path::from(PATH));
    fickle.put(&path, content().into()).await.unwrap();
    let verified = Verified::new(fickle.clone());
    verified.expect(PATH, &Digests::of(&content(), &ENDS));
    (verified, fickle, path)
}

fn slice(range: &Range<u64>) -> Vec<u8> {
    content()[range.start as usize..range.end as usize].to_vec()
}

async fn read(verified: &Verified, path: &Path, ranges: &[(u64, u64)]) -> Result<Vec<Vec<u8>>> {
    let ranges: Vec<Range<u64>> = ranges.iter().map(|(start, end)| *start..*end).collect();
    let found = verified.get_ranges(path, &ranges).await?;
    Ok(found.iter().map(|bytes| bytes.to_vec()).collect())
}

#[tokio::test]
async fn what_a_first_touch_returns_is_what_was_compared() {
    let several = [(10, 20), (30, 40), (95, 120), (290, 300), (0, 300), (7, 7)];
    for ranges in [&[(0, 10)][..], &[(40, 260)], &[(0, 300)], &several] {
        let (verified, fickle, path) = lake().await;
        let expected: Vec<_> = ranges.iter().map(|(start, end)| slice(&(*start..*end))).collect();
        assert_eq!(read(&verified, &path, ranges).await.unwrap(), expected, "{ranges:?}");
        assert!(fickle.asked_bytes.load(Ordering::SeqCst) <= 300, "bytes were read twice for {ranges:?}");
    }
    for (asked, range) in [
        (None, 0..300),
        (Some(GetRange::Bounded(90..110)), 90..110),
        (Some(GetRange::Bounded(240..999)), 240..300),
        (Some(GetRange::Offset(99)), 99..300),
        (Some(GetRange::Suffix(20)), 280..300),
    ] {
        let (verified, _, path) = lake().await;
        let options = GetOptions { range: asked.clone(), ..GetOptions::default() };
        let found = verified.get_opts(&path, options).await.unwrap();
        assert_eq!((found.range.clone(), found.meta.size), (range.clone(), 300), "{asked:?}");
        assert_eq!(found.bytes().await.unwrap().to_vec(), slice(&range), "{asked:?}");
    }
}

#[tokio::test]
async fn a_checked_segment_is_read_directly_beside_one_that_is_not() {
    let (verified, fickle, path) = lake().await;
    let asked = || fickle.asked_bytes.swap(0, Ordering::SeqCst);
    verified.get_range(&path, 0..10).await.unwrap();
    assert_eq!(asked(), 100, "a first touch reads the segment");
    verified.get_range(&path, 20..30).await.unwrap();
    read(&verified, &path, &[(50, 55)]).await.unwrap();
    assert_eq!(asked(), 15, "a later one reads what it needs");
    *fickle.told.lock() = vec![false; 300];
    let found = read(&verified, &path, &[(98, 102), (0, 2)]).await.unwrap();
    assert_eq!(found, [slice(&(98..102)), slice(&(0..2))]);
    assert!(read(&verified, &path, &[(290, 301)]).await.is_err(), "there is no byte 300");
}

#[tokio::test]
async fn a_segment_that_is_not_what_was_written_is_named() {
    let (verified, fickle, path) = lake().await;
    fickle.told.lock()[120] = true;
    let error = verified.get_range(&path, 110..115).await.unwrap_err().to_string();
    assert!(error.contains(PATH) && error.contains("between bytes 100 and 250"), "{error}");
    assert!(read(&verified, &path, &[(0, 10), (249, 251)]).await.is_err());
    let whole = verified.get(&path).await.unwrap().bytes().await;
    assert!(whole.is_err(), "the damaged segment is met on the way");
    assert_eq!(verified.get_range(&path, 260..270).await.unwrap().to_vec(), slice(&(260..270)));
}
