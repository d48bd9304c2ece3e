//! The list of issues, and how many there are in each state.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use tephra_query::{GroupOrder, GroupsPage};
use tephra_storage::ProjectId;
use tephra_storage::meta::issues::{IssueCursor, IssueSort, State as IssueState};
use utoipa::{IntoParams, ToSchema};

use super::change::Names;
use super::filter::{self, Counts};
use super::shape::{Issue, Shaper};
use crate::answer::Result;
use crate::caller::Caller;
use crate::http::rest::reach::{self, ProjectNames};
use crate::http::rest::selection::range;
use crate::http::rest::{Asks, Limit, Page, QueryOf, Time, page};
use crate::roles::Verb;
use crate::state::State;

const HOUR_US: i64 = 3_600_000_000;

/// What a list is sorted by, the greatest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = IssueSort)]
enum Sort {
    #[default]
    LastSeen,
    FirstSeen,
    Events,
    Users,
}

impl Sort {
    fn known(self) -> IssueSort {
        match self {
            Self::LastSeen => IssueSort::LastSeen,
            Self::FirstSeen => IssueSort::FirstSeen,
            Self::Events => IssueSort::Events,
            Self::Users => IssueSort::Users,
        }
    }
}

/// What a sparkline covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[schema(as = IssueSparkline)]
enum Sparkline {
    /// 24 hours.
    #[default]
    #[serde(rename = "24h")]
    Day,
    /// 14 days.
    #[serde(rename = "14d")]
    Fortnight,
    #[serde(rename = "none")]
    None,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// A search: `is:unresolved assigned:me level:error timeout`. docs/SEARCH.md has the language. Conditions on events
    /// narrow the list to issues that have such events, and its counts to these.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    query: String,
    /// Projects parted by commas, by number or slug; all that the caller reaches where it is absent.
    #[param(value_type = Option<String>)]
    project: Option<ProjectNames>,
    /// Issues with events of this environment.
    environment: Option<String>,
    /// Issues that were seen from this time on.
    from: Option<Time>,
    /// Issues that were seen before this time.
    to: Option<Time>,
    /// What comes first, by the figures of the whole issue; the last seen where it is absent.
    #[serde(default)]
    #[param(inline, value_type = Option<Sort>)]
    sort: Sort,
    /// What the sparklines cover; 24 hours where it is absent.
    #[serde(default)]
    #[param(inline, value_type = Option<Sparkline>)]
    sparkline: Sparkline,
    /// `next_cursor` of the page before; the other parameters stay as they were.
    cursor: Option<String>,
    /// Issues of a page.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Limit,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CountQuery {
    /// A search, as of the list; its `is:` states are left aside.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    query: String,
    /// Projects parted by commas, by number or slug; all that the caller reaches where it is absent.
    #[param(value_type = Option<String>)]
    project: Option<ProjectNames>,
    /// Issues with events of this environment.
    environment: Option<String>,
    /// Issues that were seen from this time on.
    from: Option<Time>,
    /// Issues that were seen before this time.
    to: Option<Time>,
}

/// An issue in a list.
#[derive(Serialize, ToSchema)]
pub(super) struct ListedIssue {
    #[serde(flatten)]
    issue: Issue,
    /// Where the list asks for events: how many of these it has, else null.
    #[schema(required)]
    found: Option<FoundEvents>,
    /// Events of the whole issue in each hour or day, the oldest first; empty where none was asked for.
    sparkline: Vec<u64>,
}

/// The events of an issue that a list asks for.
#[derive(Serialize, ToSchema)]
pub(super) struct FoundEvents {
    events: u64,
    /// About how many users met them; within 2 %, and users of several groups count once in each.
    users: u64,
    first_seen: Time,
    last_seen: Time,
}

/// How many issues there are in each state.
#[derive(Serialize, ToSchema)]
pub(super) struct IssueCounts {
    unresolved: i64,
    resolved: i64,
    archived: i64,
}

/// Where a page ends; the sort is part of it, because the value is.
#[derive(Serialize, Deserialize)]
struct Place(Sort, i64, i64);

/// Lists issues.
#[utoipa::path(
    get, path = "/api/v1/issues", operation_id = "listIssues", tag = "issues", params(ListQuery),
    responses((status = 200, description = "A page of issues.", body = Page<ListedIssue>), Asks),
)]
pub(super) async fn list(
    Extract(state): Extract<State>,
    caller: Caller,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Json<Page<ListedIssue>>> {
    let projects = reach::projects(&state, &caller, query.project.as_ref(), Verb::IssueRead).await?;
    let sort = query.sort.known();
    let after = match page::read::<Place>(query.cursor.as_deref())? {
        Some(Place(of, _, _)) if of != query.sort => return Err(page::bad_cursor()),
        place => place.map(|Place(_, value, id)| IssueCursor { value, id }),
    };
    let range = range(query.from, query.to)?;
    let names = Names::read(&state, &caller).await?;
    let wanted =
        filter::read(&state, &names, projects, &query.query, query.environment.as_deref(), range)?.sorted(sort);
    let mut found = wanted.resolve(&state).await?;
    let listed = state.meta.issues(&found.filter, sort, after, query.limit.rows()).await?;

    let ids: Vec<i64> = listed.issues.iter().map(|issue| issue.id).collect();
    let mut sparklines = sparklines(&state, &ids, query.sparkline).await?;
    let users = match (&found.counts, wanted.events()) {
        (Some(counts), Some(_)) => users(&state, &wanted, &listed.issues, counts).await?,
        _ => HashMap::new(),
    };
    let shaper = Shaper::read(&state, &listed.issues).await?;
    let items = listed.issues.into_iter().map(|issue| {
        let found = found.counts.as_mut().and_then(|counts| counts.remove(&issue.id)).map(|counts| FoundEvents {
            events: counts.events,
            users: users.get(&issue.id).copied().unwrap_or_default(),
            first_seen: Time(counts.first_seen_us),
            last_seen: Time(counts.last_seen_us),
        });
        let sparkline = sparklines.remove(&issue.id).unwrap_or_default();
        ListedIssue { found, sparkline, issue: shaper.issue(issue) }
    });
    let next_cursor = listed.next.map(|place| page::write(&Place(query.sort, place.value, place.id)));
    Ok(Json(Page { items: items.collect(), next_cursor }))
}

/// How many issues there are in each state.
#[utoipa::path(
    get, path = "/api/v1/issues/counts", operation_id = "countIssues", tag = "issues", params(CountQuery),
    responses((status = 200, description = "The counts.", body = IssueCounts), Asks),
)]
pub(super) async fn counts(
    Extract(state): Extract<State>,
    caller: Caller,
    QueryOf(query): QueryOf<CountQuery>,
) -> Result<Json<IssueCounts>> {
    let projects = reach::projects(&state, &caller, query.project.as_ref(), Verb::IssueRead).await?;
    let range = range(query.from, query.to)?;
    let names = Names::read(&state, &caller).await?;
    let wanted = filter::read(&state, &names, projects, &query.query, query.environment.as_deref(), range)?;
    let counts = state.meta.issue_counts(&wanted.resolve(&state).await?.filter).await?;
    let of = |state: IssueState| counts.iter().find(|count| count.state == state).map_or(0, |count| count.issues);
    Ok(Json(IssueCounts {
        unresolved: of(IssueState::Unresolved),
        resolved: of(IssueState::Resolved),
        archived: of(IssueState::Archived),
    }))
}

async fn sparklines(state: &State, ids: &[i64], which: Sparkline) -> Result<HashMap<i64, Vec<u64>>> {
    let (length_us, buckets) = match which {
        Sparkline::Day => (HOUR_US, 24),
        Sparkline::Fortnight => (24 * HOUR_US, 14),
        Sparkline::None => return Ok(HashMap::new()),
    };
    let last = state.clock.now_us().div_euclid(length_us);
    let first = last + 1 - buckets as i64;
    let mut lines: HashMap<i64, Vec<u64>> = ids.iter().map(|id| (*id, vec![0; buckets])).collect();
    for hour in state.meta.sparklines(ids, first * length_us).await? {
        let bucket = usize::try_from(hour.hour_us.div_euclid(length_us) - first).ok();
        let count = bucket.and_then(|bucket| lines.get_mut(&hour.issue_id)?.get_mut(bucket));
        count.into_iter().for_each(|count| *count += hour.events.unsigned_abs());
    }
    Ok(lines)
}

/// About how many users met the events that were found, for the issues of one page.
async fn users(
    state: &State,
    wanted: &filter::Wanted,
    issues: &[tephra_storage::meta::issues::Issue],
    counts: &HashMap<i64, Counts>,
) -> Result<HashMap<i64, u64>> {
    let Some(events) = wanted.events() else { return Ok(HashMap::new()) };
    let mut whose: HashMap<(ProjectId, u64), i64> = HashMap::new();
    for issue in issues {
        let groups = counts.get(&issue.id).into_iter().flat_map(|counts| counts.groups.iter());
        whose.extend(groups.map(|group| ((issue.project, *group), issue.id)));
    }
    let mut users = HashMap::new();
    let mut projects: Vec<ProjectId> = issues.iter().map(|issue| issue.project).collect();
    projects.sort_unstable();
    projects.dedup();
    for project in projects {
        let of_project = whose.keys().filter(|(of, _)| *of == project);
        let hashes: Vec<u64> = of_project.map(|(_, hash)| *hash).take(1_000).collect();
        let page = GroupsPage {
            limit: hashes.len(),
            selection: events.clone().of_groups(hashes),
            order: GroupOrder::Events,
            with_users: true,
        };
        for group in state.core()?.engine.group_stats(&[project], page).await?.groups {
            let issue = whose.get(&(project, group.group_hash)).copied().unwrap_or_default();
            *users.entry(issue).or_default() += group.users.unwrap_or_default();
        }
    }
    Ok(users)
}
