//! The commands of `tephra`, each a function from its arguments to an exit code.

pub(crate) mod admin;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod regroup;
pub(crate) mod restore;
pub(crate) mod roll;
pub(crate) mod serve;
pub(crate) mod sql;
mod table;

use std::io::{self, Write};
use std::process::ExitCode;

/// `tephra version`.
pub(crate) fn version() -> anyhow::Result<ExitCode> {
    print(&format!("tephra {}\n", env!("CARGO_PKG_VERSION")))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes to standard output; a reader that went away is an error here, not a panic.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Whether the reader of our output went away.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
