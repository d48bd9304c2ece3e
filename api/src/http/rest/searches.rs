//! Searches that people keep, for themselves or for everybody who reaches the project.
//!
//! Whoever saved a search changes and deletes it; a shared one also whoever may share in its project.

use axum::Json;
use axum::extract::State as Extract;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tephra_storage::ProjectId;
use tephra_storage::meta::saved::{self, NewSearch, SavedSearch, SearchKind};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{IfMatch, JsonBody, Page, PathOf, Reads, Time, Versioned, Writes, reach, selection};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

/// A saved search.
#[derive(Serialize, ToSchema)]
#[schema(as = SavedSearch)]
struct Shown {
    id: String,
    name: String,
    kind: ListKind,
    query: String,
    /// The project that it is for; null for all that one reaches.
    #[schema(required)]
    project_id: Option<i64>,
    /// Whether others see it.
    shared: bool,
    /// Whether the caller saved it.
    own: bool,
    created_at: Time,
    version: i64,
}

/// What a saved search lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SavedSearchKind)]
enum ListKind {
    Events,
    Issues,
    Sql,
}

/// A search that is to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SavedSearchCreate)]
struct Create {
    #[schema(min_length = 1)]
    name: String,
    kind: ListKind,
    query: String,
    /// The project that it is for, by number or slug; all that one reaches where it is absent.
    project: Option<String>,
    /// Whether others see it; needs a project.
    #[serde(default)]
    shared: bool,
}

/// What is to be changed of a saved search; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SavedSearchUpdate)]
struct Update {
    name: Option<String>,
    query: Option<String>,
    shared: Option<bool>,
}

impl From<SearchKind> for ListKind {
    fn from(kind: SearchKind) -> Self {
        match kind {
            SearchKind::Events => Self::Events,
            SearchKind::Issues => Self::Issues,
            SearchKind::Sql => Self::Sql,
        }
    }
}

impl From<ListKind> for SearchKind {
    fn from(kind: ListKind) -> Self {
        match kind {
            ListKind::Events => Self::Events,
            ListKind::Issues => Self::Issues,
            ListKind::Sql => Self::Sql,
        }
    }
}

impl Shown {
    fn of(saved: SavedSearch, caller: &Caller) -> Self {
        Self {
            own: saved.user_id == caller.user_id(),
            id: saved.id,
            name: saved.search.name,
            kind: saved.search.kind.into(),
            query: saved.search.query,
            project_id: saved.search.project.map(|project| project.0),
            shared: saved.search.shared,
            created_at: Time(saved.created_at_us),
            version: saved.version,
        }
    }

    fn versioned(saved: SavedSearch, caller: &Caller) -> Versioned<Self> {
        Versioned::new(saved.version, Self::of(saved, caller))
    }
}

/// Lists the searches that the caller sees.
#[utoipa::path(
    get, path = "/api/v1/searches", operation_id = "listSearches", tag = "searches",
    responses((status = 200, description = "The searches.", body = Page<Shown>), Reads),
)]
async fn list(Extract(state): Extract<State>, caller: Caller) -> Result<Json<Page<Shown>>> {
    let projects = reach::projects(&state, &caller, None, Verb::SearchSave).await?;
    let searches = state.meta.saved_searches(caller.user_id(), &projects).await?.into_iter();
    Ok(Json(Page::whole(searches.map(|saved| Shown::of(saved, &caller)).collect())))
}

/// Keeps a search.
#[utoipa::path(
    post, path = "/api/v1/searches", operation_id = "createSearch", tag = "searches", request_body = Create,
    responses((status = 201, description = "The search.", body = Shown), Writes),
)]
async fn create(
    Extract(state): Extract<State>,
    caller: Caller,
    JsonBody(body): JsonBody<Create>,
) -> Result<Versioned<Shown>> {
    let project = match &body.project {
        Some(name) => {
            let found = reach::project_id(&state, &caller, name, Verb::SearchSave).await;
            Some(found.map_err(|answer| answer.field("project"))?)
        }
        None => {
            reach::projects(&state, &caller, None, Verb::SearchSave).await?;
            None
        }
    };
    let new = NewSearch { project, name: body.name, kind: body.kind.into(), query: body.query, shared: body.shared };
    check(&caller, &new)?;
    let mut tx = state.meta.begin().await?;
    let saved = saved::create(&mut tx, &caller.actor(), caller.user_id(), &new).await?;
    tx.commit().await?;
    Ok(Shown::versioned(saved, &caller).created())
}

/// Tells of a saved search.
#[utoipa::path(
    get, path = "/api/v1/searches/{search}", operation_id = "getSearch", tag = "searches",
    params(("search" = String, Path, description = "Its id.")),
    responses((status = 200, description = "The search.", body = Shown), Reads),
)]
async fn get(Extract(state): Extract<State>, caller: Caller, PathOf(id): PathOf<String>) -> Result<Versioned<Shown>> {
    reach::projects(&state, &caller, None, Verb::SearchSave).await?;
    Ok(Shown::versioned(find(&state, &caller, &id).await?, &caller))
}

/// Changes a saved search.
#[utoipa::path(
    patch, path = "/api/v1/searches/{search}", operation_id = "updateSearch", tag = "searches", request_body = Update,
    params(
        ("search" = String, Path, description = "Its id."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
    ),
    responses((status = 200, description = "The search as it is now.", body = Shown), Writes),
)]
async fn update(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(id): PathOf<String>,
    if_match: IfMatch,
    JsonBody(body): JsonBody<Update>,
) -> Result<Versioned<Shown>> {
    reach::projects(&state, &caller, None, Verb::SearchSave).await?;
    let before = mine(find(&state, &caller, &id).await?, &caller)?;
    if_match.check(before.version)?;
    let after = NewSearch {
        name: body.name.unwrap_or_else(|| before.search.name.clone()),
        query: body.query.unwrap_or_else(|| before.search.query.clone()),
        shared: body.shared.unwrap_or(before.search.shared),
        ..before.search.clone()
    };
    check(&caller, &after)?;
    let mut tx = state.meta.begin().await?;
    let saved = saved::update(&mut tx, &caller.actor(), &before, &after).await?;
    tx.commit().await?;
    Ok(Shown::versioned(saved, &caller))
}

/// Forgets a saved search.
#[utoipa::path(
    delete, path = "/api/v1/searches/{search}", operation_id = "deleteSearch", tag = "searches",
    params(
        ("search" = String, Path, description = "Its id."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
    ),
    responses((status = 204, description = "It is gone."), Writes),
)]
async fn delete(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(id): PathOf<String>,
    if_match: IfMatch,
) -> Result<StatusCode> {
    reach::projects(&state, &caller, None, Verb::SearchSave).await?;
    let before = mine(find(&state, &caller, &id).await?, &caller)?;
    if_match.check(before.version)?;
    let mut tx = state.meta.begin().await?;
    saved::delete(&mut tx, &caller.actor(), &before).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A search that the caller sees.
async fn find(state: &State, caller: &Caller, id: &str) -> Result<SavedSearch> {
    let saved = state.meta.saved_search(id).await?;
    let is_seen = |saved: &SavedSearch| {
        let reached = saved.search.project.is_none_or(|project| caller.may(Verb::SearchSave, project).is_ok());
        reached && (saved.user_id == caller.user_id() || saved.search.shared)
    };
    saved.filter(is_seen).ok_or_else(|| Answer::new(Kind::NotFound, format!("no saved search `{id}`")))
}

fn mine(saved: SavedSearch, caller: &Caller) -> Result<SavedSearch> {
    if saved.user_id != caller.user_id() {
        may_share(caller, saved.search.project)?;
    }
    Ok(saved)
}

fn may_share(caller: &Caller, project: Option<ProjectId>) -> Result<()> {
    let alone = || Answer::new(Kind::Invalid, "a search that is shared belongs to a project").field("shared");
    caller.may(Verb::SearchShare, project.ok_or_else(alone)?)
}

/// Refuses what could not be searched for.
fn check(caller: &Caller, new: &NewSearch) -> Result<()> {
    if new.shared {
        may_share(caller, new.project)?;
    }
    match new.kind {
        SearchKind::Events => {
            selection::parse(Some(&new.query))?.filter(0).map_err(selection::wrong)?;
        }
        SearchKind::Issues => {
            selection::parse(Some(&new.query))?.split().map_err(selection::wrong)?;
        }
        SearchKind::Sql => {}
    }
    Ok(())
}
