//! From a plan to its rows.

use std::fmt::Debug;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType, UInt64Type};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use futures::StreamExt;
use tephra_storage::ProjectId;

use super::kept;
use crate::answer::Answer;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::output::Statistics;

/// All rows of a plan.
#[derive(Clone, Debug)]
pub(crate) struct Gathered {
    pub(super) batches: Vec<RecordBatch>,
    pub(super) statistics: Statistics,
}

/// The events that meet `filter`.
pub(super) fn filtered(events: LogicalPlanBuilder, filter: Expr) -> PlanResult<LogicalPlanBuilder> {
    if filter == lit(true) { Ok(events) } else { events.filter(filter) }
}

/// Runs a plan over the events of `projects` and takes every row.
pub(super) async fn gather(
    engine: &Engine,
    projects: &[ProjectId],
    make: impl FnOnce(LogicalPlanBuilder) -> PlanResult<LogicalPlan> + Send + 'static,
) -> Result<Gathered> {
    let Answer { mut stream, progress, .. } = engine.built(projects, Box::new(make)).await?;
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await {
        batches.push(batch?);
    }
    let statistics = Statistics::from(progress.as_ref());
    Ok(Gathered { batches, statistics })
}

/// The same for a question that many ask: an earlier answer is given again while nothing has changed. `question` says all
/// that `make` depends on.
pub(super) async fn gather_kept(
    engine: &Engine,
    projects: &[ProjectId],
    question: &impl Debug,
    make: impl FnOnce(LogicalPlanBuilder) -> PlanResult<LogicalPlan> + Send + 'static,
) -> Result<Gathered> {
    let (key, before) = (kept::key(projects, question), engine.state());
    if let Some(answer) = engine.kept().get(&key, before) {
        return Ok(answer);
    }
    let found = gather(engine, projects, make).await?;
    // Its snapshot was taken in between: what changed meanwhile may be in it or not.
    if engine.state() == before {
        engine.kept().put(key, before, &found);
    }
    Ok(found)
}

/// A column of whole numbers, whichever way a function counts.
pub(super) fn numbers(batch: &RecordBatch, name: &str) -> Result<Vec<i64>> {
    let column = batch.column_by_name(name).ok_or_else(|| missing(name))?;
    let found = match column.data_type() {
        DataType::Int64 => column.as_primitive_opt::<Int64Type>().map(|column| column.values().to_vec()),
        DataType::UInt64 => column
            .as_primitive_opt::<UInt64Type>()
            .map(|column| column.values().iter().map(|value| *value as i64).collect()),
        DataType::Timestamp(_, _) => {
            column.as_primitive_opt::<TimestampMicrosecondType>().map(|column| column.values().to_vec())
        }
        _ => None,
    };
    found.ok_or_else(|| missing(name))
}

/// A column of groups, as numbers.
pub(super) fn hashes(batch: &RecordBatch, name: &str) -> Result<Vec<u64>> {
    let column = batch.column_by_name(name).ok_or_else(|| missing(name))?;
    let texts = column.as_string_view_opt().ok_or_else(|| missing(name))?;
    let number = |text: Option<&str>| text.and_then(|text| u64::from_str_radix(text, 16).ok());
    texts.iter().map(number).collect::<Option<_>>().ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("an answer of the engine has no proper column `{name}`"))
}

/// How many there are.
pub(super) fn count() -> Expr {
    datafusion::functions_aggregate::expr_fn::count(lit(1_i64)).alias("events")
}

/// Checks a number of rows that a caller asks for.
pub(super) fn limit(limit: usize, max: usize) -> Result<()> {
    match (1..=max).contains(&limit) {
        true => Ok(()),
        false => Err(Error::invalid(format!("a limit of {limit}; 1 to {max} are allowed"))),
    }
}
