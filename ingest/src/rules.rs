//! What a project decides for its events as they come: what is scrubbed, and what belongs together.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::group::GroupRules;
use crate::scrub::Scrubber;

/// A project's rules, compiled. Shared by reference; made anew when somebody changes them.
#[derive(Debug)]
pub struct Rules {
    /// What is taken out before anything is stored.
    pub scrubber: Scrubber,
    /// Which events are alike, beside what holds for all projects.
    pub grouping: GroupRules,
    /// Tells what was read under them from what was read under others.
    pub(crate) id: u64,
}

impl Rules {
    /// The rules of a project.
    pub fn new(scrubber: Scrubber, grouping: GroupRules) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        Self { scrubber, grouping, id: IDS.fetch_add(1, Ordering::Relaxed) }
    }

    /// The rules of a project that made none.
    pub fn standard() -> &'static Self {
        static STANDARD: LazyLock<Rules> = LazyLock::new(Rules::default);
        &STANDARD
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::new(Scrubber::default(), GroupRules::default())
    }
}
