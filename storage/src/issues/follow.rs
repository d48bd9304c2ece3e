//! Lets the issue of a known error go on when rules give it a new hash.
//!
//! A group that is not known is looked up by the hashes that earlier rules gave to one of its events: those of the project's
//! own rules before, and of older versions of the rules for all. The first that leads to an issue decides: the new group
//! belongs to it too, in the transaction that counts the group's first events, so after a crash it is as before or done.
//!
//! It costs one look at an event for each new group of a project that has a past, and nothing else. Where somebody had the
//! history grouped anew (`meta::regroup`), what was decided then holds: a hash that was settled is followed no more.

use std::collections::BTreeMap;

use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::take_record_batch;
use futures::TryStreamExt;
use hashbrown::{HashMap, HashSet};
use object_store::path::Path;
use parquet::arrow::arrow_reader::RowSelection;
#[expect(deprecated, reason = "the one reader that the crate has for an object store")]
use parquet::arrow::async_reader::ParquetObjectReader;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use sqlx::Row;

use super::apply::{Known, known_groups};
use super::fold::{Delta, Fold, Place};
use crate::changes::Feed;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, ProjectId, stored_events};
use crate::meta::issues::Group;
use crate::meta::rules::RuleKind;
use crate::meta::{Actor, Meta, Tx, history, regroup, told};
use crate::snapshot::Snapshot;

/// Former versions of a project's own rules that are looked back on.
const RULES_MAX: u32 = 8;
/// Events that are in memory together.
const EVENTS: usize = 128;

/// Rules that were in force once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Era {
    /// The version of the rules for all projects.
    pub version: i64,
    /// The project's own rules; empty where it had none.
    pub rules: String,
}

/// How the hashes of other rules are made, which `ingest` knows.
#[derive(Clone, Copy, Debug)]
pub struct Past {
    /// The version of the rules that new events are hashed by.
    pub version: i64,
    /// For each event, as it is stored, the `group_hash` that each era's rules give it; an era whose rules cannot be read
    /// gives none.
    pub hashes: fn(&[Era], &[Event]) -> Vec<Vec<u64>>,
}

/// Where the events of a fold lie.
pub(super) enum Source {
    /// Hot batches by their number.
    Hot(Feed),
    /// Cold files by their index.
    Cold(Snapshot),
}

type Key = (ProjectId, u64);

/// Finds the former hashes of groups that are not known, and leaves them in the fold.
pub(super) async fn find(meta: &Meta, past: Past, fold: &mut Fold, source: &Source) -> Result<()> {
    let mut projects: BTreeMap<ProjectId, Vec<(u64, &Delta)>> = BTreeMap::new();
    for ((project, hash), delta) in &fold.groups {
        projects.entry(*project).or_default().push((*hash, delta));
    }
    let mut found = Vec::new();
    for (project, groups) in projects {
        let oldest = groups.iter().map(|(_, delta)| delta.grouping_version).min();
        let eras = eras(meta, past, project, oldest).await?;
        if eras.is_empty() {
            continue;
        }
        let hashes: Vec<u64> = groups.iter().map(|(hash, _)| *hash).collect();
        let mut known: HashSet<u64> = HashSet::new();
        for hashes in hashes.chunks(500) {
            known.extend(meta.issues_of(project, hashes).await?.into_iter().map(|(hash, _)| hash));
        }
        let unknown = groups.iter().filter(|(hash, _)| !known.contains(hash));
        let mut unknown: Vec<(Place, u64)> = unknown.map(|(hash, delta)| (delta.place, *hash)).collect();
        unknown.sort_unstable();
        for some in unknown.chunks(EVENTS) {
            let events = source.read(some).await?;
            for (hash, mut former) in hashed(past, eras.clone(), events).await? {
                former.retain(|former| *former != hash);
                if !former.is_empty() {
                    found.push(((project, hash), former));
                }
            }
        }
    }
    fold.former.extend(found);
    Ok(())
}

/// What was in force in a project, the newest first; nothing where it never was anything else than now.
async fn eras(meta: &Meta, past: Past, project: ProjectId, oldest: Option<i64>) -> Result<Vec<Era>> {
    let own = meta.rules_history(project, RuleKind::Grouping, RULES_MAX).await?;
    let failed = told("could not read the groups of issues");
    let query = sqlx::query("SELECT MIN(grouping_version) FROM groups WHERE project_id = $1").bind(project.0);
    let row = query.fetch_one(meta.pool()).await.map_err(&failed)?;
    let stored: Option<i64> = row.try_get(0).map_err(failed)?;
    let oldest = oldest.into_iter().chain(stored).min().unwrap_or(past.version).max(1);
    let mut eras = Vec::new();
    if !own.is_empty() {
        let texts = own.into_iter().map(|rules| rules.body).chain([String::new()]);
        eras.extend(texts.map(|rules| Era { version: past.version, rules }));
    }
    eras.extend((oldest..past.version).rev().map(|version| Era { version, rules: String::new() }));
    Ok(eras)
}

async fn hashed(past: Past, eras: Vec<Era>, events: Vec<(u64, Event)>) -> Result<Vec<(u64, Vec<u64>)>> {
    let work = move || {
        let (hashes, events): (Vec<u64>, Vec<Event>) = events.into_iter().unzip();
        hashes.into_iter().zip((past.hashes)(&eras, &events)).collect()
    };
    let failed = |error| Error::caused(ErrorKind::Internal, "could not hash events by earlier rules", error);
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

impl Source {
    /// The events at these places, which are sorted, each with the hash it stands for. What is damaged is left out.
    async fn read(&self, wanted: &[(Place, u64)]) -> Result<Vec<(u64, Event)>> {
        let mut events = Vec::with_capacity(wanted.len());
        for of_source in wanted.chunk_by(|a, b| a.0.source == b.0.source) {
            let Some((first, _)) = of_source.first() else { continue };
            let rows: Vec<usize> = of_source.iter().map(|(place, _)| place.row).collect();
            let batches = match self {
                Self::Hot(feed) => hot(feed, first.source, rows).await?,
                Self::Cold(snapshot) => cold(snapshot, first.source, &rows).await?,
            };
            let mut read = Vec::with_capacity(of_source.len());
            for batch in &batches {
                read.extend(stored_events(batch)?.into_iter().map(|(_, event)| event));
            }
            events.extend(of_source.iter().map(|(_, hash)| *hash).zip(read));
        }
        Ok(events)
    }
}

async fn hot(feed: &Feed, sequence: u64, rows: Vec<usize>) -> Result<Vec<RecordBatch>> {
    let feed = feed.clone();
    let work = move || -> Result<Vec<RecordBatch>> {
        let Some(batch) = feed.stored_batch(sequence)? else { return Ok(Vec::new()) };
        let rows: UInt64Array = rows.into_iter().map(|row| row as u64).collect();
        let failed = |error| Error::caused(ErrorKind::Internal, "could not read events for their groups", error);
        take_record_batch(&batch, &rows).map(|batch| vec![batch]).map_err(failed)
    };
    let failed = |error| Error::caused(ErrorKind::Internal, "could not read events for their groups", error);
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

async fn cold(snapshot: &Snapshot, index: u64, rows: &[usize]) -> Result<Vec<RecordBatch>> {
    let Some(file) = snapshot.cold().files.get(index as usize) else { return Ok(Vec::new()) };
    let failed = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Busy, format!("could not read `{}` for the groups of its events: {error}", file.path))
    };
    #[expect(deprecated, reason = "as above")]
    let reader = ParquetObjectReader::new(snapshot.object_store(), Path::from(file.path.as_str()))
        .with_file_size(file.size_bytes);
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(|error| failed(&error))?;
    let total = builder.metadata().file_metadata().num_rows().unsigned_abs() as usize;
    let selection = RowSelection::from_consecutive_ranges(rows.iter().map(|row| *row..row + 1), total);
    let batches = builder.with_row_selection(selection).build().map_err(|error| failed(&error))?;
    batches.try_collect().await.map_err(|error| failed(&error))
}

/// Enters groups that are not known, but by their former hashes, with the issues that these lead to. Returns those that follow
/// another new group of the fold, each with that one.
pub(super) async fn adopt(
    tx: &mut Tx,
    deltas: &[(&Key, &Delta)],
    fold: &Fold,
    known: &mut Known,
) -> Result<Vec<(Key, Key)>> {
    let mut unknown: Vec<(&Key, &Delta)> =
        deltas.iter().filter(|(key, _)| !known.contains_key(*key)).copied().collect();
    // Older rules first, so that what they made an issue of is found by what follows.
    unknown.sort_unstable_by_key(|(key, delta)| (key.0, delta.grouping_version, delta.first.0, key.1));
    let former = |key: &Key| fold.former.get(key).map(Vec::as_slice).unwrap_or_default();
    let elders: Vec<Key> = unknown.iter().flat_map(|(key, _)| former(key).iter().map(|hash| (key.0, *hash))).collect();
    let paths = {
        let mut asked: Vec<Key> = unknown.iter().map(|(key, _)| **key).chain(elders.iter().copied()).collect();
        asked.sort_unstable();
        asked.dedup();
        regroup::paths(tx, &asked).await?
    };
    let elders: Known = if elders.is_empty() { HashMap::new() } else { known_groups(tx, &elders).await? };

    let mut decided: HashMap<Key, Key> = HashMap::new();
    let mut followers = Vec::new();
    for (key, delta) in unknown {
        let mut leader = *key;
        if let Some((issue, home)) = paths.get(key).and_then(|path| path.leads_to) {
            known.insert(*key, Group::of_issue(*key, (issue, home), delta));
            continue;
        }
        for hash in former(key) {
            let elder = (key.0, *hash);
            let path = paths.get(&elder).copied().unwrap_or_default();
            if path.settled {
                break;
            }
            let group = known.get(&elder).or(elders.get(&elder));
            let leads = group.map(|group| (group.issue_id, group.home_id)).or(path.leads_to);
            if let Some((issue, home)) = leads {
                known.insert(*key, Group::of_issue(*key, (issue, home), delta));
                let detail = serde_json::json!({
                    "group": format!("{:016x}", key.1), "follows": format!("{hash:016x}"),
                    "grouping_version": delta.grouping_version,
                });
                history::write(tx, issue, &Actor::system(), "followed", &detail).await?;
                break;
            }
            if let Some(first) = decided.get(&elder) {
                leader = *first;
                followers.push((*key, leader));
                break;
            }
        }
        if !known.contains_key(key) {
            decided.insert(*key, leader);
        }
    }
    Ok(followers)
}

#[cfg(test)]
mod tests;
