//! The cold tier: sorted Parquet files in a Delta table on any object store.
//!
//! `place` finds the object store (`durable` for local disks, `probe` for the promise we need of it, `verified` for the
//! digests), `writer` makes a file, `commit` adds it to the table, `catalog` knows what is live, `lake` ties them
//! together and keeps the log short.

pub(crate) mod catalog;
pub(crate) mod commit;
pub(crate) mod digest;
pub(crate) mod durable;
pub(crate) mod lake;
pub(crate) mod place;
pub(crate) mod probe;
pub(crate) mod vacuum;
pub(crate) mod verified;
pub(crate) mod writer;
