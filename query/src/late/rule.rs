//! Finds sorts that carry wide rows, and lets them carry places instead.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::catalog::default_table_source::{provider_as_source, source_as_provider};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::logical_plan::{
    Extension, Filter, LogicalPlan, Projection, Sort, SubqueryAlias, TableScan, TableScanBuilder,
};
use datafusion::logical_expr::{Expr, SortExpr};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use tephra_storage::schema::{COLUMNS, ColumnKind};

use crate::events::EventsTable;
use crate::late::node::FetchRows;
use crate::places::{PART, ROW};

/// More rows than this are sorted as they are.
const ROWS_MAX: usize = 10_000;
/// So many columns make rows wide, however small each is.
const NARROW_COLUMNS: usize = 4;

/// The rule; see the module.
#[derive(Debug)]
pub(crate) struct LateRows;

impl OptimizerRule for LateRows {
    fn name(&self) -> &str {
        "late_rows"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let late = match &plan {
            LogicalPlan::Sort(sort) => rewritten(sort)?,
            _ => None,
        };
        Ok(late.map_or_else(|| Transformed::no(plan), Transformed::yes))
    }
}

fn rewritten(sort: &Sort) -> Result<Option<LogicalPlan>> {
    let Some(fetch) = sort.fetch.filter(|rows| *rows <= ROWS_MAX) else { return Ok(None) };
    let (projection, below) = match sort.input.as_ref() {
        LogicalPlan::Projection(projection) => (Some(projection), projection.input.as_ref()),
        other => (None, other),
    };
    let Some((steps, scan)) = steps(below) else { return Ok(None) };
    let source = source_as_provider(&scan.source)?;
    let Some(table) = source.downcast_ref::<EventsTable>().filter(|table| !table.shows_places()) else {
        return Ok(None);
    };
    let Some(keys) = keys(&sort.expr, projection)? else { return Ok(None) };

    let projected: Vec<usize> = scan.projection.clone().unwrap_or_else(|| (0..COLUMNS.len()).collect());
    let needed = names(&keys, &steps, scan);
    let (narrow, wide): (Vec<usize>, Vec<usize>) =
        projected.iter().copied().partition(|column| needed.contains(COLUMNS[*column].name));
    if !is_worth_it(&wide) {
        return Ok(None);
    }

    let mut shown = narrow.clone();
    shown.extend([PART, ROW]);
    let narrow_scan = TableScanBuilder::new(scan.table_name.clone(), provider_as_source(Arc::new(table.with_places())))
        .with_projection(Some(shown))
        .with_filters(scan.filters.clone())
        .build()?;
    let mut input = LogicalPlan::TableScan(narrow_scan);
    for step in steps.iter().rev() {
        input = match step {
            Step::Filter(filter) => LogicalPlan::Filter(Filter::try_new(filter.predicate.clone(), Arc::new(input))?),
            Step::Alias(alias) => {
                LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?)
            }
        };
    }
    let input = LogicalPlan::Sort(Sort { expr: keys, input: Arc::new(input), fetch: Some(fetch) });
    let rows = FetchRows::new(input, table.clone(), &projected, &narrow, below.schema().clone());
    let rows = LogicalPlan::Extension(Extension { node: Arc::new(rows) });
    Ok(Some(match projection {
        Some(projection) => LogicalPlan::Projection(Projection::try_new_with_schema(
            projection.expr.clone(),
            Arc::new(rows),
            projection.schema.clone(),
        )?),
        None => rows,
    }))
}

enum Step<'a> {
    Filter(&'a Filter),
    Alias(&'a SubqueryAlias),
}

/// The filters and aliases on the way down to a scan of all its rows, if there is nothing else.
fn steps(plan: &LogicalPlan) -> Option<(Vec<Step<'_>>, &TableScan)> {
    let mut steps = Vec::new();
    let mut plan = plan;
    loop {
        plan = match plan {
            LogicalPlan::Filter(filter) => {
                steps.push(Step::Filter(filter));
                filter.input.as_ref()
            }
            LogicalPlan::SubqueryAlias(alias) => {
                steps.push(Step::Alias(alias));
                alias.input.as_ref()
            }
            LogicalPlan::TableScan(scan) if scan.fetch.is_none() => return Some((steps, scan)),
            _ => return None,
        };
    }
}

/// The sort keys as expressions below the projection.
fn keys(keys: &[SortExpr], projection: Option<&Projection>) -> Result<Option<Vec<SortExpr>>> {
    let Some(projection) = projection else { return Ok(Some(keys.to_vec())) };
    let below = |column: &Column| {
        let index = projection.schema.maybe_index_of_column(column)?;
        Some(projection.expr.get(index)?.clone().unalias_nested().data)
    };
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let expr = key.expr.clone().transform_up(|expr| {
            Ok(match &expr {
                Expr::Column(column) => match below(column) {
                    Some(below) => Transformed::yes(below),
                    None => Transformed::no(expr),
                },
                _ => Transformed::no(expr),
            })
        });
        let expr = expr.data()?;
        if expr.is_volatile() {
            return Ok(None);
        }
        found.push(SortExpr { expr, ..key.clone() });
    }
    Ok(Some(found))
}

/// The columns that must be read to know which rows remain.
fn names(keys: &[SortExpr], steps: &[Step<'_>], scan: &TableScan) -> HashSet<String> {
    let keys = keys.iter().map(|key| &key.expr);
    let filters = steps.iter().filter_map(|step| match step {
        Step::Filter(filter) => Some(&filter.predicate),
        Step::Alias(_) => None,
    });
    let read = keys.chain(filters).chain(&scan.filters);
    read.flat_map(|expr| expr.column_refs().into_iter().map(|column| column.name.clone())).collect()
}

fn is_worth_it(wide: &[usize]) -> bool {
    let is_large = |column: &usize| {
        matches!(COLUMNS[*column].kind, ColumnKind::Stack | ColumnKind::Text | ColumnKind::Tags | ColumnKind::Id(_))
    };
    wide.len() > NARROW_COLUMNS || wide.iter().any(is_large)
}
