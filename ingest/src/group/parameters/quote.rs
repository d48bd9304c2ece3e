//! Texts in quotes, as languages and people write them.

/// The longest text in quotes that is taken for one.
const QUOTED_BYTES_MAX: usize = 1 << 10;

/// Quotes of two signs, each opening with one and closing with any of the others.
const PAIRS: [(&str, &[&str]); 5] = [
    ("\u{201c}", &["\u{201d}"]),
    ("\u{2018}", &["\u{2019}"]),
    ("\u{201e}", &["\u{201c}", "\u{201d}"]),
    ("\u{201a}", &["\u{2018}", "\u{2019}"]),
    ("\u{ab}", &["\u{bb}"]),
];

/// The end of the text in quotes that begins at `at`; an apostrophe inside or after a word begins none.
pub(super) fn end(message: &str, at: usize) -> Option<usize> {
    let bytes = message.as_bytes();
    let quote = bytes[at];
    if !quote.is_ascii() {
        return pair_end(message, at);
    }
    let before = |back: usize| at.checked_sub(back).map_or(b' ', |at| bytes[at]);
    if before(1).is_ascii_alphanumeric() && quote != b'"' {
        // Python's `b'…'` and `u'…'`.
        let prefix = matches!(before(1), b'b' | b'u' | b'r' | b'f') && !before(2).is_ascii_alphanumeric();
        if !prefix || quote == b'`' {
            return None;
        }
    }
    let window = &bytes[at + 1..bytes.len().min(at + 1 + QUOTED_BYTES_MAX)];
    let escaped = before(1) == b'\\';
    let (mut from, mut second_best) = (0, None);
    while let Some(found) = memchr::memchr2(quote, b'\n', &window[from..]) {
        let close = from + found;
        if window[close] == b'\n' {
            break;
        }
        let after = bytes.get(at + close + 2).copied().unwrap_or(b' ');
        if quote == b'"' || !after.is_ascii_alphanumeric() {
            let end = at + close + 2;
            // `"a \"b\" c"`, and `\"a\"` within another text; a folder of Windows may end with the same sign.
            if (close > 0 && window[close - 1] == b'\\') == escaped || quote == b'`' {
                return Some(end);
            }
            second_best = second_best.or(Some(end));
        }
        from = close + 1;
    }
    // `it failed in `sub' as of old.
    let old = || {
        let close = memchr::memchr2(b'\'', b'\n', window).filter(|_| quote == b'`')?;
        (window[close] == b'\'').then_some(at + close + 2)
    };
    second_best.or_else(old)
}

fn pair_end(message: &str, at: usize) -> Option<usize> {
    let rest = &message[at..];
    let (open, close) = PAIRS.iter().find(|(open, _)| rest.starts_with(open))?;
    let window = &rest[open.len()..rest.floor_char_boundary(QUOTED_BYTES_MAX).max(open.len())];
    let line = &window[..window.find('\n').unwrap_or(window.len())];
    // An apostrophe within has a letter behind it.
    let closes = |end: &usize| !line[*end..].starts_with(|c: char| c.is_alphanumeric());
    let ends = close.iter().flat_map(|close| line.match_indices(close).map(|(at, close)| at + close.len()));
    ends.filter(closes).min().map(|end| at + open.len() + end)
}
