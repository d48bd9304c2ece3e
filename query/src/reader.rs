//! How Parquet files are opened: their footers and page indexes are read once and kept within a memory limit.
//!
//! Left to itself, the scan asks for footers without page indexes, which are cached so, and then reads and parses the
//! indexes anew for every query. Our files always have them, so they are asked for from the start.
//! The footers are kept with a hint at which columns to read as dictionaries (`words.rs`).

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    CachedParquetFileReaderFactory, CachedParquetMetaData, ParquetFileReaderFactory,
};
use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadataCache};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};

use crate::words;

/// Opens the files of the lake.
#[derive(Debug)]
pub(crate) struct LakeFiles {
    files: CachedParquetFileReaderFactory,
    cache: Arc<FileMetadataCache>,
}

impl LakeFiles {
    pub(crate) fn new(lake: Arc<dyn ObjectStore>, cache: Arc<FileMetadataCache>) -> Self {
        Self { files: CachedParquetFileReaderFactory::new(lake, cache.clone()), cache }
    }
}

impl ParquetFileReaderFactory for LakeFiles {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let meta = file.object_meta.clone();
        let inner = self.files.create_reader(partition, file, metadata_size_hint, metrics)?;
        Ok(Box::new(LakeFile { inner, meta, cache: self.cache.clone() }))
    }
}

struct LakeFile {
    inner: Box<dyn AsyncFileReader + Send>,
    meta: ObjectMeta,
    cache: Arc<FileMetadataCache>,
}

impl LakeFile {
    fn kept(&self) -> Option<Arc<ParquetMetaData>> {
        let entry = self.cache.get(&self.meta.location).filter(|entry| entry.is_valid_for(&self.meta))?;

        let kept = entry.file_metadata.as_any().downcast_ref::<CachedParquetMetaData>()?.parquet_metadata();
        words::is_hinted(kept).then(|| kept.clone())
    }
}

impl AsyncFileReader for LakeFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.inner.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        self.inner.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        let options = options.cloned().unwrap_or_default().with_page_index_policy(PageIndexPolicy::Optional);
        async move {
            if let Some(kept) = self.kept() {
                return Ok(kept);
            }
            let metadata = self.inner.get_metadata(Some(&options)).await?;
            if words::is_hinted(&metadata) {
                return Ok(metadata);
            }
            let metadata = Arc::new(words::hinted(&metadata));
            let cached = Arc::new(CachedParquetMetaData::new(metadata.clone()));
            self.cache.put(&self.meta.location, CachedFileMetadataEntry::new(self.meta.clone(), cached));
            Ok(metadata)
        }
        .boxed()
    }
}
