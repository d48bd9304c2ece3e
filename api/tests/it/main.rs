//! End-to-end tests: each starts the built binary on free ports and an empty folder and speaks to it as its users do.
//!
//! The Python clients are real packages; `scripts/setup.sh` installs them.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

mod crowd;
mod grpc;
mod load;
mod native;
mod otlp;
mod person;
mod protocol;
mod python;
mod server;
mod smtp;

mod admin;
mod answers;
mod bad_input;
mod compression;
mod concurrency;
mod corpus_compare;
mod corpus_matrix;
mod disk;
mod duplicates;
mod headers;
mod isolation;
mod lake;
mod ledger;
mod limits;
mod live;
mod live_ends;
mod login;
mod mail_server;
mod metrics;
mod oidc;
mod openapi;
mod opentelemetry_sdk;
mod proxy;
mod recovery;
mod rest_events;
mod rest_issues;
mod rest_projects;
mod restore;
mod role_walk;
mod roles;
mod rules;
mod running;
mod s3;
mod sdk;
mod sdk_browser;
mod sdk_programs;
mod sentry;
mod sentry_routes;
mod sql;
mod streams;
mod tls;
