//! Folds the frames of an exception and its causes into two hashes.
//!
//! The exception thrown last comes first, its newest call first; what a cause has in common with what it caused is left
//! out, and so is what recursion repeats, so that neither its depth nor the way the chain was printed splits a group.

use hashbrown::HashMap;
use tephra_storage::Text;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::frame::{Frame, Role};
use super::{Hashes, join, last_name};

/// How many frames of a request are remembered.
const KNOWN_FRAMES_MAX: usize = 65_536;

/// How many calls and exceptions take part.
const OWN_CALLS_MAX: usize = 64;
const CALLS_MAX: usize = 256;
const EXCEPTIONS_MAX: usize = 8;

/// Of a deeper stack only the newest calls take part: SDKs and our own normalising cut the middle out of it.
pub(super) const DEEP: usize = 100;
pub(super) const DEEP_CALLS: usize = 50;

/// The longest cycle of calls that counts as recursion.
const CYCLE_MAX: usize = 8;

/// One exception of a chain with its calls, the newest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Thrown<'a> {
    pub(crate) kind: &'a str,
    pub(crate) frames: Vec<Frame<'a>>,
}

/// Frames that the request had before: stacks differ in a few frames only, and reading a frame costs more than a look here.
#[derive(Debug, Default)]
pub(crate) struct KnownFrames {
    frames: HashMap<u64, Call>,
    scratch: String,
}

/// What of a frame takes part.
#[derive(Clone, Copy, Debug)]
struct Call {
    hash: u64,
    role: Role,
}

impl KnownFrames {
    fn read(&mut self, frame: &Frame<'_>) -> Call {
        let Self { frames, scratch } = self;
        let read = |scratch: &mut String| {
            scratch.clear();
            frame.write_key(scratch);
            let role = if scratch.is_empty() { Role::Nothing } else { frame.role() };
            Call { hash: xxh3_64(scratch.as_bytes()), role }
        };
        if frames.len() >= KNOWN_FRAMES_MAX {
            return read(scratch);
        }
        let texts = [frame.function, frame.module, frame.file, frame.path];
        let seed = frame.style as u64 * 3 + frame.in_app.map_or(2, u64::from);
        let key = texts.into_iter().fold(seed, |key, text| xxh3_64_with_seed(text.as_bytes(), key));
        *frames.entry(key).or_insert_with(|| read(scratch))
    }
}

/// The hashes of a chain, the exception thrown last in front, and the function to blame. Zeros where no frame has a name.
pub(super) fn fold(thrown: &[Thrown<'_>], known: &mut KnownFrames) -> (Hashes, Option<Text>) {
    let mut hashes = Hashes::default();
    let mut own_calls = 0;
    let mut all_calls = 0;
    let mut blamed = None;
    let mut enclosing: Vec<Call> = Vec::new();
    let (mut own, mut all) = (Vec::new(), Vec::new());
    // Traces of these two are of goroutines and threads: they do not tell of causes without calls.
    let bare = thrown.iter().flat_map(|thrown| &thrown.frames).any(|frame| frame.is_of_threads());
    let counted = thrown.iter().filter(|thrown| !bare || !thrown.frames.is_empty());
    // `error.stack` of JavaScript, which is what comes as text, has no causes; SDKs of Sentry send them.
    let outermost = thrown.iter().find_map(|thrown| thrown.frames.iter().find(|frame| frame.is_named()));
    let alone = outermost.is_some_and(Frame::is_of_one_error);
    let counted = counted.skip_while(|thrown| alone && thrown.frames.is_empty());
    for (index, Thrown { kind, frames }) in counted.take(if alone { 1 } else { EXCEPTIONS_MAX }).enumerate() {
        let deep = frames.len() > DEEP;
        let frames = if deep { &frames[..DEEP_CALLS] } else { frames };
        let calls: Vec<Call> = frames.iter().map(|frame| known.read(frame)).collect();
        let common = if index == 0 || deep { 0 } else { common_end(&calls, &enclosing) };
        own.clear();
        all.clear();
        for (call, frame) in calls[..calls.len() - common].iter().zip(frames) {
            if call.role == Role::Nothing {
                continue;
            }
            push(&mut all, call.hash, CALLS_MAX);
            if call.role == Role::Own {
                push(&mut own, call.hash, OWN_CALLS_MAX);
                if blamed.is_none() && frame.is_named() {
                    blamed = Some(*frame);
                }
            }
        }
        if index > 0 {
            let kind = xxh3_64(last_name(kind).as_bytes());
            hashes = Hashes { in_app: join(hashes.in_app, kind), all: join(hashes.all, kind) };
        }
        hashes.in_app = own.iter().fold(hashes.in_app, |hash, call| join(hash, *call));
        hashes.all = all.iter().fold(hashes.all, |hash, call| join(hash, *call));
        own_calls += own.len();
        all_calls += all.len();
        enclosing = if deep { Vec::new() } else { calls };
    }
    if all_calls == 0 {
        return (Hashes::default(), None);
    }
    if own_calls == 0 {
        hashes.in_app = hashes.all;
    }
    (hashes, blamed.map(|frame| frame.name().into()))
}

/// How many of the oldest calls two stacks share.
fn common_end(calls: &[Call], enclosing: &[Call]) -> usize {
    calls.iter().rev().zip(enclosing.iter().rev()).take_while(|(a, b)| a.hash == b.hash).count()
}

/// Appends a call, unless it completes a cycle that stands there already.
fn push(calls: &mut Vec<u64>, hash: u64, max: usize) {
    if calls.len() >= max {
        return;
    }
    calls.push(hash);
    for cycle in 1..=CYCLE_MAX.min(calls.len() / 2) {
        let (head, tail) = calls.split_at(calls.len() - cycle);
        if head.ends_with(tail) {
            calls.truncate(calls.len() - cycle);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recursion_counts_once() {
        let fold = |calls: &[u64]| {
            let mut out = Vec::new();
            calls.iter().for_each(|call| push(&mut out, *call, 100));
            out
        };
        assert_eq!(fold(&[1, 1, 1, 2]), [1, 2]);
        assert_eq!(fold(&[1, 2, 1, 2, 1, 2, 3]), [1, 2, 3]);
        assert_eq!(fold(&[1, 2, 3, 1, 2, 3, 1, 2, 3, 4]), [1, 2, 3, 4]);
        assert_eq!(fold(&[1, 2, 3]), [1, 2, 3]);
    }
}
