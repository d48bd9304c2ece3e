//! The Arrow IPC stream.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;

/// A writer whose bytes are taken after each step.
pub(super) struct ArrowStream(StreamWriter<Vec<u8>>);

impl ArrowStream {
    pub(super) fn start(schema: &SchemaRef, bytes: &mut Vec<u8>) -> Result<Self, ArrowError> {
        let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
        bytes.append(writer.get_mut());
        Ok(Self(writer))
    }

    pub(super) fn batch(&mut self, batch: &RecordBatch, bytes: &mut Vec<u8>) -> Result<(), ArrowError> {
        let columns = batch.columns().iter().map(compact).collect();
        self.0.write(&RecordBatch::try_new(batch.schema(), columns)?)?;
        bytes.append(self.0.get_mut());
        Ok(())
    }

    pub(super) fn finish(mut self, bytes: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.0.finish()?;
        bytes.append(self.0.get_mut());
        Ok(())
    }
}

/// Views carry whole buffers, of which a few rows may show little.
fn compact(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()),
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        _ => column.clone(),
    }
}
