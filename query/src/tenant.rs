//! Drops the rows of other projects behind the Parquet scan, whatever became of the filters inside it.
//!
//! The scan already filters by project where it can, for speed. Isolation does not rest on that: a row filter that
//! cannot be built for some file is left out there silently, and with it all others of its conjunction.

use std::fmt;
use std::sync::Arc;

use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::config::ConfigOptions;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties, SendableRecordBatchStream,
};
use futures::StreamExt;

use crate::scope::Scope;

/// Passes the first `width` columns of the rows whose `project_id` is in the scope.
#[derive(Debug)]
pub(crate) struct TenantExec {
    input: Arc<dyn ExecutionPlan>,
    scope: Scope,
    width: usize,
    project_id: usize,
    properties: Arc<PlanProperties>,
}

impl TenantExec {
    pub(crate) fn try_new(input: Arc<dyn ExecutionPlan>, scope: Scope, width: usize) -> Result<Self> {
        let schema = input.schema();
        let project_id = schema.index_of("project_id")?;
        let output = Arc::new(schema.project(&(0..width).collect::<Vec<_>>())?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(output),
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Ok(Self { input, scope, width, project_id, properties: Arc::new(properties) })
    }
}

fn admit(batch: &RecordBatch, scope: &Scope, project_id: usize, width: usize) -> Result<RecordBatch> {
    let projected = batch.project(&(0..width).collect::<Vec<_>>())?;
    match scope.mask(batch.column(project_id))? {
        Some(mask) => Ok(filter_record_batch(&projected, &mask)?),
        None => Ok(projected),
    }
}

impl DisplayAs for TenantExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("TenantExec")
    }
}

impl ExecutionPlan for TenantExec {
    fn name(&self) -> &'static str {
        "TenantExec"
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
        let [input] = <[_; 1]>::try_from(children).map_err(|_| exec_datafusion_err!("`TenantExec` has one input"))?;
        Ok(Arc::new(Self::try_new(input, self.scope.clone(), self.width)?))
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn gather_filters_for_pushdown(
        &self,
        _: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        FilterDescription::from_children(parent_filters, &self.children())
    }

    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        result: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        Ok(FilterPushdownPropagation::if_all(result))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (scope, project_id, width) = (self.scope.clone(), self.project_id, self.width);
        let rows = self.input.execute(partition, context)?;
        let rows = rows.map(move |batch| admit(&batch?, &scope, project_id, width));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}
