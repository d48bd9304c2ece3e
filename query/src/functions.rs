//! The functions of a session: DataFusion's, those that grow held within limits, a faster `date_trunc`, and `version()`.
//!
//! One `repeat('x', 2000000000)` aborts a process whatever its memory pool, at plan time already, because constants
//! are folded there. A function can be stopped only before it allocates, so each that makes more than it is given is
//! wrapped by [`Capped`], which asks [`growth`] first.

mod capped;
mod concat;
mod date_trunc;
mod growth;
mod series;
mod version;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::functions_table::generate_series::{GenerateSeriesFunc, RangeFunc};
use datafusion::logical_expr::ScalarUDF;

pub(crate) use concat::ConcatPlanner;

/// The greatest string or list that a function makes.
pub(crate) const VALUE_BYTES_MAX: usize = 1 << 20;
/// The most that a function makes for one batch of rows.
pub(crate) const BATCH_BYTES_MAX: usize = 64 << 20;
/// The most rows of `generate_series` and `range`.
pub(crate) const SERIES_ROWS_MAX: u64 = 1_000_000;

/// Replaces what grows in `state`.
pub(crate) fn install(state: &mut SessionState) -> Result<()> {
    for (name, growth) in growth::FUNCTIONS {
        if let Ok(inner) = state.udf(name) {
            state.register_udf(Arc::new(ScalarUDF::new_from_impl(capped::Capped::new(inner, *growth))))?;
        }
    }
    let date_trunc = date_trunc::DateTrunc::new(state.udf("date_trunc")?);
    state.register_udf(Arc::new(ScalarUDF::new_from_impl(date_trunc)))?;
    state.register_udf(Arc::new(ScalarUDF::new_from_impl(version::Version::new())))?;
    let series = |name, inner| Arc::new(series::CappedSeries::new(name, inner));
    state.register_udtf("generate_series", series("generate_series", Arc::new(GenerateSeriesFunc {})));
    state.register_udtf("range", series("range", Arc::new(RangeFunc {})));
    Ok(())
}
