//! All ingest keys that open something, by the hash of their text.
//!
//! The map is asked by a SHA-256, so that what a look takes tells nothing about the keys that there are.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tephra_storage::ProjectId;
use tephra_storage::meta::{Meta, keys};

use super::key::hash;
use crate::answer::Result;
use crate::gate::{Gate, KeyGate, Rate};
use crate::settings::LimitSettings;

/// What a key opens.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    /// The project that it writes to.
    pub(crate) project: ProjectId,
    /// How fast it may.
    pub(crate) key: Arc<KeyGate>,
}

/// The keys of one moment.
#[derive(Debug, Default)]
pub(super) struct KeyRing(HashMap<[u8; 32], Arc<Key>>);

#[derive(Debug)]
struct Key {
    id: String,
    pass: Pass,
    rate: Option<Rate>,
    /// µs UTC; 0 where it was not used since it was last written down.
    used_us: AtomicI64,
}

impl KeyRing {
    /// Reads them; what was noted of keys in `before` goes on.
    pub(super) async fn read(meta: &Meta, limits: &LimitSettings, before: &Self) -> Result<Self> {
        let mut keys = HashMap::new();
        for key in meta.keys(None).await? {
            let hash = match key.secret.strip_prefix(keys::HASHED) {
                None => hash(&key.secret),
                Some(text) => {
                    let mut bytes = [0; 32];
                    if hex::decode_to_slice(text, &mut bytes).is_err() {
                        tracing::warn!(key = key.id, "the hash of an ingest key is damaged: the key does not work");
                        continue;
                    }
                    bytes
                }
            };
            let rate = key.rate.map(Rate::from);
            let old = before.0.get(&hash).filter(|old| old.id == key.id && old.pass.project == key.project);
            let kept = old.filter(|old| old.rate == rate).cloned();
            let key = || {
                let gate = Arc::new(Gate::key(rate, limits, old.map(|old| old.pass.key.as_ref())));
                let used_us = AtomicI64::new(old.map_or(0, |old| old.used_us.swap(0, Ordering::Relaxed)));
                Arc::new(Key { id: key.id, pass: Pass { project: key.project, key: gate }, rate, used_us })
            };
            keys.insert(hash, kept.unwrap_or_else(key));
        }
        Ok(Self(keys))
    }

    /// What the key with that hash opens.
    pub(super) fn find(&self, hash: &[u8; 32], now_us: i64) -> Option<Pass> {
        let key = self.0.get(hash)?;
        key.used_us.store(now_us, Ordering::Relaxed);
        Some(key.pass.clone())
    }

    /// The keys that were used since this was last asked.
    pub(super) fn used(&self) -> Vec<(String, i64)> {
        let used = self.0.values().map(|key| (key, key.used_us.swap(0, Ordering::Relaxed)));
        used.filter(|(_, at)| *at != 0).map(|(key, at)| (key.id.clone(), at)).collect()
    }
}
