//! How many events a project may store in a day and in a month, and how many it did.

use std::collections::BTreeMap;

use axum::extract::State as Extract;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use tephra_storage::ProjectId;
use tephra_storage::meta::intake::IntakePart;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::{IfMatch, JsonBody, PathOf, Reads, Time, Versioned, Writes, reach};
use crate::answer::Result;
use crate::caller::Caller;
use crate::gate::{self, COUNTED, QuotaRules, Standing, TOTAL};
use crate::roles::Verb;
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(get, put))
}

/// How many events a project may store, by `total` and by category.
#[derive(Serialize, ToSchema)]
#[schema(as = Quotas)]
struct Shown {
    /// Of a day (UTC), by `total`, `error`, `default` (messages), `log_item`, `feedback`, `security` and `attachment`; the
    /// server's default where it is null.
    #[schema(required)]
    day: Option<BTreeMap<String, u64>>,
    /// The same of a month.
    #[schema(required)]
    month: Option<BTreeMap<String, u64>>,
    now: Now,
}

/// How things stand.
#[derive(Serialize, ToSchema)]
#[schema(as = QuotasNow)]
struct Now {
    day: Period,
    month: Period,
}

/// How a day or month stands.
#[derive(Serialize, ToSchema)]
#[schema(as = QuotaPeriod)]
struct Period {
    /// The quotas in force.
    quotas: BTreeMap<&'static str, u64>,
    /// What was stored, by `total` (attachments are no events and do not count to it) and by category.
    used: BTreeMap<&'static str, u64>,
    /// The quotas that are used up.
    used_up: Vec<&'static str>,
    /// When counting begins anew.
    ends_at: Time,
}

/// How many events a project may store; what is absent is the server's default, and 0 lets none in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = QuotasPut)]
struct Put {
    /// Of a day (UTC), by `total`, `error`, `default` (messages), `log_item`, `feedback`, `security` and `attachment`; without
    /// limit where it is empty.
    day: Option<BTreeMap<String, u64>>,
    /// The same of a month.
    month: Option<BTreeMap<String, u64>>,
    /// Passed over.
    #[serde(rename = "now")]
    #[schema(value_type = Option<Object>)]
    _now: Option<IgnoredAny>,
}

impl Shown {
    fn versioned(state: &State, project: ProjectId, version: i64, rules: QuotaRules) -> Versioned<Self> {
        let standing = state.gate.project(project).standing(state.clock.now_us());
        let counts: Vec<i64> =
            standing.used.iter().flatten().map(|used| *used as i64).chain(standing.ends_us).collect();
        let now = Now { day: Period::of(&standing, 0), month: Period::of(&standing, 1) };
        Versioned::counted(version, &counts, Self { day: rules.day, month: rules.month, now })
    }
}

impl Period {
    fn of(standing: &Standing, period: usize) -> Self {
        let counts = &standing.used[period];
        let mut used: BTreeMap<_, _> = COUNTED.iter().map(|category| category.as_str()).zip(*counts).collect();
        used.insert(TOTAL, gate::events(counts));
        let quotas = standing.quotas[period].shown();
        let used_up = quotas.iter().filter(|(name, quota)| used[*name] >= **quota).map(|(name, _)| *name).collect();
        Self { quotas, used, used_up, ends_at: Time(standing.ends_us[period]) }
    }
}

/// Tells how many events a project may store, and how many it did.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/quotas", operation_id = "getQuotas", tag = "limits",
    params(("project" = String, Path, description = "Its number or slug.")),
    responses((status = 200, description = "The quotas.", body = Shown), Reads),
)]
async fn get(Extract(state): Extract<State>, caller: Caller, PathOf(name): PathOf<String>) -> Result<Versioned<Shown>> {
    let project = reach::project(&state, &caller, &name, Verb::ProjectRead).await?.id;
    let (version, rules) = super::read(&state, project, IntakePart::Quotas).await?;
    Ok(Shown::versioned(&state, project, version, rules))
}

/// Decides how many events a project may store.
#[utoipa::path(
    put, path = "/api/v1/projects/{project}/quotas", operation_id = "putQuotas", tag = "limits", request_body = Put,
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
    ),
    responses((status = 200, description = "The quotas as they are now.", body = Shown), Writes),
)]
async fn put(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    if_match: IfMatch,
    JsonBody(body): JsonBody<Put>,
) -> Result<Versioned<Shown>> {
    let project = reach::project(&state, &caller, &name, Verb::ProjectWrite).await?.id;
    let rules = QuotaRules { day: body.day, month: body.month };
    rules.check()?;
    let version = super::write(&state, &caller, &if_match, (project, IntakePart::Quotas), &rules).await?;
    Ok(Shown::versioned(&state, project, version, rules))
}
