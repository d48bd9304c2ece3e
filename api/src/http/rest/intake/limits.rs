//! How fast events of a project may come, and whether a spike is on.

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
use crate::gate::{LimitRules, Rate, SpikeRules, WINDOW};
use crate::roles::Verb;
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(get, put))
}

/// How fast events of a project may come.
#[derive(Serialize, ToSchema)]
#[schema(as = Limits)]
struct Shown {
    /// Of all keys together; the server's default where it is null.
    #[schema(required)]
    rate: Option<Rate>,
    /// Far more events than usual are refused until they are fewer again.
    spike_protection: SpikeRules,
    now: Now,
}

/// What holds, and how things stand.
#[derive(Serialize, ToSchema)]
#[schema(as = LimitsNow)]
struct Now {
    /// The rate in force; none where it is null.
    #[schema(required)]
    rate: Option<Rate>,
    /// Whether the project is protected from spikes.
    spike_protection: bool,
    /// So many times the usual is a spike.
    spike_multiple: u32,
    /// Fewer events per minute are none.
    spike_events_per_minute_min: u32,
    /// Whether a spike is on, so that events are refused.
    spike: bool,
    /// Since when.
    #[schema(required)]
    spike_since: Option<Time>,
    /// Events of a usual hour; null until enough is known of the project, and nothing is a spike until then.
    #[schema(required)]
    usual_events_per_hour: Option<f64>,
    /// Minutes that are looked at together.
    window_minutes: usize,
    /// Events that came in these minutes to this server.
    window_events: u64,
    /// How many of them are let in at most.
    #[schema(required)]
    window_events_max: Option<u64>,
}

/// How fast events of a project may come; what is absent is the server's default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LimitsPut)]
struct Put {
    rate: Option<Rate>,
    #[serde(default)]
    spike_protection: SpikeRules,
    /// Passed over.
    #[serde(rename = "now")]
    #[schema(value_type = Option<Object>)]
    _now: Option<IgnoredAny>,
}

impl Shown {
    fn versioned(state: &State, project: ProjectId, version: i64, rules: LimitRules) -> Versioned<Self> {
        let standing = state.gate.project(project).standing(state.clock.now_us());
        let in_force = rules.rate.or_else(|| state.gate.default_rate());
        let now = Now {
            rate: in_force.filter(|rate| rate.events > 0),
            spike_protection: standing.spikes.enabled,
            spike_multiple: standing.spikes.multiple,
            spike_events_per_minute_min: standing.spikes.events_per_minute_min,
            spike: standing.spike_since.is_some(),
            spike_since: standing.spike_since.map(Time),
            usual_events_per_hour: standing.usual,
            window_minutes: WINDOW,
            window_events: standing.came,
            window_events_max: standing.spike_limit,
        };
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let counts = [
            standing.spike_since.unwrap_or(0),
            number(standing.came),
            number(standing.spike_limit.unwrap_or(0)),
            standing.usual.map_or(0, |usual| (usual * 1e3) as i64),
        ];
        let shown = Self { rate: rules.rate, spike_protection: rules.spike_protection, now };
        Versioned::counted(version, &counts, shown)
    }
}

/// Tells how fast events of a project may come.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/limits", operation_id = "getLimits", tag = "limits",
    params(("project" = String, Path, description = "Its number or slug.")),
    responses((status = 200, description = "The limits.", body = Shown), Reads),
)]
async fn get(Extract(state): Extract<State>, caller: Caller, PathOf(name): PathOf<String>) -> Result<Versioned<Shown>> {
    let project = reach::project(&state, &caller, &name, Verb::ProjectRead).await?.id;
    let (version, rules) = super::read(&state, project, IntakePart::Limits).await?;
    Ok(Shown::versioned(&state, project, version, rules))
}

/// Decides how fast events of a project may come.
#[utoipa::path(
    put, path = "/api/v1/projects/{project}/limits", operation_id = "putLimits", tag = "limits", request_body = Put,
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
    ),
    responses((status = 200, description = "The limits as they are now.", body = Shown), Writes),
)]
async fn put(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    if_match: IfMatch,
    JsonBody(body): JsonBody<Put>,
) -> Result<Versioned<Shown>> {
    let project = reach::project(&state, &caller, &name, Verb::ProjectWrite).await?.id;
    let rules = LimitRules { rate: body.rate, spike_protection: body.spike_protection };
    rules.check()?;
    let version = super::write(&state, &caller, &if_match, (project, IntakePart::Limits), &rules).await?;
    Ok(Shown::versioned(&state, project, version, rules))
}
