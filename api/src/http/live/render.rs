//! Writes the summary of an event: what a line of a live list shows.

use std::collections::HashMap;
use std::sync::LazyLock;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};
use tephra_storage::schema::{COLUMNS, ColumnKind, column_index};

use super::cursor::{Cursor, WHOLE};
use super::queue::Text;

const SHOWN: [&str; 18] = [
    "project_id",
    "event_id",
    "timestamp",
    "received_at",
    "level",
    "kind",
    "platform",
    "logger",
    "message",
    "exception_type",
    "exception_value",
    "culprit",
    "environment",
    "release",
    "service",
    "user_id",
    "trace_id",
    "group_hash",
];
/// A longer text is cut: the whole event is asked for by its id.
const TEXT_CHARS_MAX: usize = 500;

/// The indexes of the columns that are shown.
pub(super) fn columns() -> &'static [usize] {
    static INDEXES: LazyLock<Vec<usize>> = LazyLock::new(|| SHOWN.iter().map(|name| column_index(name)).collect());
    &INDEXES
}

/// Events of one batch as texts, each written once however many sockets want it.
pub(super) struct Rendered<'a> {
    batch: &'a RecordBatch,
    node: &'a str,
    sequence: u64,
    texts: HashMap<u32, Text>,
}

impl<'a> Rendered<'a> {
    pub(super) fn new(batch: &'a RecordBatch, node: &'a str, sequence: u64) -> Self {
        Self { batch, node, sequence, texts: HashMap::new() }
    }

    /// The message of a row.
    pub(super) fn text(&mut self, row: u32) -> Text {
        let cursor = self.behind(row);
        let Self { batch, texts, .. } = self;
        texts.entry(row).or_insert_with(|| write(batch, row as usize, &cursor)).clone()
    }

    /// The cursor behind a row.
    pub(super) fn behind(&self, row: u32) -> String {
        let last = row as usize + 1 >= self.batch.num_rows();
        let rows = if last { WHOLE } else { row + 1 };
        Cursor { node: self.node.to_owned(), sequence: self.sequence, rows }.text()
    }

    /// The cursor before a row.
    pub(super) fn before(&self, row: u32) -> String {
        Cursor { node: self.node.to_owned(), sequence: self.sequence, rows: row }.text()
    }
}

fn write(batch: &RecordBatch, row: usize, cursor: &str) -> Text {
    let mut event = Map::new();
    event.insert("type".to_owned(), json!("event"));
    event.insert("cursor".to_owned(), json!(cursor));
    for index in columns() {
        let column = &COLUMNS[*index];
        let value = batch.column_by_name(column.name).filter(|array| !array.is_null(row));
        event.insert(column.name.to_owned(), value.map_or(Value::Null, |array| show(array, row, column.kind)));
    }
    Value::Object(event).to_string().into()
}

/// A value of a column in the hot form.
fn show(array: &dyn Array, row: usize, kind: ColumnKind) -> Value {
    match kind {
        ColumnKind::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        ColumnKind::Int32 => json!(array.as_primitive::<Int32Type>().value(row)),
        ColumnKind::Bool => json!(array.as_boolean().value(row)),
        ColumnKind::Time => {
            let time = DateTime::from_timestamp_micros(array.as_primitive::<TimestampMicrosecondType>().value(row));
            json!(time.map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true)))
        }
        ColumnKind::Id(_) => json!(hex::encode(array.as_fixed_size_binary().value(row))),
        ColumnKind::Word | ColumnKind::Stack => {
            let words = array.as_dictionary::<Int32Type>();
            json!(cut(words.values().as_string::<i32>().value(words.keys().value(row) as usize)))
        }
        ColumnKind::Text => json!(cut(array.as_string::<i32>().value(row))),
        ColumnKind::Tags => Value::Null,
    }
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(TEXT_CHARS_MAX).map_or(text, |(end, _)| &text[..end])
}
