//! The routes, in one list: the router, the OpenAPI document and the labels of metrics are made of it.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state, map_request};
use http::{Method, Uri};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::cors::without_prefix;
use super::{admin, compression, docs, health, layer, live, ndjson, otlp, rest, sentry, sql};
use crate::answer::{Answer, Kind};
use crate::state::State;

/// Everything.
pub(super) fn all() -> OpenApiRouter<State> {
    let routes = OpenApiRouter::default()
        .routes(routes!(ndjson::ingest))
        .routes(routes!(sql::sql))
        .routes(routes!(sql::cancel))
        .routes(routes!(sql::progress))
        .routes(routes!(admin::roll))
        .routes(routes!(health::status))
        .routes(routes!(health::metrics));
    let routes =
        routes.merge(otlp()).merge(sentry::routes()).merge(rest::routes()).merge(live::routes()).merge(docs::routes());
    for path in routes.get_openapi().paths.paths.keys() {
        debug_assert!(path.starts_with('/'), "{path}");
    }
    routes
}

/// OTLP and health only, for the port that SDKs try first.
fn otlp() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(routes!(otlp::logs))
        .routes(routes!(otlp::traces))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
}

/// The router of everything.
pub(crate) fn router(state: State) -> Router {
    build(state, all())
}

/// The router of OTLP and health.
pub(crate) fn otlp_router(state: State) -> Router {
    build(state, otlp())
}

fn build(state: State, routes: OpenApiRouter<State>) -> Router {
    let (router, _) = routes.split_for_parts();
    let router = router
        .fallback(unknown)
        .method_not_allowed_fallback(other_method)
        .layer(from_fn(rest::unless_known))
        .layer(from_fn_with_state(state.clone(), layer::around))
        .layer(from_fn(crate::auth::cookie::set_new))
        .layer(compression::layer())
        .with_state(state);
    // Around the router, as a path is changed before it is looked for.
    Router::new().fallback_service(router).layer(map_request(leave_prefix_out))
}

/// Lets a DSN have a path: ingest is served below any.
async fn leave_prefix_out(mut request: Request) -> Request {
    let uri = request.uri();
    let Some(path) = without_prefix(uri.path()) else { return request };
    let path = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

async fn unknown(uri: Uri) -> Answer {
    Answer::new(Kind::NotFound, format!("no route `{}`", uri.path()))
}

async fn other_method(method: Method, uri: Uri) -> Answer {
    Answer::new(Kind::Method, format!("the route `{}` knows no method `{method}`", uri.path()))
}
