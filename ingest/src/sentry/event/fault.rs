//! The exceptions of an event, or the stack that stands for one.
//!
//! `exception`, `stacktrace` and `threads` each come as `{"values": […]}`, as a list or as a single object. Where no exception has
//! frames, those of the thread that crashed or spoke are taken.

use std::borrow::Cow;

use tephra_storage::Kind;

use super::{is_empty, values};
use crate::conventions::Slot;
use crate::draft::Draft;
use crate::json;
use crate::normalize::{Cutter, Exception, Frame, Runtime};
use crate::value::{Pairs, Value};

/// What went wrong: the cause first, what was thrown last.
#[derive(Default)]
pub(super) struct Fault<'a> {
    pub(super) chain: Vec<Exception<'a>>,
    /// What could not be read, and the other threads.
    rest: Pairs<'a>,
}

impl<'a> Fault<'a> {
    pub(super) fn read(exception: Value<'a>, stacktrace: Value<'a>, threads: Value<'a>) -> Self {
        let mut fault = Self::default();
        match values(exception) {
            Ok(list) => fault.chain.extend(list.into_iter().filter_map(read_exception)),
            Err(Value::Text(text)) => fault.chain.push(Exception { value: text, ..Exception::default() }),
            Err(other) => fault.rest.push(("exception".into(), other)),
        }
        fault.put_root_last();
        fault.take_stacktrace(stacktrace);
        fault.take_thread(threads);
        fault
    }

    /// Whether it is a message with the stack of the place where it was sent, and not an exception.
    pub(super) fn is_message(&self, message: Option<&str>) -> bool {
        let [only] = &self.chain[..] else { return false };
        let thrown = only.mechanism("handled").and_then(Value::as_bool) == Some(false);
        let own_words = !only.value.is_empty() && message != Some(&only.value);
        let synthetic = only.mechanism("synthetic").and_then(Value::as_bool) == Some(true);
        only.kind.is_empty() && !thrown && (!own_words || synthetic)
    }

    /// Takes type, value and `handled` into their columns.
    pub(super) fn put(
        &mut self,
        draft: &mut Draft<'a>,
        runtime: Runtime,
        kind: Kind,
        value_bytes_max: usize,
        cutter: Cutter<'_>,
    ) {
        let handled = self.chain.iter().rev().filter_map(|exception| exception.mechanism("handled")?.as_bool());
        draft.handled = handled.reduce(|newest, older| newest && older);
        if let Some(thrown) = self.chain.last_mut() {
            let full = runtime.exception_type(&thrown.kind, &thrown.module).into_owned();
            draft.set(Slot::ExceptionType, full.into());
            if kind == Kind::Message && draft.get(Slot::Message).is_none() {
                draft.set(Slot::Message, thrown.value.clone());
            }
            if thrown.value.len() > value_bytes_max {
                let value = std::mem::take(&mut thrown.value);
                thrown.value = cutter.text(&["exception_value"], value, value_bytes_max);
            }
            if kind != Kind::Message {
                draft.set(Slot::ExceptionValue, thrown.value.clone());
            }
        }
        draft.rest.append(&mut self.rest);
    }

    /// An exception group lists its root last; SDKs that number their exceptions may send another order.
    fn put_root_last(&mut self) {
        let is_root = |exception: &Exception<'a>| {
            exception.mechanism("exception_id").and_then(Value::as_int) == Some(0)
                && exception.mechanism("parent_id").is_none_or(Value::is_empty)
        };
        if let Some(at) = self.chain.iter().position(is_root).filter(|at| at + 1 < self.chain.len()) {
            // All others say whose cause they are, so that turning the order round loses nothing.
            if at == 0 {
                self.chain.reverse();
            } else {
                self.chain[at..].rotate_left(1);
            }
        }
    }

    /// Takes the event's own stacktrace where no exception has one.
    fn take_stacktrace(&mut self, stacktrace: Value<'a>) {
        if is_empty(&stacktrace) {
            return;
        }
        if self.has_frames() {
            return self.rest.push(("stacktrace".into(), stacktrace));
        }
        self.thrown().put_stacktrace(stacktrace);
    }

    /// Takes the frames of the thread that the exception names, that crashed, or that is current; keeps the others.
    fn take_thread(&mut self, threads: Value<'a>) {
        let mut list = match values(threads) {
            Ok(list) => list,
            Err(other) => return self.rest.push(("threads".into(), other)),
        };
        if list.is_empty() {
            return;
        }
        if !self.has_frames() {
            let named = self.chain.last().and_then(|thrown| find(&thrown.rest, "thread_id")).cloned();
            let says = |thread: &Value<'a>, name: &str| matches!(thread, Value::Map(t) if find(t, name).and_then(Value::as_bool) == Some(true));
            let is_named = |thread: &Value<'a>| matches!(thread, Value::Map(t) if named.is_some() && find(t, "id") == named.as_ref());
            let chosen = list
                .iter()
                .position(is_named)
                .or_else(|| list.iter().position(|thread| says(thread, "crashed")))
                .or_else(|| list.iter().position(|thread| says(thread, "current")))
                .or((list.len() == 1).then_some(0));
            let taken = chosen.and_then(|at| match &mut list[at] {
                Value::Map(thread) => {
                    let at = thread.iter().position(|(name, _)| name == "stacktrace")?;
                    let (_, stacktrace) = thread.remove(at);
                    Some((stacktrace, find(thread, "id").cloned()))
                }
                _ => None,
            });
            if let Some((stacktrace, id)) = taken.filter(|(stacktrace, _)| !is_empty(stacktrace)) {
                let thrown = self.thrown();
                if let Some(id) = id.filter(|_| find(&thrown.rest, "thread_id").is_none()) {
                    thrown.rest.push(("thread_id".into(), id));
                }
                thrown.put_stacktrace(stacktrace);
            }
        }
        self.rest.push(("threads".into(), Value::List(list)));
    }

    fn has_frames(&self) -> bool {
        self.chain.iter().any(|exception| !exception.frames.is_empty())
    }

    /// What was thrown; an exception without a name where there is none.
    fn thrown(&mut self) -> &mut Exception<'a> {
        if self.chain.is_empty() {
            self.chain.push(Exception::default());
        }
        let last = self.chain.len() - 1;
        &mut self.chain[last]
    }
}

trait PutStacktrace<'a> {
    fn put_stacktrace(&mut self, stacktrace: Value<'a>);
}

impl<'a> PutStacktrace<'a> for Exception<'a> {
    fn put_stacktrace(&mut self, stacktrace: Value<'a>) {
        match stacktrace {
            Value::Map(pairs) => {
                for (name, value) in pairs {
                    match (name.as_ref(), value) {
                        ("frames", Value::List(frames)) => {
                            self.frames = frames.into_iter().filter_map(read_frame).collect()
                        }
                        (_, value) if is_empty(&value) => {}
                        (_, value) => self.rest.push((name, value)),
                    }
                }
            }
            Value::List(frames) => self.frames = frames.into_iter().filter_map(read_frame).collect(),
            other if is_empty(&other) => {}
            other => self.rest.push(("stacktrace".into(), other)),
        }
    }
}

fn find<'p, 'a>(pairs: &'p Pairs<'a>, wanted: &str) -> Option<&'p Value<'a>> {
    pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value)
}

fn read_exception(value: Value<'_>) -> Option<Exception<'_>> {
    let mut exception = Exception::default();
    match value {
        Value::Map(pairs) => {
            for (name, value) in pairs {
                match name.as_ref() {
                    "type" => exception.kind = scalar(value),
                    "value" => exception.value = scalar(value),
                    "module" => exception.module = scalar(value),
                    "stacktrace" => exception.put_stacktrace(value),
                    _ if is_empty(&value) => {}
                    "mechanism" => {
                        let mechanism = match value {
                            Value::Map(pairs) => pairs.into_iter().filter(|(_, value)| !is_empty(value)).collect(),
                            // The form of the first SDKs: a word.
                            word => vec![("type".into(), word)],
                        };
                        exception.rest.push((name, Value::Map(mechanism)));
                    }
                    _ => exception.rest.push((name, value)),
                }
            }
        }
        other => exception.value = scalar(other),
    }
    (exception != Exception::default()).then_some(exception)
}

fn read_frame(value: Value<'_>) -> Option<Frame<'_>> {
    let mut frame = Frame::default();
    match value {
        Value::Map(pairs) => {
            for (name, value) in pairs {
                match name.as_ref() {
                    _ if is_empty(&value) => {}
                    "function" => frame.function = scalar(value),
                    "module" => frame.module = scalar(value),
                    "filename" => frame.filename = scalar(value),
                    "abs_path" => frame.abs_path = scalar(value),
                    "package" => frame.package = scalar(value),
                    "lineno" => {
                        // Java says -2 of code that it has no source of.
                        frame.native |= value.as_int() == Some(-2);
                        frame.line = number(&value);
                    }
                    "colno" => frame.column = number(&value),
                    "in_app" => frame.in_app = value.as_bool(),
                    "native" if value.as_bool().is_some() => frame.native |= value.as_bool() == Some(true),
                    "context_line" => frame.source = scalar(value),
                    "pre_context" => frame.before = lines(value),
                    "post_context" => frame.after = lines(value),
                    "vars" => frame.vars = value,
                    _ => frame.rest.push((name, value)),
                }
            }
        }
        Value::Null => return None,
        other => frame.function = scalar(other),
    }
    if frame.function.is_empty() {
        let raw = frame.rest.iter().position(|(name, _)| name == "raw_function");
        if let Some(at) = raw {
            frame.function = scalar(frame.rest.remove(at).1);
        }
    }
    Some(frame)
}

fn scalar(value: Value<'_>) -> Cow<'_, str> {
    match value.into_scalar() {
        Ok(text) => text,
        Err(other) if is_empty(&other) => "".into(),
        Err(other) => json::to_string(&other).into(),
    }
}

fn number(value: &Value<'_>) -> u64 {
    value.as_int().and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}

fn lines(value: Value<'_>) -> Vec<Cow<'_, str>> {
    match value {
        Value::List(list) => list.into_iter().map(scalar).collect(),
        other => vec![scalar(other)],
    }
}
