//! Events page by page.

use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, SortExpr};
use serde_json::Value;
use tephra_storage::ProjectId;
use tephra_storage::schema::COLUMNS;

use super::cursor::{self, Cursor};
use super::plan::{Gathered, filtered, gather_kept, limit};
use super::rows::{self, Row};
use super::selection::Selection;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::hints;
use crate::ids::parse_id;
use crate::output::Statistics;
use crate::search::{all, any, column, time};

/// Rows of a page.
const LIMIT_MAX: usize = 1_000;
/// What each row has, because a cursor is made of it.
const KEYS: [&str; 3] = ["project_id", "event_id", "timestamp"];

/// What one page of a list asks for.
#[derive(Clone, Debug, Default)]
pub struct EventsPage {
    /// Which events. With a cursor, `now_us`, `from_us` and `to_us` are those of the first page, whatever stands here.
    pub selection: Selection,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Rows, 1 to 1,000.
    pub limit: usize,
    /// Names of columns; `None` is all. `project_id`, `event_id` and `timestamp` come in any case.
    pub columns: Option<Vec<String>>,
    /// By `timestamp`, then by `event_id`, descending instead of ascending.
    pub newest_first: bool,
}

impl EventsPage {
    /// The newest `limit` events of a selection.
    pub fn newest(selection: Selection, limit: usize) -> Self {
        Self { selection, limit, newest_first: true, ..Self::default() }
    }
}

/// A page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Events {
    /// In the order that was asked for.
    pub rows: Vec<Row>,
    /// Asks for the next page; `None` where there is none.
    pub next_cursor: Option<String>,
    /// How it was made.
    pub statistics: Statistics,
}

impl Engine {
    /// A page of the events of `projects`. Pages of one list show no event twice and miss none that was there when the
    /// first was made, while events arrive and roll.
    ///
    /// # Errors
    /// `Invalid` for a limit, a column, a search or a cursor that is wrong, and as [`Engine::sql`].
    pub async fn events(&self, projects: &[ProjectId], page: EventsPage) -> Result<Events> {
        limit(page.limit, LIMIT_MAX)?;
        let question = cursor::question(projects, &page);
        let EventsPage { mut selection, cursor, limit, columns, newest_first } = page;
        let columns = columns_of(columns.as_deref())?;
        let after = cursor.map(|text| Cursor::decode(&text, question)).transpose()?;
        if let Some(after) = &after {
            (selection.now_us, selection.from_us, selection.to_us) = (after.now_us, after.from_us, after.to_us);
        }
        let filter = match &after {
            Some(after) => all(vec![behind(after, newest_first), selection.filter()?]),
            None => selection.filter()?,
        };
        let asked = ("events", filter.clone(), columns.clone(), newest_first, limit);
        let make = move |events| newest(events, filter, &columns, newest_first, limit + 1);
        let Gathered { batches, statistics } = gather_kept(self, projects, &asked, make).await?;
        let mut rows = rows::of(self, batches).await?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| has_more);
        let next_cursor = last.map(|row| place(row, question, &selection)).transpose()?.map(|cursor| cursor.encode());
        Ok(Events { rows, next_cursor, statistics })
    }
}

fn newest(
    events: LogicalPlanBuilder,
    filter: Expr,
    columns: &[&str],
    newest_first: bool,
    limit: usize,
) -> PlanResult<LogicalPlan> {
    let columns: Vec<Expr> = columns.iter().map(|name| column(name)).collect();
    filtered(events, filter)?.project(columns)?.sort_with_limit(order(newest_first), Some(limit))?.build()
}

/// By time and id; the project decides between two that have both in common.
pub(super) fn order(newest_first: bool) -> Vec<SortExpr> {
    ["timestamp", "event_id", "project_id"].map(|name| column(name).sort(!newest_first, newest_first)).to_vec()
}

/// What comes behind a place in the order.
fn behind(after: &Cursor, newest_first: bool) -> Expr {
    let id = ScalarValue::Utf8View(Some(hex::encode(after.event_id)));
    beyond(
        newest_first,
        &[("timestamp", time(after.timestamp)), ("event_id", id), ("project_id", ScalarValue::from(after.project))],
    )
}

/// What comes behind these values of these columns, compared one after the other.
pub(super) fn beyond(descending: bool, place: &[(&str, ScalarValue)]) -> Expr {
    let Some(((name, value), rest)) = place.split_first() else { return any(Vec::new()) };
    let value = || Expr::Literal(value.clone(), None);
    let past = if descending { column(name).lt(value()) } else { column(name).gt(value()) };
    match rest {
        [] => past,
        rest => any(vec![past, all(vec![column(name).eq(value()), beyond(descending, rest)])]),
    }
}

/// Known names, and the keys.
fn columns_of(names: Option<&[String]>) -> Result<Vec<&'static str>> {
    let Some(names) = names else { return Ok(COLUMNS.iter().map(|column| column.name).collect()) };
    let known: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    for name in names {
        if !known.contains(&name.as_str()) {
            let error = Error::invalid(format!("no column `{name}`"));
            return Err(match hints::nearest(name, &known) {
                Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                None => error,
            });
        }
    }
    Ok(known.into_iter().filter(|known| KEYS.contains(known) || names.iter().any(|name| name == known)).collect())
}

fn place(row: &Row, question: u64, selection: &Selection) -> Result<Cursor> {
    let broken = || Error::new(ErrorKind::Internal, "an event of a list has no place");
    let text = |name: &str| row.get(name).and_then(Value::as_str).ok_or_else(broken);
    let timestamp = chrono::DateTime::parse_from_rfc3339(text("timestamp")?).map_err(|_| broken())?;
    let event_id = parse_id(text("event_id")?, 16).and_then(|id| id.try_into().ok()).ok_or_else(broken)?;
    Ok(Cursor {
        question,
        now_us: selection.now_us,
        from_us: selection.from_us,
        to_us: selection.to_us,
        timestamp: timestamp.timestamp_micros(),
        event_id,
        project: row.get("project_id").and_then(Value::as_i64).ok_or_else(broken)?,
    })
}
