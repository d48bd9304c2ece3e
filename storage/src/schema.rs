//! The columns of an event in their three Arrow forms; `storage/FORMAT.md` is their document.
//!
//! - The *table* form is what SQL sees: strings as `Utf8View`, ids as hexadecimal text.
//! - The *hot* form is what the write-ahead value and memory hold: repeated strings as dictionaries, ids as bytes.
//! - The *cold* form is what the Parquet files hold: plain strings, ids as bytes.
//!
//! All three have the same columns in the same order, so an index means one column everywhere.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

/// How a column is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// 64-bit integer.
    Int64,
    /// 32-bit integer.
    Int32,
    /// Boolean.
    Bool,
    /// Microseconds, UTC.
    Time,
    /// Fixed bytes that SQL shows as hexadecimal text.
    Id(i32),
    /// A string of few values: a dictionary in the hot form.
    Word,
    /// A string that repeats across batches and is long: stacks and frames.
    Stack,
    /// Any other string.
    Text,
    /// String names to string values.
    Tags,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name in SQL and in the files.
    pub name: &'static str,
    /// How it is kept.
    pub kind: ColumnKind,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// What it holds, for `information_schema` and the documents.
    pub comment: &'static str,
}

const fn column(name: &'static str, kind: ColumnKind, nullable: bool, comment: &'static str) -> Column {
    Column { name, kind, nullable, comment }
}

/// All columns in order.
pub const COLUMNS: &[Column] = &[
    column("project_id", ColumnKind::Int64, false, "number of the project"),
    column("event_id", ColumnKind::Id(16), false, "id of the event, 32 hex digits"),
    column("timestamp", ColumnKind::Time, false, "when it happened, UTC"),
    column("received_at", ColumnKind::Time, false, "when Tephra received it, UTC"),
    column("level", ColumnKind::Word, false, "trace, debug, info, warning, error or fatal"),
    column("severity", ColumnKind::Int32, true, "OpenTelemetry severity number, 1 to 24"),
    column("kind", ColumnKind::Word, false, "error, log, message or feedback"),
    column("platform", ColumnKind::Word, true, "language or runtime"),
    column("logger", ColumnKind::Word, true, "logger or instrumentation scope"),
    column("message", ColumnKind::Text, true, "message with its parameters filled in"),
    column("template", ColumnKind::Word, true, "message before its parameters were filled in"),
    column("exception_type", ColumnKind::Word, true, "type of the exception"),
    column("exception_value", ColumnKind::Text, true, "text of the exception"),
    column("culprit", ColumnKind::Word, true, "function or transaction to blame"),
    column("handled", ColumnKind::Bool, true, "whether the program caught it"),
    column("stack", ColumnKind::Stack, true, "stack trace as text"),
    column("frames", ColumnKind::Stack, true, "exception chain with frames, JSON"),
    column("frame_vars", ColumnKind::Text, true, "local variables of the frames, JSON"),
    column("breadcrumbs", ColumnKind::Text, true, "what happened before, JSON"),
    column("contexts", ColumnKind::Text, true, "device, runtime, operating system, JSON"),
    column("request", ColumnKind::Text, true, "HTTP request, JSON"),
    column("extra", ColumnKind::Text, true, "the sender's extra data, JSON"),
    column("environment", ColumnKind::Word, true, "production, staging, …"),
    column("release", ColumnKind::Word, true, "version of the program"),
    column("dist", ColumnKind::Word, true, "build of the release"),
    column("service", ColumnKind::Word, true, "name of the program"),
    column("server_name", ColumnKind::Word, true, "host it ran on"),
    column("user_id", ColumnKind::Text, true, "id of the user"),
    column("user_email", ColumnKind::Text, true, "email address of the user"),
    column("user_ip", ColumnKind::Text, true, "IP address of the user"),
    column("session_id", ColumnKind::Text, true, "id of the session"),
    column("trace_id", ColumnKind::Id(16), true, "id of the trace, 32 hex digits"),
    column("span_id", ColumnKind::Id(8), true, "id of the span, 16 hex digits"),
    column("sdk_name", ColumnKind::Word, true, "name of the SDK"),
    column("sdk_version", ColumnKind::Word, true, "version of the SDK"),
    column("tags", ColumnKind::Tags, false, "names and values to filter by: tags['name']"),
    column("attributes", ColumnKind::Text, true, "whatever else came, a JSON object"),
    column("group_hash", ColumnKind::Id(8), false, "group by in-app frames, 16 hex digits"),
    column("group_hash_full", ColumnKind::Id(8), false, "group by all frames, 16 hex digits"),
    column("grouping_version", ColumnKind::Int32, false, "version of the grouping rules"),
];

/// The index of a column by its name.
///
/// # Panics
/// If there is no such column: names are constants of this crate's callers.
pub fn column_index(name: &str) -> usize {
    COLUMNS.iter().position(|column| column.name == name).unwrap_or_else(|| panic!("no column `{name}`"))
}

/// What SQL sees.
pub fn table_schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| schema(table_type));
    SCHEMA.clone()
}

/// What the write-ahead value and memory hold.
pub fn hot_schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| schema(hot_type));
    SCHEMA.clone()
}

/// What the Parquet files hold.
pub fn cold_schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| schema(cold_type));
    SCHEMA.clone()
}

fn schema(data_type: fn(ColumnKind) -> DataType) -> SchemaRef {
    Arc::new(Schema::new(COLUMNS.iter().map(|c| Field::new(c.name, data_type(c.kind), c.nullable)).collect::<Fields>()))
}

fn table_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Id(_) | ColumnKind::Word | ColumnKind::Stack | ColumnKind::Text => DataType::Utf8View,
        other => cold_type(other),
    }
}

fn hot_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Word | ColumnKind::Stack => {
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
        }
        other => cold_type(other),
    }
}

fn cold_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Int64 => DataType::Int64,
        ColumnKind::Int32 => DataType::Int32,
        ColumnKind::Bool => DataType::Boolean,
        ColumnKind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ColumnKind::Id(bytes) => DataType::FixedSizeBinary(bytes),
        ColumnKind::Word | ColumnKind::Stack | ColumnKind::Text => DataType::Utf8,
        ColumnKind::Tags => tags_type(),
    }
}

/// `Map<Utf8, Utf8>`, its entries sorted by name.
pub fn tags_type() -> DataType {
    let entries =
        Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)]);
    DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false)
}
