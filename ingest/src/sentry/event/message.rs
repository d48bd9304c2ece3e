//! The message of an event: the text as people read it, and the template that all its events share.
//!
//! SDKs send `message` or `logentry`, as text or as `{message, params, formatted}`, in any mix. Parameters are filled in
//! here where the sender did not, by the rules of printf, of Python's `%(name)s`, and of `{}`.

use std::borrow::Cow;
use std::fmt::Write;

use super::is_empty;
use crate::conventions::Slot;
use crate::draft::Draft;
use crate::json;
use crate::normalize::{Cutter, size};
use crate::text::trim_middle;
use crate::value::{Pairs, Value};

/// A longer template is nobody's, and stays as it is.
const TEMPLATE_BYTES_MAX: usize = 32 << 10;

/// The name of a parameter.
const NAME_BYTES_MAX: usize = 128;

/// How much of one parameter is filled in, and how many are.
const PARAM_BYTES_MAX: usize = 4 << 10;
/// What a message may have while it is looked through for secrets.
const WHOLE_BYTES_MAX: usize = 256 << 10;
const PLACES_MAX: usize = 100;

/// A template and what goes into it.
#[derive(Default)]
struct Entry<'a> {
    template: Cow<'a, str>,
    formatted: Cow<'a, str>,
    params: Value<'a>,
    rest: Pairs<'a>,
}

/// Takes `logentry` and `message`; the former wins, as the latter is its older name.
pub(super) fn put<'a>(
    draft: &mut Draft<'a>,
    logentry: Value<'a>,
    message: Value<'a>,
    bytes_max: usize,
    cutter: Cutter<'_>,
) {
    let Entry { mut template, mut formatted, params, rest } = read(logentry);
    let mut older = read(message);
    if template.is_empty() && formatted.is_empty() {
        template = std::mem::take(&mut older.template);
        formatted = std::mem::take(&mut older.formatted);
    } else if formatted.is_empty() && !older.formatted.is_empty() {
        formatted = std::mem::take(&mut older.formatted);
    } else if formatted.is_empty() && is_empty(&params) && older.template != template {
        formatted = std::mem::take(&mut older.template);
    }
    let params = if is_empty(&params) { std::mem::take(&mut older.params) } else { params };
    let left = if older.formatted.is_empty() { older.template } else { older.formatted };
    for (name, value) in rest.into_iter().chain(older.rest) {
        draft.keep(format!("logentry.{name}"), value);
    }

    let filled = if formatted.is_empty() { fill_clean(&template, &params, cutter) } else { None };
    let formatted = filled.map_or(formatted, Cow::Owned);
    let message = if formatted.is_empty() { template.clone() } else { formatted };
    if !left.is_empty() && left != message && left != template {
        draft.keep("message", Value::Text(left));
    }
    // Without parameters the template is the message, and says nothing more.
    if template != message || !is_empty(&params) {
        draft.set(Slot::Template, cutter.text(&["template"], template, bytes_max));
    }
    if !is_empty(&params) {
        draft.keep("logentry.params", params);
    }
    draft.set(Slot::Message, cutter.text(&["message"], message, bytes_max));
}

/// The template with its parameters. A long one is cut, but a secret that it and the text around it make up goes whole.
fn fill_clean(template: &str, params: &Value<'_>, cutter: Cutter<'_>) -> Option<String> {
    let short = fill(template, params, Room::Each)?;
    if !short.is_cut {
        return Some(short.text);
    }
    let whole = fill(template, params, Room::All)?;
    let clean = cutter.clean(&["message"], Cow::Borrowed(&whole.text));
    let found = whole.is_cut || *clean != *whole.text;
    Some(if found { clean.into_owned() } else { short.text })
}

/// What parameters may take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    /// So much of each; a longer one loses its middle.
    Each,
    /// So much together; one that does not fit is left out whole.
    All,
}

#[derive(Debug, PartialEq, Eq)]
struct Filled {
    text: String,
    is_cut: bool,
}

fn read(value: Value<'_>) -> Entry<'_> {
    let mut entry = Entry::default();
    match value {
        Value::Map(pairs) => {
            for (name, value) in pairs {
                match (name.as_ref(), value) {
                    ("message", Value::Text(text)) => entry.template = text,
                    ("formatted", Value::Text(text)) => entry.formatted = text,
                    ("params", value) => entry.params = value,
                    (_, value) if is_empty(&value) => {}
                    ("message", value) => entry.template = json::to_string(&value).into(),
                    ("formatted", value) => entry.formatted = json::to_string(&value).into(),
                    (_, value) => entry.rest.push((name, value)),
                }
            }
        }
        other if is_empty(&other) => {}
        other => match other.into_scalar() {
            Ok(text) => entry.template = text,
            Err(other) => entry.template = json::to_string(&other).into(),
        },
    }
    entry
}

/// The template with its parameters; `None` where it has no place for any.
fn fill(template: &str, params: &Value<'_>, room: Room) -> Option<Filled> {
    if template.len() > TEMPLATE_BYTES_MAX {
        return None;
    }
    let (listed, named): (&[Value<'_>], &[_]) = match params {
        Value::List(list) => (list, &[]),
        Value::Map(pairs) => (&[], pairs),
        other if is_empty(other) => return None,
        single => (std::slice::from_ref(single), &[]),
    };
    let named = |wanted: &str| named.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let mut out = String::with_capacity(template.len() + 64);
    let mut rest = template;
    let mut next = 0;
    let mut filled = 0;
    let mut is_cut = false;
    while let Some(at) = rest.find(['%', '{']).filter(|_| filled < PLACES_MAX) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let place = if rest.starts_with('%') { percent(rest) } else { braces(rest) };
        let Some((length, name)) = place else {
            out.push_str(&rest[..1]);
            rest = &rest[1..];
            continue;
        };
        let value = match name {
            Place::Escaped(character) => {
                out.push(character);
                rest = &rest[length..];
                continue;
            }
            Place::Next => {
                next += 1;
                listed.get(next - 1)
            }
            Place::Named(name) => match name.parse::<usize>() {
                Ok(index) => listed.get(index).or_else(|| named(name)),
                Err(_) => named(name),
            },
        };
        match value {
            Some(value) => {
                filled += 1;
                is_cut |= write_param(&mut out, value, room);
            }
            None => out.push_str(&rest[..length]),
        }
        rest = &rest[length..];
    }
    out.push_str(rest);
    (filled > 0).then_some(Filled { text: out, is_cut })
}

enum Place<'t> {
    Next,
    Named(&'t str),
    Escaped(char),
}

/// `%s`, `%-5.2f`, `%(name)s`, `%%` at the start of `text`: its length and what belongs there.
fn percent(text: &str) -> Option<(usize, Place<'_>)> {
    let bytes = text.as_bytes();
    if bytes.get(1) == Some(&b'%') {
        return Some((2, Place::Escaped('%')));
    }
    let (mut at, name) = match text[1..].strip_prefix('(') {
        Some(rest) => {
            let end = head(rest).find(')')?;
            (end + 3, Some(&rest[..end]))
        }
        None => (1, None),
    };
    while bytes.get(at).is_some_and(|byte| matches!(byte, b'-' | b'+' | b'#' | b'0'..=b'9' | b'.' | b'l' | b'h' | b'z'))
    {
        at += 1;
    }
    let verb = bytes.get(at)?;
    b"sdifrvxXucgeqaTtop@".contains(verb).then(|| (at + 1, name.map_or(Place::Next, Place::Named)))
}

/// `{}`, `{0}`, `{name}`, `{name:5.2}` at the start of `text`.
fn braces(text: &str) -> Option<(usize, Place<'_>)> {
    let end = head(text).find('}')?;
    let inner = &text[1..end];
    let name = inner.split([':', '!', ',']).next().unwrap_or(inner);
    let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'@' | b'$'));
    fits.then(|| {
        (end + 1, if name.is_empty() { Place::Next } else { Place::Named(name.trim_start_matches(['@', '$'])) })
    })
}

/// Where a name must end, so that looking for its end is cheap.
fn head(text: &str) -> &str {
    &text[..text.floor_char_boundary(NAME_BYTES_MAX)]
}

/// Returns whether there was no room for all of it.
fn write_param(out: &mut String, value: &Value<'_>, room: Room) -> bool {
    let bytes_max = match room {
        Room::Each => PARAM_BYTES_MAX,
        Room::All => WHOLE_BYTES_MAX.saturating_sub(out.len()),
    };
    let (text, bytes) = match value {
        Value::Text(text) => (Some(text), text.len()),
        Value::Double(_) => (None, 0),
        other => (None, size(other)),
    };
    // Writing to a string cannot fail.
    let _ = match (value, text) {
        _ if bytes > bytes_max && room == Room::All => write!(out, "…[{bytes} bytes cut]…"),
        (Value::Double(number), _) => write!(out, "{number}"),
        (_, Some(text)) => write!(out, "{}", trim_middle(text, bytes_max)),
        (other, None) if bytes <= bytes_max => {
            json::write(out, other);
            Ok(())
        }
        (other, None) => write!(out, "{}", trim_middle(&json::to_string(other), bytes_max)),
    };
    bytes > bytes_max
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn cutter() -> Cutter<'static> {
        Cutter::new(&crate::rules::Rules::standard().scrubber)
    }

    fn check(logentry: &str, message: &str, expected: (&str, Option<&str>)) {
        let mut draft = Draft::default();
        put(&mut draft, parse(logentry).unwrap(), parse(message).unwrap(), 1_000, cutter());
        let found = (draft.get(Slot::Message).unwrap_or_default(), draft.get(Slot::Template));
        assert_eq!(found, expected, "{logentry} {message}");
    }

    #[test]
    fn reads_each_form() {
        check("null", "null", ("", None));
        check("null", r#""hi""#, ("hi", None));
        check(r#""hi""#, "null", ("hi", None));
        check(r#"{"message":"hi"}"#, "null", ("hi", None));
        check("null", r#"{"formatted":"hi","message":"hi"}"#, ("hi", None));
        check(r#"{"formatted":"hi 3","message":"hi %d"}"#, "null", ("hi 3", Some("hi %d")));
        check(r#"{"message":"hi %d","params":[3]}"#, "null", ("hi 3", Some("hi %d")));
        check(r#"{"message":"hi %d"}"#, r#""hi 3""#, ("hi 3", Some("hi %d")));
        check(r#"{"message":"hi"}"#, r#""hi""#, ("hi", None));
        check(r#"{"message":"","formatted":"hi"}"#, "null", ("hi", Some("")).map_template());
        check("null", "7", ("7", None));
        check("null", r#"["a",1]"#, (r#"["a",1]"#, None));
    }

    trait MapTemplate {
        fn map_template(self) -> Self;
    }

    impl MapTemplate for (&str, Option<&str>) {
        /// An empty template is none.
        fn map_template(self) -> Self {
            (self.0, self.1.filter(|template| !template.is_empty()))
        }
    }

    #[test]
    fn fills_parameters_in() {
        let check = |template: &str, params: &str, expected: Option<&str>| {
            let filled = fill(template, &parse(params).unwrap(), Room::Each).map(|filled| filled.text);
            assert_eq!(filled.as_deref(), expected, "{template} {params}");
        };
        check("a %s b %d %%", r#"["x",3]"#, Some("a x b 3 %"));
        check("%(who)s did %(what)r", r#"{"who":"I","what":"it"}"#, Some("I did it"));
        check("took %.2f s, %-5s|", r#"[1.5,"ab"]"#, Some("took 1.5 s, ab|"));
        check("a {} b {1} {0:>3}", r#"["x","y"]"#, Some("a x b y x"));
        check("{Err} of {@User}", r#"{"Err":"e","User":{"id":1}}"#, Some(r#"e of {"id":1}"#));
        check("one %s", r#""single""#, Some("one single"));
        check("100% sure {", r#"["x"]"#, None);
        check("more %s %s", r#"["x"]"#, Some("more x %s"));
        check("json {\"a\":1}", r#"["x"]"#, None);
        check("ends in %", r#"["x"]"#, None);
        check("ü%sü{}ü", r#"["ö","ä"]"#, Some("üöüäü"));
        check("%(open", r#"["x"]"#, None);
        check("plain", "null", None);
    }

    #[test]
    fn what_repeats_a_parameter_cannot_grow_without_end() {
        let large = parse(&format!("[\"{}\"]", "x".repeat(100_000))).unwrap().into_owned();
        for room in [Room::Each, Room::All] {
            assert!(fill(&"{0}".repeat(10_000), &large, room).unwrap().text.len() < 500_000);
        }
        assert_eq!(fill(&"{".repeat(1 << 20), &large, Room::Each), None);
        assert_eq!(fill(&"%(".repeat(10_000), &large, Room::Each), None);
    }

    #[test]
    fn keeps_what_differs() {
        let mut draft = Draft::default();
        put(&mut draft, parse(r#"{"formatted":"a","other":1}"#).unwrap(), parse(r#""b""#).unwrap(), 1_000, cutter());
        let names: Vec<_> = draft.rest.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(names, ["logentry.other", "message"]);
    }
}
