//! Who has which role in a project: people and teams.
//!
//! Nobody gives a role above their own in the project, or takes one that is above it.

use axum::Json;
use axum::extract::State as Extract;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tephra_storage::meta::roles::{self, Grant, Holder};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::users::role;
use super::{JsonBody, Page, PathOf, Reads, Writes, reach};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::{Role, Verb};
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(give_user, take_user))
        .routes(routes!(give_team, take_team))
}

/// A role in a project, and whose it is.
#[derive(Serialize, ToSchema)]
struct ProjectMember {
    /// `user` or `team`.
    kind: &'static str,
    id: String,
    /// An email address, or the name of a team.
    name: String,
    /// `viewer`, `member`, `admin` or `owner`.
    role: &'static str,
}

/// The role that is to be given.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProjectRole {
    /// `viewer`, `member`, `admin` or `owner`.
    role: String,
}

fn shown(grant: Grant) -> ProjectMember {
    let (kind, id) = match grant.holder {
        Holder::User(id) => ("user", id),
        Holder::Team(id) => ("team", id),
    };
    ProjectMember { kind, id, name: grant.name, role: grant.role.as_str() }
}

/// Lists who has a role in a project. Owners and admins of the organisation reach it besides.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/members", operation_id = "listProjectMembers", tag = "members",
    params(("project" = String, Path, description = "Its number or slug.")),
    responses((status = 200, description = "People first, by name.", body = Page<ProjectMember>), Reads),
)]
async fn list(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
) -> Result<Json<Page<ProjectMember>>> {
    let project = reach::project_id(&state, &caller, &name, Verb::AccessRead).await?;
    let grants = state.meta.grants(project).await?;
    Ok(Json(Page::whole(grants.into_iter().map(shown).collect())))
}

/// Gives a person a role in a project.
#[utoipa::path(
    put, path = "/api/v1/projects/{project}/members/users/{user}", operation_id = "giveProjectRole", tag = "members",
    request_body = ProjectRole,
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("user" = String, Path, description = "The id of the person."),
    ),
    responses((status = 204, description = "The person has that role."), Writes),
)]
async fn give_user(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf((project, user)): PathOf<(String, String)>,
    JsonBody(given): JsonBody<ProjectRole>,
) -> Result<StatusCode> {
    change(&state, &caller, &project, Holder::User(user), Some(&given.role)).await
}

/// Takes a person's role in a project.
#[utoipa::path(
    delete, path = "/api/v1/projects/{project}/members/users/{user}", operation_id = "takeProjectRole",
    tag = "members",
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("user" = String, Path, description = "The id of the person."),
    ),
    responses((status = 204, description = "The person has no role of their own there."), Writes),
)]
async fn take_user(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf((project, user)): PathOf<(String, String)>,
) -> Result<StatusCode> {
    change(&state, &caller, &project, Holder::User(user), None).await
}

/// Gives a team a role in a project.
#[utoipa::path(
    put, path = "/api/v1/projects/{project}/members/teams/{team}", operation_id = "giveProjectTeamRole",
    tag = "members", request_body = ProjectRole,
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("team" = String, Path, description = "The id of the team."),
    ),
    responses((status = 204, description = "The team has that role."), Writes),
)]
async fn give_team(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf((project, team)): PathOf<(String, String)>,
    JsonBody(given): JsonBody<ProjectRole>,
) -> Result<StatusCode> {
    change(&state, &caller, &project, Holder::Team(team), Some(&given.role)).await
}

/// Takes a team's role in a project.
#[utoipa::path(
    delete, path = "/api/v1/projects/{project}/members/teams/{team}", operation_id = "takeProjectTeamRole",
    tag = "members",
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("team" = String, Path, description = "The id of the team."),
    ),
    responses((status = 204, description = "The team has no role there."), Writes),
)]
async fn take_team(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf((project, team)): PathOf<(String, String)>,
) -> Result<StatusCode> {
    change(&state, &caller, &project, Holder::Team(team), None).await
}

async fn change(
    state: &State,
    caller: &Caller,
    project: &str,
    holder: Holder,
    word: Option<&str>,
) -> Result<StatusCode> {
    let project = reach::project_id(state, caller, project, Verb::AccessWrite).await?;
    let given = word.map(role).transpose()?;
    let own = caller.role_in(project).unwrap_or(Role::Viewer);
    let above =
        || Answer::new(Kind::Denied, format!("as {own} of the project you may not give or take a role above it"));
    if given.is_some_and(|role| role > own) {
        return Err(above());
    }
    let known = match &holder {
        Holder::User(id) => state.meta.user(id).await?.is_some(),
        Holder::Team(id) => state.meta.team(id).await?.is_some(),
    };
    if !known {
        return Err(Answer::new(Kind::NotFound, "there is no such person or team"));
    }
    let mut tx = state.meta.begin().await?;
    let before = roles::grant(&mut tx, &caller.actor(), project, &holder, given).await?;
    if before.is_some_and(|role| role > own) {
        return Err(above());
    }
    tx.commit().await?;
    state.access.changed().await?;
    Ok(StatusCode::NO_CONTENT)
}
