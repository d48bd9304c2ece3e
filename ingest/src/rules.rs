//! What a project decides for its events as they come: what is scrubbed, and what belongs together.

use std::sync::LazyLock;

use crate::batch::KnownStacks;
use crate::group::GroupRules;
use crate::scrub::Scrubber;

/// A project's rules, compiled, and what was learnt under them. Shared by reference; made anew when somebody changes them.
#[derive(Debug, Default)]
pub struct Rules {
    /// What is taken out before anything is stored.
    pub scrubber: Scrubber,
    /// Which events are alike, beside what holds for all projects.
    pub grouping: GroupRules,
    pub(crate) known_stacks: KnownStacks,
}

impl Rules {
    /// The rules of a project.
    pub fn new(scrubber: Scrubber, grouping: GroupRules) -> Self {
        Self { scrubber, grouping, known_stacks: KnownStacks::default() }
    }

    /// The rules of a project that made none.
    pub fn standard() -> &'static Self {
        static STANDARD: LazyLock<Rules> = LazyLock::new(Rules::default);
        &STANDARD
    }
}
