//! The live files of the table with their statistics, in memory.
//!
//! Loaded once, then advanced by each commit's actions in turn; readers never list the bucket. What a reader holds is
//! an immutable `ColdVersion`.

use std::collections::HashMap as StdHashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use deltalake_core::kernel::{Action, Add};
use hashbrown::HashMap;
use serde_json::{Value, json};

use crate::cold::digest::Digests;
use crate::cold::writer::NewFile;
use crate::error::{Error, Result};
use crate::event::ProjectId;

const TAG_PROJECTS: &str = "tephra.projects";
const TAG_DIGESTS: &str = "tephra.digests";
const TAG_LATE: &str = "tephra.late";

/// One live file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColdFile {
    /// Its path below the table.
    pub path: String,
    /// Its size.
    pub size_bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// The UTC day on which its events were received, `YYYY-MM-DD`.
    pub day: String,
    /// How long its events are kept.
    pub retention_days: u16,
    /// The least and the greatest `timestamp`, µs.
    pub timestamps: (i64, i64),
    /// The least and the greatest `received_at`, µs.
    pub received: (i64, i64),
    /// The projects of its rows, sorted; empty where another writer made the file.
    pub projects: Vec<ProjectId>,
    /// Whether it holds events that were more than an hour old when they arrived.
    pub late: bool,
    /// The digests of its segments; empty where another writer made the file.
    pub digests: Digests,
}

/// The table at one version.
#[derive(Debug, Default)]
pub struct ColdVersion {
    /// The version of the Delta table.
    pub version: u64,
    /// The live files, those with the newest events first.
    pub files: Vec<Arc<ColdFile>>,
    /// The last sequence number that the rolls of each node cover.
    pub watermarks: HashMap<String, u64>,
}

impl ColdVersion {
    /// The rows of all files.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// The bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }
}

/// The catalog that commits advance.
#[derive(Clone, Default)]
pub(crate) struct Catalog {
    pub(crate) version: u64,
    pub(crate) files: HashMap<String, Arc<ColdFile>>,
    pub(crate) watermarks: HashMap<String, u64>,
}

impl Catalog {
    /// Applies the actions of `version`; returns the paths that it removed.
    pub(crate) fn apply(&mut self, version: u64, actions: &[Action]) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        for action in actions {
            match action {
                Action::Add(add) => self.add(add)?,
                Action::Remove(remove) => {
                    self.files.remove(&remove.path);
                    removed.push(remove.path.clone());
                }
                Action::Txn(txn) => {
                    self.watermarks.insert(txn.app_id.clone(), u64::try_from(txn.version).unwrap_or(0));
                }
                _ => {}
            }
        }
        self.version = version;
        Ok(removed)
    }

    pub(crate) fn add(&mut self, add: &Add) -> Result<()> {
        let file = read_add(add)?;
        self.files.insert(file.path.clone(), Arc::new(file));
        Ok(())
    }

    /// What readers get.
    pub(crate) fn freeze(&self) -> Arc<ColdVersion> {
        let mut files: Vec<_> = self.files.values().cloned().collect();
        files.sort_unstable_by(|a, b| (b.timestamps.1, &b.path).cmp(&(a.timestamps.1, &a.path)));
        Arc::new(ColdVersion { version: self.version, files, watermarks: self.watermarks.clone() })
    }
}

/// The action that adds `file` under `path`.
pub(crate) fn write_add(path: &str, day: &str, retention_days: u16, late: bool, file: &NewFile, now_us: i64) -> Add {
    let projects: Vec<i64> = file.projects.iter().map(|project| project.0).collect();
    let bound = |pick: fn(&(i64, i64)) -> i64, project: Option<&i64>| {
        json!({
            "timestamp": time(pick(&file.timestamps)),
            "received_at": time(pick(&file.received)),
            "project_id": project,
        })
    };
    let stats = json!({
        "numRecords": file.rows,
        "minValues": bound(|range| range.0, projects.first()),
        "maxValues": bound(|range| range.1, projects.last()),
        "nullCount": {"timestamp": 0, "received_at": 0, "project_id": 0},
    });
    Add {
        path: path.into(),
        partition_values: StdHashMap::from([
            ("retention_days".into(), Some(retention_days.to_string())),
            ("day".into(), Some(day.into())),
        ]),
        size: file.bytes.len() as i64,
        modification_time: now_us / 1000,
        data_change: true,
        stats: Some(stats.to_string()),
        tags: Some(StdHashMap::from([
            (TAG_PROJECTS.into(), Some(json!(projects).to_string())),
            (TAG_DIGESTS.into(), Some(file.digests.to_string())),
            (TAG_LATE.into(), Some(late.to_string())),
        ])),
        ..Default::default()
    }
}

fn read_add(add: &Add) -> Result<ColdFile> {
    let broken = |what: &str| Error::corrupt(format!("the commit of `{}` has no usable {what}", add.path));
    let stats: Value =
        add.stats.as_deref().and_then(|text| serde_json::from_str(text).ok()).ok_or_else(|| broken("statistics"))?;
    let bounds = |name: &str| -> Option<(i64, i64)> {
        let bound = |side: &str| stats[side][name].as_str().and_then(parse_time);
        Some((bound("minValues")?, bound("maxValues")?))
    };
    let partition = |name: &str| add.partition_values.get(name).and_then(Clone::clone).ok_or_else(|| broken(name));
    let tag = |name: &str| add.tags.as_ref().and_then(|tags| tags.get(name)).and_then(Option::as_deref);
    let projects: Vec<ProjectId> =
        tag(TAG_PROJECTS).map_or(Ok(Vec::new()), serde_json::from_str).map_err(|_| broken("list of projects"))?;
    Ok(ColdFile {
        path: add.path.clone(),
        size_bytes: u64::try_from(add.size).map_err(|_| broken("size"))?,
        rows: stats["numRecords"].as_u64().ok_or_else(|| broken("number of rows"))?,
        day: partition("day")?,
        retention_days: partition("retention_days")?.parse().map_err(|_| broken("retention"))?,
        timestamps: bounds("timestamp").unwrap_or((i64::MIN, i64::MAX)),
        received: bounds("received_at").unwrap_or((i64::MIN, i64::MAX)),
        projects,
        late: tag(TAG_LATE) == Some("true"),
        digests: tag(TAG_DIGESTS).map_or(Ok(Digests::default()), Digests::parse)?,
    })
}

/// Microseconds as the table's statistics write them. A year outside 0 to 9999 has no such form: it stays unknown.
fn time(us: i64) -> Option<String> {
    let time = DateTime::<Utc>::from_timestamp_micros(us)?;
    let text = time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    (text.len() == 27 && text.starts_with(|c: char| c.is_ascii_digit())).then_some(text)
}

fn parse_time(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(timestamps: (i64, i64)) -> NewFile {
        NewFile {
            bytes: b"0123456789".as_slice().into(),
            rows: 3,
            timestamps,
            received: (1_795_176_000_000_001, 1_795_176_000_000_002),
            projects: vec![ProjectId(1), ProjectId(9)],
            digests: Digests::of(b"0123456789", &[4, 10]),
        }
    }

    fn add(timestamps: (i64, i64)) -> Add {
        write_add("retention_days=90/day=2026-11-20/a.parquet", "2026-11-20", 90, true, &file(timestamps), 5)
    }

    #[test]
    fn an_added_file_is_read_back_as_it_was_written() {
        let timestamps = (-1, 1_795_176_000_123_456);
        let read = read_add(&add(timestamps)).unwrap();
        assert_eq!((read.size_bytes, read.rows, read.late, read.retention_days), (10, 3, true, 90));
        assert_eq!((read.timestamps, read.received), (timestamps, file(timestamps).received));
        assert_eq!((read.projects, read.digests), (file(timestamps).projects, file(timestamps).digests));
    }

    #[test]
    fn a_time_that_has_no_text_widens_the_range() {
        let read = read_add(&add((i64::MIN, 5))).unwrap();
        assert_eq!(read.timestamps, (i64::MIN, i64::MAX));
    }

    #[test]
    fn commits_advance_the_catalog_and_the_newest_file_comes_first() {
        let mut catalog = Catalog::default();
        let mut newer = add((7, 8));
        newer.path = "newer".into();
        catalog.apply(1, &[Action::Add(add((1, 2))), Action::Add(newer)]).unwrap();
        let paths = |catalog: &Catalog| catalog.freeze().files.iter().map(|f| f.path.clone()).collect::<Vec<_>>();
        assert_eq!(paths(&catalog), ["newer", add((1, 2)).path.as_str()]);
        let remove = deltalake_core::kernel::Remove { path: "newer".into(), ..Default::default() };
        assert_eq!(catalog.apply(2, &[Action::Remove(remove)]).unwrap(), ["newer"]);
        assert_eq!((catalog.version, paths(&catalog).len()), (2, 1));
    }
}
