//! The routes, in one list that the router, the metrics and the test of `openapi.json` share.

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{MethodRouter, delete, get, post};
use http::{Method, Uri};

use super::{admin, health, layer, ndjson, otlp, sql};
use crate::answer::{Answer, Kind};
use crate::state::State;

struct Route {
    path: &'static str,
    methods: &'static [&'static str],
    handler: fn() -> MethodRouter<State>,
}

const ROUTES: [Route; 11] = [
    Route { path: "/v1/logs", methods: &["POST"], handler: || post(otlp::logs) },
    Route { path: "/v1/traces", methods: &["POST"], handler: || post(otlp::traces) },
    Route { path: "/api/v1/ingest", methods: &["POST"], handler: || post(ndjson::ingest) },
    Route { path: "/api/v1/sql", methods: &["POST"], handler: || post(sql::sql) },
    Route { path: "/api/v1/sql/{request_id}", methods: &["DELETE"], handler: || delete(sql::cancel) },
    Route { path: "/api/v1/sql/{request_id}/progress", methods: &["GET"], handler: || get(sql::progress) },
    Route { path: "/api/v1/admin/roll", methods: &["POST"], handler: || post(admin::roll) },
    Route { path: "/api/v1/status", methods: &["GET"], handler: || get(health::status) },
    Route { path: "/livez", methods: &["GET"], handler: || get(health::livez) },
    Route { path: "/readyz", methods: &["GET"], handler: || get(health::readyz) },
    Route { path: "/metrics", methods: &["GET"], handler: || get(health::metrics) },
];

/// The paths of all routes.
pub(super) const ROUTE_PATHS: [&str; ROUTES.len()] = {
    let mut paths = [""; ROUTES.len()];
    let mut index = 0;
    while index < ROUTES.len() {
        paths[index] = ROUTES[index].path;
        index += 1;
    }
    paths
};

/// Everything.
pub(crate) fn router(state: State) -> Router {
    build(state, |_| true)
}

/// OTLP and health only, for the port that SDKs try first.
pub(crate) fn otlp_router(state: State) -> Router {
    build(state, |path| path.starts_with("/v1/") || path.ends_with("z"))
}

fn build(state: State, wanted: fn(&str) -> bool) -> Router {
    let routes = ROUTES.iter().filter(|route| wanted(route.path));
    let router = routes.fold(Router::new(), |router, route| {
        debug_assert!(!route.methods.is_empty());
        router.route(route.path, (route.handler)())
    });
    router.fallback(unknown).method_not_allowed_fallback(other_method).layer(from_fn(layer::around)).with_state(state)
}

async fn unknown(uri: Uri) -> Answer {
    Answer::new(Kind::NotFound, format!("no route `{}`", uri.path()))
}

async fn other_method(method: Method, uri: Uri) -> Answer {
    Answer::new(Kind::Method, format!("the route `{}` knows no method `{method}`", uri.path()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_documented_and_every_document_is_a_route() {
        let document: serde_json::Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
        let written: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
                methods.map(move |method| (path.clone(), method.to_uppercase()))
            })
            .collect();
        let served: BTreeSet<(String, String)> = ROUTES
            .iter()
            .flat_map(|route| route.methods.iter().map(|method| (route.path.to_owned(), (*method).to_owned())))
            .collect();
        assert_eq!(written, served);
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}
