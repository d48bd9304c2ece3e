//! The table functions `generate_series` and `range`, bounded.

use std::sync::Arc;

use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Expr;

use super::SERIES_ROWS_MAX;
use super::growth::steps_between;
use crate::error::{Error, ErrorKind};

/// Refuses a series of more rows than [`SERIES_ROWS_MAX`].
#[derive(Debug)]
pub(super) struct CappedSeries {
    name: &'static str,
    inner: Arc<dyn TableFunctionImpl>,
}

impl CappedSeries {
    pub(super) fn new(name: &'static str, inner: Arc<dyn TableFunctionImpl>) -> Self {
        Self { name, inner }
    }
}

impl TableFunctionImpl for CappedSeries {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let literals: Option<Vec<&ScalarValue>> = args
            .exprs()
            .iter()
            .map(|expr| match expr {
                Expr::Literal(value, _) => Some(value),
                _ => None,
            })
            .collect();
        let Some(literals) = literals else {
            return Err(Error::invalid(format!("the arguments of `{}` are not constants", self.name)).into());
        };
        let rows = steps_between(&literals)? as u64;
        if rows > SERIES_ROWS_MAX {
            let name = self.name;
            let message = format!("`{name}` would make {rows} rows; the limit is {SERIES_ROWS_MAX}");
            return Err(Error::new(ErrorKind::ResourcesExhausted, message).into());
        }
        self.inner.call_with_args(args)
    }
}
