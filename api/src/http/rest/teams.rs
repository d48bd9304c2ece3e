//! Teams: people who have roles in projects together.

use axum::Json;
use axum::extract::State as Extract;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tephra_storage::meta::teams::{self, Team};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{IfMatch, JsonBody, Page, PathOf, Reads, Time, Versioned, Writes};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(get, update, delete))
        .routes(routes!(members))
        .routes(routes!(join, leave))
}

/// A team.
#[derive(Serialize, ToSchema)]
#[schema(as = Team)]
struct Shown {
    id: String,
    slug: String,
    name: String,
    created_at: Time,
}

/// Somebody in a team.
#[derive(Serialize, ToSchema)]
struct TeamMember {
    id: String,
    email: String,
    name: String,
}

/// A team that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TeamCreate)]
struct Create {
    /// 1 to 50 lowercase letters, digits and hyphens.
    slug: String,
    /// 1 to 100 characters; the slug where it is absent.
    name: Option<String>,
}

/// What is to be changed of a team; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TeamUpdate)]
struct Update {
    slug: Option<String>,
    name: Option<String>,
}

impl Shown {
    fn of(team: Team) -> Self {
        Self { id: team.id, slug: team.slug, name: team.name, created_at: Time(team.created_at_us) }
    }
}

/// Lists the teams.
#[utoipa::path(
    get, path = "/api/v1/teams", operation_id = "listTeams", tag = "teams",
    responses((status = 200, description = "The teams, by slug.", body = Page<Shown>), Reads),
)]
async fn list(Extract(state): Extract<State>, caller: Caller) -> Result<Json<Page<Shown>>> {
    caller.may_here(Verb::TeamRead)?;
    let teams = state.meta.teams().await?;
    Ok(Json(Page::whole(teams.into_iter().map(Shown::of).collect())))
}

/// Makes a team.
#[utoipa::path(
    post, path = "/api/v1/teams", operation_id = "createTeam", tag = "teams", request_body = Create,
    responses((status = 201, description = "The team.", body = Shown), Writes),
)]
async fn create(
    Extract(state): Extract<State>,
    caller: Caller,
    JsonBody(new): JsonBody<Create>,
) -> Result<Versioned<Shown>> {
    caller.may_here(Verb::TeamWrite)?;
    let name = new.name.as_deref().unwrap_or(&new.slug);
    let mut tx = state.meta.begin().await?;
    let team = teams::create(&mut tx, &caller.actor(), &new.slug, name).await?;
    tx.commit().await?;
    Ok(Versioned::new(team.version, Shown::of(team)).created())
}

/// Tells of a team.
#[utoipa::path(
    get, path = "/api/v1/teams/{team}", operation_id = "getTeam", tag = "teams",
    params(("team" = String, Path, description = "The id of the team.")),
    responses((status = 200, description = "The team.", body = Shown), Reads),
)]
async fn get(Extract(state): Extract<State>, caller: Caller, PathOf(id): PathOf<String>) -> Result<Versioned<Shown>> {
    caller.may_here(Verb::TeamRead)?;
    let team = find(&state, &id).await?;
    Ok(Versioned::new(team.version, Shown::of(team)))
}

/// Changes a team's slug or name.
#[utoipa::path(
    patch, path = "/api/v1/teams/{team}", operation_id = "updateTeam", tag = "teams", request_body = Update,
    params(
        ("team" = String, Path, description = "The id of the team."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
    ),
    responses((status = 200, description = "The team.", body = Shown), Writes),
)]
async fn update(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(id): PathOf<String>,
    if_match: IfMatch,
    JsonBody(change): JsonBody<Update>,
) -> Result<Versioned<Shown>> {
    caller.may_here(Verb::TeamWrite)?;
    let before = find(&state, &id).await?;
    if_match.check(before.version)?;
    let mut after = Team { version: before.version + 1, ..before.clone() };
    after.slug = change.slug.unwrap_or(after.slug);
    after.name = change.name.unwrap_or(after.name);
    let mut tx = state.meta.begin().await?;
    teams::update(&mut tx, &caller.actor(), &before, &after).await?;
    tx.commit().await?;
    Ok(Versioned::new(after.version, Shown::of(after)))
}

/// Removes a team with its roles.
#[utoipa::path(
    delete, path = "/api/v1/teams/{team}", operation_id = "deleteTeam", tag = "teams",
    params(
        ("team" = String, Path, description = "The id of the team."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
    ),
    responses((status = 204, description = "Removed."), Writes),
)]
async fn delete(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(id): PathOf<String>,
    if_match: IfMatch,
) -> Result<StatusCode> {
    caller.may_here(Verb::TeamWrite)?;
    let team = find(&state, &id).await?;
    if_match.check(team.version)?;
    let mut tx = state.meta.begin().await?;
    teams::delete(&mut tx, &caller.actor(), &team).await?;
    tx.commit().await?;
    state.access.changed().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the people of a team.
#[utoipa::path(
    get, path = "/api/v1/teams/{team}/members", operation_id = "listTeamMembers", tag = "teams",
    params(("team" = String, Path, description = "The id of the team.")),
    responses((status = 200, description = "The people.", body = Page<TeamMember>), Reads),
)]
async fn members(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Json<Page<TeamMember>>> {
    caller.may_here(Verb::TeamRead)?;
    let team = find(&state, &id).await?;
    let ids = state.meta.team_members(&team.id).await?;
    let users = state.meta.users().await?.into_iter().filter(|user| ids.contains(&user.id));
    Ok(Json(Page::whole(users.map(|user| TeamMember { id: user.id, email: user.email, name: user.name }).collect())))
}

/// Adds a person to a team.
#[utoipa::path(
    put, path = "/api/v1/teams/{team}/members/{user}", operation_id = "joinTeam", tag = "teams",
    params(
        ("team" = String, Path, description = "The id of the team."),
        ("user" = String, Path, description = "The id of the person."),
    ),
    responses((status = 204, description = "The person is in the team."), Writes),
)]
async fn join(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf((team, user)): PathOf<(String, String)>,
) -> Result<StatusCode> {
    set_member(&state, &caller, &team, &user, true).await
}

/// Takes a person out of a team.
#[utoipa::path(
    delete, path = "/api/v1/teams/{team}/members/{user}", operation_id = "leaveTeam", tag = "teams",
    params(
        ("team" = String, Path, description = "The id of the team."),
        ("user" = String, Path, description = "The id of the person."),
    ),
    responses((status = 204, description = "The person is not in the team."), Writes),
)]
async fn leave(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf((team, user)): PathOf<(String, String)>,
) -> Result<StatusCode> {
    set_member(&state, &caller, &team, &user, false).await
}

async fn set_member(state: &State, caller: &Caller, team: &str, user: &str, is_in: bool) -> Result<StatusCode> {
    caller.may_here(Verb::TeamWrite)?;
    let team = find(state, team).await?;
    // Whoever joins a team has its roles, so nobody adds people to a team with more rights in a project than their own.
    for (project, role) in state.meta.projects_of_team(&team.id).await? {
        if caller.role_in(project).is_none_or(|own| own < role) {
            return Err(Answer::new(Kind::Denied, "the team has a role above yours in a project"));
        }
    }
    if state.meta.user(user).await?.is_none() {
        return Err(Answer::new(Kind::NotFound, format!("no person `{user}`")));
    }
    let mut tx = state.meta.begin().await?;
    teams::set_member(&mut tx, &caller.actor(), &team.id, user, is_in).await?;
    tx.commit().await?;
    state.access.changed().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(state: &State, id: &str) -> Result<Team> {
    state.meta.team(id).await?.ok_or_else(|| Answer::new(Kind::NotFound, format!("no team `{id}`")))
}
