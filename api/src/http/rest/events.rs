//! Events: lists by search, one by its id, those beside it, those of an issue.
//!
//! Pages are stable while events arrive: a cursor holds the time of the first page, and what comes later is on none of them.

use axum::Json;
use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use tephra_query::{EventsPage, Row, Selection};
use tephra_storage::ProjectId;
use tephra_storage::meta::issues::Issue;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::reach::{self, ProjectNames};
use super::selection::{self, select};
use super::{Asks, Limit, Page, PathOf, QueryOf, Time};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(list_of_project))
        .routes(routes!(get))
        .routes(routes!(neighbours))
        .routes(routes!(list_of_issue))
        .routes(routes!(latest))
        .routes(routes!(oldest))
}

/// An event: its columns by name, what is absent null, JSON columns nested, `tags` an object.
#[derive(Serialize)]
#[serde(transparent)]
struct Event(Row);

impl PartialSchema for Event {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        ObjectBuilder::new()
            .description(Some("Its columns by name, what is absent null, JSON columns nested, `tags` an object."))
            .property("project_id", ObjectBuilder::new().schema_type(Type::Integer))
            .required("project_id")
            .property("event_id", text().description(Some("32 hexadecimal digits.")))
            .required("event_id")
            .property("timestamp", Time::schema())
            .required("timestamp")
            .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(true)))
            .into()
    }
}

impl ToSchema for Event {}

/// The events beside one, by time.
#[derive(Serialize, ToSchema)]
#[schema(as = EventNeighbours)]
struct Beside {
    /// The id of the next older one.
    #[schema(required)]
    older: Option<String>,
    /// The id of the next newer one.
    #[schema(required)]
    newer: Option<String>,
}

/// Which comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EventOrder)]
enum Order {
    #[default]
    Newest,
    Oldest,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// A search: `level:error environment:prod timeout`. docs/SEARCH.md has the language.
    query: Option<String>,
    /// From this time on.
    from: Option<Time>,
    /// Before this time.
    to: Option<Time>,
    /// `next_cursor` of the page before; the other parameters stay as they were.
    cursor: Option<String>,
    /// Events of a page.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// Columns parted by commas; all where it is absent. `project_id`, `event_id` and `timestamp` come in any case.
    columns: Option<String>,
    /// Which comes first; the newest where it is absent.
    #[serde(default)]
    #[param(inline, value_type = Option<Order>)]
    order: Order,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AcrossQuery {
    /// Projects parted by commas, by number or slug; all that the caller reaches where it is absent.
    #[param(value_type = Option<String>)]
    project: Option<ProjectNames>,
    /// A search: `level:error environment:prod timeout`. docs/SEARCH.md has the language.
    query: Option<String>,
    /// From this time on.
    from: Option<Time>,
    /// Before this time.
    to: Option<Time>,
    /// `next_cursor` of the page before; the other parameters stay as they were.
    cursor: Option<String>,
    /// Events of a page.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// Columns parted by commas; all where it is absent. `project_id`, `event_id` and `timestamp` come in any case.
    columns: Option<String>,
    /// Which comes first; the newest where it is absent.
    #[serde(default)]
    #[param(inline, value_type = Option<Order>)]
    order: Order,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct BesideQuery {
    /// Among the events that this search finds; among those of the event's own group where it is absent.
    query: Option<String>,
    /// From this time on.
    from: Option<Time>,
    /// Before this time.
    to: Option<Time>,
}

/// Lists events of several projects.
#[utoipa::path(
    get, path = "/api/v1/events", operation_id = "listEvents", tag = "events", params(AcrossQuery),
    responses((status = 200, description = "A page of events.", body = Page<Event>), Asks),
)]
async fn list(
    Extract(state): Extract<State>,
    caller: Caller,
    QueryOf(query): QueryOf<AcrossQuery>,
) -> Result<Json<Page<Event>>> {
    let AcrossQuery { project, query, from, to, cursor, limit, columns, order } = query;
    let projects = reach::projects(&state, &caller, project.as_ref(), Verb::EventRead).await?;
    let query = ListQuery { query, from, to, cursor, limit, columns, order };
    page(&state, &projects, query, None).await
}

/// Lists the events of a project.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/events", operation_id = "listProjectEvents", tag = "events",
    params(("project" = String, Path, description = "Its number or slug."), ListQuery),
    responses((status = 200, description = "A page of events.", body = Page<Event>), Asks),
)]
async fn list_of_project(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Json<Page<Event>>> {
    let project = reach::project_id(&state, &caller, &name, Verb::EventRead).await?;
    page(&state, &[project], query, None).await
}

/// Lists the events of an issue.
#[utoipa::path(
    get, path = "/api/v1/issues/{issue}/events", operation_id = "listIssueEvents", tag = "events",
    params(("issue" = i64, Path, description = "Its number."), ListQuery),
    responses((status = 200, description = "A page of events.", body = Page<Event>), Asks),
)]
async fn list_of_issue(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Json<Page<Event>>> {
    let issue = reach::issue(&state, &caller, &name, Verb::EventRead).await?;
    let hashes = selection::groups(&state, &issue).await?;
    page(&state, &[issue.project], query, Some(hashes)).await
}

/// The newest event of an issue.
#[utoipa::path(
    get, path = "/api/v1/issues/{issue}/events/latest", operation_id = "latestIssueEvent", tag = "events",
    params(("issue" = i64, Path, description = "Its number.")),
    responses((status = 200, description = "The event.", body = Event), Asks),
)]
async fn latest(Extract(state): Extract<State>, caller: Caller, PathOf(name): PathOf<String>) -> Result<Json<Event>> {
    let issue = reach::issue(&state, &caller, &name, Verb::EventRead).await?;
    first(&state, &issue, true).await
}

/// The oldest event of an issue that is still kept.
#[utoipa::path(
    get, path = "/api/v1/issues/{issue}/events/oldest", operation_id = "oldestIssueEvent", tag = "events",
    params(("issue" = i64, Path, description = "Its number.")),
    responses((status = 200, description = "The event.", body = Event), Asks),
)]
async fn oldest(Extract(state): Extract<State>, caller: Caller, PathOf(name): PathOf<String>) -> Result<Json<Event>> {
    let issue = reach::issue(&state, &caller, &name, Verb::EventRead).await?;
    first(&state, &issue, false).await
}

/// One event.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/events/{event}", operation_id = "getEvent", tag = "events",
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("event" = String, Path, description = "Its id, 32 hexadecimal digits."),
    ),
    responses((status = 200, description = "The event.", body = Event), Asks),
)]
async fn get(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf((name, event)): PathOf<(String, String)>,
) -> Result<Json<Event>> {
    let project = reach::project_id(&state, &caller, &name, Verb::EventRead).await?;
    let row = state.core()?.engine.event(&[project], project, &known_id(&event)?).await?;
    row.map(|row| Json(Event(row))).ok_or_else(|| unknown(&event))
}

/// The events beside one among those of its group, or among those that a search finds.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/events/{event}/neighbours", operation_id = "eventNeighbours", tag = "events",
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("event" = String, Path, description = "Its id, 32 hexadecimal digits."),
        BesideQuery,
    ),
    responses((status = 200, description = "Their ids.", body = Beside), Asks),
)]
async fn neighbours(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf((name, event)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<BesideQuery>,
) -> Result<Json<Beside>> {
    let project = reach::project_id(&state, &caller, &name, Verb::EventRead).await?;
    let selection = select(&state, query.query.as_deref(), query.from, query.to)?;
    let beside = state.core()?.engine.neighbours(&[project], project, &known_id(&event)?, selection).await?;
    let beside = beside.ok_or_else(|| unknown(&event))?;
    Ok(Json(Beside { older: beside.older, newer: beside.newer }))
}

async fn page(
    state: &State,
    projects: &[ProjectId],
    query: ListQuery,
    groups: Option<Vec<u64>>,
) -> Result<Json<Page<Event>>> {
    let mut selection = select(state, query.query.as_deref(), query.from, query.to)?;
    selection.group_hashes = groups;
    let names =
        |text: String| text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    let page = EventsPage {
        selection,
        cursor: query.cursor,
        limit: query.limit.rows() as usize,
        columns: query.columns.map(names),
        newest_first: query.order == Order::Newest,
    };
    let events = state.core()?.engine.events(projects, page).await?;
    Ok(Json(Page { items: events.rows.into_iter().map(Event).collect(), next_cursor: events.next_cursor }))
}

async fn first(state: &State, issue: &Issue, newest_first: bool) -> Result<Json<Event>> {
    let selection = Selection::new(tephra_query::Search::default(), state.clock.now_us());
    let selection = selection.of_groups(selection::groups(state, issue).await?);
    let page = EventsPage { newest_first, ..EventsPage::newest(selection, 1) };
    let events = state.core()?.engine.events(&[issue.project], page).await?;
    let row = events.rows.into_iter().next();
    row.map(|row| Json(Event(row)))
        .ok_or_else(|| Answer::new(Kind::NotFound, format!("no event of issue `{}` is kept any more", issue.id)))
}

/// The id in the form that the engine reads; what is none cannot be found.
pub(super) fn known_id(event: &str) -> Result<String> {
    let digits = event.replace('-', "");
    let is_id = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { Ok(digits) } else { Err(unknown(event)) }
}

fn unknown(event: &str) -> Answer {
    Answer::new(Kind::NotFound, format!("no event `{event}`"))
}
