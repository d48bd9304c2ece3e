//! The table of stacks: each as text, as hashes, and as JSON where the sender gave frames.

use std::fmt::Write;

use crate::batch::{Batch, malformed};
use crate::error::Result;
use crate::group::{self, Frame, Stack};
use crate::json::write_text;
use crate::normalize::Cutter;
use crate::wire::{Fault, Slice};

/// One frame as it came; the texts borrow from the request.
#[derive(Default)]
struct WireFrame<'a> {
    function: std::borrow::Cow<'a, str>,
    module: std::borrow::Cow<'a, str>,
    filename: std::borrow::Cow<'a, str>,
    abs_path: std::borrow::Cow<'a, str>,
    line: u64,
    column: u64,
    in_app: Option<bool>,
}

/// Reads a `Stack`. Where it has both, the text is stored and the frames decide the group.
pub(super) fn read(message: Slice<'_>, batch: &mut Batch<'_>) -> Result<Stack> {
    let mut text = std::borrow::Cow::Borrowed("");
    let mut frames = Vec::new();
    let mut fields = message.fields();
    while let Some(entry) = fields.next().map_err(malformed)? {
        match entry.number {
            1 => text = entry.text().map_err(malformed)?,
            2 => {
                batch.charge(size_of::<WireFrame<'_>>())?;
                frames.push(entry.slice().and_then(frame).map_err(malformed)?);
            }
            _ => {}
        }
    }
    if frames.is_empty() {
        return if text.trim_end().is_empty() { Ok(Stack::default()) } else { batch.stack(&text) };
    }
    let newest_first = || frames.iter().rev();
    let as_frame = |frame| {
        let WireFrame { function, module, filename, abs_path, in_app, .. }: &WireFrame<'_> = frame;
        let file = if filename.is_empty() { abs_path } else { filename };
        Frame { function, module, file, path: abs_path, in_app: *in_app, ..Frame::default() }
    };
    let (hashes, culprit) = group::of_frames(newest_first().map(as_frame), &mut batch.known_frames);
    if text.trim_end().is_empty() {
        text = lines(newest_first()).into();
    }
    let cutter = Cutter::new(&batch.receipt.rules.scrubber);
    let text = cutter.text(&["stack"], text.trim_end().into(), batch.receipt.limits.stack_bytes_max);
    let frames = json(&frames);
    batch.charge(size_of::<Stack>() + text.len() + frames.len())?;
    Ok(Stack { text: Some(text.into()), frames: Some(frames.into()), culprit, hashes })
}

fn frame(message: Slice<'_>) -> std::result::Result<WireFrame<'_>, Fault> {
    let mut frame = WireFrame::default();
    let mut fields = message.fields();
    while let Some(entry) = fields.next()? {
        match entry.number {
            1 => frame.function = entry.text()?,
            2 => frame.module = entry.text()?,
            3 => frame.filename = entry.text()?,
            4 => frame.abs_path = entry.text()?,
            5 => frame.line = entry.varint()?,
            6 => frame.column = entry.varint()?,
            7 => frame.in_app = Some(entry.varint()? != 0),
            _ => {}
        }
    }
    Ok(frame)
}

/// `    at module.function (file:line:column)` for each frame; what is absent is left out.
fn lines<'f>(frames: impl Iterator<Item = &'f WireFrame<'f>>) -> String {
    let mut out = String::new();
    for frame in frames {
        out.push_str("    at ");
        if !frame.module.is_empty() {
            out.push_str(&frame.module);
            out.push('.');
        }
        out.push_str(if frame.function.is_empty() { "?" } else { &frame.function });
        let file = if frame.filename.is_empty() { &frame.abs_path } else { &frame.filename };
        if !file.is_empty() {
            out.push_str(" (");
            out.push_str(file);
            for number in [frame.line, frame.column].into_iter().take_while(|number| *number > 0) {
                // Writing to a string cannot fail.
                let _ = write!(out, ":{number}");
            }
            out.push(')');
        }
        out.push('\n');
    }
    out
}

/// `[{"frames":[…]}]`, oldest call first, by Sentry's names; what is absent is left out.
fn json(frames: &[WireFrame<'_>]) -> String {
    let mut out = String::from("[{\"frames\":[");
    for (index, frame) in frames.iter().enumerate() {
        out.push_str(if index > 0 { ",{" } else { "{" });
        let start = out.len();
        let texts = [
            ("function", &frame.function),
            ("module", &frame.module),
            ("filename", &frame.filename),
            ("abs_path", &frame.abs_path),
        ];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            let _ = write!(out, "\"{name}\":");
            write_text(&mut out, text);
            out.push(',');
        }
        for (name, number) in [("lineno", frame.line), ("colno", frame.column)].into_iter().filter(|(_, n)| *n > 0) {
            let _ = write!(out, "\"{name}\":{number},");
        }
        if let Some(in_app) = frame.in_app {
            let _ = write!(out, "\"in_app\":{in_app},");
        }
        if out.len() > start {
            out.pop();
        }
        out.push('}');
    }
    out.push_str("]}]");
    out
}
