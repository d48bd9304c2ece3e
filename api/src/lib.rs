//! The service of Tephra and its command line: everything that crosses a wire, and the wiring of all parts.
//!
//! An event enters by `http/` or `grpc/`, passes `accept` and is durable when it is answered; a statement enters by
//! `http/sql` and streams back. What a failure is called on each protocol is decided in `answer` alone.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod accept;
pub mod access;
mod answer;
mod auth;
mod budget;
mod caller;
pub mod cli;
mod client;
mod commands;
mod files;
mod gate;
mod grpc;
mod http;
mod ledger;
mod lock;
mod logs;
mod meters;
mod partial;
mod process;
mod roles;
mod rules;
mod running;
mod server;
pub mod settings;
mod sift;
mod state;
mod tls;

pub use answer::{Answer, Kind};
pub use server::{Addresses, Server};
