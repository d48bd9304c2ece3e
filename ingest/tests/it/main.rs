//! What the decoders promise whatever comes: see each module.

#![allow(clippy::unwrap_used, reason = "tests")]

mod corpus;
mod grouping;
mod hostile;
mod otlp;
mod sample;
mod scrub;
mod sentry;
mod trimming;
