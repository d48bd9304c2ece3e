//! One JSON object for a whole answer.

use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use serde_json::{Value, json};

use super::Statistics;
use super::rows::Rows;
use crate::error::Error;

/// `{"columns":[…],"rows":[…` so far.
pub(super) struct Json {
    rows: Rows,
    is_empty: bool,
}

impl Json {
    pub(super) fn start(schema: &SchemaRef, bytes: &mut Vec<u8>) -> Self {
        let columns: Vec<Value> = schema
            .fields()
            .iter()
            .map(|field| json!({"name": field.name(), "type": type_name(field.data_type())}))
            .collect();
        bytes.extend_from_slice(b"{\"columns\":");
        bytes.extend_from_slice(Value::from(columns).to_string().as_bytes());
        bytes.extend_from_slice(b",\"rows\":[");
        Self { rows: Rows::new(schema), is_empty: true }
    }

    pub(super) fn batch(&mut self, batch: &RecordBatch, bytes: &mut Vec<u8>) -> Result<(), ArrowError> {
        let opens = self.is_empty;
        let comma = |first: bool, bytes: &mut Vec<u8>| {
            if !(first && opens) {
                bytes.push(b',');
            }
        };
        self.is_empty &= batch.num_rows() == 0;
        self.rows.write(batch, bytes, comma, |bytes| bytes.push(b'\n'))
    }

    pub(super) fn finish(self, truncated: bool, statistics: &Statistics, bytes: &mut Vec<u8>) {
        let statistics = json!({
            "elapsed_ms": statistics.elapsed.as_secs_f64() * 1_000.0,
            "rows_read": statistics.rows_read,
            "bytes_read": statistics.bytes_read,
            "rows_returned": statistics.rows_returned,
        });
        bytes.extend_from_slice(format!("],\"truncated\":{truncated},\"statistics\":{statistics}}}\n").as_bytes());
    }

    pub(super) fn fail(self, error: &Error, bytes: &mut Vec<u8>) {
        let error = error_value(error);
        bytes.extend_from_slice(format!("],\"truncated\":true,\"error\":{error}}}\n").as_bytes());
    }
}

/// `{"error":{"kind","message",…}}`.
pub(super) fn write_error(error: &Error, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(json!({"error": error_value(error)}).to_string().as_bytes());
}

fn error_value(error: &Error) -> Value {
    let mut value = json!({"kind": error.kind.as_str(), "message": error.message});
    if let Some((line, column)) = error.position {
        value["position"] = json!({"line": line, "column": column});
    }
    if let Some(hint) = &error.hint {
        value["hint"] = json!(hint);
    }
    value
}

/// The type's word in SQL.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 | DataType::Int16 | DataType::Int32 => "integer".to_owned(),
        DataType::Int64 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
            "bigint".to_owned()
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "double".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamptz".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "time".to_owned(),
        DataType::Interval(_) | DataType::Duration(_) => "interval".to_owned(),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            format!("decimal({precision},{scale})")
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "bytes".to_owned()
        }
        DataType::Map(_, _) => "map".to_owned(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("{}[]", type_name(item.data_type()))
        }
        DataType::Dictionary(_, value) => type_name(value),
        DataType::Struct(_) => "struct".to_owned(),
        DataType::Null => "null".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}
