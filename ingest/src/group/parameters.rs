//! The parameters of a message: what varies from one event to the next, each taken out under the name of its kind.
//!
//! One pass and no regular expressions: at every word the kinds that can begin there are tried, the most particular
//! first. `user 17 at 10.0.0.1 took 3.5 s` becomes `user <n> at <ip> took <duration>`.

mod clock;
mod name;
mod network;
mod number;
mod quote;

/// The longest path that is taken for one.
const PATH_BYTES_MAX: usize = 512;

/// How much of a message takes part.
const HEAD_BYTES_MAX: usize = 2 << 10;
const HEAD_LINES_MAX: usize = 2;

/// Appends the first lines of `message` without their parameters; what follows is detail.
pub(super) fn write_head(message: &str, out: &mut String) {
    let head = &message[..message.floor_char_boundary(HEAD_BYTES_MAX)];
    for line in head.lines().map(str::trim).filter(|line| !line.is_empty()).take(HEAD_LINES_MAX) {
        if !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
        write(line, out);
    }
}

/// Appends `message` without its parameters. What is tried at a byte looks a bounded way ahead, so hostile text costs little.
pub(super) fn write(message: &str, out: &mut String) {
    let bytes = message.as_bytes();
    let start = out.len();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let before = if at == 0 { b' ' } else { bytes[at - 1] };
        let fresh = !is_word(before);
        let found = match byte {
            b'"' | b'\'' | b'`' | 0xc2 | 0xe2 => quote::end(message, at).map(|end| ("<str>", end)),
            b'[' | b':' if fresh => network::ip_v6(message, at),
            b'/' | b'~' if fresh && before != b'.' => path_end(bytes, at).map(|end| ("<path>", end)),
            b'\\' if fresh && bytes.get(at + 1) == Some(&b'\\') => path_end(bytes, at).map(|end| ("<path>", end)),
            b'-' | b'+' if !before.is_ascii_alphanumeric() && is_digit(bytes, at + 1) => number::read(message, at + 1),
            _ if byte.is_ascii_alphanumeric() && fresh => word(message, at),
            _ if byte.is_ascii_alphanumeric() && before == b'_' => name::behind_underscore(bytes, at),
            b'0'..=b'9' => Some(("<n>", number::end(bytes, at))),
            _ => None,
        };
        at = match found {
            Some((name, end)) => {
                if !repeats(out, start, name) {
                    out.push_str(name);
                }
                end
            }
            None if byte.is_ascii_whitespace() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
                at + 1
            }
            None => {
                let end = if byte == b'_' {
                    run_end(bytes, at, |byte| byte == b'_')
                } else if byte.is_ascii_alphabetic() {
                    run_end(bytes, at, |byte| byte.is_ascii_alphabetic())
                } else {
                    message.ceil_char_boundary(at + 1)
                };
                out.push_str(&message[at..end]);
                end
            }
        };
    }
}

/// Takes the comma back where one more of a list comes: `1, 2, 3` is one `<n>`, so that the length of a list splits no group.
fn repeats(out: &mut String, start: usize, name: &str) -> bool {
    let list = out[start..].trim_end_matches(' ');
    let Some(list) = list.strip_suffix(',').filter(|list| list.ends_with(name)) else { return false };
    let end = start + list.len();
    out.truncate(end);
    true
}

/// What a word that begins at `at` turns out to be; `None` where it is a word.
fn word(message: &str, at: usize) -> Option<(&'static str, usize)> {
    let bytes = message.as_bytes();
    let end = run_end(bytes, at, |byte| byte.is_ascii_alphanumeric());
    let next = bytes.get(end).copied().unwrap_or(b' ');
    let first = bytes[at];
    if first.is_ascii_alphabetic() {
        if next == b':' && bytes.get(end + 1) == Some(&b'\\') && end == at + 1 {
            return path_end(bytes, end + 1).map(|end| ("<path>", end));
        }
        if next == b':'
            && let Some(url) = network::url(message, end)
        {
            return Some(("<url>", url));
        }
        if let Some(date) = clock::named(message, at) {
            return Some(("<date>", date));
        }
    }
    if matches!(next, b'@' | b'.' | b'-' | b'_' | b'+' | b'%') || &bytes[at..end] == b"localhost" {
        if let Some(email) = network::email(bytes, at) {
            return Some(("<email>", email));
        }
        if let Some(host) = network::host(message, at) {
            return Some(host);
        }
    }
    if let Some(end) = uuid_end(bytes, at) {
        return Some(("<uuid>", end));
    }
    if first.is_ascii_hexdigit()
        && next == b':'
        && let Some(found) = network::ip_v6(message, at)
    {
        return Some(found);
    }
    if let Some(end) = network::mac(bytes, at) {
        return Some(("<hex>", end));
    }
    if first.is_ascii_digit()
        && let Some(end) = clock::numeric(bytes, at)
    {
        return Some(("<date>", end));
    }
    if first == b'P'
        && let Some(end) = clock::period(bytes, at)
    {
        return Some(("<duration>", end));
    }
    let before = if at == 0 { b' ' } else { bytes[at - 1] };
    if before == b'-'
        && let Some(end) = name::pod(bytes, at)
    {
        return Some(("<id>", end));
    }
    let word = &bytes[at..end];
    if let Some(name) = name::id(word).or_else(|| name::identity(word).filter(|_| before == b'@')) {
        return Some((name, end));
    }
    let found = if first.is_ascii_digit() { number::read(message, at) } else { None };
    match found {
        None | Some(("<n>", _)) if name::is_mixed(word) => Some(("<id>", end)),
        found => found,
    }
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

/// The end of a path of two names or more.
fn path_end(bytes: &[u8], at: usize) -> Option<usize> {
    let belongs = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || !byte.is_ascii()
            || matches!(byte, b'/' | b'\\' | b'.' | b'_' | b'-' | b'~' | b'+' | b'@' | b'%' | b'*' | b'$' | b'=' | b'#')
    };
    let mut end = run_end(&bytes[..bytes.len().min(at + PATH_BYTES_MAX)], at, belongs);
    // Never within a character.
    while bytes.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end += 1;
    }
    while end > at && matches!(bytes[end - 1], b'.' | b'-' | b'*') {
        end -= 1;
    }
    let path = &bytes[at..end];
    let signs = path.iter().filter(|byte| matches!(byte, b'/' | b'\\')).count();
    let names =
        path.split(|byte| matches!(byte, b'/' | b'\\')).filter(|name| !name.is_empty() && *name != b"~").count();
    (names >= 2 || (names == 1 && signs >= 1 && path[0] == b'~')).then_some(end)
}

fn uuid_end(bytes: &[u8], at: usize) -> Option<usize> {
    let text = bytes.get(at..at + 36)?;
    let fits = text.iter().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    (fits && !bytes.get(at + 36).is_some_and(|byte| is_word(*byte))).then_some(at + 36)
}

#[cfg(test)]
mod tests;
