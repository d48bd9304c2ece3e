//! Events as JSON objects: what is JSON inside comes out nested, tags as an object.
//!
//! Known weakness: nested numbers of more than 64 bits lose digits, and names within nested objects are sorted.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt64Type};
use serde_json::{Map, Value};

use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::search::rfc3339;

/// One event, under the columns' names; what is absent is null. Times are RFC 3339 with microseconds and `Z`, ids
/// hexadecimal text.
pub type Row = Map<String, Value>;

/// The columns that hold JSON.
const JSON: &[&str] = &["frames", "frame_vars", "breadcrumbs", "contexts", "request", "extra", "attributes"];

/// The rows of batches in the table form. Wide ones take a while.
pub(super) async fn of(engine: &Engine, batches: Vec<RecordBatch>) -> Result<Vec<Row>> {
    let make = move || {
        let mut rows = Vec::new();
        batches.iter().try_for_each(|batch| append(&mut rows, batch))?;
        Ok(rows)
    };
    engine.compute(make).await
}

fn append(rows: &mut Vec<Row>, batch: &RecordBatch) -> Result<()> {
    let schema = batch.schema();
    for row in 0..batch.num_rows() {
        let mut object = Row::new();
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            object.insert(field.name().clone(), value(field.name(), column, row)?);
        }
        rows.push(object);
    }
    Ok(())
}

/// One value of the column `name`.
pub(super) fn value(name: &str, column: &Arc<dyn Array>, row: usize) -> Result<Value> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Utf8View => text(name, column.as_string_view().value(row)),
        DataType::Utf8 => text(name, column.as_string::<i32>().value(row)),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).into(),
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Timestamp(_, _) => rfc3339(column.as_primitive::<TimestampMicrosecondType>().value(row)).into(),
        DataType::Map(_, _) => {
            let entries = column.as_map().value(row);
            let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1).as_string::<i32>());
            let pairs = keys.iter().zip(values.iter());
            let pairs =
                pairs.filter_map(|(key, value)| Some((key?.to_owned(), value.map_or(Value::Null, Value::from))));
            Value::Object(pairs.collect())
        }
        other => return Err(Error::new(ErrorKind::Internal, format!("cannot write {other} as JSON"))),
    })
}

fn text(name: &str, text: &str) -> Value {
    // What does not read as JSON is shown as it is.
    let nested = JSON.contains(&name).then(|| serde_json::from_str(text).ok()).flatten();
    nested.unwrap_or_else(|| Value::from(text))
}
