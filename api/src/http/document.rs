//! The OpenAPI document of all routes, made of what stands at their handlers.
//!
//! `api/openapi.json` is a copy of it in the repository, which a test compares: a change of what programs may rely on is
//! seen in review. `TEPHRA_UPDATE_OPENAPI=1` writes it anew.

use std::sync::LazyLock;

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, SecurityRequirement};
use utoipa::{PartialSchema, ToSchema};

use super::problem::Problem;
use super::{rest, routes};

/// The document.
pub(super) static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(make);

/// The document as it is sent.
pub(super) static TEXT: LazyLock<String> = LazyLock::new(|| {
    let mut text = DOCUMENT.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
});

/// The nouns, in the order in which they are shown.
const TAGS: [(&str, &str); 22] = [
    ("login", "Logging in and out, forgotten passwords, second factors."),
    ("me", "The caller: who they are, their sessions and second factor."),
    ("organisation", "The organisation of this server."),
    ("users", "People and their roles in the organisation."),
    ("teams", "Groups of people, which have roles in projects as people have."),
    ("projects", "What events belong to."),
    ("members", "Who has which role in a project."),
    ("keys", "Ingest keys of projects."),
    ("limits", "What of a project's events may come in: rates, quotas, filters."),
    ("tokens", "API tokens."),
    ("events", "Single events, found by search."),
    ("facets", "The values of tags and columns, with their counts; counts over time."),
    ("issues", "What events of a kind are to people: states, assignments, merges."),
    ("comments", "What people say about issues."),
    ("releases", "Releases that events came from."),
    ("searches", "Searches that people keep."),
    ("sql", "Free questions over events."),
    ("live", "New events and changes of issues as they come."),
    ("audit", "Who did what."),
    ("ledger", "What became of what was received."),
    ("ingest", "Sending events."),
    ("server", "The server itself: health, storage, this document."),
];

fn make() -> OpenApi {
    let mut document = routes::all().into_openapi();
    document.info = InfoBuilder::new()
        .title("Tephra")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Errors and logs in; issues, search and SQL out. Conventions and examples: docs/API.md."))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let tags = TAGS.iter().map(|(name, text)| TagBuilder::new().name(*name).description(Some(*text)).build());
    document.tags = Some(tags.collect());
    document.security = Some(vec![
        SecurityRequirement::new::<_, [&str; 0], &str>("token", []),
        SecurityRequirement::new::<_, [&str; 0], &str>("session", []),
    ]);
    let components = document.components.get_or_insert_default();
    components.responses.extend(rest::responses());
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    let bearer = |text: &str| {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text)).build();
        SecurityScheme::Http(scheme)
    };
    let session = "Made by `POST /api/v1/login`. Requests that change something carry `x-tephra-csrf` as well.";
    let dsn =
        "The key of a DSN, which is an ingest key; or in `X-Sentry-Auth`, or the DSN in the header of the envelope.";
    components.security_schemes.extend([
        ("key".to_owned(), bearer("An ingest key, `teph_k_…`: it writes events to its project and reads nothing.")),
        ("dsn".to_owned(), SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::with_description("sentry_key", dsn)))),
        ("token".to_owned(), bearer("An API token, `teph_t_…`: what its projects and verbs allow.")),
        (
            "session".to_owned(),
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description("tephra_session", session))),
        ),
    ]);
    document
}

/// The path of a route as the router writes it, for labels: of the routes only, however many paths clients think of.
pub(super) fn known(path: &str) -> &'static str {
    let paths = &DOCUMENT.paths.paths;
    // Sentry's routes go by two names, of which the document has one.
    let found = paths.get_key_value(path).or_else(|| paths.get_key_value(format!("{path}/").as_str()));
    let found = found.or_else(|| paths.get_key_value(path.trim_end_matches('/')));
    found.map_or("none", |(path, _)| path.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    fn operations() -> Vec<(String, Value)> {
        let document: Value = serde_json::from_str(&TEXT).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let named = |path: &String, method: &String, operation: &Value| (format!("{method} {path}"), operation.clone());
        paths
            .iter()
            .flat_map(|(path, item)| item.as_object().unwrap().iter().map(|(method, op)| named(path, method, op)))
            .collect()
    }

    #[test]
    fn the_copy_in_the_repository_is_the_document() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        if std::env::var_os("TEPHRA_UPDATE_OPENAPI").is_some() {
            std::fs::write(&path, TEXT.as_str()).unwrap();
        }
        let copy = std::fs::read_to_string(&path).unwrap();
        let differs = copy.lines().zip(TEXT.lines()).find(|(copy, text)| copy != text);
        assert!(
            copy == *TEXT,
            "`api/openapi.json` is not what the handlers say, first at {differs:?}: set TEPHRA_UPDATE_OPENAPI=1 and look \
             at the difference"
        );
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_a_known_tag_and_a_summary() {
        let tags: BTreeSet<_> = TAGS.iter().map(|(name, _)| *name).collect();
        let mut names = BTreeSet::new();
        for (place, operation) in operations() {
            assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{place}");
            assert!(tags.contains(operation["tags"][0].as_str().unwrap()), "{place}: {}", operation["tags"]);
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{place}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document: Value = serde_json::from_str(&TEXT).unwrap();
        let pieces = TEXT.split("\"$ref\": \"#").skip(1).map(|rest| rest.split('"').next().unwrap());
        for pointer in pieces.collect::<BTreeSet<_>>() {
            assert!(document.pointer(pointer).is_some(), "nothing at {pointer}");
        }
    }

    #[test]
    fn parts_of_paths_are_described() {
        for (place, operation) in operations() {
            let parts = place.split('{').skip(1).map(|rest| rest.split('}').next().unwrap());
            let described: Vec<_> = operation["parameters"].as_array().into_iter().flatten().collect();
            for part in parts {
                let is_there = described.iter().any(|one| one["name"] == part && one["in"] == "path");
                assert!(is_there, "{place} does not describe `{part}`");
            }
        }
    }

    #[test]
    fn labels_are_of_routes_only() {
        assert_eq!(known("/api/v1/sql"), "/api/v1/sql");
        assert_eq!(known("/api/v1/nothing"), "none");
        assert_eq!(known("/api/{project}/store"), "/api/{project}/store/");
    }
}
