//! What one query sees: a cold version, its watermark, and the hot batches above it.

use std::sync::Arc;

use object_store::ObjectStore;

use crate::cold::catalog::ColdVersion;
use crate::hot::segment::HotSegment;

/// One consistent view of both tiers. While it lives, what it shows stays readable.
#[derive(Clone)]
pub struct Snapshot {
    hot: Vec<Arc<HotSegment>>,
    cold: Arc<ColdVersion>,
    files: Arc<dyn ObjectStore>,
}

impl Snapshot {
    pub(crate) fn new(hot: Vec<Arc<HotSegment>>, cold: Arc<ColdVersion>, files: Arc<dyn ObjectStore>) -> Self {
        Self { hot, cold, files }
    }

    /// The hot segments, oldest first.
    pub fn hot(&self) -> &[Arc<HotSegment>] {
        &self.hot
    }

    /// The cold files.
    pub fn cold(&self) -> &ColdVersion {
        &self.cold
    }

    /// Where the cold files lie, rooted at the table; what it returns has been checked against the files' digests.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        self.files.clone()
    }
}
