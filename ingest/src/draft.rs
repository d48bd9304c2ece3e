//! An event on its way: names settled, strings still borrowed from the request.

use std::borrow::Cow;
use std::sync::Arc;

use hashbrown::HashSet;
use tephra_storage::{Kind, Level, Text};

use crate::conventions::{Slot, Target, target};
use crate::group::Stack;
use crate::json;
use crate::moment::Moment;
use crate::text;
use crate::value::{Pairs, Value};

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

/// What a batch, resource or scope says for all its events, ready to be shared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared {
    texts: [Option<Text>; Slot::COUNT],
    pub(crate) tags: Vec<(Text, Text)>,
    pub(crate) rest: Arc<Rest>,
}

/// Shared attributes: each as `"name":value`, and all of them as one object.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    pub(crate) pairs: Vec<(Text, Text)>,
    pub(crate) object: Option<Text>,
}

impl Shared {
    /// What `draft` says, on top of what holds for a wider circle.
    pub(crate) fn new(mut draft: Draft<'_>, wider: &Self) -> Self {
        draft.settle();
        let mut texts = wider.texts.clone();
        for (text, own) in texts.iter_mut().zip(&draft.texts) {
            if let Some(own) = own {
                *text = Some(own.as_ref().into());
            }
        }
        let mut tags: Vec<(Text, Text)> =
            draft.tags.iter().map(|(n, v)| (n.as_ref().into(), v.as_ref().into())).collect();
        let own = Names::new(draft.tags.iter().map(|(name, _)| name.as_ref()));
        tags.extend(wider.tags.iter().filter(|(name, _)| !own.contains(name)).cloned());
        // Sorted stably, the last of a name in front.
        tags.reverse();
        tags.sort_by(|(a, _), (b, _)| a.cmp(b));
        tags.dedup_by(|(later, _), (kept, _)| later == kept);
        if draft.rest.is_empty() {
            return Self { texts, tags, rest: Arc::clone(&wider.rest) };
        }
        let mut pairs: Vec<(Text, Text)> = Vec::with_capacity(draft.rest.len() + wider.rest.pairs.len());
        for (name, value) in &draft.rest {
            let mut pair = String::new();
            json::write_pair(&mut pair, name, value);
            pairs.push((name.as_ref().into(), pair.into()));
        }
        let own = Names::new(draft.rest.iter().map(|(name, _)| name.as_ref()));
        pairs.extend(wider.rest.pairs.iter().filter(|(name, _)| !own.contains(name)).cloned());
        let mut object = String::from("{");
        for (index, (_, pair)) in pairs.iter().enumerate() {
            object.push_str(if index > 0 { "," } else { "" });
            object.push_str(pair);
        }
        object.push('}');
        Self { texts, tags, rest: Arc::new(Rest { pairs, object: Some(object.into()) }) }
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Text> {
        self.texts[slot as usize].as_ref()
    }

    /// What making this cost, for the bound on a request's memory.
    pub(crate) fn bytes(&self) -> usize {
        let texts: usize = self.texts.iter().flatten().map(|text| text.len()).sum();
        let tags: usize = self.tags.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        size_of::<Self>() + texts + tags + 2 * self.rest.object.as_ref().map_or(0, |object| object.len())
    }
}

/// A set of names: a list while they are few.
pub(crate) enum Names<'n> {
    Few(Vec<&'n str>),
    Many(HashSet<&'n str>),
}

impl<'n> Names<'n> {
    pub(crate) fn new(names: impl ExactSizeIterator<Item = &'n str>) -> Self {
        if names.len() <= 24 { Self::Few(names.collect()) } else { Self::Many(names.collect()) }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        match self {
            Self::Few(names) => names.contains(&name),
            Self::Many(names) => names.contains(name),
        }
    }
}

/// The 16 bytes of an event's id: those of a UUID or 32 hex digits, else a hash of the text.
pub(crate) fn event_id(uid: &str) -> [u8; 16] {
    text::hex_id(uid.trim()).unwrap_or_else(|| xxhash_rust::xxh3::xxh3_128(uid.as_bytes()).to_be_bytes())
}

/// Keeps the last pair of each name.
fn dedup_last(pairs: &mut Pairs<'_>) {
    const FEW: usize = 24;
    if pairs.len() <= FEW {
        let mut at = 0;
        while at < pairs.len() {
            let (head, tail) = pairs.split_at(at + 1);
            if tail.iter().any(|(name, _)| *name == head[at].0) {
                pairs.remove(at);
            } else {
                at += 1;
            }
        }
        return;
    }
    let mut last = Vec::with_capacity(pairs.len());
    let mut seen: HashSet<&str> = HashSet::with_capacity(pairs.len());
    last.extend(pairs.iter().rev().map(|(name, _)| seen.insert(name.as_ref())));
    drop(seen);
    pairs.retain(|_| last.pop().unwrap_or(true));
}

fn cut_front(text: Cow<'_, str>, at: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[at..]),
        Cow::Owned(text) => Cow::Owned(text[at..].to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Value<'_> {
        Value::Text(value.into())
    }

    #[test]
    fn the_last_of_a_name_wins() {
        for count in [3, 100] {
            let mut pairs: Pairs<'_> = (0..count).map(|n| (format!("k{}", n % 2).into(), Value::Int(n))).collect();
            dedup_last(&mut pairs);
            let mut values: Vec<_> = pairs.into_iter().map(|(_, value)| value).collect();
            values.sort_by_key(|value| value.as_int());
            assert_eq!(values, [Value::Int(count - 2), Value::Int(count - 1)]);
        }
    }

    #[test]
    fn newer_names_win_in_any_order() {
        for keys in [
            ["deployment.environment", "deployment.environment.name"],
            ["deployment.environment.name", "deployment.environment"],
        ] {
            let mut draft = Draft::default();
            for key in keys {
                draft.put(key.into(), text(key));
            }
            assert_eq!(draft.get(Slot::Environment), Some("deployment.environment.name"));
        }
    }

    #[test]
    fn code_names_make_a_culprit() {
        let mut draft = Draft::default();
        draft.put("code.function".into(), text("run"));
        draft.put("code.namespace".into(), text("app.Worker"));
        draft.settle();
        assert_eq!(draft.get(Slot::Culprit), Some("app.Worker.run"));
        assert!(draft.rest.is_empty());
    }

    #[test]
    fn what_does_not_fit_is_kept() {
        let mut draft = Draft::default();
        draft.put("user.id".into(), Value::List(vec![Value::Int(1)]));
        draft.put("user.email".into(), Value::Int(7));
        draft.put("exception.escaped".into(), text("False"));
        draft.put("fingerprint".into(), text("ab:cd"));
        draft.put("".into(), text("nameless"));
        draft.settle();
        assert_eq!(draft.get(Slot::UserId), None);
        assert_eq!(draft.get(Slot::UserEmail), Some("7"));
        assert_eq!(draft.handled, None);
        let names: Vec<_> = draft.rest.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(names, ["user.id", "exception.escaped", "fingerprint", "_"]);
    }

    #[test]
    fn bodies_become_messages() {
        let check = |body: Value<'static>, message: Option<&str>, rest: usize| {
            let mut draft = Draft::default();
            draft.put_body(body);
            assert_eq!((draft.get(Slot::Message), draft.rest.len()), (message, rest));
        };
        let map = |pairs: &[(&'static str, Value<'static>)]| {
            Value::Map(pairs.iter().map(|(name, value)| ((*name).into(), value.clone())).collect())
        };
        check(text("hi"), Some("hi"), 0);
        check(Value::Null, None, 0);
        check(Value::Int(7), Some("7"), 0);
        check(Value::List(vec![Value::Int(7), text("x")]), Some(r#"[7,"x"]"#), 0);
        check(map(&[("msg", text("hi")), ("a", Value::Int(1))]), Some("hi"), 1);
        check(map(&[("a", Value::Int(1))]), Some(r#"{"a":1}"#), 0);
        check(Value::Bytes(b"raw\0"[..].into()), Some("raw\u{fffd}"), 0);
    }

    #[test]
    fn ids_are_read_or_made() {
        assert_eq!(event_id("67e55044-10b1-426f-9247-bb680e5fe0c8")[0], 0x67);
        assert_eq!(event_id("67E5504410B1426F9247BB680E5FE0C8")[0], 0x67);
        assert_eq!(event_id("01ARZ3NDEKTSV4RRFFQ69G5FAV"), event_id("01ARZ3NDEKTSV4RRFFQ69G5FAV"));
        assert_ne!(event_id("a"), event_id("b"));
    }
}
