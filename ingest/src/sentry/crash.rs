//! The event of a crash that came as a minidump, alone or in a form with what its program knew of it.
//!
//! The form's field `sentry` is the event in JSON, `sentry__1`, `sentry__2`, … its pieces in their order, and `sentry[user][id]`
//! one member of it; every other field goes to `extra`.

use std::borrow::Cow;

use bytes::Bytes;

use super::minidump::{self, Crash};
use super::multipart::Part;
use super::payload;
use crate::limits::Limits;
use crate::value::{Pairs, Value};

/// The name of the field that holds the dump.
pub(super) const DUMP: &str = "upload_file_minidump";

/// No member of an event is nested deeper by its name.
const DEPTH_MAX: usize = 16;

/// The event of a form, as JSON would give it.
pub(super) fn event(fields: &[Part], dump: &Bytes, limits: &Limits) -> Pairs<'static> {
    let mut pieces: Vec<(u32, &Part)> = Vec::new();
    let mut members: Vec<(Vec<&str>, String)> = Vec::new();
    for field in fields.iter().filter(|field| field.filename.is_none()) {
        let text = || payload::text(&field.bytes).into_owned();
        if field.name == "sentry" {
            pieces.push((0, field));
        } else if let Some(number) = field.name.strip_prefix("sentry__").and_then(|number| number.parse().ok()) {
            pieces.push((number, field));
        } else if let Some(path) = member(&field.name) {
            members.push((path, text()));
        } else if !field.name.is_empty() {
            members.push((vec!["extra", &field.name], text()));
        }
    }
    pieces.sort_by_key(|(number, _)| *number);
    let json: Vec<u8> = pieces.iter().flat_map(|(_, piece)| piece.bytes.iter().copied()).collect();
    let mut event: Pairs<'static> = Pairs::new();
    if !json.is_empty() {
        let text = payload::text(&json);
        match payload::object(&text, limits) {
            Ok(pairs) => {
                event.extend(pairs.into_iter().map(|(name, value)| (name.into_owned().into(), value.into_owned())));
            }
            // A crash is kept, whatever its program says of it.
            Err(_) => put(&mut event, &["extra", "sentry"], text.clone().into_owned()),
        }
    }
    for (path, value) in members {
        put(&mut event, &path, value);
    }
    describe(&mut event, &minidump::read(dump));
    event
}

/// The path in `sentry[user][id]`.
fn member(name: &str) -> Option<Vec<&str>> {
    let path = name.strip_prefix("sentry[")?.strip_suffix(']')?;
    let path: Vec<&str> = path.split("][").collect();
    (path.len() <= DEPTH_MAX && path.iter().all(|part| !part.is_empty())).then_some(path)
}

fn put(pairs: &mut Pairs<'static>, path: &[&str], text: String) {
    let Some((first, rest)) = path.split_first() else { return };
    let at = pairs.iter().position(|(name, _)| name == first).unwrap_or_else(|| {
        pairs.push((Cow::Owned((*first).to_owned()), Value::Null));
        pairs.len() - 1
    });
    if rest.is_empty() {
        pairs[at].1 = Value::Text(text.into());
        return;
    }
    if !matches!(pairs[at].1, Value::Map(_)) {
        pairs[at].1 = Value::Map(Pairs::new());
    }
    if let Value::Map(inner) = &mut pairs[at].1 {
        put(inner, rest, text);
    }
}

/// Says of the crash what its program has not said.
fn describe(event: &mut Pairs<'static>, crash: &Crash) {
    let has = |event: &Pairs<'_>, wanted: &str| event.iter().any(|(name, value)| name == wanted && !value.is_empty());
    let text = |text: &str| Value::Text(text.to_owned().into());
    for (name, value) in [("platform", "native"), ("level", "fatal")] {
        if !has(event, name) {
            event.push((name.into(), text(value)));
        }
    }
    if !has(event, "exception") {
        let kind = if crash.reason.is_empty() { "Minidump" } else { &crash.reason };
        let place = match (&crash.module, crash.address) {
            (Some(module), _) => format!("crash in {module}"),
            (None, Some(address)) => format!("crash at {address:#x}"),
            (None, None) => "crash without a known place".to_owned(),
        };
        let mechanism = vec![
            ("type".into(), text("minidump")),
            ("handled".into(), Value::Bool(false)),
            ("synthetic".into(), Value::Bool(true)),
        ];
        let mut exception = vec![
            ("type".into(), text(kind)),
            ("value".into(), text(&place)),
            ("mechanism".into(), Value::Map(mechanism)),
        ];
        if let Some(address) = crash.address {
            let mut frame = vec![("instruction_addr".into(), text(&format!("{address:#x}")))];
            if let Some(module) = &crash.module {
                frame.push(("package".into(), text(module)));
            }
            let frames = vec![("frames".into(), Value::List(vec![Value::Map(frame)]))];
            exception.push(("stacktrace".into(), Value::Map(frames)));
        }
        event.push(("exception".into(), Value::List(vec![Value::Map(exception)])));
    }
    let mut contexts = Pairs::new();
    if !crash.system.is_empty() {
        contexts.push(("os".into(), Value::Map(vec![("name".into(), text(crash.system))])));
    }
    if !crash.architecture.is_empty() {
        contexts.push(("device".into(), Value::Map(vec![("arch".into(), text(crash.architecture))])));
    }
    let told = event.iter().position(|(name, value)| name == "contexts" && matches!(value, Value::Map(_)));
    match told.map(|at| &mut event[at].1) {
        Some(Value::Map(told)) => {
            contexts.retain(|(name, _)| !told.iter().any(|(known, _)| known == name));
            told.append(&mut contexts);
        }
        _ if contexts.is_empty() => {}
        _ => event.push(("contexts".into(), Value::Map(contexts))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::to_string;

    fn check(fields: &[(&str, &str)], expected: &[&str]) {
        let fields: Vec<Part> = fields
            .iter()
            .map(|(name, value)| Part {
                name: (*name).to_owned(),
                bytes: Bytes::from((*value).to_owned()),
                ..Part::default()
            })
            .collect();
        let dump = minidump::tests::sample().into();
        let json = to_string(&Value::Map(event(&fields, &dump, &Limits::default())));
        for part in expected {
            assert!(json.contains(part), "{part} is not in {json}");
        }
    }

    #[test]
    fn the_form_and_the_dump_make_one_event() {
        check(
            &[],
            &[
                r#""type":"SIGSEGV""#,
                r#""value":"crash in libfoo.so""#,
                r#""handled":false"#,
                r#""platform":"native""#,
                r#""level":"fatal""#,
                r#""os":{"name":"Linux"}"#,
            ],
        );
        check(
            &[
                ("sentry__2", r#"se":"1.0","contexts":{"os":{"name":"Own"}}}"#),
                ("sentry__1", r#"{"relea"#),
                ("sentry[user][id]", "7"),
                ("sentry[tags][a b]", "x"),
                ("product", "Shop"),
            ],
            &[
                r#""release":"1.0""#,
                r#""user":{"id":"7"}"#,
                r#""tags":{"a b":"x"}"#,
                r#""extra":{"product":"Shop"}"#,
                r#""os":{"name":"Own"},"device":{"arch":"x86_64"}"#,
            ],
        );
        check(&[("sentry", "no JSON"), ("sentry[", "x")], &[r#""extra":{"sentry":"no JSON","sentry[":"x"}"#]);
    }
}
