//! `tephra restore`: an empty data directory gets its history from a lake, and everything else from the newest copy there.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use chrono::DateTime;
use tephra_storage::meta::Meta;
use tephra_storage::meta::backup::{Copies, Restored};
use tephra_storage::{Clock, Store, StoreStatus, SystemClock};
use url::Url;

use crate::cli::RestoreArgs;
use crate::lock::DirectoryLock;
use crate::settings::Settings;

/// Takes the data directory and fills it.
pub(crate) fn run(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let settings = args.load()?.settings;
    crate::logs::start(&settings.log)?;
    if !settings.meta.url.is_empty() {
        bail!("`meta.url` names a PostgreSQL server: restore that from its own backups; the lake needs nothing");
    }
    if settings.storage.cold.url.is_empty() {
        bail!("could not restore from nowhere: give `--from` or `cold.url`, `file:///path` or `s3://bucket/prefix`");
    }
    must_exist(&settings.storage.cold.url)?;
    let _lock = DirectoryLock::take(settings.data_dir())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let text = runtime.block_on(restore(&settings))?;
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// A local lake would be made where it is not there, which is not what a wrong name should do.
fn must_exist(url: &str) -> anyhow::Result<()> {
    let path = Url::parse(url).ok().filter(|url| url.scheme() == "file").and_then(|url| url.to_file_path().ok());
    if let Some(path) = path.filter(|path| !path.is_dir()) {
        bail!("could not restore from `{url}`: there is no folder `{}`", path.display());
    }
    Ok(())
}

async fn restore(settings: &Settings) -> anyhow::Result<String> {
    let (storage, clock) = (&settings.storage, Arc::new(SystemClock));
    let copies = Copies::open(storage)?;
    // Asked first: without a copy this is not the place that is meant, and nothing is to be made there.
    if copies.list().await?.is_empty() {
        bail!("could not restore from `{}`: it holds no copy of the metadata", storage.cold.url);
    }
    let store = Box::pin(Store::open(storage.clone(), clock.clone())).await.context("could not open the lake")?;
    let status = store.status();
    let restored = if status.hot_rows > 0 {
        Err(anyhow::anyhow!("the data directory `{}` holds events of its own", settings.data_dir().display()))
    } else {
        copies.restore(&storage.node_id).await.context("could not restore the metadata")
    };
    store.close().await?;
    let restored = restored?;
    // Brings the schema up to date, or says that a newer program wrote it, before anybody starts a server on it.
    Meta::open(&settings.meta, settings.data_dir(), clock.clone()).await?.close().await;
    Ok(report(settings, &status, &restored, clock.now_us()))
}

fn report(settings: &Settings, status: &StoreStatus, restored: &Restored, now_us: i64) -> String {
    let taken_us = restored.copy.taken_at_us();
    let taken = DateTime::from_timestamp_micros(taken_us).unwrap_or_default().format("%Y-%m-%d %H:%M:%S UTC");
    let age = age(now_us - taken_us);
    let mut text = format!(
        "history   {} events in {} files, version {}\n\
         the rest  as it was at {taken}, {age} ago\n",
        status.cold_rows, status.cold_files, status.cold_version,
    );
    for (copy, why) in &restored.damaged {
        text.push_str(&format!("skipped   `{copy}`: {why}\n"));
    }
    text.push_str(&format!(
        "\nWhat people changed in those {age} is gone. Issues are counted anew from the history by the first start.\n\
         Start the server with `cold.url` as it is here:\n\n  \
         TEPHRA_COLD_URL={} tephra serve --data-dir {}\n",
        settings.storage.cold.url,
        settings.data_dir().display(),
    ));
    text
}

/// As people say it, in the largest unit that is not too coarse.
fn age(us: i64) -> String {
    let seconds = us.max(0) / 1_000_000;
    let units = [(86_400, "days"), (3600, "hours"), (60, "minutes")];
    let found = units.into_iter().find(|(unit, _)| seconds >= 2 * unit);
    found.map_or_else(|| format!("{seconds} seconds"), |(unit, word)| format!("{} {word}", seconds / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_as_people_do() {
        let check = |seconds: i64, expected: &str| assert_eq!(age(seconds * 1_000_000), expected);
        check(-5, "0 seconds");
        check(119, "119 seconds");
        check(120, "2 minutes");
        check(7199, "119 minutes");
        check(3 * 3600, "3 hours");
        check(40 * 86_400, "40 days");
    }

    #[test]
    fn a_wrong_name_makes_no_lake() {
        let dir = tempfile::tempdir().unwrap();
        let url = Url::from_file_path(dir.path().join("absent")).unwrap();
        assert!(must_exist(url.as_str()).unwrap_err().to_string().contains("absent"));
        assert!(
            must_exist(Url::from_file_path(dir.path()).unwrap().as_str()).is_ok() && must_exist("s3://b/p").is_ok()
        );
    }
}
