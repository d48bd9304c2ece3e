//! Which events a request is about: a search, a stretch of time, the groups of an issue.

use tephra_query::{Search, SearchError, Selection};
use tephra_storage::meta::issues::Issue;

use super::Time;
use crate::answer::{Answer, Kind, Result};
use crate::state::State;

/// The events that a search finds in a stretch of time.
pub(super) fn select(state: &State, query: Option<&str>, from: Option<Time>, to: Option<Time>) -> Result<Selection> {
    let mut selection = Selection::new(parse(query)?, state.clock.now_us());
    // Told here, because the engine would tell it of a statement.
    selection.search.filter(selection.now_us).map_err(wrong)?;
    (selection.from_us, selection.to_us) = range(from, to)?;
    Ok(selection)
}

/// A stretch of time that is not empty.
pub(super) fn range(from: Option<Time>, to: Option<Time>) -> Result<(Option<i64>, Option<i64>)> {
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return Err(Answer::new(Kind::Invalid, format!("`to` is {to}, which is not after `from`, {from}")).field("to"));
    }
    Ok((from.map(|time| time.0), to.map(|time| time.0)))
}

/// Reads a search; none is all.
pub(super) fn parse(query: Option<&str>) -> Result<Search> {
    Search::parse(query.unwrap_or_default()).map_err(wrong)
}

/// What is wrong with a search, and where.
pub(super) fn wrong(error: SearchError) -> Answer {
    Answer::from(tephra_query::Error::from(error)).field("query")
}

/// The groups of an issue.
pub(super) async fn groups(state: &State, issue: &Issue) -> Result<Vec<u64>> {
    Ok(state.meta.groups_of(&[issue.id]).await?.into_iter().map(|group| group.hash).collect())
}
