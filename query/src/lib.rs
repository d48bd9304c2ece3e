//! SQL over the events of both tiers.
//!
//! [`Engine::sql`] plans one read-only statement over one snapshot and streams the answer as Arrow batches; `output`
//! turns these into JSON, NDJSON, CSV or Arrow IPC. What a caller may see is decided before SQL comes into play: the
//! table of a session holds the rows of the caller's projects and nothing else (`scope.rs`, `events.rs`).
//!
//! A query holds its snapshot until its stream ends, so rolls and merges meanwhile change nothing for it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod error;
mod hints;
mod settings;

mod engine;
mod gate;
mod session;

mod answer;
mod progress;

mod events;
mod files;
mod scope;

mod adapter;
mod cold;
mod hot;
mod ids;
mod late;
mod places;
mod prune;
mod reader;
mod spelling;
mod tenant;
mod warm;
mod words;

mod functions;

mod lists;
mod search;

pub mod output;

pub use answer::{Answer, AnswerStream};
pub use engine::Engine;
pub use error::{Error, ErrorKind, Result};
pub use lists::{
    Buckets, Events, EventsPage, Facet, FacetValue, Facets, GroupHistogram, GroupOrder, GroupStats, Groups, GroupsPage,
    Histogram, Neighbours, Row, Selection, Series,
};
pub use progress::Progress;
pub use search::{
    Comparison, Field, IssueKey, Matcher, Moment, Node, Pattern, Search, SearchError, Split, Term, Test, Value,
};
pub use settings::{QuerySettings, SqlOptions};
