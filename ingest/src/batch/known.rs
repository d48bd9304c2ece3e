//! Stack traces that were read before, for all requests of all projects.
//!
//! Programs fail in the same places all day: reading, scrubbing and grouping a trace costs more than the rest of its event,
//! and its result depends on nothing but the text and the rules. Only traces that scrubbing left alone are kept, so that the
//! text itself can be compared: a hash that somebody forged never gives one project the trace of another.
//!
//! Bounded, however many projects have rules of their own: when the newer half is full the older one goes.

use std::sync::LazyLock;

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::group::Stack;

/// What all kept traces may take, in bytes.
const BYTES_MAX: usize = 16 << 20;
/// Requests that look up at once seldom meet in one shard.
const SHARDS: usize = 8;

/// The rules under which a trace was read, and a hash of its columns.
pub(crate) type Key = (u64, u128);

/// Traces by key.
#[derive(Default)]
pub(crate) struct KnownStacks {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    newer: HashMap<Key, Stack>,
    older: HashMap<Key, Stack>,
    newer_bytes: usize,
}

impl KnownStacks {
    /// Those of this process.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: LazyLock<KnownStacks> = LazyLock::new(KnownStacks::default);
        &SHARED
    }

    /// What the trace with these columns was read as.
    pub(crate) fn get(&self, key: Key, text: &str, frames: Option<&str>) -> Option<Stack> {
        let same = |stack: &Stack| stack.text.as_deref() == Some(text) && stack.frames.as_deref() == frames;
        let mut shard = self.shard(key);
        if let Some(known) = shard.newer.get(&key) {
            return Some(known.clone()).filter(same);
        }
        let known = shard.older.remove(&key)?;
        let found = Some(known.clone()).filter(same);
        shard.put(key, known);
        found
    }

    /// Keeps what a trace was read as, if it is short enough to be worth it.
    pub(crate) fn put(&self, key: Key, stack: &Stack) {
        if bytes(stack) <= BYTES_MAX / SHARDS / 8 {
            self.shard(key).put(key, stack.clone());
        }
    }

    fn shard(&self, (_, hash): Key) -> parking_lot::MutexGuard<'_, Shard> {
        self.shards[(hash >> 64) as usize % SHARDS].lock()
    }
}

impl Shard {
    fn put(&mut self, key: Key, stack: Stack) {
        let added = bytes(&stack);
        if self.newer_bytes + added > BYTES_MAX / SHARDS / 2 {
            self.older = std::mem::take(&mut self.newer);
            self.newer_bytes = 0;
        }
        let replaced = self.newer.insert(key, stack);
        self.newer_bytes += added - replaced.as_ref().map_or(0, bytes).min(added);
    }
}

fn bytes(stack: &Stack) -> usize {
    let texts = [&stack.text, &stack.frames, &stack.culprit];
    size_of::<(Key, Stack)>() + texts.iter().map(|text| text.as_ref().map_or(0, |text| text.len())).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(text: &str) -> Stack {
        Stack { text: Some(text.into()), ..Stack::default() }
    }

    #[test]
    fn what_was_read_is_found_again_by_its_text_alone() {
        let known = KnownStacks::default();
        known.put((1, 7), &stack("at a"));
        assert_eq!(known.get((1, 7), "at a", None), Some(stack("at a")));
        assert_eq!(known.get((1, 7), "at b", None), None, "another text under a forged hash");
        assert_eq!(known.get((1, 7), "at a", Some("[]")), None, "other frames");
        assert_eq!(known.get((2, 7), "at a", None), None, "other rules");
        assert_eq!(known.get((1, 8), "at a", None), None);
    }

    #[test]
    fn a_flood_of_traces_cannot_grow_it_and_those_in_use_stay() {
        let known = KnownStacks::default();
        let text = "at main ".repeat(128);
        known.put((1, 0), &stack("at a"));
        for key in 1..100_000u128 {
            known.put((1, key << 64), &stack(&text));
            if key % 100 == 0 {
                assert!(known.get((1, 0), "at a", None).is_some(), "after {key} others");
            }
        }
        let held: usize = known
            .shards
            .iter()
            .map(|shard| {
                let shard = shard.lock();
                shard.newer.values().chain(shard.older.values()).map(bytes).sum::<usize>()
            })
            .sum();
        assert!(held <= BYTES_MAX, "{held} bytes");
    }
}
