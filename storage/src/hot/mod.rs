//! The hot tier: what was received since the last roll, durable in RocksDB and ready for readers in memory.
//!
//! `queue` → `appender` (`columns`, `codec`, `dedup`, `db`) → `segment`, which readers see; `recovery` opens what a
//! crash left behind, guarded by `mark`; `quarantine` holds what does not decode.

pub(crate) mod appender;
pub(crate) mod codec;
pub(crate) mod columns;
pub(crate) mod db;
pub(crate) mod dedup;
pub(crate) mod disk;
pub(crate) mod extent;
pub(crate) mod mark;
pub(crate) mod quarantine;
pub(crate) mod queue;
pub(crate) mod recovery;
pub(crate) mod segment;
pub(crate) mod stacks;
