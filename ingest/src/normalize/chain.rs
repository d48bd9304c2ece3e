//! Exceptions and their frames, and the JSON of the columns `frames` and `frame_vars`.
//!
//! `frames` is `[{type, value, module, mechanism, …, frames: […]}]`: the cause first, what was thrown last, and in each the
//! oldest call first, by Sentry's names. `frame_vars` is a list of lists in the same order: the variables of each frame, or
//! null. Variables stand apart because they differ from event to event, and frames repeat.

use std::borrow::Cow;

use super::cutter::Cutter;
use super::shrink::size;
use crate::json::{self, write_text};
use crate::text::trim_middle;
use crate::value::{Pairs, Value};

/// How many frames of a stack are kept; those in the middle go first. SDKs send up to 100 unless told otherwise.
const FRAMES_MAX: usize = 100;

/// How many exceptions of a chain are kept.
const EXCEPTIONS_MAX: usize = 30;

/// A line of source code; minified files have lines of megabytes.
const LINE_BYTES_MAX: usize = 512;

/// Lines of source code on each side of a call.
const LINES_MAX: usize = 10;

/// The name of something that no field is known for.
const NAME_BYTES_MAX: usize = 256;

/// Any other text of a frame.
const WORD_BYTES_MAX: usize = 2 << 10;

/// One call. Texts are empty and numbers 0 where absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Frame<'a> {
    pub(crate) function: Cow<'a, str>,
    pub(crate) module: Cow<'a, str>,
    pub(crate) filename: Cow<'a, str>,
    pub(crate) abs_path: Cow<'a, str>,
    /// The library or binary, of native programs.
    pub(crate) package: Cow<'a, str>,
    pub(crate) line: u64,
    pub(crate) column: u64,
    /// The sender's judgement; after normalising, ours.
    pub(crate) in_app: Option<bool>,
    /// Code of the runtime itself, without source.
    pub(crate) native: bool,
    pub(crate) before: Vec<Cow<'a, str>>,
    pub(crate) source: Cow<'a, str>,
    pub(crate) after: Vec<Cow<'a, str>>,
    pub(crate) vars: Value<'a>,
    pub(crate) rest: Pairs<'a>,
}

impl Frame<'_> {
    /// The most exact path there is.
    pub(crate) fn path(&self) -> &str {
        if self.abs_path.is_empty() { &self.filename } else { &self.abs_path }
    }
}

/// One exception of a chain. Texts are empty where absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Exception<'a> {
    pub(crate) kind: Cow<'a, str>,
    pub(crate) value: Cow<'a, str>,
    pub(crate) module: Cow<'a, str>,
    /// Oldest call first.
    pub(crate) frames: Vec<Frame<'a>>,
    /// `mechanism`, `thread_id`, and whatever else came.
    pub(crate) rest: Pairs<'a>,
}

impl<'a> Exception<'a> {
    /// A value of the mechanism (`handled`, `synthetic`, `source`, …).
    pub(crate) fn mechanism(&self, wanted: &str) -> Option<&Value<'a>> {
        let (_, mechanism) = self.rest.iter().find(|(name, _)| name == "mechanism")?;
        let Value::Map(pairs) = mechanism else { return None };
        pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value)
    }
}

/// How much of each frame is written.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Detail {
    frames_max: usize,
    library_source: bool,
    source: bool,
    rest: bool,
}

/// What is left out next where the chain is too large.
const DETAILS: [Detail; 4] = [
    Detail { frames_max: FRAMES_MAX, library_source: true, source: true, rest: true },
    Detail { frames_max: FRAMES_MAX, library_source: false, source: true, rest: true },
    Detail { frames_max: FRAMES_MAX, library_source: false, source: false, rest: false },
    Detail { frames_max: 20, library_source: false, source: false, rest: false },
];

/// The column `frames`, in at most `bytes_max`; `None` where even the barest form is larger.
pub(super) fn frames_json(chain: &[Exception<'_>], bytes_max: usize, cutter: Cutter<'_>) -> Option<String> {
    DETAILS.iter().find_map(|detail| {
        let mut out = String::with_capacity(1 << 10);
        out.push('[');
        for (index, exception) in kept(chain, EXCEPTIONS_MAX).enumerate() {
            if index > 0 {
                out.push(',');
            }
            write_exception(&mut out, exception, *detail, cutter);
            if out.len() > bytes_max {
                return None;
            }
        }
        out.push(']');
        (out.len() <= bytes_max).then_some(out)
    })
}

/// The column `frame_vars`, in at most about `bytes_max`; `None` where no frame has variables. Takes them from the frames.
pub(super) fn vars_json(chain: &mut [Exception<'_>], bytes_max: usize, cutter: Cutter<'_>) -> Option<String> {
    if chain.iter().all(|exception| exception.frames.iter().all(|frame| frame.vars.is_empty())) {
        return None;
    }
    let mut lists = Vec::with_capacity(chain.len());
    for index in kept_indices(chain.len(), EXCEPTIONS_MAX) {
        let frames = &mut chain[index].frames;
        let mut vars: Vec<Value<'_>> =
            kept_indices(frames.len(), FRAMES_MAX).map(|index| std::mem::take(&mut frames[index].vars)).collect();
        let used = vars.iter().rposition(|vars| !vars.is_empty()).map_or(0, |last| last + 1);
        vars.truncate(used);
        lists.push(vars);
    }
    let total: usize = lists.iter().flatten().map(|vars| size(vars) + 1).sum();
    // Cut frame by frame, so that lists keep their lengths.
    let count = lists.iter().flatten().filter(|vars| !vars.is_empty()).count().max(1);
    let each = if total > bytes_max { bytes_max / count } else { usize::MAX };
    let fit = |vars| cutter.fit(&["frame_vars", "0", "0"], vars, each);
    let fitted = lists.into_iter().map(|list| Value::List(list.into_iter().map(fit).collect()));
    Some(json::to_string(&Value::List(fitted.collect())))
}

/// The indices of the first and last of so many parts.
fn kept_indices(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let (from, to) = omitted(count, most).unwrap_or((count, count));
    (0..from).chain(to..count)
}

/// All of `parts`, or the first and last of them.
fn kept<T>(parts: &[T], most: usize) -> impl Iterator<Item = &T> {
    kept_indices(parts.len(), most).map(|index| &parts[index])
}

/// The range that is left out.
fn omitted(count: usize, most: usize) -> Option<(usize, usize)> {
    (count > most).then(|| (most / 2, count - (most - most / 2)))
}

fn write_exception(out: &mut String, exception: &Exception<'_>, detail: Detail, cutter: Cutter<'_>) {
    let mut object = Object::new(out, cutter, &["frames", "0"]);
    object.text("type", &exception.kind, WORD_BYTES_MAX);
    object.text("value", &exception.value, 8 << 10);
    object.text("module", &exception.module, WORD_BYTES_MAX);
    for (name, value) in &exception.rest {
        object.value(name, value, 8 << 10);
    }
    if let Some((from, to)) = omitted(exception.frames.len(), detail.frames_max) {
        object.name("frames_omitted");
        json::write(object.out, &Value::List(vec![Value::Uint(from as u64), Value::Uint(to as u64)]));
    }
    object.name("frames");
    object.out.push('[');
    for (index, frame) in kept(&exception.frames, detail.frames_max).enumerate() {
        if index > 0 {
            object.out.push(',');
        }
        write_frame(object.out, frame, detail, cutter);
    }
    object.out.push(']');
    object.end();
}

fn write_frame(out: &mut String, frame: &Frame<'_>, detail: Detail, cutter: Cutter<'_>) {
    let mut object = Object::new(out, cutter, &["frames", "0", "frames", "0"]);
    object.text("function", &frame.function, WORD_BYTES_MAX);
    object.text("module", &frame.module, WORD_BYTES_MAX);
    object.text("filename", &frame.filename, WORD_BYTES_MAX);
    if frame.abs_path != frame.filename {
        object.text("abs_path", &frame.abs_path, WORD_BYTES_MAX);
    }
    object.text("package", &frame.package, WORD_BYTES_MAX);
    for (name, number) in [("lineno", frame.line), ("colno", frame.column)] {
        if number > 0 {
            object.name(name);
            object.out.push_str(itoa::Buffer::new().format(number));
        }
    }
    if let Some(in_app) = frame.in_app {
        object.name("in_app");
        object.out.push_str(if in_app { "true" } else { "false" });
    }
    if frame.native {
        object.name("native");
        object.out.push_str("true");
    }
    if detail.source && (detail.library_source || frame.in_app == Some(true)) {
        object.lines("pre_context", &frame.before[frame.before.len().saturating_sub(LINES_MAX)..]);
        object.text("context_line", &frame.source, LINE_BYTES_MAX);
        object.lines("post_context", &frame.after[..frame.after.len().min(LINES_MAX)]);
    }
    if detail.rest {
        for (name, value) in &frame.rest {
            object.value(name, value, WORD_BYTES_MAX);
        }
    }
    object.end();
}

/// A JSON object under way; what is empty is left out.
struct Object<'o> {
    out: &'o mut String,
    first: bool,
    cutter: Cutter<'o>,
    /// The names on the way here, any place standing for all of a list.
    way: &'static [&'static str],
}

impl<'o> Object<'o> {
    fn new(out: &'o mut String, cutter: Cutter<'o>, way: &'static [&'static str]) -> Self {
        out.push('{');
        Self { out, first: true, cutter, way }
    }

    fn name(&mut self, name: &str) {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        write_text(self.out, name);
        self.out.push(':');
    }

    fn text(&mut self, name: &str, text: &str, bytes_max: usize) {
        if !text.is_empty() {
            self.name(name);
            let text = self.cut(name, text, bytes_max);
            write_text(self.out, &text);
        }
    }

    fn cut<'t>(&self, name: &str, text: &'t str, bytes_max: usize) -> Cow<'t, str> {
        if text.len() <= bytes_max {
            return Cow::Borrowed(text);
        }
        self.cutter.text(&self.path(name), Cow::Borrowed(text), bytes_max)
    }

    fn path<'n>(&self, name: &'n str) -> Vec<&'n str> {
        self.way.iter().copied().chain([name]).collect()
    }

    fn lines(&mut self, name: &str, lines: &[Cow<'_, str>]) {
        if lines.is_empty() {
            return;
        }
        self.name(name);
        self.out.push('[');
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            let line = self.cut(name, line, LINE_BYTES_MAX);
            write_text(self.out, &line);
        }
        self.out.push(']');
    }

    fn value(&mut self, name: &str, value: &Value<'_>, bytes_max: usize) {
        if value.is_empty() {
            return;
        }
        if name.len() <= NAME_BYTES_MAX && size(value) <= bytes_max {
            self.name(name);
            return json::write(self.out, value);
        }
        // Under its whole name, which may say that it is a secret.
        let bytes_max = if name.len() > NAME_BYTES_MAX { 0 } else { bytes_max };
        let value = self.cutter.fit(&self.path(name), value.clone(), bytes_max);
        self.name(&trim_middle(name, NAME_BYTES_MAX));
        json::write(self.out, &value);
    }

    fn end(self) {
        self.out.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cutter() -> Cutter<'static> {
        Cutter::new(&crate::rules::Rules::standard().scrubber)
    }

    fn frame(function: String) -> Frame<'static> {
        Frame { function: function.into(), line: 3, in_app: Some(false), source: "code".into(), ..Frame::default() }
    }

    #[test]
    fn leaves_out_what_is_empty() {
        let exception = Exception { kind: "E".into(), frames: vec![frame("f".into())], ..Exception::default() };
        let expected = r#"[{"type":"E","frames":[{"function":"f","lineno":3,"in_app":false,"context_line":"code"}]}]"#;
        assert_eq!(frames_json(&[exception], 1_000, cutter()).unwrap(), expected);
    }

    #[test]
    fn keeps_both_ends_of_a_deep_stack() {
        let frames = (0..1_000).map(|n| frame(format!("f{n}"))).collect();
        let mut chain = [Exception { frames, ..Exception::default() }];
        let json = frames_json(&chain, 1 << 20, cutter()).unwrap();
        assert!(json.contains(r#""frames_omitted":[50,950]"#), "{json}");
        assert!(
            json.contains("\"f49\"")
                && !json.contains("\"f50\"")
                && !json.contains("\"f949\"")
                && json.contains("\"f950\"")
        );
        chain[0].frames[999].vars = Value::Map(vec![("x".into(), Value::Int(1))]);
        let vars: serde_json::Value = serde_json::from_str(&vars_json(&mut chain, 1_000, cutter()).unwrap()).unwrap();
        assert_eq!(vars[0][99]["x"], 1);
    }

    #[test]
    fn gives_up_source_code_before_frames() {
        let frames: Vec<_> = (0..100).map(|n| frame(format!("f{n}"))).collect();
        let chain = [Exception { frames, ..Exception::default() }];
        let whole = frames_json(&chain, 1 << 20, cutter()).unwrap();
        let bare = frames_json(&chain, whole.len() - 1, cutter()).unwrap();
        assert!(!bare.contains("context_line") && bare.contains("\"f50\""));
        let few = frames_json(&chain, bare.len() / 2, cutter()).unwrap();
        assert!(few.contains("frames_omitted") && few.contains("\"f0\"") && few.contains("\"f99\""));
        assert_eq!(frames_json(&chain, 10, cutter()), None);
    }
}
