//! The values of a column or tag, and how many events have each.

use arrow::array::AsArray;
use datafusion::common::{Column, ScalarValue};
use datafusion::functions_nested::expr_fn::map_keys;
use datafusion::logical_expr::Expr;
use futures::StreamExt;
use serde_json::Value;
use tephra_storage::ProjectId;

use super::plan::{count, filtered, gather, limit, numbers};
use super::rows;
use super::selection::Selection;
use crate::answer::Answer;
use crate::engine::Engine;
use crate::error::Result;
use crate::output::Statistics;
use crate::search::{Field, column, target};

/// Values of a facet.
const VALUES_MAX: usize = 100;
/// Names of tags.
const KEYS_MAX: usize = 1_000;

/// The most frequent values of a column or tag.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facet {
    /// What was asked for: a column's name, or `tags[name]`.
    pub key: String,
    /// The most frequent first; of two as frequent, the lesser.
    pub values: Vec<FacetValue>,
    /// Events that have the key.
    pub events: u64,
    /// How many different values there are.
    pub distinct: u64,
    /// How it was made.
    pub statistics: Statistics,
}

/// A value and how many events have it.
#[derive(Clone, Debug, PartialEq)]
pub struct FacetValue {
    /// Text, a number, a truth value, or a time as text.
    pub value: Value,
    /// Events.
    pub events: u64,
}

/// The names of tags.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facets {
    /// The most frequent first: the name, and how many events have it.
    pub tags: Vec<(String, u64)>,
    /// How it was made.
    pub statistics: Statistics,
}

/// Values as the engine has them.
pub(super) struct Top {
    pub(super) values: Vec<(ScalarValue, u64)>,
    events: u64,
    distinct: u64,
    statistics: Statistics,
}

impl Engine {
    /// The most frequent values of `key`, which is named as in a search: a column, an alias, a tag. 1 to 100 of them.
    ///
    /// # Errors
    /// `Invalid` for a limit or search that is wrong, and as [`Engine::sql`].
    pub async fn facets(&self, projects: &[ProjectId], of: &Selection, key: &str, limit: usize) -> Result<Facet> {
        self::limit(limit, VALUES_MAX)?;
        let field = Field::named(key);
        let Top { values, events, distinct, statistics } = top(self, projects, of, &field, limit).await?;
        let shown = |(value, events): (ScalarValue, u64)| {
            let value = value.to_array().map_err(|error| crate::session::explain(&error))?;
            Ok(FacetValue { value: rows::value("", &value, 0)?, events })
        };
        let values = values.into_iter().map(shown).collect::<Result<_>>()?;
        Ok(Facet { key: field.name(), values, events, distinct, statistics })
    }

    /// The names of tags and how many events have each; at most 1,000.
    ///
    /// # Errors
    /// `Invalid` for a limit or search that is wrong, and as [`Engine::sql`].
    pub async fn facet_keys(&self, projects: &[ProjectId], of: &Selection, limit: usize) -> Result<Facets> {
        self::limit(limit, KEYS_MAX)?;
        let filter = of.filter()?;
        let make = move |events| {
            filtered(events, filter)?
                .project([map_keys(column("tags")).alias("name")])?
                .unnest_column(Column::from_name("name"))?
                .aggregate([column("name")], [count()])?
                .sort_with_limit([column("events").sort(false, false), column("name").sort(true, false)], Some(limit))?
                .build()
        };
        let found = gather(self, projects, make).await?;
        let mut tags = Vec::new();
        for batch in &found.batches {
            let events = numbers(batch, "events")?;
            let names = batch.column(0).as_string::<i32>();
            tags.extend(names.iter().zip(events).filter_map(|(name, events)| Some((name?.to_owned(), events as u64))));
        }
        Ok(Facets { tags, statistics: found.statistics })
    }
}

/// The values are ranked as they come, so that a million of them need no sort and none is cut off at a limit of rows.
pub(super) async fn top(
    engine: &Engine,
    projects: &[ProjectId],
    of: &Selection,
    field: &Field,
    limit: usize,
) -> Result<Top> {
    let (filter, value): (Expr, Expr) = (of.filter()?, target(field));
    let make = move |events| {
        let with_key = filtered(events, filter)?.filter(value.clone().is_not_null())?;
        with_key.aggregate([value.alias("value")], [count()])?.build()
    };
    let Answer { mut stream, progress, .. } = engine.built(projects, Box::new(make)).await?;
    let (mut values, mut events, mut distinct) = (Vec::new(), 0, 0);
    let mut least = 0;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        for (row, count) in numbers(&batch, "events")?.into_iter().enumerate() {
            let count = count as u64;
            events += count;
            distinct += 1;
            if count >= least {
                let value = ScalarValue::try_from_array(batch.column(0), row);
                values.push((value.map_err(|error| crate::session::explain(&error))?, count));
            }
        }
        if values.len() > limit * 4 {
            least = rank(&mut values, limit);
        }
    }
    rank(&mut values, limit);
    Ok(Top { values, events, distinct, statistics: Statistics::from(progress.as_ref()) })
}

/// Keeps the `limit` most frequent; the count of the last.
fn rank(values: &mut Vec<(ScalarValue, u64)>, limit: usize) -> u64 {
    values.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal)));
    values.truncate(limit);
    if values.len() < limit { 0 } else { values.last().map_or(0, |(_, events)| *events) }
}
