//! CSV as RFC 4180 has it. Values are written as they are: a text that begins with `=` is not altered.

use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::writer::EncoderOptions;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::rows::{TIME_FORMAT, ZONED_FORMAT, column_encoder, json_options};

/// NULL is nothing, an empty text is `""`.
pub(super) struct Csv {
    fields: Vec<FieldRef>,
    json: EncoderOptions,
}

enum Cell<'a> {
    Text(ArrayFormatter<'a>),
    Json(arrow::json::writer::NullableEncoder<'a>),
}

impl Csv {
    pub(super) fn start(schema: &SchemaRef, bytes: &mut Vec<u8>) -> Self {
        for (at, field) in schema.fields().iter().enumerate() {
            if at > 0 {
                bytes.push(b',');
            }
            write_cell(field.name(), bytes);
        }
        bytes.extend_from_slice(b"\r\n");
        Self { fields: schema.fields().iter().cloned().collect(), json: json_options() }
    }

    pub(super) fn batch(&mut self, batch: &RecordBatch, bytes: &mut Vec<u8>) -> Result<(), ArrowError> {
        let format =
            FormatOptions::new().with_timestamp_format(Some(TIME_FORMAT)).with_timestamp_tz_format(Some(ZONED_FORMAT));
        let columns = self.fields.iter().zip(batch.columns());
        let mut cells = columns
            .map(|(field, column)| match is_nested(field.data_type()) {
                true => Ok(Cell::Json(column_encoder(field, column, &self.json)?)),
                false => Ok(Cell::Text(ArrayFormatter::try_new(column, &format)?)),
            })
            .collect::<Result<Vec<_>, ArrowError>>()?;
        let mut text = String::new();
        let mut value = Vec::new();
        for row in 0..batch.num_rows() {
            for (at, cell) in cells.iter_mut().enumerate() {
                if at > 0 {
                    bytes.push(b',');
                }
                if batch.column(at).is_null(row) {
                    continue;
                }
                match cell {
                    Cell::Text(formatter) => {
                        text.clear();
                        formatter.value(row).write(&mut text)?;
                        write_cell(&text, bytes);
                    }
                    Cell::Json(encoder) => {
                        value.clear();
                        encoder.encode(row, &mut value);
                        write_cell(&String::from_utf8_lossy(&value), bytes);
                    }
                }
            }
            bytes.extend_from_slice(b"\r\n");
        }
        Ok(())
    }
}

fn is_nested(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => value.is_nested(),
        other => other.is_nested(),
    }
}

fn write_cell(text: &str, bytes: &mut Vec<u8>) {
    let plain = !text.is_empty() && !text.bytes().any(|byte| matches!(byte, b'"' | b',' | b'\r' | b'\n'));
    if plain {
        bytes.extend_from_slice(text.as_bytes());
        return;
    }
    bytes.push(b'"');
    bytes.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    bytes.push(b'"');
}
