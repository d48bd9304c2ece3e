//! `tephra roll`.

use std::process::ExitCode;

use serde::Deserialize;

use crate::cli::RollArgs;
use crate::client::Client;

#[derive(Deserialize)]
struct Rolled {
    rows: u64,
    files: u64,
    bytes: u64,
    version: u64,
    took_ms: u64,
}

/// Asks for a roll and waits for it.
pub(crate) fn run(args: &RollArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::find(&args.server)?;
        let response = client.post("/api/v1/admin/roll").send().await.map_err(|error| client.unreachable(&error))?;
        if !response.status().is_success() {
            return Err(Client::problem(response).await.into());
        }
        let rolled: Rolled = response.json().await?;
        let text = match rolled.rows {
            0 => format!("nothing to roll (version {}, {} ms)\n", rolled.version, rolled.took_ms),
            rows => format!(
                "rolled {rows} events into {} files, {} (version {}, {} ms)\n",
                rolled.files,
                indicatif::HumanBytes(rolled.bytes),
                rolled.version,
                rolled.took_ms,
            ),
        };
        super::print(&text)?;
        Ok(ExitCode::SUCCESS)
    })
}
