//! Events over time, in buckets of equal length, of which none is left out.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, cast, in_list, lit, when};
use serde_json::Value;
use tephra_storage::ProjectId;

use super::facets::top;
use super::plan::{count, filtered, gather, numbers};
use super::rows;
use super::selection::Selection;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::output::Statistics;
use crate::search::{Field, column, target};

const BUCKETS_MAX: i64 = 2_000;
/// Values that have a series of their own.
const SERIES_MAX: usize = 10;

/// Equal stretches of time that cover a range; the first begins at a multiple of their length since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    /// The beginning of the first, µs.
    pub start_us: i64,
    /// The length of each, µs.
    pub length_us: i64,
    /// How many.
    pub count: usize,
}

/// Events over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// The buckets; all counts have as many values.
    pub buckets: Buckets,
    /// Events in each.
    pub events: Vec<u64>,
    /// The same by the most frequent values of the key, where one was asked for; those of all others, and of events
    /// without the key, come last with `value: None`.
    pub series: Vec<Series>,
    /// How it was made.
    pub statistics: Statistics,
}

/// The events of one value.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The value; `None` is all others.
    pub value: Option<Value>,
    /// Events in each bucket.
    pub events: Vec<u64>,
}

impl Buckets {
    /// Buckets of `bucket_ms` that cover `[from_us, to_us)`; at most 2,000.
    ///
    /// # Errors
    /// `Invalid` for a length or range that is empty or makes too many.
    pub fn new(from_us: i64, to_us: i64, bucket_ms: i64) -> Result<Self> {
        let length_us = bucket_ms.checked_mul(1_000).filter(|length| *length > 0).ok_or_else(|| {
            Error::invalid(format!("a bucket of {bucket_ms} ms")).with_hint("it takes one millisecond or more")
        })?;
        let start_us = from_us.div_euclid(length_us).checked_mul(length_us);
        let covered = start_us.and_then(|start| Some((start, to_us.checked_sub(start)?))).filter(|_| to_us > from_us);
        let (start_us, covered) = covered.ok_or_else(|| Error::invalid("a range of time that is empty or too long"))?;
        let count = (covered - 1) / length_us + 1;
        if count > BUCKETS_MAX {
            return Err(Error::invalid(format!("{count} buckets; at most {BUCKETS_MAX} are allowed"))
                .with_hint("ask for longer buckets or a shorter range"));
        }
        Ok(Self { start_us, length_us, count: count as usize })
    }

    /// The number of the bucket in which an event lies.
    pub(super) fn number(&self) -> Expr {
        let since = cast(column("timestamp"), DataType::Int64) - lit(self.start_us);
        (since / lit(self.length_us)).alias("bucket")
    }

    /// Adds `events` to bucket `number`.
    pub(super) fn add(&self, counts: &mut Vec<u64>, number: i64, events: i64) {
        counts.resize(self.count, 0);
        let bucket = usize::try_from(number).ok().and_then(|number| counts.get_mut(number));
        bucket.into_iter().for_each(|count| *count += events as u64);
    }
}

impl Engine {
    /// How many events of a selection fall into each bucket of its range, also by the values of `by`, which is named as in a
    /// search. The selection must have a range.
    ///
    /// # Errors
    /// `Invalid` without a range, or where it makes no or more than 2,000 buckets, and as [`Engine::sql`].
    pub async fn histogram(
        &self,
        projects: &[ProjectId],
        of: &Selection,
        bucket_ms: i64,
        by: Option<&str>,
    ) -> Result<Histogram> {
        let buckets = Buckets::of(of, bucket_ms)?;
        let top = match by {
            None => None,
            Some(key) => {
                let field = Field::named(key);
                let values = top(self, projects, of, &field, SERIES_MAX).await?.values;
                Some((field, values.into_iter().map(|(value, _)| value).collect::<Vec<_>>()))
            }
        };
        let (filter, number) = (of.filter()?, buckets.number());
        let mut groups = vec![number];
        groups.extend(top.as_ref().map(|(field, values)| named(field, values)).transpose()?);
        let make = move |events| filtered(events, filter)?.aggregate(groups, [count()])?.build();
        let found = gather(self, projects, make).await?;

        let values = top.map(|(_, values)| values).unwrap_or_default();
        let mut events = vec![0; buckets.count];
        let mut series = vec![vec![0; buckets.count]; values.len() + 1];
        for batch in &found.batches {
            for (row, (number, count)) in
                numbers(batch, "bucket")?.into_iter().zip(numbers(batch, "events")?).enumerate()
            {
                buckets.add(&mut events, number, count);
                let Some(column) = batch.column_by_name("value") else { continue };
                let value =
                    ScalarValue::try_from_array(column, row).map_err(|error| crate::session::explain(&error))?;
                let at = values.iter().position(|other| *other == value).unwrap_or(values.len());
                buckets.add(&mut series[at], number, count);
            }
        }
        let shown = |value: Option<&ScalarValue>| -> Result<Option<Value>> {
            let Some(value) = value else { return Ok(None) };
            let array = value.to_array().map_err(|error| crate::session::explain(&error))?;
            rows::value("", &array, 0).map(Some)
        };
        let series = series.into_iter().enumerate().filter(|_| by.is_some());
        let series =
            series.map(|(at, events)| Ok(Series { value: shown(values.get(at))?, events })).collect::<Result<_>>()?;
        Ok(Histogram { buckets, events, series, statistics: found.statistics })
    }
}

impl Buckets {
    pub(super) fn of(selection: &Selection, bucket_ms: i64) -> Result<Self> {
        match (selection.from_us, selection.to_us) {
            (Some(from), Some(to)) => Self::new(from, to, bucket_ms),
            _ => Err(Error::invalid("buckets need a range of time").with_hint("say from when to when")),
        }
    }
}

/// The value where it is one of `values`, else NULL.
fn named(field: &Field, values: &[ScalarValue]) -> Result<Expr> {
    let value = target(field);
    let literals = values.iter().map(|value| Expr::Literal(value.clone(), None)).collect();
    let case = when(in_list(value.clone(), literals, false), value).end();
    Ok(case.map_err(|error| crate::session::explain(&error))?.alias("value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_cover_the_range() {
        let check = |from, to, ms, expected| {
            let made = Buckets::new(from, to, ms).map(|buckets| (buckets.start_us, buckets.count));
            assert_eq!(made.ok(), expected, "{from} {to} {ms}");
        };
        check(0, 1_000, 1, Some((0, 1)));
        check(0, 1_001, 1, Some((0, 2)));
        check(999, 1_001, 1, Some((0, 2)));
        check(-1, 1, 1, Some((-1_000, 2)));
        check(0, 2_000_000, 1, Some((0, 2_000)));
        check(0, 2_000_001, 1, None);
        for (from, to, ms) in [(0, 0, 1), (5, 4, 1), (0, 1, 0), (0, 1, -7), (0, 1, i64::MAX), (i64::MIN, i64::MAX, 1)] {
            check(from, to, ms, None);
        }
    }
}
