//! The logical node of a late read, and what plans it.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchemaRef, Result, plan_err};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use crate::events::EventsTable;
use crate::late::exec::FetchExec;

/// Where an output column comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// The input's column of this index.
    Carried(usize),
    /// The table's column of this index, read by place.
    Fetched(usize),
}

impl Source {
    pub(super) fn fetched(self) -> Option<usize> {
        match self {
            Self::Carried(_) => None,
            Self::Fetched(column) => Some(column),
        }
    }
}

/// The rows of `input`, in their order, with the columns that it does not carry.
#[derive(Clone, Debug)]
pub(super) struct FetchRows {
    input: LogicalPlan,
    table: EventsTable,
    columns: Vec<Source>,
    schema: DFSchemaRef,
}

impl FetchRows {
    /// `input` has the columns `narrow` of the table and the two of places; the output has the columns `projected`.
    pub(super) fn new(
        input: LogicalPlan,
        table: EventsTable,
        projected: &[usize],
        narrow: &[usize],
        schema: DFSchemaRef,
    ) -> Self {
        let source = |column: &usize| match narrow.iter().position(|other| other == column) {
            Some(index) => Source::Carried(index),
            None => Source::Fetched(*column),
        };
        Self { input, table, columns: projected.iter().map(source).collect(), schema }
    }
}

// The table is that of the session, the same in all nodes of a plan.
impl PartialEq for FetchRows {
    fn eq(&self, other: &Self) -> bool {
        self.input == other.input && self.columns == other.columns && self.schema == other.schema
    }
}

impl Eq for FetchRows {}

impl PartialOrd for FetchRows {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl Hash for FetchRows {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
        self.columns.hash(state);
    }
}

impl UserDefinedLogicalNodeCore for FetchRows {
    fn name(&self) -> &str {
        "FetchRows"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fetched = self.columns.iter().filter(|column| matches!(column, Source::Fetched(_))).count();
        write!(f, "FetchRows: columns={fetched}")
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        match <[LogicalPlan; 1]>::try_from(inputs) {
            Ok([input]) => Ok(Self { input, ..self.clone() }),
            Err(inputs) => plan_err!("`FetchRows` has one input, not {}", inputs.len()),
        }
    }
}

/// The default planner, which also knows late reads.
#[derive(Debug)]
pub(crate) struct LatePlanner;

#[async_trait]
impl QueryPlanner for LatePlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(Self)]);
        planner.create_physical_plan(plan, session).await
    }
}

#[async_trait]
impl ExtensionPlanner for LatePlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let (Some(node), [input]) = (node.as_any().downcast_ref::<FetchRows>(), inputs) else { return Ok(None) };
        let (snapshot, reader) = (node.table.snapshot().clone(), node.table.reader().clone());
        let schema = node.schema.inner().clone();
        Ok(Some(Arc::new(FetchExec::try_new(input.clone(), snapshot, reader, node.columns.clone(), schema)?)))
    }
}
