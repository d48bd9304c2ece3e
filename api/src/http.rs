//! The HTTP interface: REST, OTLP/HTTP, health and metrics, all on one router.

mod admin;
mod body;
mod compression;
pub(crate) mod cors;
mod docs;
mod document;
pub(crate) mod headers;
mod health;
mod layer;
pub(crate) mod limit;
pub(crate) mod live;
mod ndjson;
mod otlp;
mod problem;
pub(crate) mod proxy;
mod rest;
mod routes;
mod sentry;
mod sql;

pub(crate) use layer::RequestId;
pub(crate) use problem::Problem;
pub(crate) use routes::{otlp_router, router};

/// Where the id of a request stands, in requests and answers.
pub(crate) const REQUEST_ID: &str = "x-request-id";
