//! Version 1 of the rules, kept as it was: by it the issues of older events are found again.
//!
//! Nothing new is grouped by it. It goes when the last event that carries version 1 has expired.

mod frame;
mod outline;
mod trace;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::{Features, Hashes, is_default};
pub(super) use frame::{Frame, Style};

/// How much of a message takes part.
const OUTLINE_BYTES_MAX: usize = 8 << 10;

/// The hashes of a stack trace as its runtime prints it.
pub(super) fn of_trace(trace: &str) -> Hashes {
    let mut chain = Chain::default();
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

/// The hashes of structured frames, the newest call first.
pub(super) fn of_frames<'a>(frames: impl Iterator<Item = Frame<'a>>) -> Hashes {
    let mut chain = Chain::default();
    for frame in frames {
        chain.push(frame);
    }
    chain.finish()
}

/// The two hashes of an event.
pub(super) fn hashes(features: &Features<'_>, stack: Option<Hashes>, fingerprint: &[impl AsRef<str>]) -> Hashes {
    let default = by_rules(features, stack);
    let with = |default: u64| {
        fingerprint.iter().fold(tag("fingerprint"), |hash, part| match is_default(part.as_ref()) {
            true => join(hash, default),
            false => join(hash, xxh3_64(part.as_ref().as_bytes())),
        })
    };
    match fingerprint {
        [] => default,
        [only] if is_default(only.as_ref()) => default,
        _ => Hashes { in_app: with(default.in_app), all: with(default.all) },
    }
}

fn by_rules(features: &Features<'_>, stack: Option<Hashes>) -> Hashes {
    let kind = xxh3_64(features.exception_type.unwrap_or_default().as_bytes());
    if let Some(stack) = stack {
        let hash = join(tag("stack"), kind);
        return Hashes { in_app: join(hash, stack.in_app), all: join(hash, stack.all) };
    }
    let mut text = String::new();
    let seed = if features.exception_type.is_some() || features.exception_value.is_some() {
        outline::write(head(features.exception_value.unwrap_or_default()), &mut text);
        join(tag("exception"), kind)
    } else if let Some(template) = features.template {
        text.push_str(template);
        tag("template")
    } else if let Some(message) = features.message {
        outline::write(head(message), &mut text);
        tag("message")
    } else {
        text.push_str(features.logger.unwrap_or_default());
        tag("logger")
    };
    let hash = join(seed, xxh3_64(text.as_bytes()));
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

/// Folds frames into two hashes. A frame that repeats the one before it (recursion) counts once.
#[derive(Default)]
struct Chain {
    frames: usize,
    hashes: Hashes,
    in_app_frames: usize,
    before: Option<u64>,
    scratch: String,
}

impl Chain {
    fn push(&mut self, frame: Frame<'_>) {
        self.scratch.clear();
        frame.write_key(&mut self.scratch);
        let hash = xxh3_64(self.scratch.as_bytes());
        if self.before == Some(hash) {
            return;
        }
        self.before = Some(hash);
        self.push_hash(hash, frame.is_in_app());
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

    fn finish(self) -> Hashes {
        let mut hashes = self.hashes;
        if self.in_app_frames == 0 {
            hashes.in_app = hashes.all;
        }
        hashes
    }
}
