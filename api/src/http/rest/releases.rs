//! Releases that events came from.

use axum::Json;
use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use tephra_storage::ProjectId;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::reach::{self, ProjectNames};
use super::{Limit, Page, QueryOf, Reads, Time, page};
use crate::answer::Result;
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(list))
}

/// A release of a project.
#[derive(Serialize, ToSchema)]
struct Release {
    project_id: i64,
    release: String,
    first_seen: Time,
    last_seen: Time,
    events: i64,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Projects parted by commas, by number or slug; all that the caller reaches where it is absent.
    #[param(value_type = Option<String>)]
    project: Option<ProjectNames>,
    /// Releases with this text in their name.
    text: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Releases of a page.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Limit,
}

/// Lists releases, the one that was first seen last first.
#[utoipa::path(
    get, path = "/api/v1/releases", operation_id = "listReleases", tag = "releases", params(ListQuery),
    responses((status = 200, description = "The releases.", body = Page<Release>), Reads),
)]
async fn list(
    Extract(state): Extract<State>,
    caller: Caller,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Json<Page<Release>>> {
    let projects = reach::projects(&state, &caller, query.project.as_ref(), Verb::ReleaseRead).await?;
    let after = page::read::<(i64, i64, String)>(query.cursor.as_deref())?;
    let after = after.as_ref().map(|(at, project, name)| (*at, ProjectId(*project), name.as_str()));
    let rows = state.meta.releases(&projects, query.text.as_deref(), after, query.limit.rows() + 1).await?;
    let page = Page::of(rows, query.limit, |row| (row.first_seen_us, row.project.0, row.release.clone()));
    Ok(Json(page.map(|row| Release {
        project_id: row.project.0,
        release: row.release,
        first_seen: Time(row.first_seen_us),
        last_seen: Time(row.last_seen_us),
        events: row.events,
    })))
}
