//! The values of columns and tags with their counts, and counts over time; of a project's events or of an issue's.

use axum::Json;
use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use tephra_query::Selection;
use tephra_storage::ProjectId;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::reach;
use super::selection::{self, select};
use super::{Asks, Limit, PathOf, QueryOf, Time};
use crate::answer::Result;
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(routes!(keys_of_project))
        .routes(routes!(keys_of_issue))
        .routes(routes!(values_of_project))
        .routes(routes!(values_of_issue))
        .routes(routes!(histogram_of_project))
        .routes(routes!(histogram_of_issue))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct FacetQuery {
    /// A search: `level:error environment:prod timeout`. docs/SEARCH.md has the language.
    query: Option<String>,
    /// From this time on.
    from: Option<Time>,
    /// Before this time.
    to: Option<Time>,
    /// Keys or values at most.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Limit,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HistogramQuery {
    /// A search: `level:error environment:prod timeout`. docs/SEARCH.md has the language.
    query: Option<String>,
    /// From this time on; a day before `to` where it is absent.
    from: Option<Time>,
    /// Before this time; now where it is absent.
    to: Option<Time>,
    /// The length of a bucket; such that there are about a hundred where it is absent. At most 2,000 buckets.
    #[param(minimum = 1, maximum = 31_622_400)]
    bucket_seconds: Option<u32>,
    /// A column or tag whose ten most frequent values have a series each.
    by: Option<String>,
}

/// The names of tags, and how many events have each.
#[derive(Serialize, ToSchema)]
struct FacetKeys {
    /// The most frequent first.
    tags: Vec<FacetKey>,
}

/// A tag.
#[derive(Serialize, ToSchema)]
struct FacetKey {
    key: String,
    /// Events that have it.
    events: u64,
}

/// The most frequent values of a column or tag.
#[derive(Serialize, ToSchema)]
struct FacetValues {
    /// The column, or `tags[name]`.
    key: String,
    /// The most frequent first.
    values: Vec<FacetValueCount>,
    /// Events that have the key.
    events: u64,
    /// How many different values there are.
    distinct: u64,
}

/// A value and how many events have it.
#[derive(Serialize, ToSchema)]
struct FacetValueCount {
    /// Text, a number or a truth value.
    value: serde_json::Value,
    events: u64,
}

/// Events over time.
#[derive(Serialize, ToSchema)]
struct EventHistogram {
    /// When the first bucket begins.
    start: Time,
    bucket_seconds: i64,
    /// Events in each bucket.
    events: Vec<u64>,
    /// The same by the values of `by`; the last one, with `value` null, is all others.
    series: Vec<HistogramSeries>,
}

/// The events of one value.
#[derive(Serialize, ToSchema)]
struct HistogramSeries {
    /// The value; null is all others.
    value: serde_json::Value,
    /// Events in each bucket.
    events: Vec<u64>,
}

/// The names of tags of a project's events.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/facets", operation_id = "listFacets", tag = "facets",
    params(("project" = String, Path, description = "Its number or slug."), FacetQuery),
    responses((status = 200, description = "The names.", body = FacetKeys), Asks),
)]
async fn keys_of_project(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    QueryOf(query): QueryOf<FacetQuery>,
) -> Result<Json<FacetKeys>> {
    let project = reach::project_id(&state, &caller, &name, Verb::EventRead).await?;
    keys(&state, project, None, query).await
}

/// The names of tags of an issue's events.
#[utoipa::path(
    get, path = "/api/v1/issues/{issue}/facets", operation_id = "listIssueFacets", tag = "facets",
    params(("issue" = i64, Path, description = "Its number."), FacetQuery),
    responses((status = 200, description = "The names.", body = FacetKeys), Asks),
)]
async fn keys_of_issue(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    QueryOf(query): QueryOf<FacetQuery>,
) -> Result<Json<FacetKeys>> {
    let issue = reach::issue(&state, &caller, &name, Verb::EventRead).await?;
    keys(&state, issue.project, Some(selection::groups(&state, &issue).await?), query).await
}

/// The most frequent values of a column or tag of a project's events.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/facets/{key}", operation_id = "getFacet", tag = "facets",
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("key" = String, Path, description = "A column, or the name of a tag; `tags[name]` where a column has the same name."),
        FacetQuery,
    ),
    responses((status = 200, description = "The values.", body = FacetValues), Asks),
)]
async fn values_of_project(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf((name, key)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<FacetQuery>,
) -> Result<Json<FacetValues>> {
    let project = reach::project_id(&state, &caller, &name, Verb::EventRead).await?;
    values(&state, project, None, &key, query).await
}

/// The most frequent values of a column or tag of an issue's events.
#[utoipa::path(
    get, path = "/api/v1/issues/{issue}/facets/{key}", operation_id = "getIssueFacet", tag = "facets",
    params(
        ("issue" = i64, Path, description = "Its number."),
        ("key" = String, Path, description = "A column, or the name of a tag; `tags[name]` where a column has the same name."),
        FacetQuery,
    ),
    responses((status = 200, description = "The values.", body = FacetValues), Asks),
)]
async fn values_of_issue(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf((name, key)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<FacetQuery>,
) -> Result<Json<FacetValues>> {
    let issue = reach::issue(&state, &caller, &name, Verb::EventRead).await?;
    values(&state, issue.project, Some(selection::groups(&state, &issue).await?), &key, query).await
}

/// A project's events over time.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/histogram", operation_id = "getHistogram", tag = "facets",
    params(("project" = String, Path, description = "Its number or slug."), HistogramQuery),
    responses((status = 200, description = "Counts.", body = EventHistogram), Asks),
)]
async fn histogram_of_project(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    QueryOf(query): QueryOf<HistogramQuery>,
) -> Result<Json<EventHistogram>> {
    let project = reach::project_id(&state, &caller, &name, Verb::EventRead).await?;
    histogram(&state, project, None, query).await
}

/// An issue's events over time.
#[utoipa::path(
    get, path = "/api/v1/issues/{issue}/histogram", operation_id = "getIssueHistogram", tag = "facets",
    params(("issue" = i64, Path, description = "Its number."), HistogramQuery),
    responses((status = 200, description = "Counts.", body = EventHistogram), Asks),
)]
async fn histogram_of_issue(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    QueryOf(query): QueryOf<HistogramQuery>,
) -> Result<Json<EventHistogram>> {
    let issue = reach::issue(&state, &caller, &name, Verb::EventRead).await?;
    histogram(&state, issue.project, Some(selection::groups(&state, &issue).await?), query).await
}

fn among(state: &State, groups: Option<Vec<u64>>, query: &FacetQuery) -> Result<Selection> {
    let mut selection = select(state, query.query.as_deref(), query.from, query.to)?;
    selection.group_hashes = groups;
    Ok(selection)
}

async fn keys(
    state: &State,
    project: ProjectId,
    groups: Option<Vec<u64>>,
    query: FacetQuery,
) -> Result<Json<FacetKeys>> {
    let selection = among(state, groups, &query)?;
    let found = state.core()?.engine.facet_keys(&[project], &selection, query.limit.rows() as usize).await?;
    let tags = found.tags.into_iter().map(|(key, events)| FacetKey { key, events }).collect();
    Ok(Json(FacetKeys { tags }))
}

async fn values(
    state: &State,
    project: ProjectId,
    groups: Option<Vec<u64>>,
    key: &str,
    query: FacetQuery,
) -> Result<Json<FacetValues>> {
    let selection = among(state, groups, &query)?;
    let limit = query.limit.rows().min(100) as usize;
    let found = state.core()?.engine.facets(&[project], &selection, key, limit).await?;
    let values = found.values.into_iter().map(|one| FacetValueCount { value: one.value, events: one.events });
    let values = values.collect();
    Ok(Json(FacetValues { key: found.key, values, events: found.events, distinct: found.distinct }))
}

async fn histogram(
    state: &State,
    project: ProjectId,
    groups: Option<Vec<u64>>,
    query: HistogramQuery,
) -> Result<Json<EventHistogram>> {
    let to = query.to.unwrap_or(Time(state.clock.now_us()));
    let from = query.from.unwrap_or(Time(to.0.saturating_sub(86_400_000_000)));
    let mut selection = select(state, query.query.as_deref(), Some(from), Some(to))?;
    selection.group_hashes = groups;
    let seconds = query.bucket_seconds.map_or_else(|| fitting(from, to), i64::from).max(1);
    let by = query.by.as_deref();
    let found = state.core()?.engine.histogram(&[project], &selection, seconds * 1000, by).await?;
    let series = found.series.into_iter();
    let series = series.map(|one| HistogramSeries { value: one.value.unwrap_or_default(), events: one.events });
    Ok(Json(EventHistogram {
        start: Time(found.buckets.start_us),
        bucket_seconds: seconds,
        events: found.events,
        series: series.collect(),
    }))
}

/// The shortest length that people are used to with which there are a hundred buckets or less.
fn fitting(from: Time, to: Time) -> i64 {
    const LENGTHS: [i64; 14] = [1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 604_800];
    let seconds = (to.0 - from.0) / 1_000_000;
    LENGTHS.into_iter().find(|length| seconds / length <= 100).unwrap_or(seconds / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_fit_the_range() {
        let check =
            |hours: i64, seconds: i64| assert_eq!(fitting(Time(0), Time(hours * 3_600_000_000)), seconds, "{hours}");
        check(0, 1);
        check(1, 60);
        check(24, 1_800);
        check(24 * 14, 21_600);
        check(24 * 90, 86_400);
        check(24 * 365, 604_800);
    }
}
