//! What the first query after a start would have to do besides answering: read footers and check digests.

use datafusion::common::Result;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tephra_storage::{ColdFile, Snapshot, Store};

use crate::cold::{ColdReader, whole};

/// The newest files up to so many bytes are made ready.
const WARM_BYTES: u64 = 256 << 20;

pub(crate) async fn run(store: &Store, reader: &ColdReader) {
    let snapshot = store.snapshot();
    let mut left = WARM_BYTES;
    for file in &snapshot.cold().files {
        if left < file.size_bytes {
            return;
        }
        left -= file.size_bytes;
        let ready = ready(&snapshot, store.lake_is_local(), reader, file).await;
        if let Err(error) = ready {
            tracing::debug!(%error, path = file.path, "could not make a cold file ready");
        }
    }
}

async fn ready(snapshot: &Snapshot, is_local: bool, reader: &ColdReader, file: &ColdFile) -> Result<()> {
    let mut footer = reader.files.create_reader(0, whole(file)?, None, &ExecutionPlanMetricsSet::new())?;
    footer.get_metadata(None).await?;
    if is_local {
        for segment in file.digests.ranges() {
            snapshot.object_store().get_range(&Path::parse(&file.path)?, segment).await?;
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}
