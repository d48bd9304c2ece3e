//! Takes secrets out of events before anything is stored.
//!
//! Every protocol's drafts pass here before their texts are trimmed, grouped and made columns, so that a secret neither
//! reaches the disk nor splits a group. JSON columns are read, changed as values and written again; one without a
//! suspicious word is not read at all.
//!
//! Each event may cost so much: what lies beyond is scrubbed unread, rather than stored unscrubbed. Known weakness: names
//! are not changed, only values, so a secret used as the name of a tag stays.

mod assigned;
mod card;
mod columns;
mod detect;
mod harmless;
mod hash;
mod job;
mod names;
mod path;
mod personal;
mod rules;
mod tokens;

use std::fmt;
use std::sync::{Arc, LazyLock};

use tephra_storage::{Event, Text};

use crate::draft::Draft;
use crate::group::Stack;
use crate::value::Value;
use columns::{COLUMNS, Form};
use detect::Detectors;
use hash::Keyed;
use job::{Fate, Job};
pub(crate) use path::is_like;
use rules::Rule;
pub use rules::{RuleError, ScrubAction, ScrubRule, ScrubRules};

/// Takes out secrets by rules. Cheap to clone: all clones share the rules.
#[derive(Clone)]
pub struct Scrubber {
    plan: Arc<Plan>,
}

/// The rules, compiled.
struct Plan {
    defaults: Detectors,
    rules: Vec<Rule>,
    /// Some rule looks at texts wherever they stand, so that all of them must be read.
    reads_all: bool,
    keyed: Keyed,
}

/// What scrubbing did to one event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// How many values and parts of texts were replaced or removed.
    pub count: u32,
}

/// What a rule would take out of an event, without the value itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where: the column and the names below it.
    pub path: String,
    /// `name`, `card`, `private_key`, `credentials`, `jwt`, `token`, `email`, `ip`, `unread`, or `rule 3`.
    pub rule: String,
    /// How long the value or part is, in bytes.
    pub bytes: usize,
    /// What stands there, with a little of the text around it; of [`Scrubber::show`] only.
    pub before: String,
    /// What would stand there; empty where it goes.
    pub after: String,
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrubber")
            .field("defaults", &self.plan.defaults)
            .field("rules", &self.plan.rules.len())
            .finish()
    }
}

impl Default for Scrubber {
    fn default() -> Self {
        static STANDARD: LazyLock<Scrubber> = LazyLock::new(|| Scrubber::of(&ScrubRules::default(), Vec::new()));
        STANDARD.clone()
    }
}

impl Scrubber {
    /// Compiles rules; an error names the rule and says what to do.
    pub fn new(rules: &ScrubRules) -> Result<Self, RuleError> {
        let compiled = rules::compile(rules)?;
        if !detect::prepare() {
            let hint = "this is a fault of Tephra: report it".to_owned();
            return Err(RuleError {
                which: 0,
                column: None,
                what: "the words of secrets do not compile".to_owned(),
                hint,
            });
        }
        Ok(Self::of(rules, compiled))
    }

    fn of(rules: &ScrubRules, compiled: Vec<Rule>) -> Self {
        let ScrubRules { defaults, ips, emails, ref hash_key, .. } = *rules;
        let reads_all = compiled.iter().any(|rule| rule.path.is_none());
        let defaults = Detectors { secrets: defaults, cards: defaults, emails, ips };
        let keyed = Keyed::new(hash_key.as_bytes());
        Self { plan: Arc::new(Plan { defaults, rules: compiled, reads_all, keyed }) }
    }

    /// Scrubs an event that is stored already, or about to be.
    pub fn scrub(&self, event: &mut Event) -> Scrubbed {
        let mut job = Job::new(&self.plan, false);
        self.event(event, &mut job);
        job.scrubbed()
    }

    /// What these rules would take out of an event as it is.
    pub fn explain(&self, event: &Event) -> Vec<Finding> {
        let mut job = Job::new(&self.plan, true);
        self.event(&mut event.clone(), &mut job);
        job.findings()
    }

    /// The same with what stands there: for people who may read the event.
    pub fn show(&self, event: &Event) -> Vec<Finding> {
        let mut job = Job::new(&self.plan, true).showing();
        self.event(&mut event.clone(), &mut job);
        job.findings()
    }

    /// Scrubs a part of an event that is about to be cut, by the names on the way to it.
    pub(crate) fn scrub_part(&self, path: &[&str], value: &mut Value<'_>) {
        Job::new(&self.plan, false).part(path, value);
    }

    fn event(&self, event: &mut Event, job: &mut Job<'_>) {
        for (slot, name, form) in COLUMNS {
            let column = columns::of_event(event, slot);
            if let Some(text) = column {
                match job.column(name, form, text) {
                    Fate::Same => {}
                    Fate::Changed(text) => *column = Some(text.into()),
                    Fate::Gone => *column = None,
                }
            }
        }
        event.tags.retain_mut(|(name, value)| retain(job.tag(name, value), |text| *value = text.into()));
        if let Some(attributes) = &event.attributes {
            match job.column("attributes", Form::Json, attributes) {
                Fate::Same => {}
                Fate::Changed(text) => event.attributes = Some(text.into()),
                Fate::Gone => event.attributes = None,
            }
        }
    }

    /// Scrubs all that one record says, or a resource or scope for its records.
    pub(crate) fn scrub_draft(&self, draft: &mut Draft<'_>) -> Scrubbed {
        let mut job = Job::new(&self.plan, false);
        for (slot, name, form) in COLUMNS {
            if let Some(text) = draft.get(slot) {
                match job.column(name, form, text) {
                    Fate::Same => {}
                    Fate::Changed(text) => draft.replace(slot, Some(text.into())),
                    Fate::Gone => draft.replace(slot, None),
                }
            }
        }
        draft.tags.retain_mut(|(name, value)| retain(job.tag(name, value), |text| *value = text.into()));
        job.attributes(&mut draft.rest);
        draft.fingerprint.retain_mut(|part| {
            let fate = job.column("fingerprint", Form::Plain, part);
            retain(fate, |text| *part = text.into())
        });
        job.scrubbed()
    }

    /// The stack with its texts scrubbed; the same one where nothing was found.
    pub(crate) fn scrub_stack(&self, stack: &Stack) -> (Option<Stack>, Scrubbed) {
        let mut job = Job::new(&self.plan, false);
        let mut changed = stack.clone();
        let columns = [
            ("stack", Form::Plain, &mut changed.text),
            ("frames", Form::Json, &mut changed.frames),
            ("culprit", Form::Plain, &mut changed.culprit),
        ];
        for (name, form, column) in columns {
            let Some(text) = column else { continue };
            match job.column(name, form, text) {
                Fate::Same => {}
                Fate::Changed(text) => *column = Some(Text::from(text)),
                Fate::Gone => *column = None,
            }
        }
        let scrubbed = job.scrubbed();
        ((scrubbed.count > 0).then_some(changed), scrubbed)
    }

    /// The text of a column of its own, scrubbed; `None` where it may stay.
    pub(crate) fn scrub_text(&self, name: &'static str, text: &str) -> (Option<String>, Scrubbed) {
        let mut job = Job::new(&self.plan, false);
        let changed = match job.column(name, Form::Plain, text) {
            Fate::Same => None,
            Fate::Changed(text) => Some(text),
            Fate::Gone => Some(String::new()),
        };
        (changed, job.scrubbed())
    }
}

fn retain(fate: Fate, change: impl FnOnce(String)) -> bool {
    match fate {
        Fate::Same => true,
        Fate::Changed(text) => {
            change(text);
            true
        }
        Fate::Gone => false,
    }
}

#[cfg(test)]
mod tests;
