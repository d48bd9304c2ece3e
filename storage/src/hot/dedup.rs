//! Recognises events and requests that were stored before.
//!
//! Ids are remembered in RocksDB, written in the same atomic write as the events, so that a crash cannot part them.
//! The window is a time; where its ids outgrow their room, the floor rises until they fit again.

use std::sync::atomic::{AtomicU32, Ordering};

use hashbrown::HashSet;
use rocksdb::WriteBatch;
use xxhash_rust::xxh3::Xxh3;

use crate::error::Result;
use crate::event::ProjectId;
use crate::failpoint;
use crate::hot::db::{Db, IDS, broken};

/// How long the hash of a request without event ids is remembered, in seconds.
pub const REQUEST_WINDOW_S: u32 = 15 * 60;

/// The key under which an id is remembered.
pub(crate) type IdKey = [u8; 16];

/// What is remembered, and since when.
pub(crate) struct Dedup {
    window_s: u32,
    bytes_max: u64,
    floor_s: AtomicU32,
}

impl Dedup {
    pub(crate) fn new(window_hours: u32, bytes_max: u64) -> Self {
        Self { window_s: window_hours.saturating_mul(3600), bytes_max, floor_s: AtomicU32::new(0) }
    }

    /// For each key, whether it was seen within the window before `now_s`, in RocksDB or earlier in this group.
    pub(crate) fn seen(
        &self,
        db: &Db,
        keys: &[(IdKey, u32)],
        now_s: u32,
        group: &mut HashSet<IdKey>,
    ) -> Result<Vec<bool>> {
        if keys.is_empty() || failpoint::planted("no_dedup") {
            return Ok(vec![false; keys.len()]);
        }
        let found = db.raw().batched_multi_get_cf(db.family(IDS), keys.iter().map(|(key, _)| key), false);
        let floor_s = self.floor_s.load(Ordering::Relaxed);
        let mut seen = Vec::with_capacity(keys.len());
        for ((key, window_s), value) in keys.iter().zip(found) {
            let value = value.map_err(|error| broken("look event ids up", error))?;
            let received_s = value.as_deref().and_then(|v| v.get(..4)?.try_into().ok()).map(u32::from_be_bytes);
            let stored = received_s.is_some_and(|at| at >= floor_s && now_s.saturating_sub(at) < *window_s);
            seen.push(!group.insert(*key) || stored);
        }
        Ok(seen)
    }

    /// The window for event ids, in seconds.
    pub(crate) fn window_s(&self) -> u32 {
        self.window_s
    }

    /// Adds a key to the group's write.
    pub(crate) fn remember(db: &Db, batch: &mut WriteBatch, key: &IdKey, now_s: u32) {
        batch.put_cf(db.family(IDS), key, now_s.to_be_bytes());
    }

    /// Moves the floor with the time, and further where the ids outgrow their room. Called about once a minute.
    pub(crate) fn forget(&self, db: &Db, now_s: u32) {
        let bytes = db.disk_bytes(IDS);
        let fits = if bytes > self.bytes_max { self.bytes_max as f64 / bytes as f64 } else { 1.0 };
        let window_s = (f64::from(self.window_s) * fits) as u32;
        let floor_s = now_s.saturating_sub(window_s).max(self.floor_s.load(Ordering::Relaxed));
        self.floor_s.store(floor_s, Ordering::Relaxed);
        db.set_dedup_floor_s(floor_s);
        if fits < 1.0 {
            tracing::warn!(
                bytes,
                bytes_max = self.bytes_max,
                window_s,
                "event ids outgrew their room: the window for duplicates shrinks"
            );
            db.raw().compact_range_cf(db.family(IDS), None::<&[u8]>, None::<&[u8]>);
        }
    }

    /// The window in force at `now_s`, in hours, rounded down.
    pub(crate) fn window_hours(&self, now_s: u32) -> u32 {
        self.window_s.min(now_s.saturating_sub(self.floor_s.load(Ordering::Relaxed))) / 3600
    }
}

/// The key of an event's id.
pub(crate) fn event_key(project: ProjectId, event_id: &[u8; 16]) -> IdKey {
    key(b'e', project, event_id)
}

/// The key of a whole request's hash.
pub(crate) fn request_key(project: ProjectId, request_hash: u128) -> IdKey {
    key(b'r', project, &request_hash.to_be_bytes())
}

fn key(kind: u8, project: ProjectId, id: &[u8; 16]) -> IdKey {
    let mut hash = Xxh3::new();
    hash.update(&[kind]);
    hash.update(&project.0.to_be_bytes());
    hash.update(id);
    hash.digest128().to_be_bytes()
}
