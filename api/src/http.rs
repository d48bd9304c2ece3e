//! The HTTP interface: REST, OTLP/HTTP, health and metrics, all on one router.

mod admin;
mod body;
mod health;
mod layer;
mod ndjson;
mod otlp;
mod problem;
mod routes;
mod sql;

pub(crate) use problem::Problem;
pub(crate) use routes::{otlp_router, router};

/// Where the id of a request stands, in requests and answers.
pub(crate) const REQUEST_ID: &str = "x-request-id";
