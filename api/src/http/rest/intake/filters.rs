//! Which events a project does not want at all.

use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use tephra_ingest::{FilterRules, Filters};
use tephra_storage::meta::intake::IntakePart;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::{IfMatch, JsonBody, PathOf, Reads, Versioned, Writes, reach};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(get, put))
}

/// Which events a project does not want: they are answered as if they were stored, and counted as filtered. What is absent is off.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Filters)]
struct Form {
    /// Errors thrown by extensions of browsers.
    browser_extensions: bool,
    /// Errors that crawlers met, by their user agents.
    web_crawlers: bool,
    /// Events of pages and users on the local machine.
    localhost: bool,
    /// Events of requests that only ask whether a program is alive, by their paths and user agents.
    health_checks: bool,
    /// Errors of Internet Explorer, Opera Mini, and browsers of before 2018.
    legacy_browsers: bool,
    /// Messages, texts of exceptions, and `type: text` of exceptions; `*` stands for any text, and letters of either case are
    /// alike.
    #[schema(max_items = 100, inline)]
    messages: Vec<String>,
    /// Releases, in the same way.
    #[schema(max_items = 100, inline)]
    releases: Vec<String>,
}

impl From<FilterRules> for Form {
    fn from(rules: FilterRules) -> Self {
        let FilterRules { browser_extensions, web_crawlers, localhost, health_checks, legacy_browsers, .. } = rules;
        let FilterRules { messages, releases, .. } = rules;
        Self { browser_extensions, web_crawlers, localhost, health_checks, legacy_browsers, messages, releases }
    }
}

impl From<Form> for FilterRules {
    fn from(form: Form) -> Self {
        let Form { browser_extensions, web_crawlers, localhost, health_checks, legacy_browsers, .. } = form;
        let Form { messages, releases, .. } = form;
        Self { browser_extensions, web_crawlers, localhost, health_checks, legacy_browsers, messages, releases }
    }
}

/// Tells which events a project does not want.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/filters", operation_id = "getFilters", tag = "limits",
    params(("project" = String, Path, description = "Its number or slug.")),
    responses((status = 200, description = "The filters.", body = Form), Reads),
)]
async fn get(Extract(state): Extract<State>, caller: Caller, PathOf(name): PathOf<String>) -> Result<Versioned<Form>> {
    let project = reach::project(&state, &caller, &name, Verb::ProjectRead).await?.id;
    let (version, rules) = super::read::<FilterRules>(&state, project, IntakePart::Filters).await?;
    Ok(Versioned::new(version, rules.into()))
}

/// Decides which events a project does not want.
#[utoipa::path(
    put, path = "/api/v1/projects/{project}/filters", operation_id = "putFilters", tag = "limits", request_body = Form,
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
    ),
    responses((status = 200, description = "The filters as they are now.", body = Form), Writes),
)]
async fn put(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    if_match: IfMatch,
    JsonBody(form): JsonBody<Form>,
) -> Result<Versioned<Form>> {
    let project = reach::project(&state, &caller, &name, Verb::ProjectWrite).await?.id;
    let rules = FilterRules::from(form);
    Filters::new(&rules).map_err(|error| Answer::new(Kind::Invalid, error.to_string()).field(error.field.as_str()))?;
    let version = super::write(&state, &caller, &if_match, (project, IntakePart::Filters), &rules).await?;
    Ok(Versioned::new(version, rules.into()))
}
