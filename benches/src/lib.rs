//! Tephra's benchmarks: a deterministic set of error events, a load generator and the seven queries.
//!
//! Every event is a function of the seed and its index, so any range can be made anywhere, again and at the same time,
//! and the answers that a query must give are known without storing anything.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod args;
pub mod generate;
pub mod load;
pub mod queries;
pub mod reads;
mod server;
pub mod sockets;

pub use args::{DataSetArgs, parse_time};
pub use server::ServerArgs;
