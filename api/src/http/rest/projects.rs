//! Projects: what events belong to.

use axum::Json;
use axum::extract::State as Extract;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tephra_storage::meta::projects::{self, NewProject};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::reach;
use super::{IfMatch, JsonBody, Page, PathOf, Reads, Time, Versioned, Writes};
use crate::answer::Result;
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

/// A project.
#[derive(Serialize, ToSchema)]
struct Project {
    /// Its number, which stands in DSNs.
    id: i64,
    /// Its name in addresses.
    slug: String,
    /// What people call it.
    name: String,
    /// The language or runtime.
    #[schema(required)]
    platform: Option<String>,
    /// How long its events are kept: 30, 90 or 365.
    retention_days: i64,
    created_at: Time,
    /// The caller's role in it.
    #[schema(required)]
    role: Option<&'static str>,
}

/// A project that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProjectCreate)]
struct Create {
    /// 1 to 50 lowercase letters, digits and hyphens, with a letter among them.
    #[schema(min_length = 1, max_length = 50)]
    slug: String,
    /// 1 to 100 characters; the slug where it is absent.
    name: Option<String>,
    platform: Option<String>,
    /// 30, 90 or 365; 90 where it is absent.
    retention_days: Option<i64>,
}

/// What is to be changed of a project; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProjectUpdate)]
struct Update {
    slug: Option<String>,
    name: Option<String>,
    #[serde(default, deserialize_with = "super::input::given")]
    #[schema(value_type = Option<String>)]
    platform: Option<Option<String>>,
    retention_days: Option<i64>,
}

const RETENTION_DAYS: i64 = 90;

impl Project {
    fn of(project: projects::Project, caller: &Caller) -> Self {
        Self {
            id: project.id.0,
            slug: project.slug,
            name: project.name,
            platform: project.platform,
            retention_days: project.retention_days,
            created_at: Time(project.created_at_us),
            role: caller.role_in(project.id).map(|role| role.as_str()),
        }
    }

    fn versioned(project: projects::Project, caller: &Caller) -> Versioned<Self> {
        // What is shown depends on the caller's role as well.
        let role = caller.role_in(project.id).map_or(0, |role| role as i64 + 1);
        Versioned::counted(project.version, &[role], Self::of(project, caller))
    }
}

/// Lists the projects that the caller may know.
#[utoipa::path(
    get, path = "/api/v1/projects", operation_id = "listProjects", tag = "projects",
    responses((status = 200, description = "The projects.", body = Page<Project>), Reads),
)]
async fn list(Extract(state): Extract<State>, caller: Caller) -> Result<Json<Page<Project>>> {
    let reached = reach::projects(&state, &caller, None, Verb::ProjectRead).await?;
    let projects = state.meta.projects().await?.into_iter();
    let projects = projects.filter(|project| reached.binary_search(&project.id).is_ok());
    Ok(Json(Page::whole(projects.map(|project| Project::of(project, &caller)).collect())))
}

/// Makes a project.
#[utoipa::path(
    post, path = "/api/v1/projects", operation_id = "createProject", tag = "projects", request_body = Create,
    responses((status = 201, description = "The project.", body = Project), Writes),
)]
async fn create(
    Extract(state): Extract<State>,
    caller: Caller,
    JsonBody(body): JsonBody<Create>,
) -> Result<Versioned<Project>> {
    caller.may_here(Verb::ProjectCreate)?;
    let new = NewProject {
        name: body.name.unwrap_or_else(|| body.slug.clone()),
        slug: body.slug,
        platform: body.platform,
        retention_days: body.retention_days.unwrap_or(RETENTION_DAYS),
    };
    let mut tx = state.meta.begin().await?;
    let project = projects::create(&mut tx, &caller.actor(), &new).await?;
    tx.commit().await?;
    state.access.changed().await?;
    Ok(Project::versioned(project, &caller).created())
}

/// Tells of a project.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}", operation_id = "getProject", tag = "projects",
    params(("project" = String, Path, description = "Its number or slug.")),
    responses((status = 200, description = "The project.", body = Project), Reads),
)]
async fn get(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
) -> Result<Versioned<Project>> {
    let project = reach::project(&state, &caller, &name, Verb::ProjectRead).await?;
    Ok(Project::versioned(project, &caller))
}

/// Changes a project.
#[utoipa::path(
    patch, path = "/api/v1/projects/{project}", operation_id = "updateProject", tag = "projects", request_body = Update,
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
    ),
    responses((status = 200, description = "The project as it is now.", body = Project), Writes),
)]
async fn update(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    if_match: IfMatch,
    JsonBody(body): JsonBody<Update>,
) -> Result<Versioned<Project>> {
    let before = reach::project(&state, &caller, &name, Verb::ProjectWrite).await?;
    if_match.check(before.version)?;
    let mut after = before.clone();
    after.slug = body.slug.unwrap_or(after.slug);
    after.name = body.name.unwrap_or(after.name);
    after.platform = body.platform.unwrap_or(after.platform);
    after.retention_days = body.retention_days.unwrap_or(after.retention_days);
    if after != before {
        let mut tx = state.meta.begin().await?;
        projects::update(&mut tx, &caller.actor(), &before, &after).await?;
        tx.commit().await?;
        after.version += 1;
        state.access.changed().await?;
    }
    Ok(Project::versioned(after, &caller))
}

/// Deletes a project: it is gone for everybody at once, and its keys stop working.
#[utoipa::path(
    delete, path = "/api/v1/projects/{project}", operation_id = "deleteProject", tag = "projects",
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
    ),
    responses((status = 204, description = "It is gone."), Writes),
)]
async fn delete(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    if_match: IfMatch,
) -> Result<StatusCode> {
    let project = reach::project(&state, &caller, &name, Verb::ProjectDelete).await?;
    if_match.check(project.version)?;
    let mut tx = state.meta.begin().await?;
    projects::delete(&mut tx, &caller.actor(), &project).await?;
    tx.commit().await?;
    state.access.changed().await?;
    Ok(StatusCode::NO_CONTENT)
}
