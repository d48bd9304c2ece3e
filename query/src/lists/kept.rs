//! Answers that still hold: of lists that somebody asked for before, while nothing arrived, rolled or went since.
//!
//! A dashboard that many people look at asks the same few questions all day. An answer belongs to one state of both tiers and
//! to the projects it was made for; any change of either makes it as good as absent. Bounded by `answer_cache_bytes`: when the
//! newer half is full the older one goes.

use std::fmt::{self, Debug};

use hashbrown::HashMap;
use parking_lot::Mutex;
use tephra_storage::{ProjectId, Snapshot};

use super::plan::Gathered;

/// What tells two states of the tiers apart: each number only grows, but the rows, of which damaged ones may be set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    cold_version: u64,
    hot_sequence: u64,
    hot_rows: usize,
}

impl State {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        Self {
            cold_version: snapshot.cold().version,
            hot_sequence: snapshot.hot().last().map_or(0, |segment| segment.sequences().1),
            hot_rows: snapshot.hot().iter().map(|segment| segment.rows()).sum(),
        }
    }
}

/// The question in full, so that no two of them can meet.
pub(crate) type Key = String;

/// The key of a question about the events of `projects`.
pub(super) fn key(projects: &[ProjectId], question: &impl Debug) -> Key {
    format!("{projects:?} {question:?}")
}

/// Answers by question.
pub(crate) struct Kept {
    halves: Mutex<Halves>,
    bytes_max: usize,
}

#[derive(Default)]
struct Halves {
    newer: HashMap<Key, (State, Gathered)>,
    older: HashMap<Key, (State, Gathered)>,
    newer_bytes: usize,
}

impl Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("bytes_max", &self.bytes_max).finish_non_exhaustive()
    }
}

impl Kept {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { halves: Mutex::default(), bytes_max }
    }

    pub(super) fn get(&self, key: &str, state: State) -> Option<Gathered> {
        let mut halves = self.halves.lock();
        if let Some((of, answer)) = halves.newer.get(key) {
            return (*of == state).then(|| answer.clone());
        }
        let (of, answer) = halves.older.remove(key)?;
        (of == state).then(|| {
            halves.put(key.to_owned(), state, answer.clone(), self.bytes_max / 2);
            answer
        })
    }

    pub(super) fn put(&self, key: Key, state: State, answer: &Gathered) {
        if bytes(&key, answer) <= self.bytes_max / 8 {
            self.halves.lock().put(key, state, answer.clone(), self.bytes_max / 2);
        }
    }
}

impl Halves {
    fn put(&mut self, key: Key, state: State, answer: Gathered, bytes_max: usize) {
        let added = bytes(&key, &answer);
        if self.newer_bytes + added > bytes_max {
            self.older = std::mem::take(&mut self.newer);
            self.newer_bytes = 0;
        }
        let replaced = self.newer.insert(key, (state, answer));
        self.newer_bytes += added;
        if let Some((_, answer)) = replaced {
            self.newer_bytes = self.newer_bytes.saturating_sub(bytes("", &answer));
        }
    }
}

fn bytes(key: &str, answer: &Gathered) -> usize {
    const OVERHEAD: usize = 512;
    OVERHEAD + key.len() + answer.batches.iter().map(|batch| batch.get_array_memory_size()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};

    use super::*;
    use crate::output::Statistics;

    fn answer(value: i64) -> Gathered {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![value]));
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        Gathered { batches: vec![batch], statistics: Statistics::default() }
    }

    fn state(hot_sequence: u64) -> State {
        State { cold_version: 1, hot_sequence, hot_rows: 1 }
    }

    #[test]
    fn an_answer_holds_while_nothing_changes() {
        let kept = Kept::new(1 << 20);
        kept.put("a".to_owned(), state(1), &answer(7));
        assert_eq!(kept.get("a", state(1)).unwrap().batches, answer(7).batches);
        assert!(kept.get("b", state(1)).is_none());
        assert!(kept.get("a", state(2)).is_none());
        kept.put("a".to_owned(), state(2), &answer(8));
        assert_eq!(kept.get("a", state(2)).unwrap().batches, answer(8).batches);
    }

    #[test]
    fn many_questions_stay_within_the_bound_and_nothing_is_kept_without_one() {
        let kept = Kept::new(64 << 10);
        for n in 0..10_000 {
            kept.put(n.to_string(), state(1), &answer(n));
        }
        let halves = kept.halves.lock();
        let held = halves.newer.iter().chain(&halves.older).map(|(key, (_, answer))| bytes(key, answer)).sum::<usize>();
        assert!((1..=64 << 10).contains(&held), "{held}");
        let none = Kept::new(0);
        none.put("a".to_owned(), state(1), &answer(7));
        assert!(none.get("a", state(1)).is_none());
    }
}
