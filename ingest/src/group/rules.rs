//! A project's own rules of grouping: fingerprints by what an event says, and which frames count.

use super::chain::{DEEP, DEEP_CALLS, Thrown};
use super::features::Features;
use super::frame::Frame;
use super::language::{self, GroupRuleError};
use crate::scrub::is_like;

/// How much of a text a pattern is held against.
const TEXT_BYTES_MAX: usize = 1 << 10;

/// A project's rules of grouping, ready to be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupRules {
    pub(super) fingerprints: Vec<FingerprintRule>,
    pub(super) stacks: Vec<StackRule>,
}

/// `type:X message:"y*" -> name, {{ type }}`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FingerprintRule {
    pub(super) matchers: Vec<Matcher>,
    pub(super) parts: Vec<String>,
}

/// `path:**/vendor/** -app`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StackRule {
    pub(super) matchers: Vec<Matcher>,
    pub(super) actions: Vec<StackAction>,
}

/// What a stack rule makes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StackAction {
    /// `+app` and `-app`
    InApp(bool),
    /// `-group`
    LeaveOut,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matcher {
    pub(super) key: Key,
    /// In lowercase, `*` for any letters.
    pub(super) pattern: String,
    /// `!key:pattern`
    pub(super) negated: bool,
}

/// What a condition looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A frame's names: some frame's in a rule for fingerprints.
    Module,
    Path,
    Function,
    /// Whether the frame is the program's own: `app:yes`.
    App,
    /// What the event says, by the names that fingerprints use.
    Event(String),
}

impl GroupRules {
    /// Reads rules, one a line; an error tells line and column.
    pub fn parse(text: &str) -> Result<Self, GroupRuleError> {
        language::parse(text)
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.fingerprints.is_empty() && self.stacks.is_empty()
    }

    /// How many rules there are: for fingerprints, and for stacks.
    pub fn counts(&self) -> (usize, usize) {
        (self.fingerprints.len(), self.stacks.len())
    }

    /// Whether a rule decides which frames count.
    pub(crate) fn has_stack_rules(&self) -> bool {
        !self.stacks.is_empty()
    }

    /// Whether a fingerprint depends on frames.
    pub(crate) fn reads_frames(&self) -> bool {
        let frames = |matcher: &Matcher| !matches!(matcher.key, Key::Event(_));
        self.fingerprints.iter().any(|rule| rule.matchers.iter().any(frames))
    }

    /// Marks and takes out frames. A later rule wins over an earlier one.
    pub(crate) fn apply_to(&self, thrown: &mut [Thrown<'_>]) {
        if self.stacks.is_empty() {
            return;
        }
        for Thrown { frames, .. } in thrown {
            // Of a deeper stack no more takes part.
            if frames.len() > DEEP {
                frames.truncate(DEEP_CALLS);
            }
            frames.retain_mut(|frame| {
                let mut stays = true;
                for rule in &self.stacks {
                    if rule.matchers.iter().all(|matcher| matcher.fits_frame(frame)) {
                        for action in &rule.actions {
                            match action {
                                StackAction::InApp(own) => frame.in_app = Some(*own),
                                StackAction::LeaveOut => stays = false,
                            }
                        }
                    }
                }
                stays
            });
        }
    }

    /// The fingerprint of the first rule that fits.
    pub(crate) fn fingerprint(&self, features: &Features<'_>, thrown: &[Thrown<'_>]) -> Option<&[String]> {
        let rule = self.fingerprints.iter().find(|rule| rule.fits(features, thrown))?;
        Some(&rule.parts)
    }
}

impl FingerprintRule {
    /// Whether all conditions hold; those on frames for one frame together.
    fn fits(&self, features: &Features<'_>, thrown: &[Thrown<'_>]) -> bool {
        let mut on_frames = false;
        for matcher in &self.matchers {
            match &matcher.key {
                Key::Event(name) => {
                    if !matcher.fits(features.get(name).as_deref().unwrap_or_default()) {
                        return false;
                    }
                }
                _ => on_frames = true,
            }
        }
        let fits = |frame: &Frame<'_>| {
            self.matchers.iter().all(|matcher| matches!(matcher.key, Key::Event(_)) || matcher.fits_frame(frame))
        };
        !on_frames || thrown.iter().flat_map(|thrown| &thrown.frames).any(fits)
    }
}

impl Matcher {
    fn fits(&self, text: &str) -> bool {
        let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
        is_like(&self.pattern, text) != self.negated
    }

    fn fits_frame(&self, frame: &Frame<'_>) -> bool {
        match &self.key {
            Key::Module => self.fits(frame.module),
            Key::Function => self.fits(frame.function),
            Key::App => self.fits(if frame.is_in_app() { "yes" } else { "no" }),
            Key::Path => {
                let paths = [frame.file, frame.path];
                let any = paths.iter().any(|path| {
                    // One sign for Windows and Unix.
                    let path = path.replace('\\', "/");
                    is_like(&self.pattern, &path[..path.floor_char_boundary(TEXT_BYTES_MAX)])
                });
                any != self.negated
            }
            Key::Event(_) => false,
        }
    }
}
