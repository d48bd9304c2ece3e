//! Bytes to events: every protocol's wire form is decoded, named and grouped here, with no I/O and no waiting.
//!
//! A request passes `inflate`, then one decoder ([`sentry`], [`otlp`], [`native`], [`ndjson`]); all of them fill a draft whose
//! names are settled in one place, so that an event is the same whichever way it came.
//!
//! A fault inside one event costs that event ([`Rejected`]); a fault in what holds the events together costs the request
//! ([`Error`]), because its sender could not tell what was stored. Invalid UTF-8 and NUL become U+FFFD, string by string.
//!
//! Known weakness: a request is decoded whole, so its events are in memory together (bounded by [`Limits`]).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod error;
mod limits;

mod inflate;
mod json;
mod text;
mod value;
mod wire;

mod batch;
mod conventions;
mod draft;
mod filter;
mod group;
mod moment;
mod normalize;
mod rules;
mod scrub;

pub mod native;
pub mod ndjson;
pub mod otlp;
pub mod sentry;

pub use batch::{Decoded, Rejected};
pub use error::{Error, ErrorKind, Result};
pub use filter::{FilterError, FilterReason, FilterRules, Filters};
pub use group::{GROUPING_VERSION, GroupRuleError, GroupRules, Hashes, PAST, hashes_of_version, parametrised};
pub use inflate::inflate;
pub use limits::{Limits, Receipt};
pub use rules::Rules;
pub use scrub::{Finding, RuleError, ScrubAction, ScrubRule, ScrubRules, Scrubbed, Scrubber};
