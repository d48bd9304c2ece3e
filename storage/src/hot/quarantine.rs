//! Sets batches aside that are not what was written: kept, counted, shown, and out of the way of all others.
//!
//! Recovery does so at the start, and a roll while the server runs, as one damaged batch would otherwise keep everything
//! behind it out of the lake. A watermark passes over a batch in quarantine, so its value is moved, and its number noted
//! as one that no batch has, in one write that is on disk before any commit may cover the number.
//!
//! Known weakness: where RocksDB's own index is damaged, and not a value, the batches behind it cannot be passed by. What
//! can still be read of them is set aside, the roll fails all the same, and the next start says what to do.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use rocksdb::WriteBatch;

use crate::error::{Error, ErrorKind, Result};
use crate::hot::codec;
use crate::hot::db::{BATCHES, Db, META_SKIPPED, QUARANTINE, broken};
use crate::hot::extent::Extent;
use crate::hot::segment::HotSegment;

/// A batch that does not decode.
pub(crate) struct Damaged {
    pub(crate) number: u64,
    /// What lies in its place.
    pub(crate) value: Vec<u8>,
    /// What is wrong with it.
    pub(crate) error: Error,
}

/// What became of a segment whose damaged batches were set aside.
pub(crate) struct Salvaged {
    /// The segment without them; `None` where nothing is left.
    pub(crate) rest: Option<Arc<HotSegment>>,
    /// How many there were.
    pub(crate) damaged: u64,
}

/// Moves batches out of the readers' way; on disk when it returns.
pub(crate) fn set_aside(db: &Db, damaged: &[Damaged]) -> Result<()> {
    if damaged.is_empty() {
        return Ok(());
    }
    let mut batch = WriteBatch::default();
    for Damaged { number, value, error } in damaged {
        tracing::error!(batch = *number, %error, "quarantined a hot batch: its events are kept aside and missing from answers");
        batch.put_cf(db.family(QUARANTINE), number.to_be_bytes(), value);
        batch.delete_cf(db.family(BATCHES), number.to_be_bytes());
        batch.put([META_SKIPPED, &number.to_be_bytes()].concat(), []);
    }
    db.write(batch).map_err(|error| broken("quarantine hot batches", error))?;
    db.sync()
}

/// Sets the damaged batches of a segment aside; `None` where it has none. A segment in memory does not need its stored
/// batches.
///
/// # Errors
/// `Corrupt` where not even the bytes of a damaged batch can be read.
pub(crate) fn salvage(db: &Db, segment: &HotSegment) -> Result<Option<Salvaged>> {
    if segment.is_resident() {
        return Ok(None);
    }
    let (first, last) = segment.sequences();
    let (mut rest, mut damaged) = (None::<Extent>, Vec::new());
    for number in first..=last {
        match read(db, number)? {
            Stored::Nothing => {}
            Stored::Sound(batch) => {
                let extent = Extent::of(batch.columns());
                rest = Some(match rest {
                    Some(rest) => rest.join(extent),
                    None => extent,
                });
            }
            Stored::Damaged(batch) => damaged.push(batch),
        }
    }
    if damaged.is_empty() {
        return Ok(None);
    }
    set_aside(db, &damaged)?;
    let rest = rest.map(|extent| Arc::new(segment.remainder(extent)));
    Ok(Some(Salvaged { rest, damaged: damaged.len() as u64 }))
}

/// How many batches are in quarantine.
pub(crate) fn count(db: &Db) -> Result<u64> {
    let items = db.raw().iterator_cf(db.family(QUARANTINE), rocksdb::IteratorMode::Start);
    items.map(|item| item.map(|_| 1).map_err(|error| broken("read the quarantine", error))).sum()
}

/// What lies under a number.
enum Stored {
    /// It was skipped, or set aside before.
    Nothing,
    Sound(RecordBatch),
    Damaged(Damaged),
}

fn read(db: &Db, number: u64) -> Result<Stored> {
    let (value, error) = match db.value(number) {
        Ok(None) => return Ok(Stored::Nothing),
        Ok(Some(value)) => match codec::decode(&value) {
            Ok(batch) => return Ok(Stored::Sound(batch)),
            Err(error) if error.kind() == ErrorKind::Corrupt => (value, error),
            Err(error) => {
                return Err(Error::caused(error.kind(), format!("could not read hot batch {number}"), error));
            }
        },
        // RocksDB's own checksum was the first to notice: what lies there is kept as it is.
        Err(error) if error.kind() == ErrorKind::Corrupt => match db.value_unchecked(number) {
            Ok(Some(value)) => (value, error),
            _ => return Err(error),
        },
        Err(error) => return Err(error),
    };
    Ok(Stored::Damaged(Damaged { number, value, error }))
}
