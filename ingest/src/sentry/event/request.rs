//! The HTTP request of an event in one form: headers, cookies, query and form as objects, so that rules by name reach them.

use std::borrow::Cow;

use super::is_empty;
use crate::json;
use crate::sentry::auth::percent_decoded;
use crate::value::{Pairs, Value};

/// A body larger than this stays the text it came as.
const PARSED_BYTES_MAX: usize = 64 << 10;

/// Rewrites the parts that SDKs send in several forms; anything else stays as it came.
pub(super) fn normalized(request: Value<'_>) -> Value<'_> {
    let Value::Map(pairs) = request else { return request };
    let mut out = Pairs::with_capacity(pairs.len());
    let mut query = None;
    for (name, value) in pairs {
        if is_empty(&value) {
            continue;
        }
        let value = match (name.as_ref(), value) {
            ("url", Value::Text(url)) => Value::Text(without_query(url, &mut query)),
            ("query_string", Value::Text(text)) => form(text.trim_start_matches('?'), '&'),
            ("cookies", Value::Text(text)) => form(&text, ';'),
            ("query_string" | "cookies" | "headers", Value::List(list)) => of_list(list),
            ("data", Value::Text(text)) => body(text),
            (_, value) => value,
        };
        if !is_empty(&value) {
            out.push((name, value));
        }
    }
    if let Some(query) = query.filter(|_| !out.iter().any(|(name, _)| name == "query_string")) {
        out.push(("query_string".into(), query));
    }
    Value::Map(out)
}

fn without_query<'a>(url: Cow<'a, str>, query: &mut Option<Value<'a>>) -> Cow<'a, str> {
    let Some(at) = url.find('?') else { return url };
    let found = url[at + 1..].split('#').next().unwrap_or_default();
    if !found.is_empty() {
        *query = Some(form(found, '&'));
    }
    url[..at].to_owned().into()
}

/// `a=b&c=d` as an object.
fn form<'v>(text: &str, separator: char) -> Value<'v> {
    let pairs = text.split(separator).map(str::trim).filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = |text| Cow::Owned(percent_decoded(text).into_owned());
        match separator {
            '&' => (decoded(name), Value::Text(decoded(value))),
            _ => (Cow::Owned(name.to_owned()), Value::Text(Cow::Owned(value.to_owned()))),
        }
    });
    Value::Map(joined(pairs))
}

/// `[[name, value], …]` as an object.
fn of_list(list: Vec<Value<'_>>) -> Value<'_> {
    let is_pair = |item: &Value<'_>| matches!(item, Value::List(pair) if matches!(&pair[..], [Value::Text(_), _]));
    if !list.iter().all(is_pair) {
        return Value::List(list);
    }
    Value::Map(joined(list.into_iter().filter_map(|item| {
        let Value::List(pair) = item else { return None };
        match <[Value<'_>; 2]>::try_from(pair) {
            Ok([Value::Text(name), value]) => Some((name, value)),
            _ => None,
        }
    })))
}

/// Pairs of the same name become one with a list.
fn joined<'v>(pairs: impl Iterator<Item = (Cow<'v, str>, Value<'v>)>) -> Pairs<'v> {
    /// With more names than this, looking for an earlier one of each costs too much, and nobody reads them.
    const NAMES_MAX: usize = 64;
    let mut out: Pairs<'v> = Vec::new();
    for (name, value) in pairs {
        match out.iter_mut().take(NAMES_MAX).find(|(earlier, _)| *earlier == name) {
            Some((_, Value::List(list))) => list.push(value),
            Some((_, first)) => *first = Value::List(vec![std::mem::take(first), value]),
            None => out.push((name, value)),
        }
    }
    out
}

/// A body that is JSON as what it says, so that its parts can be told apart.
fn body(text: Cow<'_, str>) -> Value<'_> {
    if text.len() > PARSED_BYTES_MAX || !text.trim_start().starts_with(['{', '[']) {
        return Value::Text(text);
    }
    match &text {
        Cow::Borrowed(borrowed) => json::parse(borrowed).unwrap_or(Value::Text(text)),
        Cow::Owned(owned) => json::parse(owned).map(Value::into_owned).unwrap_or_else(|_| Value::Text(text.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(request: &str, expected: &str) {
        assert_eq!(json::to_string(&normalized(json::parse(request).unwrap())), expected);
    }

    #[test]
    fn each_form_becomes_one() {
        check(
            r#"{"url":"http://x/a?b=1&c=%20d#e","method":"GET","env":null,"headers":[["Host","x"],["A","1"],["A","2"]]}"#,
            r#"{"url":"http://x/a","method":"GET","headers":{"Host":"x","A":["1","2"]},"query_string":{"b":"1","c":" d"}}"#,
        );
        check(r#"{"query_string":"?a=1&&b"}"#, r#"{"query_string":{"a":"1","b":""}}"#);
        check(r#"{"query_string":[["a","1"],["b","2"]]}"#, r#"{"query_string":{"a":"1","b":"2"}}"#);
        check(r#"{"query_string":{"a":["1"]}}"#, r#"{"query_string":{"a":["1"]}}"#);
        check(r#"{"url":"/?x=1","query_string":"a=1"}"#, r#"{"url":"/","query_string":{"a":"1"}}"#);
        check(r#"{"cookies":"a=b=c; d=%20"}"#, r#"{"cookies":{"a":"b=c","d":"%20"}}"#);
        check(r#"{"cookies":[["a","b"]],"data":"{\"p\":[1]}"}"#, r#"{"cookies":{"a":"b"},"data":{"p":[1]}}"#);
        check(r#"{"data":"{broken"}"#, r#"{"data":"{broken"}"#);
        check(r#"{"headers":["odd"],"url":7}"#, r#"{"headers":["odd"],"url":7}"#);
        check("[1]", "[1]");
    }
}
