//! The value under which RocksDB keeps one group of appends: a header, then an Arrow record batch, compressed.
//!
//! The header carries the format's version and a checksum of everything else, so that a flipped bit or a value of a
//! later version is named and never decoded into wrong rows. The Arrow schema is the hot form of this version and is
//! not repeated in each value. `storage/FORMAT.md` draws the bytes.

use std::sync::LazyLock;

use arrow::buffer::Buffer;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use xxhash_rust::xxh3::Xxh3;

use crate::error::{Error, Result};
use crate::schema::hot_schema;

const MAGIC: [u8; 4] = *b"TPHB";
/// The version of the value's format.
pub(crate) const VERSION: u16 = 1;
const CODEC_LZ4: u16 = 1;
const HEADER_BYTES: usize = 24;

/// The schema message that every stream of this version begins with.
static SCHEMA_MESSAGE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = Vec::new();
    StreamWriter::try_new(&mut bytes, &hot_schema()).expect("the schema of this crate encodes");
    bytes
});

/// Encodes a batch in the hot form.
pub(crate) fn encode(batch: &RecordBatch) -> Result<Vec<u8>> {
    let broken = |error| Error::caused(crate::ErrorKind::Internal, "could not encode a batch", error);
    let mut stream = Vec::with_capacity(batch.get_array_memory_size() + SCHEMA_MESSAGE.len());
    let mut writer = StreamWriter::try_new(&mut stream, &batch.schema()).map_err(broken)?;
    writer.write(batch).map_err(broken)?;
    writer.finish().map_err(broken)?;
    drop(writer);
    let body = stream.get(SCHEMA_MESSAGE.len()..).unwrap_or_default();

    let mut value = vec![0; HEADER_BYTES + lz4_flex::block::get_maximum_output_size(body.len())];
    let written = lz4_flex::block::compress_into(body, &mut value[HEADER_BYTES..])
        .map_err(|error| Error::caused(crate::ErrorKind::Internal, "could not compress a batch", error))?;
    value.truncate(HEADER_BYTES + written);
    let length = u32::try_from(body.len()).map_err(|_| Error::internal("a batch of over 4 GiB"))?;
    value[0..4].copy_from_slice(&MAGIC);
    value[4..6].copy_from_slice(&VERSION.to_be_bytes());
    value[6..8].copy_from_slice(&CODEC_LZ4.to_be_bytes());
    value[8..12].copy_from_slice(&length.to_be_bytes());
    let checksum = checksum(&value);
    value[16..24].copy_from_slice(&checksum.to_be_bytes());
    Ok(value)
}

/// Decodes what `encode` wrote.
///
/// # Errors
/// `Corrupt` names what is wrong with the value; `Invalid` a version that this program does not know.
pub(crate) fn decode(value: &[u8]) -> Result<RecordBatch> {
    if value.len() < HEADER_BYTES || value[0..4] != MAGIC {
        return Err(Error::corrupt("not a batch: the header is missing"));
    }
    let version = u16::from_be_bytes([value[4], value[5]]);
    if version != VERSION {
        return Err(Error::invalid(format!(
            "a batch of format version {version}; this program reads version {VERSION}"
        )));
    }
    if value[16..24] != checksum(value).to_be_bytes() {
        return Err(Error::corrupt("checksum mismatch"));
    }
    let length = u32::from_be_bytes([value[8], value[9], value[10], value[11]]) as usize;
    let mut stream = Vec::with_capacity(SCHEMA_MESSAGE.len() + length);
    stream.extend_from_slice(&SCHEMA_MESSAGE);
    stream.resize(SCHEMA_MESSAGE.len() + length, 0);
    let read = lz4_flex::block::decompress_into(&value[HEADER_BYTES..], &mut stream[SCHEMA_MESSAGE.len()..])
        .map_err(|error| Error::caused(crate::ErrorKind::Corrupt, "could not decompress a batch", error))?;
    if read != length {
        return Err(Error::corrupt(format!("a batch of {read} bytes where {length} were written")));
    }
    let mut buffer = Buffer::from(stream);
    StreamDecoder::new()
        .decode(&mut buffer)
        .map_err(|error| Error::caused(crate::ErrorKind::Corrupt, "could not decode a batch", error))?
        .ok_or_else(|| Error::corrupt("a value without a batch"))
}

fn checksum(value: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&value[..16]);
    hash.update(&value[HEADER_BYTES..]);
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::event::{Event, Level, ProjectId};
    use crate::hot::columns::Columns;

    fn batch(rows: u8) -> RecordBatch {
        let mut columns = Columns::new(rows.into());
        for row in 0..rows {
            let event = Event {
                timestamp: i64::from(row) - 3,
                level: Level::Error,
                message: (row % 2 == 0).then(|| format!("message {row}").into()),
                stack: Some("at a\nat b".into()),
                tags: vec![("name".into(), format!("value {row}").into())],
                trace_id: Some([row; 16]),
                ..Event::default()
            };
            columns.push(ProjectId(7), &[row; 16], &event).unwrap();
        }
        columns.finish().unwrap()
    }

    #[test]
    fn a_batch_decodes_to_what_was_encoded() {
        for rows in [1, 2, 100] {
            let batch = batch(rows);
            assert_eq!(decode(&encode(&batch).unwrap()).unwrap(), batch, "{rows} rows");
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_found() {
        let value = encode(&batch(20)).unwrap();
        for at in 0..value.len() {
            let mut damaged = value.clone();
            damaged[at] ^= 1 << (at % 8);
            // Bytes 12 to 16 are covered by the checksum as well, though nothing reads them.
            assert!(decode(&damaged).is_err(), "a flip in byte {at} was not found");
        }
        assert!(decode(&value[..value.len() - 1]).is_err());
        assert!(decode(b"").is_err());
    }

    #[test]
    fn a_later_version_is_refused_by_name() {
        let mut value = encode(&batch(1)).unwrap();
        value[5] = 2;
        let error = decode(&value).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("version 2"), "{error}");
    }
}
