//! The physical node of a late read.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_expr::{
    Distribution, EquivalenceProperties, LexRequirement, OrderingRequirements, Partitioning, PhysicalExpr,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, PlanProperties,
    SendableRecordBatchStream,
};
use futures::{StreamExt, TryStreamExt};
use tephra_storage::Snapshot;

use crate::cold::ColdReader;
use crate::late::node::Source;
use crate::late::read::Fetch;
use crate::places::{part_field, row_field};

/// The rows of `input`, in their order, with the columns that it does not carry.
#[derive(Debug)]
pub(super) struct FetchExec {
    input: Arc<dyn ExecutionPlan>,
    order: Option<OrderingRequirements>,
    snapshot: Snap,
    reader: ColdReader,
    columns: Vec<Source>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

#[derive(Clone)]
struct Snap(Arc<Snapshot>);

impl fmt::Debug for Snap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Snapshot")
    }
}

impl FetchExec {
    pub(super) fn try_new(
        input: Arc<dyn ExecutionPlan>,
        snapshot: Arc<Snapshot>,
        reader: ColdReader,
        columns: Vec<Source>,
        schema: SchemaRef,
    ) -> Result<Self> {
        // The rows of a sort go on in its order, which optimizers keep only where it is asked for.
        let sort = input.downcast_ref::<SortExec>().map(|sort| LexRequirement::from(sort.expr().clone()));
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(Self {
            input,
            order: sort.map(OrderingRequirements::from),
            snapshot: Snap(snapshot),
            reader,
            columns,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

impl DisplayAs for FetchExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        let fetched = self.columns.iter().filter(|column| matches!(column, Source::Fetched(_))).count();
        write!(f, "FetchExec: columns={fetched}")
    }
}

impl ExecutionPlan for FetchExec {
    fn name(&self) -> &'static str {
        "FetchExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let [input] = <[_; 1]>::try_from(children).map_err(|_| exec_datafusion_err!("`FetchExec` has one input"))?;
        Ok(Arc::new(Self {
            input,
            order: self.order.clone(),
            snapshot: self.snapshot.clone(),
            reader: self.reader.clone(),
            columns: self.columns.clone(),
            properties: self.properties.clone(),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        vec![self.order.clone()]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let work = Work {
            fetch: Fetch::new(self.snapshot.0.clone(), self.reader.clone()),
            columns: self.columns.clone(),
            schema: schema.clone(),
            held: MemoryConsumer::new("FetchExec").register(context.memory_pool()),
            batch_size: context.session_config().batch_size(),
            rows: MetricBuilder::new(&self.metrics).counter("rows_fetched", partition),
            bytes: MetricBuilder::new(&self.metrics).counter("bytes_scanned", partition),
            baseline: BaselineMetrics::new(&self.metrics, partition),
        };
        let input = self.input.execute(0, context)?;
        let rows = futures::stream::once(work.run(input)).map_ok(futures::stream::iter).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

struct Work {
    fetch: Fetch,
    columns: Vec<Source>,
    schema: SchemaRef,
    held: MemoryReservation,
    batch_size: usize,
    rows: Count,
    bytes: Count,
    baseline: BaselineMetrics,
}

impl Work {
    async fn run(self, mut input: SendableRecordBatchStream) -> Result<Vec<Result<RecordBatch>>> {
        let carried_schema = input.schema();
        let mut batches = Vec::new();
        while let Some(batch) = input.next().await {
            batches.push(batch?);
        }
        let carried = arrow::compute::concat_batches(&carried_schema, &batches)?;
        let rows = carried.num_rows();
        if rows == 0 {
            return Ok(Vec::new());
        }
        self.rows.add(rows);
        let part = carried.column(carried_schema.index_of(part_field().name())?);
        let row = carried.column(carried_schema.index_of(row_field().name())?);
        let wanted: Vec<usize> = self.columns.iter().filter_map(|source| source.fetched()).collect();
        let mut fetched = self.fetch.read(part, row, &wanted, &self.held).await?.into_iter();
        self.bytes.add(self.fetch.bytes_scanned());
        let mut columns = Vec::with_capacity(self.columns.len());
        for source in &self.columns {
            columns.push(match source {
                Source::Carried(index) => carried.column(*index).clone(),
                Source::Fetched(_) => fetched.next().ok_or_else(|| exec_datafusion_err!("a column was not fetched"))?,
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let whole = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        self.baseline.record_output(rows);
        let starts = (0..rows).step_by(self.batch_size);
        Ok(starts.map(|start| Ok(whole.slice(start, self.batch_size.min(rows - start)))).collect())
    }
}
