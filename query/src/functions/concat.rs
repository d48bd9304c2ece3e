//! The operator `||` on text, with the caps of the functions.
//!
//! Each level of `SELECT x || x FROM (SELECT x || x …)` doubles a value, and no function is called: so the operator
//! becomes one while the statement is planned.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::capped::Capped;
use super::growth::Growth;

/// Plans `text || text` as a call of [`Concat`]; lists go the way of all operators.
#[derive(Debug)]
pub(crate) struct ConcatPlanner(Arc<ScalarUDF>);

impl ConcatPlanner {
    pub(crate) fn new() -> Self {
        let concat = Arc::new(ScalarUDF::new_from_impl(Concat(Signature::any(2, Volatility::Immutable))));
        Self(Arc::new(ScalarUDF::new_from_impl(Capped::new(concat, Growth::Sum))))
    }
}

impl ExprPlanner for ConcatPlanner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let is_plain = |side: &Expr| side.get_type(schema).is_ok_and(|found| !found.is_nested() && !found.is_binary());
        if expr.op != BinaryOperator::StringConcat || !is_plain(&expr.left) || !is_plain(&expr.right) {
            return Ok(PlannerResult::Original(expr));
        }
        let call = ScalarFunction::new_udf(self.0.clone(), vec![expr.left, expr.right]);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
    }
}

/// Two texts behind each other; NULL where one is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Concat(Signature);

impl ScalarUDFImpl for Concat {
    fn name(&self) -> &str {
        "||"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let text = |arg: &ColumnarValue| -> Result<ArrayRef> {
            Ok(cast(&arg.to_array(if scalar { 1 } else { rows })?, &DataType::Utf8View)?)
        };
        let [left, right] = [text(&args.args[0])?, text(&args.args[1])?];
        let mut joined = StringViewBuilder::with_capacity(left.len());
        let mut value = String::new();
        for pair in left.as_string_view().iter().zip(right.as_string_view()) {
            match pair {
                (Some(left), Some(right)) => {
                    value.clear();
                    value.push_str(left);
                    value.push_str(right);
                    joined.append_value(&value);
                }
                _ => joined.append_null(),
            }
        }
        let joined: ArrayRef = Arc::new(joined.finish());
        match scalar {
            true => Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&joined, 0)?)),
            false => Ok(ColumnarValue::Array(joined)),
        }
    }
}
