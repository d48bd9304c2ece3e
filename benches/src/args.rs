//! The arguments that name a data set, the same for all subcommands.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};

use crate::generate::{Settings, Size};

/// What `load` leaves in the data directory, so that `queries` knows what was loaded.
const MANIFEST: &str = "bench-data-set.json";

/// Which events.
#[derive(Clone, Debug, clap::Args)]
pub struct DataSetArgs {
    /// Events of the data set.
    #[arg(long, default_value_t = 1_000_000)]
    pub events: u64,
    /// About 2.2 KB or about 6 KB as JSON.
    #[arg(long, value_enum, default_value_t = Size::Small)]
    pub size: Size,
    /// What the events are derived from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Days over which the events spread.
    #[arg(long, default_value_t = 7)]
    pub days: u32,
    /// Time of the last event: `now` or RFC 3339. A data directory that knows the data set gives the time it knows.
    #[arg(long)]
    pub base: Option<String>,
    /// Only these events of the data set, `FIRST..END`.
    #[arg(long, value_parser = parse_range)]
    pub range: Option<Range<u64>>,
}

impl DataSetArgs {
    /// The settings, with the time of the last event from the arguments, else as the data directory remembers it, else now.
    pub fn settings(&self, data_dir: Option<&Path>) -> anyhow::Result<Settings> {
        let mut settings =
            Settings { events: self.events, size: self.size, seed: self.seed, days: self.days, base_us: 0 };
        let known = data_dir.and_then(|dir| read_manifest(dir).ok());
        settings.base_us = match (&self.base, known) {
            (Some(base), _) => parse_time(base)?,
            (None, Some(known)) if known == (Settings { base_us: known.base_us, ..settings.clone() }) => known.base_us,
            (None, _) => Utc::now().timestamp_micros(),
        };
        Ok(settings)
    }

    /// Which of its events.
    pub fn range(&self) -> Range<u64> {
        let range = self.range.clone().unwrap_or(0..self.events);
        range.start.min(self.events)..range.end.min(self.events)
    }
}

/// Remembers in the data directory what is loaded into it.
pub(crate) fn write_manifest(data_dir: &Path, settings: &Settings) -> anyhow::Result<()> {
    let path = data_dir.join(MANIFEST);
    std::fs::write(&path, serde_json::to_vec(settings)?)
        .with_context(|| format!("could not write `{}`", path.display()))
}

fn read_manifest(data_dir: &Path) -> anyhow::Result<Settings> {
    let path: PathBuf = data_dir.join(MANIFEST);
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

/// Reads `now` or an RFC 3339 time into µs since 1970.
pub fn parse_time(text: &str) -> anyhow::Result<i64> {
    if text == "now" {
        return Ok(Utc::now().timestamp_micros());
    }
    let time = DateTime::parse_from_rfc3339(text)
        .with_context(|| format!("`{text}` is neither `now` nor an RFC 3339 time"))?;
    Ok(time.timestamp_micros())
}

fn parse_range(text: &str) -> anyhow::Result<Range<u64>> {
    let Some((first, end)) = text.split_once("..") else { bail!("`{text}` is not `FIRST..END`") };
    Ok(first.replace('_', "").parse()?..end.replace('_', "").parse()?)
}
