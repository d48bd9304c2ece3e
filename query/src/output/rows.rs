//! Rows as JSON objects.

use arrow::array::Array;
use arrow::datatypes::{FieldRef, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, NullableEncoder, make_encoder};
use arrow::record_batch::RecordBatch;

/// Writes rows under the columns' names.
pub(super) struct Rows {
    fields: Vec<FieldRef>,
    /// `"name":` of each column.
    keys: Vec<Vec<u8>>,
    options: EncoderOptions,
}

/// RFC 3339 with microseconds.
pub(super) const TIME_FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.6f";
/// The same of a time that has a zone, which is UTC.
pub(super) const ZONED_FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";

pub(super) fn json_options() -> EncoderOptions {
    EncoderOptions::default()
        .with_explicit_nulls(true)
        .with_timestamp_format(TIME_FORMAT.to_owned())
        .with_timestamp_tz_format(ZONED_FORMAT.to_owned())
}

impl Rows {
    pub(super) fn new(schema: &SchemaRef) -> Self {
        let keys = schema.fields().iter().map(|field| {
            let mut key = serde_json::to_vec(field.name()).unwrap_or_default();
            key.push(b':');
            key
        });
        Self { keys: keys.collect(), fields: schema.fields().iter().cloned().collect(), options: json_options() }
    }

    /// Writes each row between what `before` (told whether it is the batch's first) and `after` write.
    pub(super) fn write(
        &self,
        batch: &RecordBatch,
        bytes: &mut Vec<u8>,
        mut before: impl FnMut(bool, &mut Vec<u8>),
        mut after: impl FnMut(&mut Vec<u8>),
    ) -> Result<(), ArrowError> {
        let columns = self.fields.iter().zip(batch.columns());
        let mut encoders = columns
            .map(|(field, column)| column_encoder(field, column, &self.options))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            before(row == 0, bytes);
            bytes.push(b'{');
            for (at, (key, encoder)) in self.keys.iter().zip(&mut encoders).enumerate() {
                if at > 0 {
                    bytes.push(b',');
                }
                bytes.extend_from_slice(key);
                match encoder.is_null(row) {
                    true => bytes.extend_from_slice(b"null"),
                    false => encoder.encode(row, bytes),
                }
            }
            bytes.push(b'}');
            after(bytes);
        }
        Ok(())
    }
}

pub(super) fn column_encoder<'a>(
    field: &'a FieldRef,
    column: &'a dyn Array,
    options: &'a EncoderOptions,
) -> Result<NullableEncoder<'a>, ArrowError> {
    make_encoder(field, column, options)
}
