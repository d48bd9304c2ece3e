//! `ORDER BY … LIMIT n` with wide rows: sorts narrow ones, then reads the other columns of the n that remain.
//!
//! "The newest 100 of this service, all columns" touches a million times and services and a hundred stacks. DataFusion
//! alone decodes the stacks of every row that was once among the newest hundred. Here a rule rewrites
//! `Sort(n) over Scan(all columns)` into `FetchRows over Sort(n) over Scan(columns of filters and keys, places)`.
//!
//! Places are valid for the snapshot that the session pins, so what rolls meanwhile changes nothing.

mod exec;
mod node;
mod read;
mod rule;

pub(crate) use node::LatePlanner;
pub(crate) use rule::LateRows;
