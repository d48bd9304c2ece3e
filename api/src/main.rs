//! The binary `tephra`.

use std::process::ExitCode;

use clap::Parser;
use tephra::cli::Cli;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // Two providers come with the dependencies, and rustls wants one named before the first connection.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tephra::cli::run(Cli::parse())
}
