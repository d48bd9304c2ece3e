//! From a chain of exceptions to what is stored of it and what it groups by.
//!
//! The hashes are those that the stored columns give, so that grouping history anew finds the same ones.

use super::chain::{Exception, frames_json, vars_json};
use super::cutter::Cutter;
use super::runtime::Runtime;
use super::trace;
use crate::batch::Batch;
use crate::error::Result;
use crate::group::{self, Columns, Stack};

/// The parts of an event's room that frames and variables may take.
const FRAMES_SHARE: usize = 6;
const VARS_SHARE: usize = 12;

/// A chain as it is stored.
#[derive(Debug, Default)]
pub(crate) struct Normalized {
    /// Text, frames and hashes; `None` where there is not a single frame.
    pub(crate) stack: Option<Stack>,
    /// The column `frames` where there is no stack.
    pub(crate) frames: Option<String>,
    /// The column `frame_vars`.
    pub(crate) vars: Option<String>,
}

/// Who sent a chain, as its columns will say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) runtime: Runtime,
    pub(crate) platform: Option<&'a str>,
    pub(crate) sdk: Option<&'a str>,
}

/// Marks, prints, hashes and bounds a chain: the cause first, what was thrown last.
pub(crate) fn stack(batch: &mut Batch<'_>, origin: Origin<'_>, mut chain: Vec<Exception<'_>>) -> Result<Normalized> {
    let Origin { runtime, platform, sdk } = origin;
    let room = batch.receipt.limits.event_bytes_max;
    for frame in chain.iter_mut().flat_map(|exception| &mut exception.frames) {
        frame.in_app = Some(runtime.is_in_app(frame));
    }
    let text = trace::write(runtime, &chain);
    let cutter = Cutter::new(&batch.receipt.rules.scrubber);
    let vars = vars_json(&mut chain, room / VARS_SHARE, cutter);
    let frames = frames_json(&chain, room / FRAMES_SHARE, cutter);
    batch.charge(text.len() + frames.as_ref().map_or(0, String::len) + vars.as_ref().map_or(0, String::len))?;
    if text.is_empty() {
        let plain = chain.iter().all(|exception| exception.rest.is_empty()) && chain.len() < 2;
        return Ok(Normalized { stack: None, frames: frames.filter(|_| !plain), vars });
    }
    let text = cutter.text(&["stack"], text.into(), batch.receipt.limits.stack_bytes_max);
    if let Some(known) = batch.known_stack(&text, frames.as_deref(), [platform, sdk])? {
        return Ok(Normalized { stack: Some(known), frames: None, vars });
    }
    let columns = Columns { text: Some(&text), frames: frames.as_deref(), platform, sdk };
    let (hashes, culprit) = columns.visit(|thrown| group::of_chain(thrown, &mut batch.known_frames));
    let stack = Stack { text: Some(text.into()), frames: frames.map(Into::into), culprit, hashes };
    Ok(Normalized { stack: Some(stack), frames: None, vars })
}
