//! Makes one form of what SDKs say in many: exception chains with their frames, stack traces as text, values of any size.
//!
//! The same error comes as text from one SDK and as frames from another. Frames are therefore written out as their runtime
//! would print them, and everything that follows (grouping, search, display) reads that text, whoever sent it.
//!
//! Nothing is refused for its size: what does not fit loses its middle, and says how much.

mod chain;
mod cutter;
mod runtime;
mod shrink;
mod stack;
mod trace;

pub(crate) use chain::{Exception, Frame};
pub(crate) use cutter::Cutter;
pub(crate) use runtime::Runtime;
pub(crate) use shrink::size;
pub(crate) use stack::{Origin, stack};
