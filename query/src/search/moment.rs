//! Times as people write them: a year, a month, a day, an hour, an instant, or so long ago.

use std::fmt;

use chrono::{DateTime, Days, Months, NaiveDate, NaiveDateTime};

const SECOND_US: i64 = 1_000_000;

/// Units of relative times, greatest first.
const UNITS: [(char, i64); 5] = [
    ('w', 7 * 86_400 * SECOND_US),
    ('d', 86_400 * SECOND_US),
    ('h', 3_600 * SECOND_US),
    ('m', 60 * SECOND_US),
    ('s', SECOND_US),
];
/// Ten thousand years.
const AGO_US_MAX: i64 = 3_652_500 * 86_400 * SECOND_US;

/// A stretch of time, or a point in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// What a date or time covers as far as it was written: `2026-09` is a month.
    Stretch {
        /// As written.
        text: String,
        /// Its beginning.
        from_us: i64,
        /// The first microsecond after it.
        until_us: i64,
        /// Whether it was written to the second, so that comparisons mean its beginning.
        is_instant: bool,
    },
    /// So many microseconds before now.
    Ago(i64),
}

impl Moment {
    /// Reads `24h`, `7d`, `90s`, `2w`.
    pub(super) fn duration(text: &str) -> Option<i64> {
        let unit = text.chars().last()?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let digits = &text[..text.len() - 1];
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: i64 = is_number.then(|| digits.parse().ok())??;
        number.checked_mul(*factor).filter(|us| *us <= AGO_US_MAX)
    }

    /// Reads a date or time, UTC where no zone is given.
    pub(super) fn absolute(text: &str) -> Option<Self> {
        let (from_us, until_us, is_instant) = stretch(text)?;
        Some(Self::Stretch { text: text.to_owned(), from_us, until_us, is_instant })
    }

    /// The range that it covers, its end excluded.
    pub fn range(&self, now_us: i64) -> (i64, i64) {
        match self {
            Self::Stretch { from_us, until_us, .. } => (*from_us, *until_us),
            Self::Ago(us) => (now_us.saturating_sub(*us), now_us.saturating_sub(*us).saturating_add(1)),
        }
    }

    /// What is at or after it begins here.
    pub fn begins(&self, now_us: i64) -> i64 {
        self.range(now_us).0
    }

    /// What is after it begins here.
    pub fn ends(&self, now_us: i64) -> i64 {
        match self {
            Self::Stretch { from_us, is_instant: true, .. } => from_us.saturating_add(1),
            other => other.range(now_us).1,
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stretch { text, .. } => f.write_str(text),
            Self::Ago(us) => {
                let (unit, factor) = UNITS.iter().find(|(_, factor)| us % factor == 0).unwrap_or(&UNITS[4]);
                // Nothing ago is no whole number of weeks.
                let (unit, factor) = if *us == 0 { (&'s', &SECOND_US) } else { (unit, factor) };
                write!(f, "-{}{unit}", us / factor)
            }
        }
    }
}

fn stretch(text: &str) -> Option<(i64, i64, bool)> {
    if !text.is_ascii() {
        return None;
    }
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let Some(time) = time else {
        let parts: Vec<&str> = date.split('-').collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        let (year, month, day) = match lengths[..] {
            [4] => (number(parts[0])?, 1, 1),
            [4, 2] => (number(parts[0])?, number(parts[1])?, 1),
            [4, 2, 2] => (number(parts[0])?, number(parts[1])?, number(parts[2])?),
            _ => return None,
        };
        let first = NaiveDate::from_ymd_opt(year as i32, month, day)?;
        let next = match parts.len() {
            1 => first.checked_add_months(Months::new(12))?,
            2 => first.checked_add_months(Months::new(1))?,
            _ => first.checked_add_days(Days::new(1))?,
        };
        return Some((micros(first.and_hms_opt(0, 0, 0)?), micros(next.and_hms_opt(0, 0, 0)?), false));
    };
    let (clock, offset_us) = zone(time)?;
    let (whole, length_us) = match clock.len() {
        2 => (format!("{date}T{clock}:00:00"), 3_600 * SECOND_US),
        5 => (format!("{date}T{clock}:00"), 60 * SECOND_US),
        8 => (format!("{date}T{clock}"), SECOND_US),
        9.. => (format!("{date}T{clock}"), 1),
        _ => return None,
    };
    let from = micros(NaiveDateTime::parse_from_str(&whole, "%Y-%m-%dT%H:%M:%S%.f").ok()?);
    let from = from.checked_sub(offset_us)?;
    Some((from, from.checked_add(length_us)?, length_us <= SECOND_US))
}

/// Cuts the zone off a time.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = time.find(['+', '-']) else { return Some((time, 0)) };
    let digits = time[at + 1..].replace(':', "");
    if digits.len() != 4 {
        return None;
    }
    let (hours, minutes) = (number(&digits[..2])?, number(&digits[2..])?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let offset_us = i64::from(hours * 60 + minutes) * 60 * SECOND_US;
    Some((&time[..at], if time[at..].starts_with('-') { -offset_us } else { offset_us }))
}

fn number(digits: &str) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

fn micros(time: NaiveDateTime) -> i64 {
    time.and_utc().timestamp_micros()
}

/// RFC 3339 with microseconds and `Z`.
pub(crate) fn rfc3339(us: i64) -> String {
    let time = DateTime::from_timestamp_micros(us).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_cover_what_was_written() {
        let day = micros(NaiveDate::from_ymd_opt(2026, 9, 21).unwrap().and_hms_opt(0, 0, 0).unwrap());
        let hour = 3_600 * SECOND_US;
        for (text, from, length) in [
            ("2026-09-21", day, 24 * hour),
            ("2026-09-21T14", day + 14 * hour, hour),
            ("2026-09-21T14:30", day + 14 * hour + hour / 2, hour / 60),
            ("2026-09-21T14:30:00Z", day + 14 * hour + hour / 2, SECOND_US),
            ("2026-09-21T14:30:00.5Z", day + 14 * hour + hour / 2 + SECOND_US / 2, 1),
            ("2026-09-21T14:30:00+02:00", day + 12 * hour + hour / 2, SECOND_US),
            ("2026-09-21T14:30-0130", day + 16 * hour, hour / 60),
        ] {
            let moment = Moment::absolute(text).unwrap();
            assert_eq!(moment.range(0), (from, from + length), "{text}");
            assert_eq!(moment.to_string(), text);
        }
        let (from, until) = Moment::absolute("2024-02").unwrap().range(0);
        assert_eq!(until - from, 29 * 24 * hour);
        let (from, until) = Moment::absolute("2024").unwrap().range(0);
        assert_eq!(until - from, 366 * 24 * hour);
        assert_eq!(rfc3339(day), "2026-09-21T00:00:00.000000Z");
        for text in ["", "24", "2026-13", "2026-9-1", "2026-09-21T", "2026-09-21T25", "2026-09-21T14:30:00+9", "é", "T"]
        {
            assert_eq!(Moment::absolute(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_read_and_shown() {
        for (text, us) in [("24h", 86_400 * SECOND_US), ("7d", 604_800 * SECOND_US), ("90s", 90 * SECOND_US)] {
            assert_eq!(Moment::duration(text), Some(us), "{text}");
        }
        assert_eq!(Moment::Ago(7 * 86_400 * SECOND_US).to_string(), "-1w");
        assert_eq!(Moment::Ago(36 * 3_600 * SECOND_US).to_string(), "-36h");
        assert_eq!(Moment::Ago(0).to_string(), "-0s");
        for text in ["", "h", "24", "-1h", "99999999999999999999h", "9999999999999h", "1é"] {
            assert_eq!(Moment::duration(text), None, "{text}");
        }
    }
}
