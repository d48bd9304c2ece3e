//! JSON of events, also where it is not quite JSON.
//!
//! Python writes `NaN`, some SDKs nest without end or leave control characters in strings. Such a payload is mended once and
//! read again; the fast path knows nothing of it.

use crate::json::{complaint, parse, text_of};
use crate::limits::Limits;
use crate::value::{Pairs, Value};

/// Levels that a mended payload keeps at most; readers of what is stored must not meet their own limit.
const DEPTH_MAX: usize = 100;

/// The bytes of a payload as text; what [`object`] returns borrows from it.
pub(super) fn text(payload: &[u8]) -> std::borrow::Cow<'_, str> {
    let text = text_of(payload);
    match text.strip_prefix('\u{feff}').map(str::len) {
        Some(rest) => match text {
            std::borrow::Cow::Borrowed(text) => text[text.len() - rest..].into(),
            std::borrow::Cow::Owned(text) => text[text.len() - rest..].to_owned().into(),
        },
        None => text,
    }
}

/// Reads any value, mending what can be mended.
pub(super) fn value<'t>(text: &'t str, limits: &Limits) -> Result<Value<'t>, String> {
    match parse(text) {
        Ok(value) => Ok(value),
        Err(first) => match parse(&mended(text, limits.depth_max.min(DEPTH_MAX))) {
            Ok(value) => Ok(value.into_owned()),
            Err(_) => Err(format!("{} (line {}, column {})", complaint(&first), first.line(), first.column())),
        },
    }
}

/// Reads an object.
pub(super) fn object<'t>(text: &'t str, limits: &Limits) -> Result<Pairs<'t>, String> {
    match value(text, limits)? {
        Value::Map(pairs) => Ok(pairs),
        other => Err(format!("{}, where an object is needed", other.type_name())),
    }
}

/// The same JSON with `null` for `NaN` and infinities, escapes for control characters, and `"…"` for what is too deep.
fn mended(text: &str, depth_max: usize) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len() + 16);
    let mut copied = 0;
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = string_end(bytes, at);
                for control in (at..end).filter(|at| bytes[*at] < b' ') {
                    out.push_str(&text[copied..control]);
                    out.push_str("\\u00");
                    out.push_str(&hex::encode([bytes[control]]));
                    copied = control + 1;
                }
                at = end;
            }
            b'{' | b'[' if depth == depth_max => {
                out.push_str(&text[copied..at]);
                out.push_str("\"…\"");
                at = container_end(bytes, at);
                copied = at;
            }
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            b'N' | b'I' | b'-' => {
                match ["NaN", "Infinity", "-Infinity"].iter().find(|word| text[at..].starts_with(**word)) {
                    Some(word) => {
                        out.push_str(&text[copied..at]);
                        out.push_str("null");
                        at += word.len();
                        copied = at;
                    }
                    None => at += 1,
                }
            }
            _ => at += 1,
        }
        // Bytes of a longer character are none of the above.
        while !text.is_char_boundary(at) {
            at += 1;
        }
    }
    out.push_str(&text[copied.min(text.len())..]);
    out
}

/// The end of the string whose quote is at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
        at += found;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

/// The end of the list or object that opens at `at`.
fn container_end(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0usize;
    let mut at = at;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::to_string;

    fn check(json: &str, expected: &str) {
        let limits = Limits { depth_max: 3, ..Limits::default() };
        assert_eq!(to_string(&value(json, &limits).unwrap()), expected, "{json}");
    }

    #[test]
    fn mends_what_is_not_quite_json() {
        check(r#"{"a":NaN,"b":[-Infinity,Infinity,-1],"c":"NaN"}"#, r#"{"a":null,"b":[null,null,-1],"c":"NaN"}"#);
        check("{\"a\":\"x\ny\tü\u{1}\"}", r#"{"a":"x\ny\tü\u0001"}"#);
        check(r#"{"ü":NaN,"\\":"\"["}"#, r#"{"ü":null,"\\":"\"["}"#);
        let deep = format!(r#"{{"a":{}"]"{},"b":1}}"#, "[".repeat(500), "]".repeat(500));
        check(&deep, r#"{"a":[["…"]],"b":1}"#);
        check(r#"[[[[1]]]]"#, r#"[[[[1]]]]"#);
    }

    #[test]
    fn refuses_the_rest() {
        for json in ["", "{", "nope", "{\"a\":N}", "\"open", "[[[[[[", "{}]", "\"\\", "N", "-"] {
            assert!(value(json, &Limits::default()).is_err(), "{json}");
        }
        let deep = "[".repeat(500);
        assert!(value(&deep, &Limits::default()).unwrap_err().starts_with("nested deeper"));
        assert!(object("[]", &Limits::default()).unwrap_err().contains("a list"));
    }

    #[test]
    fn a_byte_order_mark_is_none_of_it() {
        assert_eq!(text("\u{feff}{}".as_bytes()), "{}");
        assert_eq!(text(b"\xef\xbb\xbf{\xff}"), "{\u{fffd}}");
    }
}
