//! Leaves out the files and segments that cannot hold a row that matches, by what the snapshot knows of each.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, TimestampMicrosecondArray, UInt64Array};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{Column, ColumnStatistics, Result, ScalarValue, Statistics};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use tephra_storage::schema::{COLUMNS, column_index, table_schema};
use tephra_storage::{ColdFile, HotSegment, ProjectId};

/// What is known of a file or segment without reading it.
pub(crate) trait Part {
    fn row_count(&self) -> u64;
    fn timestamp_range(&self) -> (i64, i64);
    fn received_range(&self) -> (i64, i64);
    fn project_ids(&self) -> &[ProjectId];
}

impl Part for ColdFile {
    fn row_count(&self) -> u64 {
        self.rows
    }

    fn timestamp_range(&self) -> (i64, i64) {
        self.timestamps
    }

    fn received_range(&self) -> (i64, i64) {
        self.received
    }

    fn project_ids(&self) -> &[ProjectId] {
        &self.projects
    }
}

impl Part for HotSegment {
    fn row_count(&self) -> u64 {
        self.rows() as u64
    }

    fn timestamp_range(&self) -> (i64, i64) {
        self.timestamps()
    }

    fn received_range(&self) -> (i64, i64) {
        self.received()
    }

    fn project_ids(&self) -> &[ProjectId] {
        self.projects()
    }
}

/// Keeps the parts that may hold a row for which `predicate` (over the table form) is true.
pub(crate) fn keep<P: Part>(parts: &mut Vec<Arc<P>>, predicate: Option<&Arc<dyn PhysicalExpr>>) -> Result<()> {
    let Some(predicate) = predicate.filter(|_| !parts.is_empty()) else { return Ok(()) };
    let Ok(pruning) = PruningPredicateBuilder::new().with_file_schema(table_schema()).try_build(predicate.clone())
    else {
        return Ok(()); // not every expression can be judged without rows
    };
    let mut kept = pruning.prune(&Parts(parts))?.into_iter();
    parts.retain(|_| kept.next().unwrap_or(true));
    Ok(())
}

struct Parts<'a, P>(&'a [Arc<P>]);

impl<P: Part> Parts<'_, P> {
    fn bounds(&self, column: &Column, pick: fn((i64, i64)) -> i64) -> Option<ArrayRef> {
        let times = |range: fn(&P) -> (i64, i64)| -> ArrayRef {
            let values = self.0.iter().map(|part| pick(range(part)));
            Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
        };
        match column.name() {
            "timestamp" => Some(times(P::timestamp_range)),
            "received_at" => Some(times(P::received_range)),
            "project_id" => Some(Arc::new(Int64Array::from_iter_values(
                self.0.iter().map(|part| pick(project_range(part.project_ids()))),
            ))),
            _ => None,
        }
    }
}

fn project_range(projects: &[ProjectId]) -> (i64, i64) {
    (projects.first().map_or(i64::MIN, |id| id.0), projects.last().map_or(i64::MAX, |id| id.0))
}

impl<P: Part> PruningStatistics for Parts<'_, P> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |range| range.0)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |range| range.1)
    }

    fn num_containers(&self) -> usize {
        self.0.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let known = matches!(column.name(), "timestamp" | "received_at" | "project_id");
        known.then(|| Arc::new(UInt64Array::from(vec![0; self.0.len()])) as ArrayRef)
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.0.iter().map(|part| Some(part.row_count())).collect::<UInt64Array>()))
    }

    fn contained(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        if column.name() != "project_id" {
            return None;
        }
        let asked = |id: &ProjectId| values.contains(&ScalarValue::Int64(Some(id.0)));
        let verdict = |part: &Arc<P>| match part.project_ids() {
            [] => None,
            ids if ids.iter().all(asked) => Some(true),
            ids if ids.iter().any(asked) => None,
            _ => Some(false),
        };
        Some(self.0.iter().map(verdict).collect())
    }
}

/// The statistics of one part in DataFusion's own shape, by which a running TopK leaves out files and segments.
pub(crate) fn statistics<P: Part + ?Sized>(part: &P) -> Statistics {
    statistics_of(part.row_count(), Some((part.timestamp_range(), part.received_range())))
}

/// The same over several parts.
pub(crate) fn statistics_over<P: Part>(parts: &[Arc<P>]) -> Statistics {
    let join =
        |range: fn(&P) -> (i64, i64)| parts.iter().map(|part| range(part)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let rows = parts.iter().map(|part| part.row_count()).sum();
    statistics_of(rows, join(P::timestamp_range).zip(join(P::received_range)))
}

fn statistics_of(rows: u64, ranges: Option<((i64, i64), (i64, i64))>) -> Statistics {
    let mut columns = vec![ColumnStatistics::new_unknown(); COLUMNS.len()];
    let time = |us| Precision::Exact(ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into())));
    if let Some((timestamps, received)) = ranges {
        for (name, (min, max)) in [("timestamp", timestamps), ("received_at", received)] {
            let column = &mut columns[column_index(name)];
            column.null_count = Precision::Exact(0);
            column.min_value = time(min);
            column.max_value = time(max);
        }
    }
    Statistics {
        num_rows: Precision::Exact(rows as usize),
        total_byte_size: Precision::Absent,
        column_statistics: columns,
    }
}
