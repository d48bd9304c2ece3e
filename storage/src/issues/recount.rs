//! Counts anew from the lake what was never counted, or counted by a copy of the database that is older than the lake.
//!
//! Narrow columns of all live files are folded and take the place of the figures, and the position becomes the lake's watermark
//! in the same transaction; what is hot follows from the feed. Issues keep their numbers, states and merges.
//!
//! Known weakness: the sums of all groups are in memory together, and events that have expired are in no file: a group that
//! still has some events counts only those, and keeps when it was first seen.

use futures::TryStreamExt;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
#[expect(deprecated, reason = "the one reader that the crate has for an object store")]
use parquet::arrow::async_reader::ParquetObjectReader;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;

use super::apply::{self, Applied, Mode, Positions};
use super::changes::IssueChange;
use super::escalate::Forecasts;
use super::fold::{self, Fold, Place};
use super::follow::{self, Past, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::meta::Meta;
use crate::store::Store;

/// Counts the lake. Returns where this node stands then, and what changed.
pub(super) async fn recount(meta: &Meta, store: &Store, past: Option<Past>) -> Result<(u64, Vec<IssueChange>)> {
    let snapshot = store.snapshot();
    tracing::info!(
        files = snapshot.cold().files.len(),
        rows = snapshot.cold().rows(),
        "counting the lake's events for issues"
    );
    let files = snapshot.object_store();
    let mut sums = Fold::default();
    for (file, index) in snapshot.cold().files.iter().zip(0..) {
        sums.at = Place { source: index, row: 0 };
        let failed = |error: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Busy, format!("could not read `{}` to count its events: {error}", file.path))
        };
        #[expect(deprecated, reason = "as above")]
        let reader =
            ParquetObjectReader::new(files.clone(), Path::from(file.path.as_str())).with_file_size(file.size_bytes);
        let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(|error| failed(&error))?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), fold::projection().iter().copied());
        let order: Vec<usize> = {
            // A file's columns come in the order of the schema, and the fold wants them in its own.
            let mut sorted = fold::projection().to_vec();
            sorted.sort_unstable();
            fold::projection().iter().map(|index| sorted.partition_point(|other| other < index)).collect()
        };
        let mut batches = builder.with_projection(mask).build().map_err(|error| failed(&error))?;
        while let Some(batch) = batches.try_next().await.map_err(|error| failed(&error))? {
            sums.add(&batch.project(&order).map_err(|error| failed(&error))?)?;
        }
    }
    if let Some(past) = past {
        follow::find(meta, past, &mut sums, &Source::Cold(snapshot.clone())).await?;
    }
    let node = store.node_id().to_owned();
    let mut through = store.watermarks(snapshot.cold());
    let own = through.iter().position(|(other, _)| *other == node);
    let own = own.map_or((node, 0), |at| through.swap_remove(at));
    let stands = own.1;
    through.insert(0, own);
    let positions = Positions { from: None, through };
    match apply::apply(meta, &positions, &sums, Mode::Replace, &mut Forecasts::default()).await? {
        Applied::Done(changes) => {
            tracing::info!(events = sums.rows, groups = sums.groups.len(), "counted the lake's events for issues");
            Ok((stands, changes))
        }
        Applied::Elsewhere(stands) => Ok((stands, Vec::new())),
    }
}
