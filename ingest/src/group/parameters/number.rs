//! Numbers, and amounts of time and memory.

use super::{is_digit, is_word, run_end};

/// Units that may stand a space away from their number.
#[rustfmt::skip]
const TIMES: &[&str] = &[
    "ns", "us", "µs", "μs", "ms", "msec", "msecs", "s", "sec", "secs", "second", "seconds", "min", "mins", "minute", "minutes",
    "hour", "hours", "hr", "hrs", "day", "days", "week", "weeks", "month", "months", "year", "years", "millis", "millisecond",
    "milliseconds", "nanos", "nanosecond", "nanoseconds", "micros", "microsecond", "microseconds",
];
const SIZES: &[&str] = &["b", "kb", "kib", "mb", "mib", "gb", "gib", "tb", "tib", "byte", "bytes"];

/// The number at `at` (a digit), with its unit.
pub(super) fn read(message: &str, at: usize) -> Option<(&'static str, usize)> {
    let bytes = message.as_bytes();
    let end = end(bytes, at);
    if is_digit(bytes, at) && end == at + 1 && bytes[at] == b'0' && matches!(bytes.get(end), Some(b'x' | b'X')) {
        let digits = run_end(bytes, end + 1, |byte| byte.is_ascii_hexdigit());
        if digits > end + 1 && !bytes.get(digits).is_some_and(|byte| is_word(*byte)) {
            return Some(("<hex>", digits));
        }
    }
    if let Some(end) = stage(message, at, end) {
        return Some(("<n>", end));
    }
    let ordinal = ["st", "nd", "rd", "th"].iter().any(|sign| message[end..].starts_with(sign))
        && !bytes.get(end + 2).is_some_and(|byte| is_word(*byte));
    if ordinal {
        return Some(("<n>", end + 2));
    }
    Some(unit(message, end).unwrap_or(("<n>", end)))
}

/// The stage behind a version: `2.0.0-rc.1`, `1.2-SNAPSHOT`.
fn stage(message: &str, at: usize, end: usize) -> Option<usize> {
    const STAGES: [&str; 11] =
        ["alpha", "beta", "rc", "pre", "preview", "dev", "snapshot", "canary", "nightly", "next", "final"];
    let bytes = message.as_bytes();
    let word = message[at..end].contains('.').then(|| message[end..].strip_prefix('-')).flatten()?;
    let length = word.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(word.len());
    let known = STAGES.iter().any(|stage| stage.eq_ignore_ascii_case(&word[..length]));
    let behind = run_end(bytes, end + 1 + length, |byte| byte.is_ascii_digit() || byte == b'.');
    let cut = if behind > 0 && bytes[behind - 1] == b'.' { behind - 1 } else { behind };
    (known && !bytes.get(cut).is_some_and(|byte| is_word(*byte))).then_some(cut)
}

/// Digits, and what holds numbers together: decimals, ratios, an exponent.
pub(super) fn end(bytes: &[u8], at: usize) -> usize {
    let mut end = run_end(bytes, at, |byte| byte.is_ascii_digit());
    while matches!(bytes.get(end), Some(b'.' | b',' | b':' | b'-' | b'/' | b'_')) && is_digit(bytes, end + 1) {
        end = run_end(bytes, end + 1, |byte| byte.is_ascii_digit());
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        let exponent = run_end(bytes, (end + 1 + sign).min(bytes.len()), |byte| byte.is_ascii_digit());
        if exponent > end + 1 + sign && !bytes.get(exponent).is_some_and(|byte| is_word(*byte)) {
            return exponent;
        }
    }
    end
}

/// What the unit behind a number makes of it.
fn unit(message: &str, end: usize) -> Option<(&'static str, usize)> {
    let rest = &message[end..];
    let space = usize::from(rest.starts_with(' '));
    let word = &rest[space..];
    let length = word.find(|c: char| !c.is_alphabetic()).unwrap_or(word.len());
    let next = word[length..].chars().next();
    let word = &word[..length];
    // `1h30m5s` and `1d2h`.
    let chained = space == 0 && next.is_some_and(|c| c.is_ascii_digit());
    if word.is_empty() || word.len() > 13 || (next == Some('_')) {
        return None;
    }
    let is = |list: &[&str]| list.iter().any(|unit| unit.eq_ignore_ascii_case(word));
    if is(TIMES) || (space == 0 && matches!(word, "m" | "h" | "d")) {
        let end = end + space + length;
        if chained {
            let number = self::end(message.as_bytes(), end);
            return unit(message, number).filter(|(name, _)| *name == "<duration>").or(Some(("<duration>", end)));
        }
        return Some(("<duration>", end));
    }
    (is(SIZES) && (space == 0 || word.len() > 1) && !chained).then_some(("<size>", end + space + length))
}
