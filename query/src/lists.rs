//! Reads that Tephra builds itself: lists of events, one event and its neighbours, facets, histograms, figures of groups.
//!
//! Each is a plan of expressions over the same `events` that SQL sees, run on the engine's threads within the limits of
//! any query and within the caller's projects; no text of a user ever becomes part of a statement. What each is about is a
//! [`Selection`]: a search, a range of time, and the groups of an issue.
//!
//! Answers come whole, because all of them are small; dropping the future cancels the query.

mod cursor;
mod events;
mod facets;
mod groups;
mod histogram;
mod kept;
mod one;
mod plan;
mod rows;
mod selection;
mod stored;

pub use events::{Events, EventsPage};
pub use facets::{Facet, FacetValue, Facets};
pub use groups::{GroupHistogram, GroupOrder, GroupStats, Groups, GroupsPage};
pub use histogram::{Buckets, Histogram, Series};
pub(crate) use kept::{Kept, State};
pub use one::Neighbours;
pub use rows::Row;
pub use selection::Selection;
