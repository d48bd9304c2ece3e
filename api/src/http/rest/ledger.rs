//! The ledger: what became of every event that was received, and whether it adds up.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use tephra_storage::meta::ledger::{LedgerFilter, LedgerRow, Outcome};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::reach::{self, ProjectNames};
use super::{QueryOf, Reads, Time, selection};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;

/// Rows of one answer, before they are put together by project and time.
const ROWS_MAX: u32 = 20_000;
const HOUR_US: i64 = 3_600_000_000;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(list))
}

/// The length of the steps of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LedgerStep)]
enum Step {
    Minute,
    #[default]
    Hour,
    Day,
}

impl Step {
    fn minutes(self) -> i64 {
        match self {
            Self::Minute => 1,
            Self::Hour => 60,
            Self::Day => 1440,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Projects parted by commas, by number or slug; all that the caller reaches where it is absent.
    #[param(value_type = Option<String>)]
    project: Option<ProjectNames>,
    /// From this time on; a day before `to` where it is absent.
    from: Option<Time>,
    /// Before this time; now where it is absent.
    to: Option<Time>,
    /// What is added up; an hour where it is absent.
    #[serde(default)]
    #[param(inline, value_type = Option<Step>)]
    step: Step,
}

/// What became of events: received = stored + duplicate + rejected + filtered + rate_limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
struct LedgerCounts {
    received: i64,
    stored: i64,
    duplicate: i64,
    rejected: i64,
    filtered: i64,
    rate_limited: i64,
    /// What clients say they dropped; it never arrived.
    client_dropped: i64,
}

/// What became of the events of a project in a step of time.
#[derive(Serialize, ToSchema)]
struct LedgerEntry {
    project_id: i64,
    /// When the step begins.
    time: Time,
    #[serde(flatten)]
    counts: LedgerCounts,
    /// Why events were not stored: `outcome:reason` and how many.
    reasons: BTreeMap<String, i64>,
}

/// The ledger of some projects and some time.
#[derive(Serialize, ToSchema)]
struct Ledger {
    /// By time and project; what had no event is left out.
    items: Vec<LedgerEntry>,
    total: LedgerCounts,
    /// Whether what was received is what became of it. What is on its way at the moment may be missing.
    balanced: bool,
}

impl LedgerCounts {
    fn add(&mut self, outcome: Outcome, events: i64) {
        *match outcome {
            Outcome::Received => &mut self.received,
            Outcome::Stored => &mut self.stored,
            Outcome::Duplicate => &mut self.duplicate,
            Outcome::Rejected => &mut self.rejected,
            Outcome::Filtered => &mut self.filtered,
            Outcome::RateLimited => &mut self.rate_limited,
            Outcome::ClientDropped => &mut self.client_dropped,
        } += events;
    }

    fn balanced(&self) -> bool {
        self.received == self.stored + self.duplicate + self.rejected + self.filtered + self.rate_limited
    }
}

/// Tells what became of what was received.
#[utoipa::path(
    get, path = "/api/v1/ledger", operation_id = "getLedger", tag = "ledger", params(ListQuery),
    responses((status = 200, description = "The ledger.", body = Ledger), Reads),
)]
async fn list(
    Extract(state): Extract<State>,
    caller: Caller,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Json<Ledger>> {
    let projects = reach::projects(&state, &caller, query.project.as_ref(), Verb::LedgerRead).await?;
    let to = query.to.unwrap_or(Time(state.clock.now_us() + 1));
    let from = query.from.unwrap_or(Time(to.0.saturating_sub(24 * HOUR_US)));
    let (from_us, to_us) = selection::range(Some(from), Some(to))?;
    let filter = LedgerFilter { projects, from_us, to_us, step_minutes: query.step.minutes() };
    let rows = state.meta.ledger(&filter, ROWS_MAX + 1).await?;
    if rows.len() > ROWS_MAX as usize {
        return Err(Answer::new(Kind::Invalid, "the ledger of that time has too many rows for one answer")
            .hint("ask for a shorter time, longer steps or fewer projects")
            .field("from"));
    }
    Ok(Json(Ledger::of(rows)))
}

impl Ledger {
    /// Puts rows together that are of one project and time; they come by time, then by project.
    fn of(rows: Vec<LedgerRow>) -> Self {
        let (mut items, mut total) = (Vec::<LedgerEntry>::new(), LedgerCounts::default());
        for row in rows {
            total.add(row.outcome, row.events);
            let fits = |entry: &&mut LedgerEntry| entry.project_id == row.project.0 && entry.time.0 == row.minute_us;
            if items.last_mut().as_ref().is_none_or(|last| !fits(last)) {
                let (counts, reasons) = Default::default();
                items.push(LedgerEntry { project_id: row.project.0, time: Time(row.minute_us), counts, reasons });
            }
            let Some(entry) = items.last_mut() else { continue };
            entry.counts.add(row.outcome, row.events);
            if !row.reason.is_empty() {
                *entry.reasons.entry(format!("{}:{}", row.outcome.as_str(), row.reason)).or_default() += row.events;
            }
        }
        Self { balanced: total.balanced(), items, total }
    }
}

#[cfg(test)]
mod tests {
    use tephra_storage::ProjectId;

    use super::*;

    #[test]
    fn rows_of_one_project_and_time_are_one_entry() {
        let row = |project, minute_us, outcome, reason: &str, events| LedgerRow {
            project: ProjectId(project),
            minute_us,
            outcome,
            reason: reason.to_owned(),
            events,
        };
        let ledger = Ledger::of(vec![
            row(1, 0, Outcome::Received, "", 5),
            row(1, 0, Outcome::Rejected, "too_large", 1),
            row(1, 0, Outcome::Stored, "", 4),
            row(2, 0, Outcome::Received, "", 1),
        ]);
        assert_eq!(ledger.items.len(), 2);
        assert_eq!(ledger.items[0].reasons, BTreeMap::from([("rejected:too_large".to_owned(), 1)]));
        assert_eq!((ledger.total.received, ledger.total.stored, ledger.balanced), (6, 4, false));
    }
}
