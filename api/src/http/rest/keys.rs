//! Ingest keys of a project, with the DSN that SDKs take.

use axum::Json;
use axum::extract::State as Extract;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tephra_storage::meta::keys::{self, HASHED, IngestKey};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{IfMatch, JsonBody, Page, PathOf, Reads, Time, Versioned, Writes, reach};
use crate::access::{KeyKind, Secret, dsn};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::gate::Rate;
use crate::roles::Verb;
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(list, create)).routes(routes!(get, update, revoke))
}

/// An ingest key. Its text may stand in web pages: it writes events to its project and does nothing else.
#[derive(Serialize, ToSchema)]
#[schema(as = IngestKey)]
struct Shown {
    id: String,
    name: String,
    /// `teph_k_…`; null for a key of before it was kept.
    key: Option<String>,
    /// What SDKs take; null where the key's text is not known.
    dsn: Option<String>,
    disabled: bool,
    /// How fast events may come with it; the server's default where it is null.
    #[schema(required)]
    rate_limit: Option<Rate>,
    created_at: Time,
    created_by: String,
    /// To the minute or so.
    used_at: Option<Time>,
}

/// A key that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IngestKeyCreate)]
struct Create {
    name: String,
    /// How fast events may come with it; the server's default where it is absent.
    rate_limit: Option<Rate>,
}

/// What is to be changed of a key; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IngestKeyUpdate)]
struct Update {
    name: Option<String>,
    /// A key that is disabled refuses events until it is enabled.
    disabled: Option<bool>,
    /// How fast events may come with it; the server's default where it is null.
    #[serde(default, deserialize_with = "super::input::given")]
    #[schema(value_type = Option<Rate>)]
    rate_limit: Option<Option<Rate>>,
}

impl Shown {
    fn of(state: &State, key: IngestKey) -> Self {
        let text = Some(key.secret).filter(|text| !text.starts_with(HASHED));
        Self {
            dsn: text.as_ref().map(|text| dsn(state.settings.public_url(), text, key.project)),
            key: text,
            id: key.id,
            name: key.name,
            disabled: key.disabled_at_us.is_some(),
            rate_limit: key.rate.map(Rate::from),
            created_at: Time(key.created_at_us),
            created_by: key.created_by,
            used_at: key.used_at_us.map(Time),
        }
    }

    fn versioned(state: &State, key: IngestKey) -> Versioned<Self> {
        Versioned::counted(key.version, &[key.used_at_us.unwrap_or(0)], Self::of(state, key))
    }
}

/// Lists the keys of a project.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/keys", operation_id = "listKeys", tag = "keys",
    params(("project" = String, Path, description = "Its number or slug.")),
    responses((status = 200, description = "The keys, oldest first.", body = Page<Shown>), Reads),
)]
async fn list(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
) -> Result<Json<Page<Shown>>> {
    let project = reach::project_id(&state, &caller, &name, Verb::KeyRead).await?;
    let keys = state.meta.keys(Some(project)).await?;
    Ok(Json(Page::whole(keys.into_iter().map(|key| Shown::of(&state, key)).collect())))
}

/// Makes a key.
#[utoipa::path(
    post, path = "/api/v1/projects/{project}/keys", operation_id = "createKey", tag = "keys", request_body = Create,
    params(("project" = String, Path, description = "Its number or slug.")),
    responses((status = 201, description = "The key.", body = Shown), Writes),
)]
async fn create(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    JsonBody(new): JsonBody<Create>,
) -> Result<Versioned<Shown>> {
    let project = reach::project_id(&state, &caller, &name, Verb::KeyWrite).await?;
    if let Some(rate) = &new.rate_limit {
        rate.check("rate_limit")?;
    }
    let secret = Secret::make(KeyKind::Ingest);
    let mut tx = state.meta.begin().await?;
    let key = keys::create(&mut tx, &caller.actor(), project, &new.name, secret.id(), secret.show()).await;
    let mut key = key.map_err(|error| Answer::from(error).field("name"))?;
    if let Some(rate) = new.rate_limit {
        key = keys::update(&mut tx, &caller.actor(), &key, &new.name, false, Some(rate.of_key())).await?;
    }
    tx.commit().await?;
    state.access.changed().await?;
    Ok(Shown::versioned(&state, key).created())
}

/// Tells of a key.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/keys/{key}", operation_id = "getKey", tag = "keys",
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("key" = String, Path, description = "The id of the key."),
    ),
    responses((status = 200, description = "The key.", body = Shown), Reads),
)]
async fn get(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf((project, key)): PathOf<(String, String)>,
) -> Result<Versioned<Shown>> {
    let key = find(&state, &caller, &project, &key, Verb::KeyRead).await?;
    Ok(Shown::versioned(&state, key))
}

/// Renames a key, limits it, or switches it off or on.
#[utoipa::path(
    patch, path = "/api/v1/projects/{project}/keys/{key}", operation_id = "updateKey", tag = "keys",
    request_body = Update,
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("key" = String, Path, description = "The id of the key."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
    ),
    responses((status = 200, description = "The key.", body = Shown), Writes),
)]
async fn update(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf((project, key)): PathOf<(String, String)>,
    if_match: IfMatch,
    JsonBody(change): JsonBody<Update>,
) -> Result<Versioned<Shown>> {
    let before = find(&state, &caller, &project, &key, Verb::KeyWrite).await?;
    if_match.check(before.version)?;
    let name = change.name.as_deref().unwrap_or(&before.name);
    let disabled = change.disabled.unwrap_or(before.disabled_at_us.is_some());
    if let Some(Some(rate)) = &change.rate_limit {
        rate.check("rate_limit")?;
    }
    let rate = change.rate_limit.map_or(before.rate, |rate| rate.map(Rate::of_key));
    let mut tx = state.meta.begin().await?;
    let after = keys::update(&mut tx, &caller.actor(), &before, name, disabled, rate).await?;
    tx.commit().await?;
    state.access.changed().await?;
    Ok(Shown::versioned(&state, after))
}

/// Revokes a key for ever.
#[utoipa::path(
    delete, path = "/api/v1/projects/{project}/keys/{key}", operation_id = "revokeKey", tag = "keys",
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("key" = String, Path, description = "The id of the key."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
    ),
    responses((status = 204, description = "It opens nothing any more."), Writes),
)]
async fn revoke(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf((project, key)): PathOf<(String, String)>,
    if_match: IfMatch,
) -> Result<StatusCode> {
    let key = find(&state, &caller, &project, &key, Verb::KeyWrite).await?;
    if_match.check(key.version)?;
    let mut tx = state.meta.begin().await?;
    keys::revoke(&mut tx, &caller.actor(), &key).await?;
    tx.commit().await?;
    state.access.changed().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(state: &State, caller: &Caller, project: &str, id: &str, verb: Verb) -> Result<IngestKey> {
    let project = reach::project_id(state, caller, project, verb).await?;
    let key = state.meta.key(id).await?.filter(|key| key.project == project);
    key.ok_or_else(|| Answer::new(Kind::NotFound, format!("no key `{id}`")))
}
