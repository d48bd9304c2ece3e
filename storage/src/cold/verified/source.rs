//! One file with its digests, and how its bytes are read: segment by segment until each was checked once, then directly.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, Error, GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, ObjectStore, Result,
};
use parking_lot::Mutex;

use super::DigestMismatch;
use crate::cold::digest::Digests;

/// A live file, and which of its segments were found to be what was written.
#[derive(Debug)]
pub(super) struct File {
    digests: Digests,
    checked: Mutex<Vec<bool>>,
}

/// The part of a range that lies in one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    segment: usize,
    range: Range<u64>,
}

/// A file in its store.
#[derive(Clone, Debug)]
pub(super) struct Source {
    store: Arc<dyn ObjectStore>,
    location: Path,
    file: Arc<File>,
}

/// An answer of the store.
struct Found {
    meta: ObjectMeta,
    attributes: Attributes,
    bytes: Bytes,
}

impl File {
    pub(super) fn new(digests: &Digests) -> Self {
        Self { digests: digests.clone(), checked: Mutex::new(vec![false; digests.len()]) }
    }

    /// Whether another writer made it, and nothing is known of its bytes.
    pub(super) fn is_unsealed(&self) -> bool {
        self.digests.is_empty()
    }

    fn length(&self) -> u64 {
        self.digests.range(self.digests.len().saturating_sub(1)).end
    }

    fn is_checked(&self, segment: usize) -> bool {
        self.checked.lock().get(segment).copied().unwrap_or(true)
    }

    fn cuts(&self, range: &Range<u64>) -> Vec<Cut> {
        let cut = |segment| {
            let whole = self.digests.range(segment);
            Cut { segment, range: whole.start.max(range.start)..whole.end.min(range.end) }
        };
        self.digests.touched(range).map(cut).collect()
    }

    /// What a cut takes of its whole segment.
    fn take(&self, cut: &Cut, whole: &Bytes) -> Bytes {
        let start = self.digests.range(cut.segment).start;
        whole.slice((cut.range.start - start) as usize..(cut.range.end - start) as usize)
    }
}

impl Source {
    pub(super) fn new(store: Arc<dyn ObjectStore>, location: Path, file: Arc<File>) -> Self {
        Self { store, location, file }
    }

    /// The parts of what is asked for, in order; none where it lies outside the file.
    pub(super) fn cuts(&self, range: Option<&GetRange>) -> Vec<Cut> {
        let length = self.file.length();
        let range = match range {
            None => 0..length,
            Some(GetRange::Bounded(range)) => range.start..range.end.min(length),
            Some(GetRange::Offset(start)) => *start..length,
            Some(GetRange::Suffix(bytes)) => length.saturating_sub(*bytes)..length,
        };
        if range.is_empty() { Vec::new() } else { self.file.cuts(&range) }
    }

    /// Whether all of these segments were checked before.
    pub(super) fn is_checked(&self, cuts: &[Cut]) -> bool {
        cuts.iter().all(|cut| self.file.is_checked(cut.segment))
    }

    /// The bytes of `first` and `rest`, which follow one another. Each segment is read when its turn comes.
    pub(super) async fn get(&self, first: &Cut, rest: &[Cut], options: GetOptions) -> Result<GetResult> {
        let range = first.range.start..rest.last().unwrap_or(first).range.end;
        let Found { meta, attributes, bytes } = self.read(first, options.clone()).await?;
        let (source, rest) = (self.clone(), rest.to_vec());
        let rest = stream::iter(rest).then(move |cut| {
            let (source, options) = (source.clone(), options.clone());
            async move { source.read(&cut, options).await.map(|found| found.bytes) }
        });
        let payload = GetResultPayload::Stream(stream::iter([Ok(bytes)]).chain(rest).boxed());
        Ok(GetResult { payload, meta, range, attributes })
    }

    /// The bytes of `ranges`. Where all segments were checked before, the store is asked for just these.
    pub(super) async fn get_ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let length = self.file.length();
        if let Some(range) = ranges.iter().find(|range| range.end > length) {
            let why = format!("`{}` has {length} bytes and was asked for byte {}", self.location, range.end);
            return Err(Error::Generic { store: "lake", source: why.into() });
        }
        let cuts: Vec<Vec<Cut>> = ranges.iter().map(|range| self.file.cuts(range)).collect();
        // However many ranges lie in a segment, it is fetched once.
        let mut fresh: BTreeMap<usize, Bytes> = BTreeMap::new();
        for cut in cuts.iter().flatten() {
            if !fresh.contains_key(&cut.segment) && !self.file.is_checked(cut.segment) {
                let whole = self.check(cut.segment, GetOptions::default()).await?;
                fresh.insert(cut.segment, whole.bytes);
            }
        }
        if fresh.is_empty() {
            return self.store.get_ranges(&self.location, ranges).await;
        }
        let known = cuts.iter().flatten().filter(|cut| !fresh.contains_key(&cut.segment));
        let known: Vec<Range<u64>> = known.map(|cut| cut.range.clone()).collect();
        let mut read = match known.is_empty() {
            true => Vec::new(),
            false => self.store.get_ranges(&self.location, &known).await?,
        }
        .into_iter();
        let mut found = Vec::with_capacity(ranges.len());
        for cuts in &cuts {
            let mut parts = Vec::with_capacity(cuts.len());
            for cut in cuts {
                parts.push(match fresh.get(&cut.segment) {
                    Some(whole) => self.file.take(cut, whole),
                    None => read.next().unwrap_or_default(),
                });
            }
            found.push(match <[Bytes; 1]>::try_from(parts) {
                Ok([part]) => part,
                Err(parts) => Bytes::from(parts.concat()),
            });
        }
        Ok(found)
    }

    async fn read(&self, cut: &Cut, options: GetOptions) -> Result<Found> {
        if self.file.is_checked(cut.segment) {
            return self.fetch(cut.range.clone(), options).await;
        }
        let whole = self.check(cut.segment, options).await?;
        Ok(Found { bytes: self.file.take(cut, &whole.bytes), ..whole })
    }

    /// Fetches a whole segment and compares it with its digest.
    async fn check(&self, segment: usize, options: GetOptions) -> Result<Found> {
        let range = self.file.digests.range(segment);
        let found = self.fetch(range.clone(), options).await?;
        metrics::counter!("tephra_cold_verified_bytes_total").increment(found.bytes.len() as u64);
        if !self.file.digests.matches(segment, &found.bytes) {
            metrics::counter!("tephra_cold_digest_mismatches_total").increment(1);
            let mismatch = DigestMismatch { path: self.location.to_string(), range };
            tracing::error!(%mismatch, "a cold file is damaged");
            return Err(Error::Generic { store: "lake", source: Box::new(mismatch) });
        }
        if let Some(checked) = self.file.checked.lock().get_mut(segment) {
            *checked = true;
        }
        Ok(found)
    }

    async fn fetch(&self, range: Range<u64>, options: GetOptions) -> Result<Found> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..options };
        let found = self.store.get_opts(&self.location, options).await?;
        let (meta, attributes) = (found.meta.clone(), found.attributes.clone());
        Ok(Found { meta, attributes, bytes: found.bytes().await? })
    }
}
