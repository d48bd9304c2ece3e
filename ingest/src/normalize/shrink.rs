//! Fits values of any size into a bound: small parts stay whole, large ones share what is left and lose their middle.

use std::borrow::Cow;

use crate::text::trim_middle;
use crate::value::{Pairs, Value};

/// Less room than this for a part, and parts are left out instead.
const SHARE_BYTES_MIN: usize = 48;

/// Names of pairs in a value that is cut.
const NAME_BYTES_MAX: usize = 256;

/// Levels of a value that is cut; measuring each level again bounds the work to so many passes.
const DEPTH_MAX: usize = 16;

/// How many bytes `value` has as JSON; a little more where it holds numbers.
pub(crate) fn size(value: &Value<'_>) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Int(_) | Value::Uint(_) => 20,
        Value::Double(_) => 24,
        Value::Text(text) => text_size(text),
        Value::Bytes(bytes) => bytes.len() / 3 * 4 + 6,
        Value::List(list) => 2 + list.iter().map(|value| size(value) + 1).sum::<usize>(),
        Value::Map(pairs) => 2 + pairs.iter().map(pair_size).sum::<usize>(),
    }
}

/// Cuts `value` so that it has at most about `bytes_max` bytes as JSON.
pub(super) fn fit(value: Value<'_>, bytes_max: usize) -> Value<'_> {
    if size(&value) <= bytes_max { value } else { cut(value, bytes_max, DEPTH_MAX) }
}

fn pair_size((name, value): &(Cow<'_, str>, Value<'_>)) -> usize {
    text_size(name) + size(value) + 2
}

fn text_size(text: &str) -> usize {
    let escapes = text.bytes().filter(|byte| *byte < b' ' || matches!(byte, b'"' | b'\\')).count();
    // A control character takes six bytes; those of two are far more common, but telling them apart costs more.
    let controls = if escapes == 0 { 0 } else { text.bytes().filter(|byte| *byte < b' ').count() };
    text.len() + escapes + 4 * controls + 2
}

fn cut(value: Value<'_>, bytes_max: usize, depth: usize) -> Value<'_> {
    match value {
        Value::Text(text) => Value::Text(cut_text(text, bytes_max)),
        Value::Bytes(bytes) => Value::Text(format!("…[{} bytes cut]…", bytes.len()).into()),
        Value::List(_) | Value::Map(_) if depth == 0 => Value::Text("…".into()),
        Value::List(list) => Value::List(cut_list(list, bytes_max, depth)),
        Value::Map(pairs) => Value::Map(cut_map(pairs, bytes_max, depth)),
        scalar => scalar,
    }
}

fn cut_text(text: Cow<'_, str>, bytes_max: usize) -> Cow<'_, str> {
    let wanted = bytes_max.saturating_sub(2);
    let escaped = text_size(&text);
    if escaped <= bytes_max {
        return text;
    }
    // Text full of escapes gets as much less room as it needs more.
    let wanted =
        if escaped > text.len() + text.len() / 8 + 2 { wanted.saturating_mul(text.len()) / escaped } else { wanted };
    trim_middle(&text, wanted).into_owned().into()
}

fn cut_list(list: Vec<Value<'_>>, bytes_max: usize, depth: usize) -> Vec<Value<'_>> {
    let list = without_middle(list, bytes_max, |count| Value::Text(format!("…[{count} items cut]…").into()));
    let share = share(list.iter().map(|value| size(value) + 1), bytes_max);
    list.into_iter().map(|value| if size(&value) > share { cut(value, share, depth - 1) } else { value }).collect()
}

fn cut_map(pairs: Pairs<'_>, bytes_max: usize, depth: usize) -> Pairs<'_> {
    let pairs =
        without_middle(pairs, bytes_max, |count| ("…".into(), Value::Text(format!("{count} pairs cut").into())));
    let named = |(name, value)| (cut_text(name, NAME_BYTES_MAX), value);
    let pairs: Pairs<'_> = pairs.into_iter().map(named).collect();
    let share = share(pairs.iter().map(pair_size), bytes_max);
    pairs
        .into_iter()
        .map(|(name, value)| {
            let room = share.saturating_sub(text_size(&name) + 2);
            let value = if size(&value) > room { cut(value, room, depth - 1) } else { value };
            (name, value)
        })
        .collect()
}

/// Leaves parts out of the middle where there are more than could each have a fair share.
fn without_middle<T>(mut parts: Vec<T>, bytes_max: usize, marker: impl FnOnce(usize) -> T) -> Vec<T> {
    let most = (bytes_max / SHARE_BYTES_MIN).max(2);
    if parts.len() <= most {
        return parts;
    }
    let dropped = parts.len() - (most - 1);
    let from = (most - 1).div_ceil(2);
    drop(parts.splice(from..from + dropped, [marker(dropped)]));
    parts
}

/// The size up to which parts stay whole, so that all of them fit: small ones leave their surplus to the others.
fn share(sizes: impl Iterator<Item = usize>, bytes_max: usize) -> usize {
    let mut sizes: Vec<usize> = sizes.collect();
    sizes.sort_unstable();
    let mut left = bytes_max.saturating_sub(2);
    let count = sizes.len();
    for (index, size) in sizes.into_iter().enumerate() {
        let share = left / (count - index);
        if size > share {
            return share;
        }
        left -= size;
    }
    bytes_max
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{parse, to_string};

    #[test]
    fn what_fits_is_left_alone() {
        for json in [r#"{"a":[1,2.5,null,"x\n\"y\""],"b":{"c":"d"}}"#, "[]", "\"\""] {
            let value = parse(json).unwrap();
            assert!(size(&value) >= json.len(), "{json}");
            assert_eq!(fit(value.clone(), size(&value)), value);
        }
    }

    #[test]
    fn large_parts_lose_their_middle_and_small_ones_stay() {
        let json = format!(r#"{{"small":"kept","large":"{}","other":[1,2]}}"#, "x".repeat(10_000));
        let fitted = to_string(&fit(parse(&json).unwrap(), 500));
        assert!(fitted.len() <= 500, "{fitted}");
        assert!(
            fitted.starts_with(r#"{"small":"kept","large":"xxx"#) && fitted.ends_with(r#"x","other":[1,2]}"#),
            "{fitted}"
        );
        assert!(fitted.contains(" bytes cut]…"), "{fitted}");
    }

    #[test]
    fn everything_fits_in_the_end() {
        let many = format!("[{}]", vec!["{\"name\":\"value\"}"; 5_000].join(","));
        let names = (0..5_000).map(|n| format!("\"{n}\":{n}")).collect::<Vec<_>>().join(",");
        let deep = format!("{}\"{}\"{}", "[".repeat(100), "y".repeat(50_000), "]".repeat(100));
        let quotes = format!("\"{}\"", "\\\"".repeat(5_000));
        let controls = format!("\"{}\"", "\\u0001".repeat(5_000));
        let name = format!("{{\"{}\":1}}", "n".repeat(50_000));
        for json in [many, format!("{{{names}}}"), deep, quotes, controls, name] {
            for bytes_max in [300, 1_000, 4_000] {
                let fitted = to_string(&fit(parse(&json).unwrap(), bytes_max));
                assert!(fitted.len() <= bytes_max + 64, "{bytes_max}: {} {fitted}", fitted.len());
                assert!(parse(&fitted).is_ok(), "{fitted}");
            }
        }
        assert!(to_string(&fit(parse("[1,2,3,4,5,6,7,8,9]").unwrap(), 100)).contains("items cut"));
    }
}
