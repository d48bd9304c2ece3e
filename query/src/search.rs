//! The search language: `level:error environment:prod !release:1.2.* user.id:42 stack:"at parse_header" timeout`.
//!
//! One grammar for lists, the live view and alerts' filters. A text is read into a tree whose values are checked already
//! ([`Search::parse`]), and the tree becomes the same expressions as SQL's ([`Search::filter`]), so that whatever makes SQL
//! fast and keeps projects apart holds here too; values are literals of an expression and never part of a statement.
//! `docs/SEARCH.md` is the grammar for users.
//!
//! Keys that are about issues (`is:`, `assigned:`, …) are read but mean nothing to an event: [`Search::split`] takes them
//! apart for those who know issues, everybody else refuses them.

mod error;
mod fields;
mod filter;
mod matcher;
mod moment;
mod parser;
mod reader;
mod shape;
mod show;
mod split;
mod target;
mod tree;
mod values;

use std::fmt;
use std::str::FromStr;

use datafusion::logical_expr::Expr;

pub use error::SearchError;
pub use fields::{Field, IssueKey};
pub(crate) use filter::{all, any};
pub use matcher::Matcher;
pub use moment::Moment;
pub(crate) use moment::rfc3339;
pub use split::Split;
pub(crate) use target::{column, target, time};
pub use tree::{Comparison, Node, Pattern, Term, Test, Value};

/// A question about events, read and checked. The default one asks for all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Search {
    root: Option<Node>,
}

impl Search {
    /// Reads a text of at most 4 KiB, 200 values (32 of them free text) and 50 levels; an empty one asks for all events.
    ///
    /// # Errors
    /// Where the first mistake is, what was expected, and what may help.
    pub fn parse(text: &str) -> Result<Self, SearchError> {
        Ok(Self { root: parser::parse(text)? })
    }

    /// The tree; `None` asks for all.
    pub fn root(&self) -> Option<&Node> {
        self.root.as_ref()
    }

    /// Whether it asks for all.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The search for events whose `key`, named as in a text, is exactly `value`; for what a program puts beside a user's
    /// search.
    ///
    /// # Errors
    /// Where the key has no such value.
    pub fn equal(key: &str, value: &str) -> Result<Self, SearchError> {
        Ok(Node::Term(values::equal(key, value)?).into())
    }

    /// The search that holds where both do.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let root = match (self.root, other.root) {
            (Some(left), Some(right)) => Some(Node::all(vec![left, right])),
            (left, right) => left.or(right),
        };
        Self { root }
    }

    /// The condition over the table form of `events`; relative times count from `now_us`. Never NULL for a row.
    ///
    /// # Errors
    /// Where a key is about issues.
    pub fn filter(&self, now_us: i64) -> Result<Expr, SearchError> {
        filter::filter(self.root.as_ref(), now_us)
    }

    /// Conditions on events and conditions on issues, each a search of its own; both must hold.
    ///
    /// # Errors
    /// Where one OR asks for both.
    pub fn split(&self) -> Result<Split, SearchError> {
        split::split(self.root.as_ref())
    }

    /// The same condition for record batches in the hot or the table form, as the live view has them.
    ///
    /// # Errors
    /// Where a key is about issues.
    pub fn matcher(&self, now_us: i64) -> Result<Matcher, SearchError> {
        let columns = tree::columns(self.root.as_ref());
        Matcher::new(self.filter(now_us)?, columns).map_err(|error| SearchError::new(1, error.to_string()))
    }
}

impl From<Node> for Search {
    fn from(root: Node) -> Self {
        Self { root: Some(root) }
    }
}

impl FromStr for Search {
    type Err = SearchError;

    fn from_str(text: &str) -> Result<Self, SearchError> {
        Self::parse(text)
    }
}

/// The search as a text that reads back to the same.
impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.as_ref().map_or(Ok(()), |root| root.fmt(f))
    }
}

#[cfg(test)]
mod tests;
