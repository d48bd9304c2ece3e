//! An event on its way: names settled, strings still borrowed from the request.

mod names;
mod shared;

use std::borrow::Cow;

use tephra_storage::{Kind, Level};

use crate::conventions::{Slot, Target, target};
use crate::group::Stack;
use crate::json;
use crate::moment::Moment;
use crate::text;
use crate::value::{Pairs, Value};
use names::dedup_last;

pub(crate) use names::Names;
pub(crate) use shared::Shared;

/// What one record says, or what a resource or scope says for all its records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft<'a> {
    texts: [Option<Cow<'a, str>>; Slot::COUNT],
    pub(crate) moment: Moment<'a>,
    pub(crate) level: Option<Level>,
    pub(crate) severity: Option<i32>,
    pub(crate) kind: Option<Kind>,
    pub(crate) handled: Option<bool>,
    pub(crate) event_id: Option<[u8; 16]>,
    pub(crate) trace_id: Option<[u8; 16]>,
    pub(crate) span_id: Option<[u8; 8]>,
    /// A stack that the batch shares; wins over the text in [`Slot::Stack`].
    pub(crate) stack: Option<Stack>,
    pub(crate) tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(crate) fingerprint: Vec<Cow<'a, str>>,
    /// What has no column. A later pair wins over an earlier one of the same name.
    pub(crate) rest: Pairs<'a>,
    code: [Option<Cow<'a, str>>; 2],
}

impl<'a> Draft<'a> {
    pub(crate) fn set(&mut self, slot: Slot, text: Cow<'a, str>) {
        if !text.is_empty() {
            self.texts[slot as usize] = Some(text);
        }
    }

    /// Puts another text in the place of one, or none.
    pub(crate) fn replace(&mut self, slot: Slot, text: Option<Cow<'a, str>>) {
        self.texts[slot as usize] = text.filter(|text| !text.is_empty());
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&str> {
        self.texts[slot as usize].as_deref()
    }

    pub(crate) fn keep(&mut self, name: impl Into<Cow<'a, str>>, value: Value<'a>) {
        self.rest.push((name.into(), value));
    }

    /// Takes an attribute by the semantic conventions; what does not fit its column is kept as it came.
    pub(crate) fn put(&mut self, key: Cow<'a, str>, value: Value<'a>) {
        match target(&key) {
            Target::Column(slot) => self.put_slot(slot, key, value),
            Target::Spare(slot) if self.get(slot).is_none() => self.put_slot(slot, key, value),
            Target::Tag(name) => {
                let at = key.len() - name.len();
                self.put_tag(cut_front(key, at), value);
            }
            Target::EventId => match value.into_scalar() {
                Ok(uid) => self.event_id = Some(event_id(&uid)),
                Err(value) => self.keep(key, value),
            },
            Target::Escaped if value.as_bool() == Some(true) => self.handled = Some(false),
            Target::Fingerprint => self.put_fingerprint(key, value),
            Target::FingerprintList if matches!(value, Value::List(_)) => self.put_fingerprint(key, value),
            Target::CodeFunction | Target::CodeNamespace => {
                let part = usize::from(target(&key) == Target::CodeFunction);
                match value.into_scalar() {
                    Ok(text) => self.code[part] = Some(text),
                    Err(value) => self.keep(key, value),
                }
            }
            _ => self.keep(key, value),
        }
    }

    /// Takes a value for a column; what is no scalar is kept under its own name.
    pub(crate) fn put_slot(&mut self, slot: Slot, key: Cow<'a, str>, value: Value<'a>) {
        match value.into_scalar() {
            Ok(text) => self.set(slot, text),
            Err(value) if value.is_empty() => {}
            Err(value) => self.keep(key, value),
        }
    }

    pub(crate) fn put_tag(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        let value = match value.into_scalar() {
            Ok(text) => text,
            Err(Value::Null) => return,
            Err(Value::Text(empty)) => empty,
            Err(other) => json::to_string(&other).into(),
        };
        self.tags.push((name, value));
    }

    pub(crate) fn put_fingerprint(&mut self, key: Cow<'a, str>, value: Value<'a>) {
        let parts = match value {
            Value::List(parts) => parts,
            scalar => vec![scalar],
        };
        let mut texts = Vec::with_capacity(parts.len());
        for part in &parts {
            match part.clone().into_scalar() {
                Ok(text) => texts.push(text),
                Err(_) => return self.keep(key, Value::List(parts)),
            }
        }
        self.fingerprint = texts;
    }

    /// Takes the log record's body: text is the message; of a map, its `message` or `msg` is, and the rest are attributes.
    pub(crate) fn put_body(&mut self, body: Value<'a>) {
        match body {
            Value::Map(mut pairs) => {
                let found = ["message", "msg"].iter().find_map(|name| {
                    pairs.iter().position(|(key, value)| key == name && matches!(value, Value::Text(_)))
                });
                match found {
                    Some(index) => {
                        if let (_, Value::Text(message)) = pairs.remove(index) {
                            self.set(Slot::Message, message);
                        }
                        // What the record itself says wins, so the body goes first.
                        self.rest.splice(0..0, pairs);
                    }
                    None if pairs.is_empty() => {}
                    None => self.set(Slot::Message, json::to_string(&Value::Map(pairs)).into()),
                }
            }
            body => self.put_message(body),
        }
    }

    /// Takes a value as the message: text as it is, anything else as JSON.
    pub(crate) fn put_message(&mut self, value: Value<'a>) {
        match value.into_scalar() {
            Ok(message) => self.set(Slot::Message, message),
            Err(empty) if empty.is_empty() => {}
            Err(Value::Bytes(bytes)) => self.set(Slot::Message, text::from_bytes(&bytes).into_owned().into()),
            Err(other) => self.set(Slot::Message, json::to_string(&other).into()),
        }
    }

    /// Takes OpenTelemetry's severity: the number decides, else the word, which is kept where it is not a known one.
    pub(crate) fn put_severity(&mut self, number: i32, word: Cow<'a, str>) {
        let read = Level::parse(&word);
        let by_number = Level::from_severity(number);
        self.level = by_number.or(read);
        self.severity = by_number.map(|_| number).or(read.map(Level::severity));
        if read.is_none() && !word.is_empty() {
            self.keep("severity_text", Value::Text(word));
        }
        if by_number.is_none() && number != 0 {
            self.keep("severity_number", Value::Int(number.into()));
        }
    }

    /// Takes ids as OTLP has them: of the wrong length or all zeros is absent, and the wrong length is kept.
    pub(crate) fn put_trace(&mut self, trace_id: &[u8], span_id: &[u8]) {
        self.trace_id = text::id_of_bytes(trace_id);
        self.span_id = text::id_of_bytes(span_id);
        if !matches!(trace_id.len(), 0 | 16) {
            self.keep("trace_id", Value::Text(hex::encode(trace_id).into()));
        }
        if !matches!(span_id.len(), 0 | 8) {
            self.keep("span_id", Value::Text(hex::encode(span_id).into()));
        }
    }

    /// Takes from `wider` what this draft does not say itself.
    pub(crate) fn fill_from(&mut self, wider: Self) {
        for (own, wider) in self.texts.iter_mut().zip(wider.texts) {
            if own.is_none() {
                *own = wider;
            }
        }
        self.tags.splice(0..0, wider.tags);
        self.rest.splice(0..0, wider.rest);
    }

    /// Joins what came in parts. Call once, before the texts are taken.
    pub(crate) fn settle(&mut self) {
        let [namespace, function] = std::mem::take(&mut self.code);
        match (namespace, function) {
            (namespace, Some(function)) if self.get(Slot::Culprit).is_some() => {
                self.keep("code.function", Value::Text(function));
                if let Some(namespace) = namespace {
                    self.keep("code.namespace", Value::Text(namespace));
                }
            }
            (Some(namespace), Some(function)) => self.set(Slot::Culprit, format!("{namespace}.{function}").into()),
            (None, Some(function)) => self.set(Slot::Culprit, function),
            (Some(namespace), None) => self.keep("code.namespace", Value::Text(namespace)),
            (None, None) => {}
        }
        for pair in &mut self.rest {
            if pair.0.is_empty() {
                pair.0 = "_".into();
            }
        }
        dedup_last(&mut self.rest);
    }
}

/// The 16 bytes of an event's id: those of a UUID or 32 hex digits, else a hash of the text.
pub(crate) fn event_id(uid: &str) -> [u8; 16] {
    text::hex_id(uid.trim()).unwrap_or_else(|| xxhash_rust::xxh3::xxh3_128(uid.as_bytes()).to_be_bytes())
}

fn cut_front(text: Cow<'_, str>, at: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[at..]),
        Cow::Owned(text) => Cow::Owned(text[at..].to_owned()),
    }
}

#[cfg(test)]
mod tests;
