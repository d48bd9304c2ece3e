//! Texts that were looked through and hold no secret: services, types, releases and tags repeat in event after event.
//!
//! A hash of each, with a seed that no sender knows, in a table of fixed size in which a newer text takes the place of an
//! older one. Only under rules without own ones, whose result depends on nothing but the text and the detectors; one table
//! serves all projects.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::detect::Detectors;

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
    /// That of this process.
    pub(super) fn shared() -> &'static Self {
        static SHARED: LazyLock<Harmless> = LazyLock::new(Harmless::new);
        &SHARED
    }

    fn new() -> Self {
        let entries = (0..ENTRIES).map(|_| AtomicU64::new(0)).collect();
        Self { seed: RandomState::new().hash_one(0), entries }
    }

    /// `Ok` where the detectors are known to find nothing in the text under this name, else its mark; `Err(None)` where it is not
    /// worth one.
    pub(super) fn find(&self, detectors: Detectors, name: &str, text: &str) -> Result<(), Option<Mark>> {
        if text.len() > BYTES_MAX {
            return Err(None);
        }
        let Detectors { secrets, cards, emails, ips } = detectors;
        let bits = [secrets, cards, emails, ips].into_iter().fold(0, |bits, on| bits << 1 | u64::from(on));
        let seed = xxh3_64_with_seed(name.as_bytes(), self.seed ^ bits);
        // Zero is what empty entries hold.
        let hash = xxh3_64_with_seed(text.as_bytes(), seed).max(1);
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
        let (harmless, all) = (Harmless::new(), Detectors { secrets: true, cards: true, ..Detectors::default() });
        let Err(Some(mark)) = harmless.find(all, "service", "checkout") else { panic!("known before it was kept") };
        harmless.keep(mark);
        assert!(harmless.find(all, "service", "checkout").is_ok());
        assert!(harmless.find(all, "password", "checkout").is_err());
        assert!(harmless.find(Detectors { ips: true, ..all }, "service", "checkout").is_err());
        assert!(harmless.find(all, "service", "checkouts").is_err());
        assert!(matches!(harmless.find(all, "service", &"x".repeat(BYTES_MAX + 1)), Err(None)));
    }
}
