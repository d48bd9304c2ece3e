//! Rolls over a real store in a temporary directory.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod damaged_batches;
mod rolls_sort_and_partition;
mod support;
