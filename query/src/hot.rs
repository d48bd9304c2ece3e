//! The hot half of a scan: segments of the snapshot, newest first.
//!
//! Filters are evaluated on the form in which the segments lie in memory (`hot/filter.rs`); only the rows that remain
//! are turned into the table form (`hot/convert.rs`). The plan and its streams hold the segments, so that what a
//! query sees stays although it is rolled meanwhile.

mod convert;
mod filter;
mod read;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, exec_datafusion_err};
use datafusion::config::ConfigOptions;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use tephra_storage::HotSegment;

use crate::places::{self, places_schema};
use crate::prune;
use crate::scope::Scope;
use read::Reader;

pub(crate) use convert::table_column;

/// Reads the rows of the scope from `segments`.
#[derive(Clone)]
pub(crate) struct HotExec {
    /// Each with its number among the parts of the snapshot.
    segments: Vec<(u32, Arc<HotSegment>)>,
    scope: Scope,
    /// Indexes into the table form and the columns of places.
    projection: Vec<usize>,
    schema: SchemaRef,
    /// Over `schema`; every column is found by its name.
    filters: Vec<Arc<dyn PhysicalExpr>>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl HotExec {
    /// `segments` newest first, none outside the scope as a whole.
    pub(crate) fn try_new(
        segments: Vec<(u32, Arc<HotSegment>)>,
        scope: Scope,
        projection: Vec<usize>,
        limit: Option<usize>,
        threads: usize,
    ) -> Result<Self> {
        let schema = Arc::new(places_schema().project(&projection)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(threads.clamp(1, segments.len().max(1))),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self {
            segments,
            scope,
            projection,
            schema,
            filters: Vec::new(),
            limit,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    fn covers_all(&self) -> bool {
        self.segments.iter().all(|(_, segment)| self.scope.covers(segment.projects()))
    }
}

impl fmt::Debug for HotExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HotExec")
            .field("segments", &self.segments.len())
            .field("filters", &self.filters)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for HotExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        let names: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "HotExec: segments={}, projection=[{}]", self.segments.len(), names.join(", "))?;
        if let Some(limit) = self.limit {
            write!(f, ", limit={limit}")?;
        }
        if !self.filters.is_empty() {
            let filters: Vec<String> = self.filters.iter().map(ToString::to_string).collect();
            write!(f, ", predicate={}", filters.join(" AND "))?;
        }
        Ok(())
    }
}

impl ExecutionPlan for HotExec {
    fn name(&self) -> &'static str {
        "HotExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for filter in &self.filters {
            if visit(filter)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match children.is_empty() {
            true => Ok(self),
            false => Err(exec_datafusion_err!("`HotExec` has no inputs")),
        }
    }

    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        result: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let filters: Vec<_> = result.parent_filters.into_iter().map(|result| result.filter).collect();
        let all = FilterPushdownPropagation::with_parent_pushdown_result(vec![PushedDown::Yes; filters.len()]);
        if filters.is_empty() {
            return Ok(all);
        }
        let mut node = self.clone();
        node.filters.extend(filters);
        node.metrics = ExecutionPlanMetricsSet::new();
        Ok(all.with_updated_node(Arc::new(node)))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let partitions = self.properties.partitioning.partition_count();
        let segments = self.segments.iter().skip(partition).step_by(partitions).cloned().collect();
        let reader = Reader::try_new(
            segments,
            self.scope.clone(),
            &self.projection,
            &self.filters,
            self.limit,
            context.session_config().batch_size(),
            read::Metrics::new(&self.metrics, partition),
        )?;
        let rows = futures::stream::iter(reader);
        Ok(Box::pin(cooperative(RecordBatchStreamAdapter::new(self.schema.clone(), rows))))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        if args.partition().is_some() {
            return Ok(Arc::new(Statistics::new_unknown(&self.schema)));
        }
        let segments: Vec<_> = self.segments.iter().map(|(_, segment)| segment.clone()).collect();
        let whole = places::widen(prune::statistics_over(&segments)).project(Some(&self.projection));
        let exact = self.filters.is_empty() && self.limit.is_none() && self.covers_all();
        Ok(Arc::new(if exact { whole } else { whole.to_inexact() }))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self { limit, metrics: ExecutionPlanMetricsSet::new(), ..self.clone() }))
    }
}
