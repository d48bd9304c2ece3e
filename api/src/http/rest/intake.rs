//! What a project lets in: limits and protection from spikes, quotas, filters. Each is read and written whole, and what was read
//! may be written back as it is: how things stand at the moment (`now`) is passed over.

mod filters;
mod limits;
mod quotas;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tephra_storage::ProjectId;
use tephra_storage::meta::intake::{self, Intake, IntakePart};
use utoipa_axum::router::OpenApiRouter;

use super::IfMatch;
use crate::answer::Result;
use crate::caller::Caller;
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().merge(limits::routes()).merge(quotas::routes()).merge(filters::routes())
}

/// What was decided, and its version; 0 where nobody decided anything.
async fn read<T: DeserializeOwned + Default>(state: &State, project: ProjectId, part: IntakePart) -> Result<(i64, T)> {
    let stored = stored(state, project, part).await?;
    Ok((stored.version, serde_json::from_str(&stored.body).unwrap_or_default()))
}

/// Decides anew. Returns the new version; that of before where nothing differs.
async fn write<T: Serialize + DeserializeOwned + Default + PartialEq>(
    state: &State,
    caller: &Caller,
    if_match: &IfMatch,
    (project, part): (ProjectId, IntakePart),
    rules: &T,
) -> Result<i64> {
    let before = stored(state, project, part).await?;
    if_match.check(before.version)?;
    if serde_json::from_str::<T>(&before.body).is_ok_and(|same| same == *rules) {
        return Ok(before.version);
    }
    let body = serde_json::to_value(rules).map_err(|error| {
        tracing::error!(%error, "could not write limits as JSON");
        crate::answer::Answer::new(crate::answer::Kind::Internal, "could not write it as JSON")
    })?;
    let mut tx = state.meta.begin().await?;
    let version = intake::put(&mut tx, &caller.actor(), &before, &body).await?;
    tx.commit().await?;
    state.gate.reload(&state.meta).await?;
    Ok(version)
}

async fn stored(state: &State, project: ProjectId, part: IntakePart) -> Result<Intake> {
    let all = state.meta.intake(Some(project)).await?;
    let found = all.into_iter().find(|stored| stored.part == part);
    Ok(found.unwrap_or_else(|| Intake { project, part, body: "{}".to_owned(), version: 0 }))
}
