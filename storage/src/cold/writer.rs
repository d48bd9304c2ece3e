//! Makes one Parquet file of the lake from sorted batches.
//!
//! The settings are where the bytes are saved: stacks keep their dictionary (up to 32 MB a row group, or the column
//! falls back to repeating kilobytes per row), ids and messages have none, times are delta encoded. The file is built in
//! memory, compressed, and put in one piece.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use arrow::array::AsArray;
use arrow::compute::{max, min};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::cold::digest::Digests;
use crate::error::{Error, ErrorKind, Result};
use crate::event::ProjectId;
use crate::schema::{column_index, hot_schema};

/// The version of the files' layout, in each footer and in the table's properties.
pub(crate) const FORMAT: &str = "1";
/// Rows of a row group.
pub const ROW_GROUP_ROWS: usize = 32_768;
/// Rows of a page. A service's groups lie together, so small pages let a query for one service leave most of the file alone,
/// and a query for a hundred rows decode little beside them.
const PAGE_ROWS: usize = 2048;
/// Columns in which one looks for single values.
pub const BLOOM_COLUMNS: [&str; 3] = ["event_id", "trace_id", "user_id"];

/// Columns in whose values nothing repeats: no dictionary.
const PLAIN: [&str; 8] =
    ["event_id", "trace_id", "span_id", "timestamp", "received_at", "message", "exception_value", "attributes"];
/// Columns whose least and greatest value say nothing.
const WITHOUT_STATISTICS: [&str; 14] = [
    "event_id",
    "trace_id",
    "span_id",
    "message",
    "exception_value",
    "stack",
    "frames",
    "frame_vars",
    "breadcrumbs",
    "contexts",
    "request",
    "extra",
    "attributes",
    "template",
];

static PROPERTIES: LazyLock<WriterProperties> = LazyLock::new(|| {
    let column = |name: &str| ColumnPath::from(name);
    let sorting =
        |name, descending| SortingColumn { column_idx: column_index(name) as i32, descending, nulls_first: false };
    let mut properties = WriterProperties::builder()
        .set_created_by(format!("tephra {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("a level of zstd")))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_statistics_truncate_length(Some(64))
        .set_sorting_columns(Some(vec![
            sorting("project_id", false),
            sorting("group_hash", false),
            sorting("timestamp", true),
        ]));
    for name in PLAIN {
        properties = properties.set_column_dictionary_enabled(column(name), false);
    }
    for name in WITHOUT_STATISTICS {
        properties = properties.set_column_statistics_enabled(column(name), EnabledStatistics::None);
    }
    for name in ["timestamp", "received_at"] {
        properties = properties.set_column_encoding(column(name), Encoding::DELTA_BINARY_PACKED);
    }
    for name in ["stack", "frames"] {
        properties = properties.set_column_dictionary_page_size_limit(column(name), 32 << 20);
    }
    for name in BLOOM_COLUMNS {
        properties = properties
            .set_column_bloom_filter_enabled(column(name), true)
            .set_column_bloom_filter_fpp(column(name), 0.03)
            .set_column_bloom_filter_max_ndv(column(name), ROW_GROUP_ROWS as u64);
    }
    properties.build()
});

/// A finished file, before it has a name.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// The file's bytes.
    pub bytes: Bytes,
    /// Its rows.
    pub rows: u64,
    /// The least and the greatest `timestamp`, µs.
    pub timestamps: (i64, i64),
    /// The least and the greatest `received_at`, µs.
    pub received: (i64, i64),
    /// The projects of its rows, sorted.
    pub projects: Vec<ProjectId>,
    /// The digests of its segments.
    pub digests: Digests,
}

/// Writes batches, sorted by `(project_id, group_hash, timestamp desc)` across calls, in the hot form.
pub struct FileWriter {
    writer: ArrowWriter<Vec<u8>>,
    ends: Vec<u64>,
    in_group: usize,
    rows: u64,
    timestamps: (i64, i64),
    received: (i64, i64),
    projects: BTreeSet<ProjectId>,
}

impl FileWriter {
    /// An empty file.
    pub fn new() -> Result<Self> {
        let options = ArrowWriterOptions::new().with_properties(PROPERTIES.clone()).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), hot_schema(), options).map_err(broken)?;
        Ok(Self {
            writer,
            ends: Vec::new(),
            in_group: 0,
            rows: 0,
            timestamps: (i64::MAX, i64::MIN),
            received: (i64::MAX, i64::MIN),
            projects: BTreeSet::new(),
        })
    }

    /// Adds rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        widen(&mut self.timestamps, batch, "timestamp");
        widen(&mut self.received, batch, "received_at");
        let ids = batch.column(column_index("project_id")).as_primitive::<Int64Type>().values();
        self.projects.extend(ids.chunk_by(|a, b| a == b).map(|run| ProjectId(run[0])));
        self.rows += batch.num_rows() as u64;
        let mut rest = batch.clone();
        while rest.num_rows() > 0 {
            let rows = rest.num_rows().min(ROW_GROUP_ROWS - self.in_group);
            self.writer.write(&rest.slice(0, rows)).map_err(broken)?;
            rest = rest.slice(rows, rest.num_rows() - rows);
            self.in_group += rows;
            if self.in_group == ROW_GROUP_ROWS {
                self.end_group()?;
            }
        }
        Ok(())
    }

    /// The bytes so far, compressed.
    pub fn bytes_written(&self) -> usize {
        self.writer.bytes_written()
    }

    fn end_group(&mut self) -> Result<()> {
        self.writer.flush().map_err(broken)?;
        self.ends.push(self.writer.bytes_written() as u64);
        self.in_group = 0;
        Ok(())
    }

    /// Closes the file.
    pub fn finish(mut self) -> Result<NewFile> {
        if self.in_group > 0 {
            self.end_group()?;
        }
        self.writer.sync().map_err(|error| Error::caused(ErrorKind::Internal, "could not write a file", error))?;
        let groups = Digests::of(self.writer.inner(), &self.ends);
        self.writer.append_key_value_metadata(KeyValue::new("tephra.format".into(), FORMAT.to_owned()));
        self.writer.append_key_value_metadata(KeyValue::new("tephra.digests".into(), groups.to_string()));
        let bytes = Bytes::from(self.writer.into_inner().map_err(broken)?);
        self.ends.push(bytes.len() as u64);
        Ok(NewFile {
            digests: Digests::of(&bytes, &self.ends),
            bytes,
            rows: self.rows,
            timestamps: self.timestamps,
            received: self.received,
            projects: self.projects.into_iter().collect(),
        })
    }
}

fn widen(range: &mut (i64, i64), batch: &RecordBatch, name: &str) {
    let times = batch.column(column_index(name)).as_primitive::<TimestampMicrosecondType>();
    range.0 = range.0.min(min(times).unwrap_or(i64::MAX));
    range.1 = range.1.max(max(times).unwrap_or(i64::MIN));
}

fn broken(error: parquet::errors::ParquetError) -> Error {
    Error::caused(ErrorKind::Internal, "could not write a file", error)
}
