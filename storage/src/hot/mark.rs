//! The high-water mark: a small file of our own that says up to where batches were acknowledged.
//!
//! A database that lost acknowledged batches cannot know it; this file can. It is written at most ten times a second,
//! beside the write path, so it may lag behind the truth but never runs ahead of it. Two slots are written in turn, so
//! that a torn write leaves the other.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, ErrorKind, Result};
use crate::failpoint;

const SLOT_BYTES: u64 = 512;
const MAGIC: &[u8; 8] = b"TPHMARK1";

/// The open file.
pub(crate) struct Mark {
    file: File,
    written: u64,
    slot: u64,
}

impl Mark {
    /// Opens or makes the file; its mark is `read()`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |error| Error::caused(ErrorKind::Internal, format!("could not open `{}`", path.display()), error);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let slots = [read_slot(&file, 0), read_slot(&file, 1)];
        let written = slots.iter().flatten().copied().max().unwrap_or(0);
        let slot = if slots[0] == Some(written) { 1 } else { 0 };
        Ok(Self { file, written, slot })
    }

    /// Batches up to this number were acknowledged.
    pub(crate) fn read(&self) -> u64 {
        self.written
    }

    /// Writes the mark, where it moved, and waits until it is on disk.
    pub(crate) fn write(&mut self, sequence: u64) -> Result<()> {
        if sequence <= self.written {
            return Ok(());
        }
        failpoint::hit("mark.before_write")?;
        self.put(sequence)
    }

    fn put(&mut self, sequence: u64) -> Result<()> {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&sequence.to_be_bytes());
        let checksum = xxh3_64(&bytes[..16]);
        bytes[16..].copy_from_slice(&checksum.to_be_bytes());
        self.file
            .write_all_at(&bytes, self.slot * SLOT_BYTES)
            .and_then(|()| self.file.sync_data())
            .map_err(|error| Error::caused(ErrorKind::Internal, "could not write the high-water mark", error))?;
        self.written = sequence;
        self.slot = 1 - self.slot;
        Ok(())
    }
}

fn read_slot(file: &File, slot: u64) -> Option<u64> {
    let mut bytes = [0; 24];
    file.read_exact_at(&mut bytes, slot * SLOT_BYTES).ok()?;
    let checksum = u64::from_be_bytes(bytes[16..].try_into().ok()?);
    let valid = bytes[..8] == *MAGIC && checksum == xxh3_64(&bytes[..16]);
    valid.then(|| u64::from_be_bytes(bytes[8..16].try_into().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greater_valid_slot_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("MARK");
        let mut mark = Mark::open(&path).unwrap();
        assert_eq!(mark.read(), 0);
        for number in [1, 5, 9] {
            mark.write(number).unwrap();
            assert_eq!(Mark::open(&path).unwrap().read(), number);
        }
        mark.write(3).unwrap();
        assert_eq!(Mark::open(&path).unwrap().read(), 9, "the mark never goes back");

        // 9 went to the first slot (1 and 9 there, 5 in the second): torn, the one before it counts.
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(b"torn", 8).unwrap();
        assert_eq!(Mark::open(&path).unwrap().read(), 5);
    }
}
