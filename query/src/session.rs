//! A session: DataFusion's state with nothing in its catalog but the caller's tables.
//!
//! Functions, rules and planners are the same for everybody and are put together once; a session is a clone of that
//! with a catalog of its own, which costs microseconds. Nothing a statement does outlives it.

use std::sync::Arc;

use datafusion::catalog::default_table_source::provider_as_source;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider, TableProvider,
};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DataFusionError, Result as PlanResult};
use datafusion::execution::TaskContext;
use datafusion::execution::context::SessionConfig;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::sql::parser::Statement;
use tephra_storage::Snapshot;

use crate::cold::ColdReader;
use crate::events::EventsTable;
use crate::files::FilesTable;
use crate::scope::Scope;
use crate::{functions, gate, late, spelling};

/// The names in every session's schema.
pub(crate) const TABLES: [&str; 2] = ["events", "files"];

const CATALOG: &str = "tephra";
const SCHEMA: &str = "public";

/// What all sessions share.
pub(crate) struct Template(SessionState);

impl Template {
    pub(crate) fn new(runtime: Arc<RuntimeEnv>, threads: usize) -> PlanResult<Self> {
        let mut config = SessionConfig::new()
            .with_target_partitions(threads)
            .with_information_schema(true)
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
            .with_create_default_catalog_and_schema(false);
        let options = config.options_mut();
        options.sql_parser.collect_spans = true;
        options.execution.enable_recursive_ctes = false;
        // `cold.rs` splits the files itself, newest first.
        options.optimizer.repartition_file_scans = false;
        let defaults = SessionStateBuilder::new_with_default_features();
        let mut state = defaults
            .with_config(config)
            .with_runtime_env(runtime)
            .with_analyzer_rule(Arc::new(spelling::IdSpelling))
            .with_optimizer_rule(Arc::new(late::LateRows))
            .with_query_planner(Arc::new(late::LatePlanner))
            .with_physical_optimizer_rule(Arc::new(Yielding))
            .build();
        functions::install(&mut state)?;
        let mut planners = vec![Arc::new(functions::ConcatPlanner::new()) as _];
        planners.extend(state.expr_planners().iter().cloned());
        Ok(Self(SessionStateBuilder::new_from_existing(state).with_expr_planners(planners).build()))
    }

    pub(crate) fn session(&self, snapshot: Arc<Snapshot>, scope: Scope, reader: ColdReader) -> PlanResult<Session> {
        let schema = MemorySchemaProvider::new();
        let events: Arc<dyn TableProvider> = Arc::new(EventsTable::new(snapshot.clone(), scope.clone(), reader));
        schema.register_table(TABLES[0].to_owned(), events.clone())?;
        schema.register_table(TABLES[1].to_owned(), Arc::new(FilesTable::new(snapshot, scope)))?;
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, Arc::new(schema))?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        let mut state = self.0.clone();
        state.register_catalog_list(Arc::new(catalogs));
        state.mark_start_execution();
        Ok(Session { state, events })
    }
}

/// Makes operators that multiply rows give their thread back now and then.
///
/// DataFusion lets leaves yield, but a join of a few rows makes billions without reading again: it would neither end at
/// its deadline nor let others run.
#[derive(Debug)]
struct Yielding;

impl PhysicalOptimizerRule for Yielding {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let multiplies = node.name().ends_with("JoinExec") || node.name() == "UnnestExec";
            Ok(match multiplies {
                true => Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>),
                false => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "yielding"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// What a session is asked.
pub(crate) enum Question {
    /// A statement that the gate let through.
    Sql(Statement),
    /// A plan of ours.
    Built(Built),
}

/// Builds a plan over the scan of the caller's events.
pub(crate) type Built = Box<dyn FnOnce(LogicalPlanBuilder) -> PlanResult<LogicalPlan> + Send>;

/// One caller's session, for one question.
pub(crate) struct Session {
    state: SessionState,
    events: Arc<dyn TableProvider>,
}

impl Session {
    /// Plans the question.
    pub(crate) async fn plan(&self, question: Question) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let plan = match question {
            Question::Sql(statement) => self.state.statement_to_plan(statement).await?,
            Question::Built(make) => {
                make(LogicalPlanBuilder::scan(TABLES[0], provider_as_source(self.events.clone()), None)?)?
            }
        };
        gate::verify(&plan)?;
        self.state.create_physical_plan(&plan).await
    }

    pub(crate) fn task(&self) -> Arc<TaskContext> {
        Arc::new(TaskContext::from(&self.state))
    }
}

/// Reads an error of planning or running.
pub(crate) fn explain(error: &DataFusionError) -> crate::Error {
    crate::Error::from_datafusion(error, &TABLES)
}
