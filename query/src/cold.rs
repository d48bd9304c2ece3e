//! The cold half of a scan: Parquet files of the snapshot, newest first, read by DataFusion's own Parquet source.
//!
//! No order is declared: a TopK over `timestamp` fills from the newest file and its moving threshold then leaves out
//! whole files, row groups and rows, which reads less than merging every file in order.

use std::sync::Arc;

use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::ExecutionPlan;
use object_store::ObjectMeta;
use object_store::path::Path;
use tephra_storage::schema::{column_index, table_schema};
use tephra_storage::{BLOOM_COLUMNS, ColdFile};

use crate::adapter::TierAdapterFactory;
use crate::places::{self, part_field, row_field};
use crate::prune;
use crate::scope::Scope;
use crate::tenant::TenantExec;

/// Under this name the runtime knows the lake.
pub(crate) const LAKE_URL: &str = "tephra://lake";

/// A range of a file holds at least about so many rows, so that its row groups are worth a partition's start.
const RANGE_ROWS: u64 = 100_000;

/// What all scans of an engine share.
#[derive(Clone, Debug)]
pub(crate) struct ColdReader {
    pub(crate) files: Arc<dyn ParquetFileReaderFactory>,
    pub(crate) threads: usize,
}

/// Reads `files`, of which none is outside the scope as a whole, and of these only the rows of the scope. Given the numbers
/// of the files, `projection` may name the columns of `places`. The `predicate` is only looked at: plans push it later.
pub(crate) fn scan(
    reader: &ColdReader,
    files: &[Arc<ColdFile>],
    parts: Option<&[u32]>,
    scope: &Scope,
    projection: &[usize],
    predicate: Option<&Arc<dyn PhysicalExpr>>,
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let mixed = files.iter().any(|file| !scope.covers(&file.projects));
    let project_id = column_index("project_id");
    let mut columns = projection.to_vec();
    if mixed && !columns.contains(&project_id) {
        columns.push(project_id);
    }

    let table = TableSchema::builder(table_schema());
    let (table, statistics) = match parts {
        Some(_) => (
            table.with_table_partition_cols(vec![part_field()]).with_virtual_columns(vec![row_field()]),
            places::widen(prune::statistics_over(files)),
        ),
        None => (table, prune::statistics_over(files)),
    };
    let mut source = ParquetSource::new(table.build())
        .with_pushdown_filters(true)
        .with_reorder_filters(!mixed) // the caller's filters must not meet other projects' rows, not even to fail
        .with_enable_page_index(true)
        .with_bloom_filter_on_read(predicate.is_some_and(asks_for_one_value))
        .with_parquet_file_reader_factory(reader.files.clone());
    if mixed {
        source = source.with_predicate(scope.predicate()?);
    }
    let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(LAKE_URL)?, Arc::new(source))
        .with_file_groups(groups(files, parts, reader.threads)?)
        .with_projection_indices(Some(columns))?
        .with_limit(limit.filter(|_| !mixed))
        .with_expr_adapter(Some(Arc::new(TierAdapterFactory)))
        .with_statistics(statistics)
        .build();
    let scan = DataSourceExec::from_data_source(config);
    match mixed {
        true => Ok(Arc::new(TenantExec::try_new(scan, scope.clone(), projection.len())?)),
        false => Ok(scan),
    }
}

/// Whether bloom filters may answer. Looking for the filters of columns that have none costs as much as some queries.
fn asks_for_one_value(predicate: &Arc<dyn PhysicalExpr>) -> bool {
    collect_columns(predicate).iter().any(|column| BLOOM_COLUMNS.contains(&column.name()))
}

/// A file as the readers know it.
pub(crate) fn whole(file: &ColdFile) -> Result<PartitionedFile> {
    Ok(PartitionedFile::new_from_meta(ObjectMeta {
        location: Path::parse(&file.path)?,
        last_modified: chrono::DateTime::UNIX_EPOCH, // files never change
        size: file.size_bytes,
        e_tag: None,
        version: None,
    }))
}

/// The partitions take pieces from one queue, which is the groups one behind the other: newest first throughout.
fn groups(files: &[Arc<ColdFile>], parts: Option<&[u32]>, threads: usize) -> Result<Vec<FileGroup>> {
    let pieces_max = if files.len() >= threads * 4 { 1 } else { threads as u64 * 2 };
    let mut pieces = Vec::with_capacity(files.len());
    for (index, file) in files.iter().enumerate() {
        let count = (file.rows / RANGE_ROWS).clamp(1, pieces_max);
        let mut whole = whole(file)?;
        if let Some(part) = parts.and_then(|parts| parts.get(index)) {
            whole.partition_values = vec![ScalarValue::UInt32(Some(*part))];
        }
        let whole = whole.with_statistics(Arc::new(prune::statistics(file.as_ref())));
        if count == 1 {
            pieces.push(whole);
            continue;
        }
        let edge = |piece: u64| (file.size_bytes * piece / count) as i64;
        pieces.extend((0..count).map(|piece| whole.clone().with_range(edge(piece), edge(piece + 1))));
    }
    let group_len = pieces.len().div_ceil(threads).max(1);
    Ok(pieces.chunks(group_len).map(|group| FileGroup::new(group.to_vec())).collect())
}
