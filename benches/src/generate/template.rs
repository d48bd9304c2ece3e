//! Texts with places for an event's own numbers.

use super::{Draw, SUBSTRING_SUFFIX};

/// Text between parameters. In the source a parameter is `{id}`, `{ms}`, `{n}`, `{user}`, `{trace}` or `{time-SECONDS}`.
#[derive(Debug, Default)]
pub(crate) struct Template {
    text: String,
    holes: Vec<(usize, Hole)>,
}

#[derive(Clone, Copy, Debug)]
enum Hole {
    Id,
    Millis,
    Count,
    User,
    Trace,
    /// Unix seconds with milliseconds, so many seconds before the event.
    Time(i64),
}

impl Template {
    /// Reads a source; braces that name no parameter are text.
    pub(crate) fn new(source: &str) -> Self {
        let mut template = Self::default();
        let mut rest = source;
        while let Some(open) = rest.find('{') {
            template.text.push_str(&rest[..open]);
            let hole = rest[open..].find('}').and_then(|close| Some((close, hole(&rest[open + 1..open + close])?)));
            let Some((close, hole)) = hole else {
                template.text.push('{');
                rest = &rest[open + 1..];
                continue;
            };
            template.holes.push((template.text.len(), hole));
            rest = &rest[open + close + 1..];
        }
        template.text.push_str(rest);
        template
    }

    /// Writes the text with the numbers of `draw`, beginning at its `first`-th.
    pub(crate) fn render(&self, draw: &Draw, first: u64, out: &mut Vec<u8>) {
        let mut from = 0;
        for (n, (at, hole)) in self.holes.iter().enumerate() {
            out.extend_from_slice(&self.text.as_bytes()[from..*at]);
            from = *at;
            let number = draw.number(first + n as u64);
            match hole {
                Hole::Id => write_number(number % 10_000_000, out),
                Hole::Millis => write_number(number % 30_000, out),
                Hole::Count => write_number(number % 100, out),
                Hole::User => write_user(draw.user, out),
                Hole::Trace => write_hex(&draw.trace_id, out),
                Hole::Time(seconds) => {
                    let ms = draw.timestamp_us / 1_000 - seconds * 1_000 - (number % 1_000) as i64;
                    write_number(ms as u64 / 1_000, out);
                    out.push(b'.');
                    let ms = ms as u64 % 1_000;
                    out.extend([b'0' + (ms / 100) as u8, b'0' + (ms / 10 % 10) as u8, b'0' + (ms % 10) as u8]);
                }
            }
        }
        out.extend_from_slice(&self.text.as_bytes()[from..]);
    }
}

fn hole(name: &str) -> Option<Hole> {
    Some(match name {
        "id" => Hole::Id,
        "ms" => Hole::Millis,
        "n" => Hole::Count,
        "user" => Hole::User,
        "trace" => Hole::Trace,
        _ => Hole::Time(name.strip_prefix("time-")?.parse().ok()?),
    })
}

/// Writes the message of an event.
pub(crate) fn write_message(template: &Template, draw: &Draw, out: &mut Vec<u8>) {
    template.render(draw, 0, out);
    if draw.has_substring() {
        out.extend_from_slice(SUBSTRING_SUFFIX.as_bytes());
    }
}

/// Writes the id of a user, `u` and eight digits.
pub(crate) fn write_user(user: u32, out: &mut Vec<u8>) {
    let mut text = *b"u00000000";
    let mut rest = user;
    for digit in text[1..].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&text);
}

/// Writes a number in decimal digits.
pub(crate) fn write_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Writes bytes as lowercase hexadecimal digits.
pub(crate) fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend(bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]));
}
