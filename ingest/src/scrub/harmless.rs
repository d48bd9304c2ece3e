//! Texts that were looked through and hold no secret: services, types, releases and tags repeat in event after event.
//!
//! A hash of each, with a seed that no sender knows, in a table of fixed size in which a newer text takes the place of an
//! older one. Only for projects without rules of their own, whose result depends on nothing but the text.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Entries: 256 KiB.
const ENTRIES: usize = 1 << 15;
/// Longer texts seldom repeat.
const BYTES_MAX: usize = 512;

pub(super) struct Harmless {
    seed: u64,
    entries: Box<[AtomicU64]>,
}

/// The place of a text in the table; [`Harmless::keep`] takes it once the text was looked through.
#[derive(Clone, Copy)]
pub(super) struct Mark(u64);

impl Harmless {
    pub(super) fn new() -> Self {
        let entries = (0..ENTRIES).map(|_| AtomicU64::new(0)).collect();
        Self { seed: RandomState::new().hash_one(0), entries }
    }

    /// `Ok` where the text under this name is known to be harmless, else its mark; `Err(None)` where it is not worth one.
    pub(super) fn find(&self, name: &str, text: &str) -> Result<(), Option<Mark>> {
        if text.len() > BYTES_MAX {
            return Err(None);
        }
        // Zero is what empty entries hold.
        let hash = xxh3_64_with_seed(text.as_bytes(), xxh3_64_with_seed(name.as_bytes(), self.seed)).max(1);
        match self.entry(hash).load(Ordering::Relaxed) == hash {
            true => Ok(()),
            false => Err(Some(Mark(hash))),
        }
    }

    pub(super) fn keep(&self, Mark(hash): Mark) {
        self.entry(hash).store(hash, Ordering::Relaxed);
    }

    fn entry(&self, hash: u64) -> &AtomicU64 {
        &self.entries[hash as usize % ENTRIES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_known_under_its_name_alone() {
        let harmless = Harmless::new();
        let Err(Some(mark)) = harmless.find("service", "checkout") else { panic!("known before it was kept") };
        harmless.keep(mark);
        assert!(harmless.find("service", "checkout").is_ok());
        assert!(harmless.find("password", "checkout").is_err());
        assert!(harmless.find("service", "checkouts").is_err());
        assert!(matches!(harmless.find("service", &"x".repeat(BYTES_MAX + 1)), Err(None)));
    }
}
