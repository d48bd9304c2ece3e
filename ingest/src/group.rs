//! Which events are alike: the rules of grouping, version 1.
//!
//! An explicit fingerprint decides; else the exception's type with its frames (no line numbers, no addresses, no build
//! hashes); else its type with its text outlined; else the message outlined, that is, without numbers, ids and quotes.
//! Each event gets two hashes: one from the program's own frames, one from all frames.
//!
//! A hash depends on these rules only, never on the host, the process or the order of events. Change a rule and
//! [`GROUPING_VERSION`] goes up. Known weakness: minified function names of browsers change with each build.

mod frame;
mod outline;
mod trace;

use hashbrown::HashMap;
use tephra_storage::Text;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

pub(crate) use frame::Frame;

/// The version of the rules, stored with every event.
pub const GROUPING_VERSION: i32 = 1;

/// How much of a message takes part.
const OUTLINE_BYTES_MAX: usize = 8 << 10;

/// How many frames of a request are remembered.
const KNOWN_FRAMES_MAX: usize = 65_536;

/// A stack trace, made once for all events of a request that share it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stack {
    /// As the column `stack` has it.
    pub(crate) text: Option<Text>,
    /// As the column `frames` has it, where the sender gave structured frames.
    pub(crate) frames: Option<Text>,
    /// The program's own function nearest to the fault.
    pub(crate) culprit: Option<Text>,
    /// The hashes of its frames.
    pub(crate) hashes: Hashes,
}

/// The hash by the program's own frames and the one by all frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hashes {
    pub(crate) in_app: u64,
    pub(crate) all: u64,
}

/// What grouping looks at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Features<'a> {
    pub(crate) exception_type: Option<&'a str>,
    pub(crate) exception_value: Option<&'a str>,
    pub(crate) template: Option<&'a str>,
    pub(crate) message: Option<&'a str>,
    pub(crate) logger: Option<&'a str>,
    /// Of the stack, where there is one.
    pub(crate) stack: Option<Hashes>,
}

/// Reads a stack trace as its runtime prints it.
pub(crate) fn of_trace(trace: &str, known: &mut KnownFrames) -> (Hashes, Option<Text>) {
    let mut chain = Chain::new(known);
    trace::walk(trace, &mut chain);
    if chain.frames == 0 {
        let mut line_outline = String::new();
        for line in trace.lines().map(str::trim).filter(|line| !line.is_empty()) {
            line_outline.clear();
            outline::write(line, &mut line_outline);
            chain.push_hash(xxh3_64(line_outline.as_bytes()), true);
        }
    }
    chain.finish()
}

/// Reads structured frames, the newest call first.
pub(crate) fn of_frames<'a>(
    frames: impl Iterator<Item = Frame<'a>>,
    known: &mut KnownFrames,
) -> (Hashes, Option<Text>) {
    let mut chain = Chain::new(known);
    for frame in frames {
        chain.push(frame);
    }
    chain.finish()
}

/// The two hashes of an event. `scratch` is overwritten.
pub(crate) fn hashes(features: &Features<'_>, fingerprint: &[impl AsRef<str>], scratch: &mut String) -> Hashes {
    let default = by_rules(features, scratch);
    if fingerprint.is_empty() {
        return default;
    }
    let with = |default: u64| {
        fingerprint.iter().fold(tag("fingerprint"), |hash, part| match is_default(part.as_ref()) {
            true => join(hash, default),
            false => join(hash, xxh3_64(part.as_ref().as_bytes())),
        })
    };
    // `{{ default }}` alone asks for nothing.
    match fingerprint {
        [only] if is_default(only.as_ref()) => default,
        _ => Hashes { in_app: with(default.in_app), all: with(default.all) },
    }
}

fn is_default(part: &str) -> bool {
    part.trim().strip_prefix("{{").and_then(|part| part.strip_suffix("}}")).is_some_and(|word| word.trim() == "default")
}

fn by_rules(features: &Features<'_>, scratch: &mut String) -> Hashes {
    let kind = xxh3_64(features.exception_type.unwrap_or_default().as_bytes());
    if let Some(stack) = features.stack {
        let hash = join(tag("stack"), kind);
        return Hashes { in_app: join(hash, stack.in_app), all: join(hash, stack.all) };
    }
    scratch.clear();
    let seed = if features.exception_type.is_some() || features.exception_value.is_some() {
        outline::write(head(features.exception_value.unwrap_or_default()), scratch);
        join(tag("exception"), kind)
    } else if let Some(template) = features.template {
        scratch.push_str(template);
        tag("template")
    } else if let Some(message) = features.message {
        outline::write(head(message), scratch);
        tag("message")
    } else {
        scratch.push_str(features.logger.unwrap_or_default());
        tag("logger")
    };
    let hash = join(seed, xxh3_64(scratch.as_bytes()));
    Hashes { in_app: hash, all: hash }
}

fn head(text: &str) -> &str {
    &text[..text.floor_char_boundary(OUTLINE_BYTES_MAX)]
}

fn tag(rule: &str) -> u64 {
    xxh3_64(rule.as_bytes())
}

fn join(hash: u64, next: u64) -> u64 {
    xxh3_64_with_seed(&next.to_le_bytes(), hash)
}

/// Frames that the request had before: stacks differ in a few frames only, and reading a frame costs more than a look here.
#[derive(Debug, Default)]
pub(crate) struct KnownFrames {
    frames: HashMap<u64, (u64, bool)>,
    scratch: String,
}

impl KnownFrames {
    /// The frame's hash, and whether it is the program's own.
    fn read(&mut self, frame: &Frame<'_>) -> (u64, bool) {
        let Self { frames, scratch } = self;
        let read = |scratch: &mut String| {
            scratch.clear();
            frame.write_key(scratch);
            (xxh3_64(scratch.as_bytes()), frame.is_in_app())
        };
        if frames.len() >= KNOWN_FRAMES_MAX {
            return read(scratch);
        }
        let texts = [frame.function, frame.module, frame.file];
        let seed = frame.style as u64 * 3 + frame.in_app.map_or(2, u64::from);
        let key = texts.into_iter().fold(seed, |key, text| xxh3_64_with_seed(text.as_bytes(), key));
        *frames.entry(key).or_insert_with(|| read(scratch))
    }
}

/// Folds frames into two hashes. A frame that repeats the one before it (recursion) counts once.
struct Chain<'a, 'k> {
    known: &'k mut KnownFrames,
    frames: usize,
    hashes: Hashes,
    in_app_frames: usize,
    before: Option<u64>,
    blamed: Option<Frame<'a>>,
    newest_last: bool,
}

impl<'a, 'k> Chain<'a, 'k> {
    fn new(known: &'k mut KnownFrames) -> Self {
        Self {
            known,
            frames: 0,
            hashes: Hashes::default(),
            in_app_frames: 0,
            before: None,
            blamed: None,
            newest_last: false,
        }
    }

    fn push(&mut self, frame: Frame<'a>) {
        let (hash, in_app) = self.known.read(&frame);
        if self.before == Some(hash) {
            return;
        }
        self.before = Some(hash);
        self.push_hash(hash, in_app);
        if in_app && !frame.function.is_empty() && (self.newest_last || self.blamed.is_none()) {
            self.blamed = Some(frame);
        }
    }

    fn push_hash(&mut self, hash: u64, in_app: bool) {
        self.frames += 1;
        self.hashes.all = join(self.hashes.all, hash);
        if in_app {
            self.in_app_frames += 1;
            self.hashes.in_app = join(self.hashes.in_app, hash);
        }
    }

    /// A further exception of the chain, by its type.
    fn push_cause(&mut self, exception_type: &str) {
        let hash = xxh3_64(exception_type.as_bytes());
        self.hashes.all = join(self.hashes.all, hash);
        self.hashes.in_app = join(self.hashes.in_app, hash);
        self.before = None;
    }

    fn finish(self) -> (Hashes, Option<Text>) {
        let mut hashes = self.hashes;
        if self.in_app_frames == 0 {
            hashes.in_app = hashes.all;
        }
        (hashes, self.blamed.map(|frame| frame.name().into()))
    }
}

#[cfg(test)]
mod tests;
