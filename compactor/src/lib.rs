//! Turns sealed hot events into sorted Parquet files in the lake.
//!
//! Hot events lie in arrival order; readers want them by project, group and time. Sorting once here keeps both the
//! write path and the query path free of it.
//!
//! A crash at any point leaves the last commit in force: files that no commit names are swept later.
//! Known weakness: a roll sorts in memory, so its range is bounded by `RollSettings::bytes_max` and a long outage of
//! the object store is rolled in several files.

mod plan;
mod run;
mod sort;
mod task;

pub use plan::RollSettings;
pub use run::{Rolled, roll};
pub use task::{RollHandle, Roller};
