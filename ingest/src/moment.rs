//! When an event happened, by clocks that may be wrong.
//!
//! A time that is absent, unreadable or more than ten minutes ahead gives way to the time of receipt, and is kept as it
//! came; an old one is believed, however late it arrives.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDateTime};

use crate::value::Value;

/// How far ahead of ours a sender's clock may be, in microseconds.
const AHEAD_MAX: i64 = 10 * 60 * 1_000_000;

/// Year 1: what lies before is no time, and calendars cannot print it.
const OLDEST: i64 = -62_135_596_800_000_000;

/// A sender's time as it came.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Moment<'a> {
    #[default]
    Absent,
    /// Nanoseconds since 1970; 0 is absent.
    Nanos(u64),
    /// Microseconds since 1970; 0 is absent.
    Micros(i64),
    /// A number of seconds, milliseconds, microseconds or nanoseconds, told apart by magnitude; or text.
    Loose(Value<'a>),
}

impl<'a> Moment<'a> {
    /// The time to store in microseconds, and what came where that was not used.
    pub(crate) fn settle(&self, received_at: i64) -> (i64, Option<Cow<'a, str>>) {
        match self.micros() {
            Some(0) => (received_at, None),
            Some(micros) if micros >= OLDEST && micros <= received_at.saturating_add(AHEAD_MAX) => (micros, None),
            _ => (received_at, self.came()),
        }
    }

    /// The sender's time in microseconds, where it can be read.
    pub(crate) fn micros(&self) -> Option<i64> {
        match self {
            Self::Absent => None,
            Self::Nanos(nanos) => i64::try_from(nanos / 1_000).ok(),
            Self::Micros(micros) => Some(*micros),
            Self::Loose(value) => read_loose(value),
        }
    }

    fn came(&self) -> Option<Cow<'a, str>> {
        Some(match self {
            Self::Absent | Self::Loose(Value::Null) => return None,
            Self::Nanos(nanos) => nanos.to_string().into(),
            Self::Micros(micros) => micros.to_string().into(),
            Self::Loose(Value::Text(text)) => text.clone(),
            Self::Loose(value) => crate::json::to_string(value).into(),
        })
    }
}

fn read_loose(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Int(number) => by_magnitude(*number),
        Value::Uint(number) => i64::try_from(*number).ok().and_then(by_magnitude),
        Value::Double(number) => float_by_magnitude(*number),
        Value::Text(text) => read_text(text.trim()),
        _ => None,
    }
}

/// Seconds up to 1e11 (the year 5138), then milliseconds up to 1e14, microseconds up to 1e17, nanoseconds beyond.
fn by_magnitude(number: i64) -> Option<i64> {
    match number.unsigned_abs() {
        0..100_000_000_000 => number.checked_mul(1_000_000),
        100_000_000_000..100_000_000_000_000 => number.checked_mul(1_000),
        100_000_000_000_000..100_000_000_000_000_000 => Some(number),
        _ => Some(number / 1_000),
    }
}

fn float_by_magnitude(number: f64) -> Option<i64> {
    let micros = match number.abs() {
        size if size < 1e11 => number * 1e6,
        size if size < 1e14 => number * 1e3,
        size if size < 1e17 => number,
        _ => number / 1e3,
    };
    (micros.is_finite() && micros.abs() < 9.2e18).then_some(micros.round() as i64)
}

fn read_text(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse::<i64>() {
        return by_magnitude(number);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-') && text.contains('.') {
        return text.parse().ok().and_then(float_by_magnitude);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_micros());
    }
    // Without a zone it is UTC; Python's `logging` puts a comma before the milliseconds; Go and Java write `+0100`.
    let text = text.replacen(',', ".", 1);
    ["%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%dT%H:%M:%S%.f%z"]
        .iter()
        .find_map(|format| DateTime::parse_from_str(&text, format).ok().map(|time| time.timestamp_micros()))
        .or_else(|| {
            ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
                .iter()
                .find_map(|format| NaiveDateTime::parse_from_str(&text, format).ok())
                .map(|time| time.and_utc().timestamp_micros())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_760_000_000_000_000;
    const MINUTE: i64 = 60_000_000;

    fn check(moment: Moment<'_>, expected: i64, original: Option<&str>) {
        assert_eq!(moment.settle(NOW), (expected, original.map(Cow::Borrowed)), "{moment:?}");
    }

    fn check_text(text: &str, expected: i64) {
        check(Moment::Loose(Value::Text(text.into())), expected, None);
    }

    #[test]
    fn believes_the_past_and_ten_minutes_ahead() {
        check(Moment::Absent, NOW, None);
        check(Moment::Nanos(0), NOW, None);
        check(Moment::Nanos(1_999), 1, None);
        check(Moment::Micros(1), 1, None);
        check(Moment::Micros(-1), -1, None);
        check(Moment::Micros(NOW + 10 * MINUTE), NOW + 10 * MINUTE, None);
        check(Moment::Micros(NOW + 10 * MINUTE + 1), NOW, Some("1760000600000001"));
        check(Moment::Nanos(u64::MAX), NOW, Some("18446744073709551615"));
        check(Moment::Micros(i64::MIN), NOW, Some("-9223372036854775808"));
        check(Moment::Micros(i64::MAX), NOW, Some("9223372036854775807"));
        assert_eq!(Moment::Micros(5).settle(i64::MAX), (5, None));
    }

    #[test]
    fn reads_numbers_by_magnitude() {
        let second = 1_700_000_000_000_000;
        check(Moment::Loose(Value::Int(1_700_000_000)), second, None);
        check(Moment::Loose(Value::Int(1_700_000_000_000)), second, None);
        check(Moment::Loose(Value::Int(1_700_000_000_000_000)), second, None);
        check(Moment::Loose(Value::Int(1_700_000_000_000_000_000)), second, None);
        check(Moment::Loose(Value::Double(1_700_000_000.25)), second + 250_000, None);
        check(Moment::Loose(Value::Double(f64::MAX)), NOW, Some("1.7976931348623157e308"));
        check(Moment::Loose(Value::Uint(u64::MAX)), NOW, Some("18446744073709551615"));
        check(Moment::Loose(Value::Int(0)), NOW, None);
        check(Moment::Loose(Value::Bool(true)), NOW, Some("true"));
    }

    #[test]
    fn reads_text() {
        let second = 1_700_000_000_000_000;
        check_text("2023-11-14T22:13:20Z", second);
        check_text("2023-11-14T22:13:20.000001Z", second + 1);
        check_text("2023-11-14t23:13:20+01:00", second);
        check_text("2023-11-14 22:13:20", second);
        check_text("2023-11-14 22:13:20,123", second + 123_000);
        check_text("2023-11-14T23:13:20.123+0100", second + 123_000);
        check_text("1700000000", second);
        check_text(" 1700000000.5 ", second + 500_000);
        check(Moment::Loose(Value::Text("yesterday".into())), NOW, Some("yesterday"));
        check(Moment::Loose(Value::Text("9999-12-31T00:00:00Z".into())), NOW, Some("9999-12-31T00:00:00Z"));
    }
}
