//! `tephra check`: verifies what is stored, with the server stopped.

use std::process::ExitCode;

use anyhow::Context;
use tephra_storage::{StorageSettings, Store, SystemClock};

use crate::cli::CheckArgs;
use crate::lock::DirectoryLock;

/// Takes the data directory and verifies it.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let settings = args.load()?.settings;
    crate::logs::start(&settings.log)?;
    let _lock = DirectoryLock::take(settings.data_dir())
        .context("a check needs the data directory for itself; of a running server, ask `GET /api/v1/status`")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(verify(settings.storage))?;
    super::print(&report.text)?;
    Ok(if report.sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Report {
    text: String,
    sound: bool,
}

/// Opens the store, which reads every hot batch and the lake's log, and then reads every byte of every live file.
async fn verify(settings: StorageSettings) -> anyhow::Result<Report> {
    let store =
        Box::pin(Store::open(settings, std::sync::Arc::new(SystemClock))).await.context("could not open the store")?;
    let files = store.check().await.context("could not check the lake")?;
    let status = store.status();
    store.close().await?;
    let mut text = format!(
        "hot   {} events in {} segments, sequence numbers up to {}\n\
         cold  {} events in {} files, {} bytes, version {}, watermark {}\n\
         quarantined batches  {}\n",
        status.hot_rows,
        status.hot_segments,
        status.last_sequence,
        status.cold_rows,
        status.cold_files,
        status.cold_bytes,
        status.cold_version,
        status.watermark,
        status.quarantined,
    );
    let findings = [
        ("damaged; restore from a copy", &files.damaged),
        ("missing; restore from a copy", &files.missing),
        ("without digests, written by another program", &files.unsealed),
        ("named by no version, swept after the grace", &files.unnamed),
    ];
    for (what, paths) in findings {
        paths.iter().for_each(|path| text.push_str(&format!("{path} ({what})\n")));
    }
    Ok(Report { text, sound: status.quarantined == 0 && files.is_sound() })
}
