//! The table `files`: in which file or segment, of which tier, the caller's events lie.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, Date32Array, Int32Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use tephra_storage::Snapshot;

use crate::scope::Scope;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("tier", DataType::Utf8View, false),
        Field::new("path", DataType::Utf8View, true),
        Field::new("rows", DataType::Int64, false),
        Field::new("bytes", DataType::Int64, false),
        Field::new("min_timestamp", time(), false),
        Field::new("max_timestamp", time(), false),
        Field::new("day", DataType::Date32, true),
        Field::new("retention_days", DataType::Int32, true),
    ]))
});

/// The files and segments of one snapshot that hold an event of the scope.
pub(crate) struct FilesTable {
    snapshot: Arc<Snapshot>,
    scope: Scope,
}

impl FilesTable {
    pub(crate) fn new(snapshot: Arc<Snapshot>, scope: Scope) -> Self {
        Self { snapshot, scope }
    }

    fn batch(&self) -> Result<RecordBatch> {
        struct Row<'a> {
            path: Option<&'a str>,
            rows: i64,
            bytes: i64,
            timestamps: (i64, i64),
            day: Option<i32>,
            retention_days: Option<i32>,
        }
        let hot = self.snapshot.hot().iter().rev().filter(|segment| self.scope.meets(segment.projects()));
        let hot = hot.map(|segment| Row {
            path: None,
            rows: segment.rows() as i64,
            bytes: segment.bytes() as i64,
            timestamps: segment.timestamps(),
            day: None,
            retention_days: None,
        });
        let cold = self.snapshot.cold().files.iter().filter(|file| self.scope.meets(&file.projects));
        let cold = cold.map(|file| Row {
            path: Some(&file.path),
            rows: file.rows as i64,
            bytes: file.size_bytes as i64,
            timestamps: file.timestamps,
            day: days_since_epoch(&file.day),
            retention_days: Some(i32::from(file.retention_days)),
        });
        let rows: Vec<Row> = hot.chain(cold).collect();
        let tier = |row: &Row| if row.path.is_some() { "cold" } else { "hot" };
        let time = |pick: fn((i64, i64)) -> i64| -> ArrayRef {
            let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| pick(row.timestamps)));
            Arc::new(times.with_timezone("UTC"))
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringViewArray::from_iter_values(rows.iter().map(tier))),
            Arc::new(rows.iter().map(|row| row.path).collect::<StringViewArray>()),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.rows))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.bytes))),
            time(|range| range.0),
            time(|range| range.1),
            Arc::new(rows.iter().map(|row| row.day).collect::<Date32Array>()),
            Arc::new(rows.iter().map(|row| row.retention_days).collect::<Int32Array>()),
        ];
        Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
    }
}

fn days_since_epoch(day: &str) -> Option<i32> {
    let day = chrono::NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()?;
    i32::try_from(day.signed_duration_since(chrono::NaiveDate::default()).num_days()).ok()
}

impl std::fmt::Debug for FilesTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FilesTable").field("scope", &self.scope).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for FilesTable {
    fn schema(&self) -> SchemaRef {
        SCHEMA.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(MemorySourceConfig::try_new_exec(&[vec![self.batch()?]], SCHEMA.clone(), projection.cloned())?)
    }
}
