//! The engine over a real store: hot, cold and both.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod attacks;
mod errors;
mod growth;
mod ids;
mod isolation;
mod lab;
mod late_rows;
mod limits;
mod lists;
mod pruning;
mod search;
mod tiers;
