//! Which events are alike: the rules of grouping, version 2.
//!
//! A project's rule or the sender's fingerprint decides; else the exception's type with its frames and those of its causes
//! (no lines, addresses or build hashes); else its type with its text; else the message, both without their parameters.
//! Each event gets two hashes: one from the program's own frames, one from all frames.
//!
//! A hash depends on these rules only, never on the host, the process or the order of events. Change a rule and
//! [`GROUPING_VERSION`] goes up, and the old rules stay ([`hashes_of_version`]), so that the issue of an old hash can be
//! found for a new one. Known weakness: minified function names of browsers change with each build.

mod chain;
mod features;
mod frame;
mod language;
mod parameters;
mod past;
mod rules;
mod stored;
mod trace;
mod v1;

use tephra_storage::{Event, Text};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

pub(crate) use chain::{KnownFrames, Thrown};
pub(crate) use features::Features;
pub(crate) use frame::{Frame, Style};
pub use language::GroupRuleError;
pub use past::PAST;
pub use rules::GroupRules;
pub(crate) use stored::Columns;

/// The version of the rules, stored with every event.
pub const GROUPING_VERSION: i32 = 2;

/// A stack trace, made once for all events of a request that share it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stack {
    /// As the column `stack` has it.
    pub(crate) text: Option<Text>,
    /// As the column `frames` has it, where the sender gave structured frames.
    pub(crate) frames: Option<Text>,
    /// The program's own function nearest to the fault.
    pub(crate) culprit: Option<Text>,
    /// The hashes of its frames; zeros where no frame has a name.
    pub(crate) hashes: Hashes,
}

/// The hash by the program's own frames and the one by all frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hashes {
    /// By the program's own frames: the column `group_hash`.
    pub in_app: u64,
    /// By all frames: the column `group_hash_full`.
    pub all: u64,
}

/// Reads a stack trace as its runtime prints it.
pub(crate) fn of_trace(trace: &str, known: &mut KnownFrames) -> (Hashes, Option<Text>) {
    chain::fold(&trace::read(trace), known)
}

/// Reads structured frames of one exception, the newest call first.
pub(crate) fn of_frames<'a>(
    frames: impl Iterator<Item = Frame<'a>>,
    known: &mut KnownFrames,
) -> (Hashes, Option<Text>) {
    chain::fold(&[Thrown { kind: "", frames: frames.collect() }], known)
}

/// Reads a chain of exceptions, the one thrown last in front, of each the newest call first.
pub(crate) fn of_chain(thrown: &[Thrown<'_>], known: &mut KnownFrames) -> (Hashes, Option<Text>) {
    chain::fold(thrown, known)
}

/// The two hashes of an event. `scratch` is overwritten.
pub(crate) fn hashes(features: &Features<'_>, fingerprint: &[impl AsRef<str>], scratch: &mut String) -> Hashes {
    let default = by_rules(features, scratch);
    match fingerprint {
        [] => return default,
        // `{{ default }}` alone asks for nothing.
        [only] if is_default(only.as_ref()) => return default,
        _ => {}
    }
    let with = |default: u64| {
        fingerprint.iter().fold(tag("fingerprint"), |hash, part| match features::variable(part.as_ref()) {
            Some("default") => join(hash, default),
            Some(name) => join(hash, xxh3_64(features.get(name).unwrap_or_default().as_bytes())),
            None => join(hash, xxh3_64(part.as_ref().as_bytes())),
        })
    };
    Hashes { in_app: with(default.in_app), all: with(default.all) }
}

/// The hashes that a version of the rules (1 or 2) gives to an event as it is stored; `None` of an unknown version.
///
/// By version 2 they are those the event carries, unless `rules` are others than at its arrival. By version 1 they lead to
/// the issue that an older event of the same kind has.
pub fn hashes_of_version(version: i32, event: &Event, rules: &GroupRules) -> Option<Hashes> {
    match version {
        1 => Some(stored::version_1(event)),
        2 => Some(stored::version_2(event, rules)),
        _ => None,
    }
}

/// A message as grouping sees it: its first two lines, without their parameters.
pub fn parametrised(message: &str) -> String {
    let mut out = String::new();
    parameters::write_head(message, &mut out);
    out
}

fn is_default(part: &str) -> bool {
    features::variable(part) == Some("default")
}

fn by_rules(features: &Features<'_>, scratch: &mut String) -> Hashes {
    scratch.clear();
    let kind = features.exception_type.map_or(0, |kind| xxh3_64(last_name(kind).as_bytes()));
    let value = features.exception_value.filter(|value| !value.is_empty());
    let message = features.template.or(features.message);
    if let Some(stack) = features.stack.filter(|stack| *stack != Hashes::default()) {
        let mut seed = join(tag("stack"), kind);
        // Without a type, a stack may be that of a logger that all messages share.
        if features.exception_type.is_none()
            && let Some(text) = message.or(value)
        {
            parameters::write_head(text, scratch);
            seed = join(seed, xxh3_64(scratch.as_bytes()));
        }
        return Hashes { in_app: join(seed, stack.in_app), all: join(seed, stack.all) };
    }
    let seed = if features.exception_type.is_some() || value.is_some() {
        parameters::write_head(value.or(message).unwrap_or_default(), scratch);
        join(tag("exception"), kind)
    } else if let Some(message) = message {
        parameters::write_head(message, scratch);
        tag("message")
    } else if let Some(trace) = features.trace {
        for line in trace.lines().take(16) {
            scratch.push('\n');
            parameters::write_head(line, scratch);
        }
        tag("trace")
    } else {
        scratch.push_str(features.logger.unwrap_or_default());
        tag("logger")
    };
    let hash = join(seed, xxh3_64(scratch.as_bytes()));
    Hashes { in_app: hash, all: hash }
}

/// `IOException` of `java.io.IOException`: some SDKs send the package with the type, some without.
fn last_name(kind: &str) -> &str {
    let end = kind.find(['<', '`', '(', '[']).filter(|end| *end > 0).unwrap_or(kind.len());
    let kind = kind[..end].trim();
    // `EXC_BAD_ACCESS / 0x00000032` is no path.
    if kind.contains(' ') {
        return kind;
    }
    kind.rsplit(['.', ':', '/', '\\', '+', '$', '*']).find(|name| !name.is_empty()).unwrap_or(kind)
}

/// The seed of one rule; the version is a part of it.
fn tag(rule: &str) -> u64 {
    xxh3_64_with_seed(rule.as_bytes(), GROUPING_VERSION as u64)
}

fn join(hash: u64, next: u64) -> u64 {
    xxh3_64_with_seed(&next.to_le_bytes(), hash)
}

#[cfg(test)]
mod tests;
