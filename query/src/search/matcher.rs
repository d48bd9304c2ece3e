//! Evaluates a search on record batches, for those who look at events as they come.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatchOptions};
use arrow::compute::prep_null_mask_filter;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::DFSchema;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::physical_expr_adapter::PhysicalExprAdapterFactory;
use tephra_storage::schema::{COLUMNS, hot_schema, table_schema};

use crate::adapter::TierAdapterFactory;
use crate::error::{Error, ErrorKind, Result};

/// A search ready to be held against events. Its relative times are those of its making.
#[derive(Clone, Debug)]
pub struct Matcher {
    columns: Vec<usize>,
    /// Over the table form of `columns`; `None` is every event.
    table: Option<Form>,
    /// The same over the hot form.
    hot: Option<Form>,
}

#[derive(Clone, Debug)]
struct Form {
    schema: SchemaRef,
    expr: Arc<dyn PhysicalExpr>,
}

impl Matcher {
    /// `columns` are those that `filter` reads.
    pub(super) fn new(filter: Expr, columns: Vec<usize>) -> Result<Self> {
        if columns.is_empty() && filter == datafusion::logical_expr::lit(true) {
            return Ok(Self { columns, table: None, hot: None });
        }
        let plan = || -> datafusion::common::Result<(Form, Form)> {
            let table = Arc::new(table_schema().project(&columns)?);
            let hot = Arc::new(hot_schema().project(&columns)?);
            let names = Arc::new(DFSchema::try_from(table.as_ref().clone())?);
            let context = SimplifyContext::builder().with_schema(names.clone()).build();
            let filter = ExprSimplifier::new(context).coerce(filter, &names)?;
            let properties = ExecutionProps::new();
            let over_table = create_physical_expr(&filter, &names, &properties, &PhysicalPlanningContext::default())?;
            let over_hot = TierAdapterFactory.create(table.clone(), hot.clone())?.rewrite(over_table.clone())?;
            Ok((Form { schema: table, expr: over_table }, Form { schema: hot, expr: over_hot }))
        };
        let (table, hot) = plan().map_err(|error| broken(&error))?;
        Ok(Self { columns, table: Some(table), hot: Some(hot) })
    }

    /// The columns that a batch must have, as indexes into `schema::COLUMNS`, ascending. More do no harm.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Which rows of a batch in the hot or the table form match; one value for each row, none NULL.
    ///
    /// # Errors
    /// `Internal` where the batch lacks a column or is of another form.
    pub fn select(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let (Some(table), Some(hot)) = (&self.table, &self.hot) else {
            return Ok(BooleanArray::from(vec![true; batch.num_rows()]));
        };
        let schema = batch.schema();
        let find = |index: &usize| schema.index_of(COLUMNS[*index].name).map_err(|error| broken(&error));
        let at = self.columns.iter().map(find).collect::<Result<Vec<_>>>()?;
        let is = |form: &Schema| {
            at.iter().zip(form.fields()).all(|(at, field)| schema.field(*at).data_type() == field.data_type())
        };
        let form = [table, hot].into_iter().find(|form| is(&form.schema)).ok_or_else(|| {
            Error::new(ErrorKind::Internal, "a batch to search is neither in the hot nor in the table form")
        })?;
        let mask = || -> datafusion::common::Result<BooleanArray> {
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let columns = at.iter().map(|at| batch.column(*at).clone()).collect();
            let read = RecordBatch::try_new_with_options(form.schema.clone(), columns, &options)?;
            let found = form.expr.evaluate(&read)?.into_array(read.num_rows())?;
            let found = found.as_boolean();
            Ok(if found.null_count() > 0 { prep_null_mask_filter(found) } else { found.clone() })
        };
        mask().map_err(|error| broken(&error))
    }
}

fn broken(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, format!("could not hold a search against events: {error}"))
}
