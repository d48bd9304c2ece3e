//! Reads the values of fields; where one is of the wrong kind, its name says so.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::value::{Pairs, Value};

/// What was read, or why it cannot be.
pub(super) type Read<T> = Result<T, String>;

/// `[{"key": …, "value": AnyValue}, …]`
pub(super) fn attributes(value: Value<'_>) -> Read<Pairs<'_>> {
    let list = match value {
        Value::List(list) => list,
        Value::Null => return Ok(Pairs::new()),
        other => return Err(wrong("attributes", "a list", &other)),
    };
    let mut pairs = Pairs::with_capacity(list.len());
    for item in list {
        let Value::Map(fields) = item else { return Err(wrong("attributes", "a list of objects", &item)) };
        let (mut name, mut read) = (Cow::Borrowed(""), Value::Null);
        for (key, value) in fields {
            match key.as_ref() {
                "key" => name = string("key", value)?,
                "value" => read = any_value(value)?,
                _ => {}
            }
        }
        pairs.push((name, read));
    }
    Ok(pairs)
}

/// `{"stringValue": …}` and its like; unknown kinds are null.
pub(super) fn any_value(value: Value<'_>) -> Read<Value<'_>> {
    let fields = match value {
        Value::Map(fields) => fields,
        Value::Null => return Ok(Value::Null),
        other => return Err(wrong("value", "an object such as {\"stringValue\": …}", &other)),
    };
    let mut read = Value::Null;
    for (key, value) in fields {
        read = match (key.as_ref(), value) {
            (_, Value::Null) => continue,
            ("stringValue" | "string_value", value) => Value::Text(string(&key, value)?),
            ("boolValue" | "bool_value", value @ Value::Bool(_)) => value,
            ("boolValue" | "bool_value", other) => return Err(wrong(&key, "a boolean", &other)),
            ("intValue" | "int_value", value) => Value::Int(whole(&key, &value)?),
            ("doubleValue" | "double_value", value) => Value::Double(double(&key, &value)?),
            ("bytesValue" | "bytes_value", value) => {
                let text = string(&key, value)?;
                let bytes = BASE64_STANDARD.decode(text.as_bytes());
                Value::Bytes(bytes.map_err(|error| format!("`{key}` is not base64: {error}"))?.into())
            }
            ("arrayValue" | "array_value", value) => {
                Value::List(values(value)?.into_iter().map(any_value).collect::<Read<_>>()?)
            }
            ("kvlistValue" | "kvlist_value", value) => Value::Map(attributes(Value::List(values(value)?))?),
            _ => continue,
        };
    }
    Ok(read)
}

/// The list in `{"values": […]}`.
fn values(value: Value<'_>) -> Read<Vec<Value<'_>>> {
    let Value::Map(fields) = value else { return Err(wrong("value", "an object with `values`", &value)) };
    match fields.into_iter().find(|(key, _)| key == "values") {
        None | Some((_, Value::Null)) => Ok(Vec::new()),
        Some((_, Value::List(list))) => Ok(list),
        Some((_, other)) => Err(wrong("values", "a list", &other)),
    }
}

pub(super) fn string<'t>(key: &str, value: Value<'t>) -> Read<Cow<'t, str>> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Null => Ok(Cow::Borrowed("")),
        other => Err(wrong(key, "a string", &other)),
    }
}

pub(super) fn whole<N: TryFrom<i128>>(key: &str, value: &Value<'_>) -> Read<N> {
    value
        .as_int()
        .and_then(|number| N::try_from(number).ok())
        .ok_or_else(|| wrong(key, "a whole number in range", value))
}

fn double(key: &str, value: &Value<'_>) -> Read<f64> {
    match value {
        Value::Double(number) => Ok(*number),
        Value::Int(number) => Ok(*number as f64),
        Value::Uint(number) => Ok(*number as f64),
        Value::Text(text) => text.parse().map_err(|_| wrong(key, "a number", value)),
        other => Err(wrong(key, "a number", other)),
    }
}

/// A number, or a name such as `SEVERITY_NUMBER_ERROR2`.
pub(super) fn severity(key: &str, value: &Value<'_>) -> Read<i32> {
    const NAMES: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let Value::Text(text) = value else { return whole(key, value) };
    let Some(name) = text.strip_prefix("SEVERITY_NUMBER_") else { return whole(key, value) };
    let (word, step) = match name.as_bytes().last() {
        Some(digit @ b'2'..=b'4') => (&name[..name.len() - 1], i32::from(digit - b'1')),
        _ => (name, 0),
    };
    let level = (0i32..).zip(NAMES).find(|(_, known)| *known == word);
    match level {
        Some((level, _)) => Ok(level * 4 + 1 + step),
        None if name == "UNSPECIFIED" => Ok(0),
        None => Err(wrong(key, "a severity", value)),
    }
}

/// Hexadecimal digits.
pub(super) fn id<'t>(key: &str, value: Value<'t>) -> Read<Cow<'t, [u8]>> {
    let text = string(key, value)?;
    hex::decode(text.as_bytes()).map(Cow::Owned).map_err(|error| format!("`{key}` is not hexadecimal: {error}"))
}

pub(super) fn wrong(key: &str, needed: &str, found: &Value<'_>) -> String {
    format!("`{key}` is {}, where {needed} is needed", found.type_name())
}
