//! What crashes leave in the lake beside its files, put there on purpose, so that every sweep finds something.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;

const DIRECTORY: &str = "lake/events/retention_days=90/day=2020-01-01";
/// Of each of the two kinds: together enough for the latest hit that a round arms.
const EACH: u32 = 2;
/// Older than any grace.
const SECONDS: u64 = 1_600_000_000;

/// Leaves data files that no commit names, and files that no put finished.
pub(crate) fn leave(data_dir: &Path) -> Result<()> {
    let directory = data_dir.join(DIRECTORY);
    fs::create_dir_all(&directory)?;
    for number in 0..EACH {
        for name in [format!("roll-orphan{number}.parquet"), format!("roll-unfinished.parquet#{number}")] {
            File::create(directory.join(name))?.set_modified(UNIX_EPOCH + Duration::from_secs(SECONDS))?;
        }
    }
    Ok(())
}

/// How many of them no sweep has taken yet.
pub(crate) fn count(data_dir: &Path) -> usize {
    fs::read_dir(data_dir.join(DIRECTORY)).map_or(0, Iterator::count)
}
