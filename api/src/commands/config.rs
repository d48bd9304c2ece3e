//! `tephra config`.

use std::process::ExitCode;

use crate::cli::ConfigArgs;
use crate::settings::{markdown, show};

/// Prints the settings in force.
pub(crate) fn run(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let text = if args.markdown { markdown() } else { show(&args.load()?) };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
