//! One event, and those beside it.

use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use tephra_storage::ProjectId;

use super::events::{beyond, order};
use super::plan::{filtered, gather, gather_kept, hashes, numbers};
use super::rows::{self, Row};
use super::selection::Selection;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::ids::parse_id;
use crate::search::{all, column, time};

/// The events beside one, by time and then by id; ids of 32 hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbours {
    /// The next older one.
    pub older: Option<String>,
    /// The next newer one.
    pub newer: Option<String>,
}

impl Engine {
    /// The event of this id with all its columns; `None` where `project` has none, or is none of `projects`.
    ///
    /// # Errors
    /// `Invalid` where `event_id` is no id, and as [`Engine::sql`].
    pub async fn event(&self, projects: &[ProjectId], project: ProjectId, event_id: &str) -> Result<Option<Row>> {
        let filter = by_id(project, event_id)?;
        let asked = ("event", filter.clone());
        let make = |events| filtered(events, filter)?.limit(0, Some(1))?.build();
        let found = gather_kept(self, &within(projects, project), &asked, make).await?;
        Ok(rows::of(self, found.batches).await?.pop())
    }

    /// The events before and behind this one among those of `selection` in the same project; a selection that names neither
    /// a search nor groups means the event's own group. `None` where there is no such event.
    ///
    /// # Errors
    /// As [`Engine::event`].
    pub async fn neighbours(
        &self,
        projects: &[ProjectId],
        project: ProjectId,
        event_id: &str,
        mut selection: Selection,
    ) -> Result<Option<Neighbours>> {
        let filter = by_id(project, event_id)?;
        let projects = within(projects, project);
        let narrow = ["timestamp", "group_hash"].map(column);
        let make = |events| filtered(events, filter)?.project(narrow)?.limit(0, Some(1))?.build();
        let found = gather(self, &projects, make).await?;
        let Some(event) = found.batches.first().filter(|batch| batch.num_rows() > 0) else { return Ok(None) };
        let timestamp = numbers(event, "timestamp")?[0];
        if selection.search.is_empty() && selection.group_hashes.is_none() {
            selection.group_hashes = Some(vec![hashes(event, "group_hash")?[0]]);
        }
        let id = hex::encode(parse_id(event_id, 16).unwrap_or_default());
        let place = [("timestamp", time(timestamp)), ("event_id", ScalarValue::Utf8View(Some(id)))];
        let beside = async |older: bool| -> Result<Option<String>> {
            let filter = all(vec![beyond(older, &place), selection.filter()?]);
            let found = gather(self, &projects, move |events| nearest(events, filter, older)).await?;
            let rows = rows::of(self, found.batches).await?;
            Ok(rows.first().and_then(|row| row.get("event_id")?.as_str().map(str::to_owned)))
        };
        let (older, newer) = futures::try_join!(beside(true), beside(false))?;
        Ok(Some(Neighbours { older, newer }))
    }
}

fn nearest(events: LogicalPlanBuilder, filter: Expr, older: bool) -> PlanResult<LogicalPlan> {
    let narrow = ["timestamp", "event_id", "project_id"].map(column);
    filtered(events, filter)?.project(narrow)?.sort_with_limit(order(older), Some(1))?.build()
}

fn by_id(project: ProjectId, event_id: &str) -> Result<Expr> {
    let Some(id) = parse_id(event_id, 16) else {
        return Err(
            Error::invalid(format!("`{event_id}` is not the id of an event")).with_hint("it has 32 hexadecimal digits")
        );
    };
    let id = Expr::Literal(ScalarValue::Utf8View(Some(hex::encode(id))), None);
    let project = Expr::Literal(ScalarValue::from(project.0), None);
    Ok(all(vec![column("event_id").eq(id), column("project_id").eq(project)]))
}

/// The one project, where the caller has it.
fn within(projects: &[ProjectId], project: ProjectId) -> Vec<ProjectId> {
    projects.iter().copied().filter(|other| *other == project).take(1).collect()
}
