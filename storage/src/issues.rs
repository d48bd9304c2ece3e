//! The counter: folds events into the figures of their groups and issues, as they come, exactly once.
//!
//! It consumes the change feed (`fold`: columns to sums, a pure function), writes the sums and its own position in one
//! transaction (`apply`) and then lets the batches go (`task`). A crash between any two of these leaves the position where the
//! figures are. Ingest never waits for it.
//!
//! Which events belong to issues: those of kind `error` or `message`, and logs of level `error` or `fatal`. Other logs, and
//! feedback, are searched and counted by release, and make no issues.

mod apply;
mod changes;
mod escalate;
mod fold;
mod follow;
mod lives;
mod recount;
mod rows;
mod task;
pub(crate) mod users;

pub use changes::{Changes, IssueChange, What};
pub use fold::{makes_issues, title_of};
pub use follow::{Era, Past};
pub use task::{CONSUMER, Counter};

#[cfg(test)]
mod tests;
