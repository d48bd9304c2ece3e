//! JSON text in and out of [`Value`].

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::value::{Pairs, Value};

/// Reads one JSON value. Half a surrogate pair, which JavaScript writes now and then, becomes U+FFFD.
pub(crate) fn parse(json: &str) -> serde_json::Result<Value<'_>> {
    match serde_json::from_str(json) {
        Err(error) => match pair_surrogates(json) {
            Some(repaired) => serde_json::from_str(&repaired).map(Value::into_owned),
            None => Err(error),
        },
        value => value,
    }
}

/// A request's bytes as text: invalid UTF-8 is replaced, which leaves JSON's own characters where they are.
pub(crate) fn text_of(body: &[u8]) -> Cow<'_, str> {
    crate::text::lossy(body)
}

/// Says what is wrong without serde's own position, which counts from the start of a fragment.
pub(crate) fn complaint(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let end = message.rfind(" at line ").unwrap_or(message.len());
    let message = &message[..end];
    if message.starts_with("recursion limit") { "nested deeper than 127 levels".to_owned() } else { message.to_owned() }
}

/// Replaces each half of a surrogate pair that stands alone; `None` where there is none.
fn pair_surrogates(json: &str) -> Option<String> {
    let mut repaired = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &json.as_bytes()[at..]) {
        at += found;
        let Some(unit) = escaped_unit(json, at) else {
            at = (at + 2).min(json.len());
            continue;
        };
        let pair = (0xd800..0xdc00).contains(&unit)
            && escaped_unit(json, at + 6).is_some_and(|low| (0xdc00..0xe000).contains(&low));
        if !pair && (0xd800..0xe000).contains(&unit) {
            repaired.push_str(&json[copied..at]);
            repaired.push_str("\\ufffd");
            copied = at + 6;
        }
        at += if pair { 12 } else { 6 };
    }
    (copied > 0).then(|| repaired + &json[copied..])
}

/// The UTF-16 unit of the escape at `at`, if it is a whole one.
fn escaped_unit(json: &str, at: usize) -> Option<u32> {
    let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
    u32::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Appends a value. What JSON cannot say becomes a string: bytes as base64, NaN and infinities by name.
pub(crate) fn write(out: &mut String, value: &Value<'_>) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Int(number) => out.push_str(itoa::Buffer::new().format(*number)),
        Value::Uint(number) => out.push_str(itoa::Buffer::new().format(*number)),
        Value::Double(number) if number.is_nan() => out.push_str("\"NaN\""),
        Value::Double(f64::INFINITY) => out.push_str("\"Infinity\""),
        Value::Double(f64::NEG_INFINITY) => out.push_str("\"-Infinity\""),
        Value::Double(number) => out.push_str(ryu::Buffer::new().format_finite(*number)),
        Value::Text(text) => write_text(out, text),
        Value::Bytes(bytes) => {
            out.push('"');
            BASE64_STANDARD.encode_string(bytes, out);
            out.push('"');
        }
        Value::List(list) => {
            out.push('[');
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(out, value);
            }
            out.push(']');
        }
        Value::Map(pairs) => write_map(out, pairs),
    }
}

fn write_map(out: &mut String, pairs: &Pairs<'_>) {
    out.push('{');
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_pair(out, name, value);
    }
    out.push('}');
}

/// Appends `"name":value`.
pub(crate) fn write_pair(out: &mut String, name: &str, value: &Value<'_>) {
    write_text(out, name);
    out.push(':');
    write(out, value);
}

/// Appends a string in quotes.
pub(crate) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[copied..at]);
        copied = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                out.push_str("\\u00");
                out.push(char::from(DIGITS[usize::from(control >> 4)]));
                out.push(char::from(DIGITS[usize::from(control & 15)]));
            }
        }
    }
    out.push_str(&text[copied..]);
    out.push('"');
}

/// A value as JSON text.
pub(crate) fn to_string(value: &Value<'_>) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_read() {
        for json in [
            r#"{"a":[1,-2,3.5,true,false,null],"b":{"c":"x\"y\\z\n\t\r\u0001ü"},"d":18446744073709551615}"#,
            "[]",
            "\"\"",
            "1e300",
        ] {
            assert_eq!(to_string(&parse(json).unwrap()), json);
        }
    }

    #[test]
    fn keeps_what_json_cannot_say_as_text() {
        let list = Value::List(vec![
            Value::Double(f64::NAN),
            Value::Double(f64::NEG_INFINITY),
            Value::Bytes(b"\x00\xff"[..].into()),
        ]);
        assert_eq!(to_string(&list), r#"["NaN","-Infinity","AP8="]"#);
        assert_eq!(parse(r#""a\u0000b""#).unwrap(), Value::Text("a\u{fffd}b".into()));
    }

    #[test]
    fn repairs_half_surrogates_only() {
        for (json, expected) in [
            (r#""\ud83d\ude00""#, "😀"),
            (r#""a\ud83d""#, "a\u{fffd}"),
            (r#""\ude00\ud83d\ude00\ud83dx""#, "\u{fffd}😀\u{fffd}x"),
            (r#""\\ud83d\ud83d""#, "\\ud83d\u{fffd}"),
        ] {
            assert_eq!(parse(json).unwrap(), Value::Text(expected.into()), "{json}");
        }
        assert!(parse(r#"{"a": "\ud83d" x}"#).is_err());
        assert!(parse(r#""\u12"#).is_err());
    }

    #[test]
    fn names_deep_nesting() {
        let deep = "[".repeat(1_000) + &"]".repeat(1_000);
        assert_eq!(complaint(&parse(&deep).unwrap_err()), "nested deeper than 127 levels");
    }
}
