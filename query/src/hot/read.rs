//! Goes through the segments of one partition: filter columns first, the rest only where a row remains.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, BooleanBufferBuilder};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::conjunction;
use datafusion::physical_optimizer::pruning::FilePruner;
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder};
use tephra_storage::HotSegment;
use tephra_storage::schema::{column_index, hot_schema, table_schema};

use crate::hot::convert::table_column;
use crate::hot::filter::{Condition, columns_of, conditions};
use crate::places::{self, PART, ROW, places_schema};
use crate::prune;
use crate::scope::Scope;

/// What EXPLAIN ANALYZE and the progress show.
pub(super) struct Metrics {
    baseline: BaselineMetrics,
    rows_scanned: Count,
    segments_pruned: Count,
    errors: Count,
}

impl Metrics {
    pub(super) fn new(set: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        Self {
            baseline: BaselineMetrics::new(set, partition),
            rows_scanned: MetricBuilder::new(set).counter("rows_scanned", partition),
            segments_pruned: MetricBuilder::new(set).counter("segments_pruned", partition),
            errors: MetricBuilder::new(set).counter("predicate_errors", partition),
        }
    }
}

/// An iterator over batches in the table form.
pub(super) struct Reader {
    segments: VecDeque<(u32, Arc<HotSegment>)>,
    scope: Scope,
    /// Over the table form, by which whole segments are left out.
    predicate: Option<Arc<dyn PhysicalExpr>>,
    /// Read first: what the conditions need, and `project_id` where some segment is mixed.
    filter_columns: Vec<usize>,
    conditions: Vec<Condition>,
    /// Read afterwards.
    other_columns: Vec<usize>,
    /// Whether the output has the columns of places.
    places: bool,
    /// For each output column, its place in filter columns followed by other columns and those of places.
    output: Vec<usize>,
    schema: SchemaRef,
    left: usize,
    batch_size: usize,
    metrics: Metrics,
    ready: VecDeque<RecordBatch>,
}

impl Reader {
    pub(super) fn try_new(
        segments: VecDeque<(u32, Arc<HotSegment>)>,
        scope: Scope,
        projection: &[usize],
        filters: &[Arc<dyn PhysicalExpr>],
        limit: Option<usize>,
        batch_size: usize,
        metrics: Metrics,
    ) -> Result<Self> {
        let mut filter_columns = columns_of(filters);
        let project_id = column_index("project_id");
        if !filter_columns.contains(&project_id)
            && segments.iter().any(|(_, segment)| !scope.covers(segment.projects()))
        {
            filter_columns.push(project_id);
            filter_columns.sort_unstable();
        }
        let (table, places): (Vec<usize>, Vec<usize>) = projection.iter().partition(|column| **column < PART);
        let other_columns: Vec<usize> = table.into_iter().filter(|column| !filter_columns.contains(column)).collect();
        let read: Vec<usize> = filter_columns.iter().chain(&other_columns).copied().chain([PART, ROW]).collect();
        let output = projection.iter().filter_map(|column| read.iter().position(|at| at == column)).collect();
        let over_table = |filter: &Arc<dyn PhysicalExpr>| {
            datafusion::physical_expr::utils::reassign_expr_columns(filter.clone(), &table_schema())
        };
        let predicates = filters.iter().map(over_table).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            segments,
            scope,
            predicate: (!predicates.is_empty()).then(|| conjunction(predicates)),
            conditions: conditions(filters, &filter_columns)?,
            filter_columns,
            other_columns,
            places: !places.is_empty(),
            output,
            schema: Arc::new(places_schema().project(projection)?),
            left: limit.unwrap_or(usize::MAX),
            batch_size,
            metrics,
            ready: VecDeque::new(),
        })
    }

    fn is_out(&self, segment: &HotSegment) -> Result<bool> {
        let Some(predicate) = &self.predicate else { return Ok(false) };
        let known = PartitionedFile::new("", 0).with_statistics(Arc::new(prune::statistics(segment)));
        match FilePruner::try_new(predicate.clone(), &table_schema(), &known, self.metrics.errors.clone()) {
            Some(mut pruner) => pruner.should_prune(),
            None => Ok(false),
        }
    }

    /// Puts the segment's rows that remain into `ready`.
    fn take(&mut self, part: u32, segment: &HotSegment) -> Result<()> {
        if self.is_out(segment)? {
            self.metrics.segments_pruned.add(1);
            return Ok(());
        }
        self.metrics.rows_scanned.add(segment.rows());
        let mixed = !self.scope.covers(segment.projects());
        let mut found = read(segment, &self.filter_columns)?;
        // The rows that remain of the segment, as a mask over all of them.
        let mut remain: Option<BooleanArray> = None;
        if mixed {
            let mask = self.scope.mask(found.column(found.schema().index_of("project_id")?))?;
            narrow(&mut found, &mut remain, mask)?;
        }
        for condition in &mut self.conditions {
            if found.num_rows() == 0 {
                return Ok(());
            }
            let mask = condition.mask(&found)?;
            if mask.true_count() < mask.len() {
                narrow(&mut found, &mut remain, Some(mask))?;
            }
        }
        let mut columns: Vec<ArrayRef> = found.columns().to_vec();
        if found.num_rows() > 0 && !self.other_columns.is_empty() {
            let others = match &remain {
                Some(mask) => segment.read_rows(&self.other_columns, mask).map_err(external)?,
                None => read(segment, &self.other_columns)?,
            };
            columns.extend(others.columns().iter().cloned());
        }
        let rows = found.num_rows();
        if rows == 0 {
            return Ok(());
        }
        if self.places {
            columns.extend(match &remain {
                Some(mask) => places::columns(part, mask.values().set_indices()),
                None => places::columns(part, 0..rows),
            });
        }
        for start in (0..rows).step_by(self.batch_size) {
            let length = self.batch_size.min(rows - start);
            let converted = self.output.iter().map(|at| table_column(&columns[*at].slice(start, length)));
            let options = RecordBatchOptions::new().with_row_count(Some(length));
            let batch = RecordBatch::try_new_with_options(
                self.schema.clone(),
                converted.collect::<Result<Vec<_>>>()?,
                &options,
            )?;
            self.ready.push_back(batch);
        }
        Ok(())
    }
}

/// Applies a mask over the rows that remain: to `found`, and to the mask over all rows.
fn narrow(found: &mut RecordBatch, remain: &mut Option<BooleanArray>, mask: Option<BooleanArray>) -> Result<()> {
    let Some(mask) = mask else { return Ok(()) };
    *found = filter_record_batch(found, &mask)?;
    *remain = Some(match remain.take() {
        None => mask,
        Some(all) => {
            let mut kept = BooleanBufferBuilder::new(all.len());
            kept.append_n(all.len(), false);
            let rows = all.values().set_indices().zip(mask.values().iter());
            rows.filter(|(_, verdict)| *verdict).for_each(|(row, _)| kept.set_bit(row, true));
            BooleanArray::new(kept.finish(), None)
        }
    });
    Ok(())
}

/// The columns of a segment as one batch, also where it was let go from memory and comes back in parts.
fn read(segment: &HotSegment, columns: &[usize]) -> Result<RecordBatch> {
    let parts = segment.read(columns).map_err(external)?;
    match <[RecordBatch; 1]>::try_from(parts) {
        Ok([batch]) => Ok(batch),
        Err(parts) if columns.is_empty() => {
            let rows = parts.iter().map(RecordBatch::num_rows).sum();
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            Ok(RecordBatch::try_new_with_options(Arc::new(hot_schema().project(columns)?), vec![], &options)?)
        }
        Err(parts) => Ok(concat_batches(&Arc::new(hot_schema().project(columns)?), &parts)?),
    }
}

fn external(error: tephra_storage::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl Iterator for Reader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let elapsed = self.metrics.baseline.elapsed_compute().clone();
        let _timer = elapsed.timer();
        while self.left > 0 {
            if let Some(batch) = self.ready.pop_front() {
                let batch = batch.slice(0, batch.num_rows().min(self.left));
                self.left -= batch.num_rows();
                self.metrics.baseline.record_output(batch.num_rows());
                return Some(Ok(batch));
            }
            let (part, segment) = self.segments.pop_front()?;
            if let Err(error) = self.take(part, &segment) {
                self.left = 0;
                return Some(Err(error));
            }
        }
        None
    }
}
