//! The outline of a message: what stays when everything that varies is taken out.
//!
//! One pass, no regular expressions. Numbers become `<n>`, ids and hexadecimal words `<id>`, quoted text `<str>`.

/// The longest text in quotes that is taken for one.
const QUOTED_BYTES_MAX: usize = 512;

/// Appends the outline of `message`.
pub(super) fn write(message: &str, out: &mut String) {
    let bytes = message.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let before = if at == 0 { b' ' } else { bytes[at - 1] };
        at = match byte {
            b'"' | b'\'' | b'`' => match quoted_end(bytes, at, before) {
                Some(end) => token(out, "<str>", end),
                None => copy(out, message, at, at + 1),
            },
            b'-' | b'+' if is_digit(bytes, at + 1) && !before.is_ascii_alphanumeric() => at + 1,
            _ if byte.is_ascii_alphanumeric() && !is_word(before) => match id_end(bytes, at) {
                Some(end) => token(out, "<id>", end),
                None if byte.is_ascii_digit() => token(out, "<n>", number_end(bytes, at)),
                None => copy(out, message, at, letters_end(bytes, at)),
            },
            b'0'..=b'9' => token(out, "<n>", number_end(bytes, at)),
            _ if is_word(byte) => copy(out, message, at, letters_end(bytes, at)),
            _ if byte.is_ascii_whitespace() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
                at + 1
            }
            _ => copy(out, message, at, message.ceil_char_boundary(at + 1)),
        };
    }
}

fn token(out: &mut String, name: &str, end: usize) -> usize {
    out.push_str(name);
    end
}

fn copy(out: &mut String, message: &str, from: usize, to: usize) -> usize {
    out.push_str(&message[from..to]);
    to
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_digit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(u8::is_ascii_digit)
}

fn run_end(bytes: &[u8], at: usize, belongs: impl Fn(u8) -> bool) -> usize {
    bytes[at..].iter().position(|byte| !belongs(*byte)).map_or(bytes.len(), |length| at + length)
}

fn letters_end(bytes: &[u8], at: usize) -> usize {
    run_end(bytes, at, |byte| byte.is_ascii_alphabetic() || byte == b'_')
}

/// Digits, and what holds numbers together: decimals, times, dates, addresses.
fn number_end(bytes: &[u8], at: usize) -> usize {
    let mut end = run_end(bytes, at, |byte| byte.is_ascii_digit());
    while matches!(bytes.get(end), Some(b'.' | b',' | b':' | b'-' | b'/')) && is_digit(bytes, end + 1) {
        end = run_end(bytes, end + 1, |byte| byte.is_ascii_digit());
    }
    end
}

/// The end of the text in quotes that begins at `at`; an apostrophe inside or after a word begins none.
fn quoted_end(bytes: &[u8], at: usize, before: u8) -> Option<usize> {
    let quote = bytes[at];
    if before.is_ascii_alphanumeric() && quote != b'"' {
        return None;
    }
    let window = &bytes[at + 1..bytes.len().min(at + 1 + QUOTED_BYTES_MAX)];
    let mut from = 0;
    while let Some(found) = memchr::memchr2(quote, b'\n', &window[from..]) {
        let close = from + found;
        if window[close] == b'\n' {
            return None;
        }
        let after = bytes.get(at + close + 2).copied().unwrap_or(b' ');
        if quote == b'"' || !after.is_ascii_alphanumeric() {
            return Some(at + close + 2);
        }
        from = close + 1;
    }
    None
}

/// The end of the id that begins at `at`: a UUID, a hexadecimal word with a digit in it, a long word with several digits.
fn id_end(bytes: &[u8], at: usize) -> Option<usize> {
    if let Some(end) = uuid_end(bytes, at) {
        return Some(end);
    }
    let end = run_end(bytes, at, |byte| byte.is_ascii_alphanumeric());
    let word = &bytes[at..end];
    if let Some(digits) = word.strip_prefix(b"0x").or_else(|| word.strip_prefix(b"0X")) {
        return (!digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit)).then_some(end);
    }
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    let hex = word.len() >= 8 && word.iter().all(u8::is_ascii_hexdigit);
    let long = word.len() >= 20 && digits >= 3;
    (digits > 0 && digits < word.len() && (hex || long)).then_some(end)
}

fn uuid_end(bytes: &[u8], at: usize) -> Option<usize> {
    let text = bytes.get(at..at + 36)?;
    let fits = text.iter().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    (fits && !bytes.get(at + 36).is_some_and(|byte| is_word(*byte))).then_some(at + 36)
}
