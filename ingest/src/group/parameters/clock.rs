//! Dates and times, as ISO 8601, RFC 2822, syslog, Apache and common loggers print them.

use super::{is_digit, is_word, run_end};

const MONTHS: [&[u8; 3]; 12] =
    [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
const DAYS: [&[u8; 3]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];

/// Exactly `min` to `max` digits from `at`.
fn digits(bytes: &[u8], at: usize, min: usize, max: usize) -> Option<usize> {
    let end = run_end(bytes, at.min(bytes.len()), |byte| byte.is_ascii_digit());
    (min..=max).contains(&(end - at.min(end))).then_some(end)
}

fn sign(bytes: &[u8], at: usize, signs: &[u8]) -> Option<usize> {
    bytes.get(at).is_some_and(|byte| signs.contains(byte)).then_some(at + 1)
}

/// `2024-01-02T03:04:05Z`, `2024/01/02`, `02/Jan/2024:03:04:05 +0000`, `03:04:05.123`, `03-17 16:13:38`
pub(super) fn numeric(bytes: &[u8], at: usize) -> Option<usize> {
    if let Some(end) = time(bytes, at).or_else(|| compact(bytes, at)).or_else(|| day_first(bytes, at)) {
        return Some(end);
    }
    let date = date(bytes, at)?;
    let year_in_it = date - at >= 8;
    let from = sign(bytes, date, b"T :_,").map(|at| run_end(bytes, at, |byte| byte == b' '));
    let end = from.and_then(|at| time(bytes, at));
    match end {
        Some(end) => Some(end),
        None if year_in_it && !bytes.get(date).is_some_and(|byte| is_word(*byte)) => Some(date),
        None => None,
    }
}

/// A day in digits; two parts are one only where a time follows.
fn date(bytes: &[u8], at: usize) -> Option<usize> {
    let first = digits(bytes, at, 1, 4)?;
    let separator = *bytes.get(first).filter(|byte| matches!(byte, b'-' | b'/' | b'.'))?;
    if bytes.get(first + 1).is_some_and(u8::is_ascii_alphabetic) {
        let month = month(bytes, first + 1)?;
        return digits(bytes, sign(bytes, month, &[separator])?, 2, 4);
    }
    let second = digits(bytes, first + 1, 1, 2)?;
    match sign(bytes, second, &[separator]).and_then(|at| digits(bytes, at, 1, 4)) {
        Some(third) if separator != b'.' || has_year(bytes, at, first, second, third) => {
            // One part is the year: 2024-01-02, 02/01/2024, 24/01/02.
            let lengths = [first - at, third - second - 1];
            (lengths.contains(&4) || lengths == [2, 2]).then_some(third)
        }
        Some(_) => None,
        None if first - at == 2 && separator == b'-' => Some(second),
        None => None,
    }
}

/// Whether the first part of `2027.02.01` or the last of `1.2.2027` is a year, as in the version `121.0.6167.85` none is.
fn has_year(bytes: &[u8], at: usize, first: usize, second: usize, third: usize) -> bool {
    let year = |from: usize, end: usize| end - from == 4 && matches!(&bytes[from..from + 2], b"19" | b"20");
    let goes_on = bytes.get(third) == Some(&b'.') && is_digit(bytes, third + 1);
    !goes_on && ((year(at, first) && third - at == 10) || (year(second + 1, third) && first - at <= 2))
}

/// `03:04`, `03:04:05,123`, with a zone. Hours and minutes alone need no seconds only behind a date.
fn time(bytes: &[u8], at: usize) -> Option<usize> {
    let hours = digits(bytes, at, 1, 2)?;
    let minutes = digits(bytes, sign(bytes, hours, b":")?, 2, 2)?;
    let seconds = sign(bytes, minutes, b":").and_then(|at| digits(bytes, at, 2, 2));
    let behind_date = at > 0 && matches!(bytes[at - 1], b'T');
    let mut end = match seconds {
        Some(end) => end,
        None if behind_date => minutes,
        None => return half_of_day(bytes, minutes),
    };
    if let Some(fraction) = sign(bytes, end, b".,").and_then(|at| digits(bytes, at, 1, 9)) {
        end = fraction;
    }
    let end = half_of_day(bytes, end).unwrap_or(end);
    Some(zone(bytes, end))
}

/// Behind ` AM`, `pm`, ` p.m.`
fn half_of_day(bytes: &[u8], at: usize) -> Option<usize> {
    let from = at + usize::from(bytes.get(at) == Some(&b' '));
    let rest = bytes.get(from..)?;
    let fits = |word: &&[u8]| {
        let head = rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
        head && !rest.get(word.len()).is_some_and(|byte| is_word(*byte))
    };
    [&b"a.m."[..], b"p.m.", b"am", b"pm"].iter().find(|word| fits(word)).map(|word| from + word.len())
}

/// `20240102T030405Z`
fn compact(bytes: &[u8], at: usize) -> Option<usize> {
    let date = digits(bytes, at, 8, 8).filter(|_| matches!(&bytes[at..at + 2], b"19" | b"20"))?;
    let time = digits(bytes, sign(bytes, date, b"T-_")?, 6, 9)?;
    let end = zone(bytes, time);
    (!bytes.get(end).is_some_and(|byte| is_word(*byte))).then_some(end)
}

/// `2 January 2024, 03:04:05`
fn day_first(bytes: &[u8], at: usize) -> Option<usize> {
    let day = digits(bytes, at, 1, 2)?;
    let month = month(bytes, sign(bytes, day, b" ")?)?;
    let skip = |at: usize| run_end(bytes, at.min(bytes.len()), |byte| matches!(byte, b' ' | b','));
    let year = digits(bytes, skip(month).max(month + 1), 4, 4)?;
    Some(time(bytes, skip(year)).filter(|_| skip(year) > year).unwrap_or(year))
}

/// `PT1M30.5S` and `P3DT4H`, as ISO 8601 and Java print spans of time.
pub(super) fn period(bytes: &[u8], at: usize) -> Option<usize> {
    let end = run_end(bytes, at, |byte| byte.is_ascii_digit() || b"PTYMWDHS.-".contains(&byte));
    let text = &bytes[at + 1..end];
    let mut parts = text.split(|byte| b"TYMWDHS".contains(byte)).filter(|part| !part.is_empty());
    let amount = |part: &[u8]| part.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    let unit = text.last().is_some_and(|byte| b"YMWDHS".contains(byte)) && text.iter().any(u8::is_ascii_digit);
    let begins = text.first().is_some_and(|byte| *byte == b'T' || byte.is_ascii_digit() || *byte == b'-');
    (unit && begins && parts.all(amount) && !bytes.get(end).is_some_and(|byte| is_word(*byte))).then_some(end)
}

/// `Z`, `+00:00`, ` +0000`, ` UTC`; the same place where there is none.
fn zone(bytes: &[u8], at: usize) -> usize {
    let space = usize::from(bytes.get(at) == Some(&b' '));
    let from = at + space;
    let word = |text: &[u8]| {
        bytes[from.min(bytes.len())..].starts_with(text)
            && !bytes.get(from + text.len()).is_some_and(|byte| is_word(*byte))
    };
    if let Some(text) =
        [&b"UTC"[..], b"GMT", b"Z", b"PST", b"PDT", b"EST", b"EDT", b"CET", b"CEST"].into_iter().find(|text| word(text))
    {
        return from + text.len();
    }
    let offset = sign(bytes, from, b"+-").and_then(|at| {
        let hours = digits(bytes, at, 2, 4)?;
        Some(sign(bytes, hours, b":").and_then(|at| digits(bytes, at, 2, 2)).unwrap_or(hours))
    });
    offset.unwrap_or(at)
}

fn month(bytes: &[u8], at: usize) -> Option<usize> {
    name(bytes, at, &MONTHS)
}

/// The end of a word that begins with one of `names` (`Jan`, `January`).
fn name(bytes: &[u8], at: usize, names: &[&[u8; 3]]) -> Option<usize> {
    let head = bytes.get(at..at + 3)?;
    names.iter().find(|name| head.eq_ignore_ascii_case(**name))?;
    let end = run_end(bytes, at, |byte| byte.is_ascii_alphabetic());
    (end - at <= 9).then_some(end)
}

/// `Mon Nov 21 14:06:35 2026`, `Nov 21 14:06:35`, `Mon, 21 Nov 2026 14:06:35 GMT`, `Nov 21, 2026`
pub(super) fn named(message: &str, at: usize) -> Option<usize> {
    let bytes = message.as_bytes();
    let skip = |at: usize| run_end(bytes, at.min(bytes.len()), |byte| matches!(byte, b' ' | b','));
    let start = match name(bytes, at, &DAYS) {
        Some(day) if !is_digit(bytes, day) => skip(day),
        _ => at,
    };
    let end = match month(bytes, start) {
        Some(month) => digits(bytes, skip(month).max(month + 1), 1, 2)?,
        None if start > at => month(bytes, skip(digits(bytes, start, 1, 2)?))?,
        None => return None,
    };
    let year = |at: usize| digits(bytes, at, 4, 4);
    let end_of_year = year(skip(end)).filter(|_| skip(end) > end);
    let from = skip(end_of_year.unwrap_or(end));
    match time(bytes, from) {
        Some(time) if end_of_year.is_none() => Some(year(skip(time)).filter(|_| skip(time) > time).unwrap_or(time)),
        Some(time) => Some(time),
        None => end_of_year,
    }
}
