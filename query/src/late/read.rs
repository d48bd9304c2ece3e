//! Reads columns of rows by their places, from files and segments at once.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, Fields, Int64Type, Schema, SchemaRef, UInt32Type};
use arrow::record_batch::RecordBatch;
use datafusion::common::runtime::JoinSet;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::TryStreamExt;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStream};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use tephra_storage::schema::{COLUMNS, ColumnKind, cold_schema, table_schema};
use tephra_storage::{ColdFile, HotSegment, Snapshot};

use crate::cold::{ColdReader, whole};
use crate::hot::table_column;
use crate::places::Place;

/// Rows of one part: where each lies in it, ascending, and where it goes.
type Rows = Vec<(usize, usize)>;

/// A late read.
pub(super) struct Fetch {
    snapshot: Arc<Snapshot>,
    reader: ColdReader,
    /// The Parquet reader's own, of which most say nothing about a read by place.
    metrics: ExecutionPlanMetricsSet,
}

impl Fetch {
    pub(super) fn new(snapshot: Arc<Snapshot>, reader: ColdReader) -> Self {
        Self { snapshot, reader, metrics: ExecutionPlanMetricsSet::new() }
    }

    /// Bytes read from files so far.
    pub(super) fn bytes_scanned(&self) -> usize {
        self.metrics.clone_inner().sum_by_name("bytes_scanned").map_or(0, |bytes| bytes.as_usize())
    }

    /// The table's `columns` of the rows at `parts` and `rows`, in their order and in the table form.
    pub(super) async fn read(
        &self,
        parts: &ArrayRef,
        rows: &ArrayRef,
        columns: &[usize],
        held: &MemoryReservation,
    ) -> Result<Vec<ArrayRef>> {
        let (parts, rows) = (parts.as_primitive::<UInt32Type>(), rows.as_primitive::<Int64Type>());
        let mut wanted: BTreeMap<Place, Rows> = BTreeMap::new();
        for (to, (part, row)) in parts.values().iter().zip(rows.values()).enumerate() {
            wanted.entry(Place::of(*part)).or_default().push((*row as usize, to));
        }
        let mut reads = JoinSet::new();
        let mut found = Vec::new();
        for (place, mut rows) in wanted {
            rows.sort_unstable();
            match place {
                Place::Hot(index) => {
                    let segment = self.snapshot.hot().get(index as usize).ok_or_else(gone)?;
                    found.push(read_segment(segment, &rows, columns)?);
                }
                Place::Cold(index) => {
                    let file = self.snapshot.cold().files.get(index as usize).ok_or_else(gone)?;
                    self.read_file(file, rows, columns, &mut reads).await?;
                }
            }
        }
        while let Some(read) = reads.join_next().await {
            found.push(read.map_err(|error| DataFusionError::External(Box::new(error)))??);
        }
        held.try_grow(found.iter().map(|part| part.batch.get_array_memory_size()).sum())?;
        in_order(&found, parts.len(), columns.len())
    }

    /// Starts a read of each row group that holds some of `rows`.
    async fn read_file(
        &self,
        file: &Arc<ColdFile>,
        rows: Rows,
        columns: &[usize],
        reads: &mut JoinSet<Result<Found>>,
    ) -> Result<()> {
        let open = || -> Result<Box<dyn AsyncFileReader>> {
            Ok(self.reader.files.create_reader(0, whole(file)?, None, &self.metrics)?)
        };
        let metadata = open()?.get_metadata(None).await?;
        let metadata = ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new().with_schema(view_schema()))?;
        let mask = ProjectionMask::roots(metadata.parquet_schema(), columns.iter().copied());
        let (mut rest, mut first) = (rows.as_slice(), 0);
        for (index, group) in metadata.metadata().row_groups().iter().enumerate() {
            let end = first + group.num_rows() as usize;
            let (here, later) = rest.split_at(rest.partition_point(|(row, _)| *row < end));
            rest = later;
            if !here.is_empty() {
                let ranges = here.iter().map(|(row, _)| row - first..row - first + 1);
                let selection = RowSelection::from_consecutive_ranges(ranges, end - first);
                let rows = ParquetRecordBatchStreamBuilder::new_with_metadata(open()?, metadata.clone())
                    .with_projection(mask.clone())
                    .with_row_groups(vec![index])
                    .with_row_selection(selection)
                    .with_batch_size(here.len())
                    .build()?;
                let to = here.iter().map(|(_, to)| *to).collect();
                reads.spawn(collect(rows, columns.to_vec(), to));
            }
            first = end;
        }
        if rest.is_empty() { Ok(()) } else { Err(gone()) }
    }
}

/// Rows in the table form, and where each goes.
struct Found {
    batch: RecordBatch,
    to: Vec<usize>,
}

type FileRows = ParquetRecordBatchStream<Box<dyn AsyncFileReader>>;

async fn collect(rows: FileRows, columns: Vec<usize>, to: Vec<usize>) -> Result<Found> {
    let schema = rows.schema().clone();
    let batches: Vec<RecordBatch> = rows.try_collect().await?;
    let batch = arrow::compute::concat_batches(&schema, &batches)?;
    // The file's order of columns is the table's.
    let mut sorted = columns.clone();
    sorted.sort_unstable();
    let order = columns.iter().filter_map(|column| sorted.binary_search(column).ok()).collect::<Vec<_>>();
    let batch = batch.project(&order)?;
    // A view of one stack holds the whole dictionary of its row group.
    let own = batch.columns().iter().map(|column| match column.as_string_view_opt() {
        Some(text) => Arc::new(text.gc()) as ArrayRef,
        None => column.clone(),
    });
    Ok(Found { batch: table_form(own, &columns)?, to })
}

fn read_segment(segment: &HotSegment, rows: &Rows, columns: &[usize]) -> Result<Found> {
    let mut mask = BooleanBufferBuilder::new(segment.rows());
    mask.append_n(segment.rows(), false);
    rows.iter().for_each(|(row, _)| mask.set_bit(*row, true));
    let batch = segment.read_rows(columns, &BooleanArray::new(mask.finish(), None));
    let batch = batch.map_err(|error| DataFusionError::External(Box::new(error)))?;
    let to = rows.iter().map(|(_, to)| *to).collect();
    Ok(Found { batch: table_form(batch.columns().iter().cloned(), columns)?, to })
}

fn table_form(arrays: impl Iterator<Item = ArrayRef>, columns: &[usize]) -> Result<RecordBatch> {
    let converted = arrays.map(|array| table_column(&array)).collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(Arc::new(table_schema().project(columns)?), converted)?)
}

/// Puts what was found where it belongs.
fn in_order(found: &[Found], rows: usize, columns: usize) -> Result<Vec<ArrayRef>> {
    let mut from = vec![None; rows];
    for (part, found) in found.iter().enumerate() {
        if found.batch.num_rows() != found.to.len() {
            return Err(gone());
        }
        for (row, to) in found.to.iter().enumerate() {
            from[*to] = Some((part, row));
        }
    }
    let from: Vec<(usize, usize)> = from.into_iter().collect::<Option<_>>().ok_or_else(gone)?;
    let column = |index: usize| {
        let parts: Vec<&dyn Array> = found.iter().map(|found| found.batch.column(index).as_ref()).collect();
        Ok(interleave(&parts, &from)?)
    };
    (0..columns).map(column).collect()
}

fn gone() -> DataFusionError {
    exec_datafusion_err!("a row of the snapshot is not where it was")
}

/// The cold form, its strings read as views of the pages.
fn view_schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let field = |(field, column): (&Arc<Field>, &tephra_storage::schema::Column)| match column.kind {
            ColumnKind::Word | ColumnKind::Stack | ColumnKind::Text => {
                Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View))
            }
            _ => field.clone(),
        };
        Arc::new(Schema::new(cold_schema().fields().iter().zip(COLUMNS).map(field).collect::<Fields>()))
    });
    SCHEMA.clone()
}
