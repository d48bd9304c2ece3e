//! What is stored where and for how long: of the whole server for those who may read it, of a project for its members.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State as Extract;
use serde::Serialize;
use tephra_query::{EventsPage, Search, Selection};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Asks, PathOf, Reads, Time, reach};
use crate::answer::Result;
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(whole)).routes(routes!(of_project))
}

/// What the server stores.
#[derive(Serialize, ToSchema)]
struct Storage {
    hot: StorageHot,
    cold: StorageCold,
    /// The newest day first.
    partitions: Vec<StoragePartition>,
    /// The time of the oldest event in the lake.
    #[schema(required)]
    oldest_event: Option<Time>,
    projects: Vec<ProjectRetention>,
    free_disk_bytes: u64,
}

/// Events that are not in the lake yet.
#[derive(Serialize, ToSchema)]
struct StorageHot {
    events: u64,
    /// About what they take in memory.
    bytes: u64,
    disk_bytes: u64,
    /// When the oldest was received.
    #[schema(required)]
    oldest_received_at: Option<Time>,
}

/// Events in the lake.
#[derive(Serialize, ToSchema)]
struct StorageCold {
    events: u64,
    files: usize,
    bytes: u64,
    /// The version of the table.
    version: u64,
}

/// A partition of the lake.
#[derive(Serialize, ToSchema)]
struct StoragePartition {
    /// The day of receipt, `2026-01-31`.
    day: String,
    /// How long it is kept.
    retention_days: u16,
    /// Whether its events were more than an hour old when they arrived.
    late: bool,
    events: u64,
    files: u64,
    bytes: u64,
}

/// How long a project's events are kept.
#[derive(Serialize, ToSchema)]
struct ProjectRetention {
    project_id: i64,
    slug: String,
    retention_days: i64,
}

/// What is stored of a project.
#[derive(Serialize, ToSchema)]
struct ProjectStorage {
    project_id: i64,
    retention_days: i64,
    events: u64,
    #[schema(required)]
    oldest_event: Option<String>,
    #[schema(required)]
    newest_event: Option<String>,
}

/// Tells what the server stores.
#[utoipa::path(
    get, path = "/api/v1/storage", operation_id = "getStorage", tag = "server",
    responses((status = 200, description = "What it stores.", body = Storage), Reads),
)]
async fn whole(Extract(state): Extract<State>, caller: Caller) -> Result<Json<Storage>> {
    caller.may_here(Verb::StorageRead)?;
    let store = &state.core()?.store;
    let (status, snapshot) = (store.status(), store.snapshot());
    let mut partitions: BTreeMap<(&str, u16, bool), (u64, u64, u64)> = BTreeMap::new();
    for file in &snapshot.cold().files {
        let sums = partitions.entry((file.day.as_str(), file.retention_days, file.late)).or_default();
        *sums = (sums.0 + file.rows, sums.1 + 1, sums.2 + file.size_bytes);
    }
    let partitions = partitions.iter().rev().map(|((day, retention_days, late), (events, files, bytes))| {
        let (day, retention_days, late) = ((*day).to_owned(), *retention_days, *late);
        StoragePartition { day, retention_days, late, events: *events, files: *files, bytes: *bytes }
    });
    let projects = state.meta.projects().await?.into_iter().map(|project| ProjectRetention {
        project_id: project.id.0,
        slug: project.slug,
        retention_days: project.retention_days,
    });
    Ok(Json(Storage {
        hot: StorageHot {
            events: status.hot_rows,
            bytes: status.hot_bytes,
            disk_bytes: status.hot_disk_bytes,
            oldest_received_at: status.oldest_hot_received_at.map(Time),
        },
        cold: StorageCold {
            events: status.cold_rows,
            files: status.cold_files,
            bytes: status.cold_bytes,
            version: status.cold_version,
        },
        partitions: partitions.collect(),
        oldest_event: snapshot.cold().files.iter().map(|file| Time(file.timestamps.0)).min(),
        projects: projects.collect(),
        free_disk_bytes: status.free_disk_bytes,
    }))
}

/// Tells what is stored of a project.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/storage", operation_id = "getProjectStorage", tag = "projects",
    params(("project" = String, Path, description = "Its number or slug.")),
    responses((status = 200, description = "What is stored of it.", body = ProjectStorage), Asks),
)]
async fn of_project(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
) -> Result<Json<ProjectStorage>> {
    let project = reach::project(&state, &caller, &name, Verb::StorageRead).await?;
    let engine = &state.core()?.engine;
    let all = Selection::new(Search::default(), state.clock.now_us());
    let events = engine.facets(&[project.id], &all, "project_id", 1).await?.events;
    let first = async |newest_first: bool| -> Result<Option<String>> {
        let columns = Some(vec!["timestamp".to_owned()]);
        let page = EventsPage { newest_first, columns, ..EventsPage::newest(all.clone(), 1) };
        let rows = engine.events(&[project.id], page).await?.rows;
        Ok(rows.first().and_then(|row| row.get("timestamp")?.as_str().map(str::to_owned)))
    };
    Ok(Json(ProjectStorage {
        project_id: project.id.0,
        retention_days: project.retention_days,
        events,
        oldest_event: first(false).await?,
        newest_event: first(true).await?,
    }))
}
