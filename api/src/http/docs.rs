//! The OpenAPI document, and pages to read and try it with that need nothing from the internet.
//!
//! The pages are Swagger UI (`assets/swagger-ui`, as its makers ship it) with a page and a start script of our own. They are
//! part of the program and open to all: they hold nothing but what stands in the repository.
//!
//! Their policy allows styles inside the page, which Swagger UI sets on its elements; scripts come from here only, and none
//! stands inside the page.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG};
use sha2::{Digest, Sha256};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::document::TEXT;
use super::problem::Problem;
use super::rest::Opens;
use crate::answer::{Answer, Kind, Result};
use crate::state::State;

struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! asset {
    ($name:literal, $content_type:literal) => {
        Asset {
            name: $name,
            content_type: $content_type,
            bytes: include_bytes!(concat!("../../assets/swagger-ui/", $name)),
        }
    };
}

/// The first is the page.
static ASSETS: [Asset; 6] = [
    asset!("index.html", "text/html; charset=utf-8"),
    asset!("start.js", "text/javascript; charset=utf-8"),
    asset!("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    asset!("swagger-ui.css", "text/css; charset=utf-8"),
    asset!("favicon-32x32.png", "image/png"),
    asset!("LICENSE", "text/plain; charset=utf-8"),
];

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(routes!(openapi))
        .routes(routes!(index))
        .routes(routes!(page))
        .routes(routes!(asset))
}

/// This document.
#[utoipa::path(
    get, path = "/api/openapi.json", operation_id = "openapi", tag = "server", security(()),
    responses(
        (status = 200, description = "OpenAPI 3.1.", body = Object),
        (status = 304, description = "It is the one that `If-None-Match` names."),
        Opens,
    ),
)]
async fn openapi() -> Response {
    static TAG: LazyLock<String> = LazyLock::new(|| tag(TEXT.as_bytes()));
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache"), (ETAG, TAG.as_str())];
    (headers, TEXT.as_str()).into_response()
}

/// Leads to the pages.
#[utoipa::path(
    get, path = "/api/docs", operation_id = "docs", tag = "server", security(()),
    responses((status = 308, description = "They are at `/api/docs/`."), Opens),
)]
async fn index() -> Redirect {
    Redirect::permanent("/api/docs/")
}

/// The pages to read and try this document with.
#[utoipa::path(
    get, path = "/api/docs/", operation_id = "docsPage", tag = "server", security(()),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 304, description = "It is the one that `If-None-Match` names."),
        Opens,
    ),
)]
async fn page() -> Response {
    serve(&ASSETS[0])
}

/// What the pages are made of.
#[utoipa::path(
    get, path = "/api/docs/{file}", operation_id = "docsFile", tag = "server", security(()),
    params(("file" = String, Path, description = "The name of a file.")),
    responses(
        (status = 200, description = "The file.", content(
            (String = "text/html"), (String = "text/javascript"), (String = "text/css"), (Vec<u8> = "image/png"),
            (String = "text/plain"))),
        (status = 304, description = "It is the one that `If-None-Match` names."),
        (status = 404, description = "There is no such file.", body = Problem, content_type = "application/problem+json"),
        Opens,
    ),
)]
async fn asset(Path(file): Path<String>) -> Result<Response> {
    let asset = ASSETS.iter().find(|asset| asset.name == file);
    asset.map(serve).ok_or_else(|| Answer::new(Kind::NotFound, format!("there is no file `{file}` here")))
}

fn serve(asset: &'static Asset) -> Response {
    let headers = [
        (CONTENT_TYPE, asset.content_type.to_owned()),
        (CACHE_CONTROL, "no-cache".to_owned()),
        (ETAG, tag(asset.bytes)),
        (CONTENT_SECURITY_POLICY, POLICY.to_owned()),
    ];
    (headers, asset.bytes).into_response()
}

fn tag(bytes: &[u8]) -> String {
    format!("\"{}\"", hex::encode(&Sha256::digest(bytes)[..12]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_needs_nothing_from_elsewhere_and_holds_no_script() {
        let page = std::str::from_utf8(ASSETS[0].bytes).unwrap();
        assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
        assert!(!page.contains("<script>") && !page.contains(" on"), "{page}");
        for reference in page.split("src=\"").skip(1).chain(page.split("href=\"").skip(1)) {
            let name = reference.split('"').next().unwrap();
            assert!(ASSETS.iter().any(|asset| asset.name == name), "{name}");
        }
    }
}
