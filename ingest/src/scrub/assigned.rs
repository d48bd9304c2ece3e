//! Secrets that stand behind their name in running text: `password=hunter2`, `"token": "…"`, `Cookie: a=b`.

use super::detect::{Span, What};
use super::names::{self, NAME_BYTES_MAX};

/// The longest value whose end is looked for; a longer one is scrubbed to the end of the text.
const VALUE_BYTES_MAX: usize = 16 << 10;

/// How much of a value is looked at to tell whether it is one. Whatever is turned down must have cost no more.
const GLANCE_BYTES: usize = 256;

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// The name that a part of it at `start..end` belongs to.
pub(super) fn name_around(text: &str, start: usize, end: usize) -> (usize, usize) {
    let bytes = text.as_bytes();
    let mut from = start;
    while from > 0 && is_name_byte(bytes[from - 1]) && start - from < NAME_BYTES_MAX {
        from -= 1;
    }
    let mut to = end;
    while to < bytes.len() && is_name_byte(bytes[to]) && to - end < NAME_BYTES_MAX {
        to += 1;
    }
    let name = text[from..to].trim_end_matches(['.', '-']);
    let to = from + name.len();
    (to - name.trim_start_matches(['.', '-']).len(), to)
}

/// How the name and its value are joined.
struct Joint {
    /// The name itself stands in quotes.
    quoted: bool,
    /// `:`, not `=`.
    colon: bool,
    /// With a space at either side of `=`, as code has it.
    spaced: bool,
    /// Where the value begins.
    value: usize,
}

/// The value behind the name that a part of it at `start..end` belongs to, if it is a secret's; and where the name ends.
pub(super) fn value(text: &str, start: usize, end: usize) -> (Option<Span>, usize) {
    let (from, to) = name_around(text, start, end);
    let to = to.max(end);
    let span = joint(text, to)
        .filter(|_| names::is_secret(&text[from..to]))
        .and_then(|joint| behind(text, &text[from..to], &joint));
    (span, to)
}

fn behind(text: &str, name: &str, joint: &Joint) -> Option<Span> {
    let rest = &text[joint.value..];
    let (skip, length) = match quote(rest) {
        Some((open, close)) => (open, quoted_length(&rest[open..], close)),
        None if joint.quoted && rest.starts_with(['{', '[']) => (0, nested_length(rest)),
        None => {
            let measure = if joint.colon && is_header(name) { line_length } else { bare_length };
            let glance = &rest[..rest.floor_char_boundary(GLANCE_BYTES)];
            let length = measure(glance);
            let ends = length < glance.len() || glance.len() == rest.len();
            if ends && !joint.quoted && !is_plausible(&rest[..length], name, joint) {
                return None;
            }
            (0, if ends { length } else { measure(rest) })
        }
    };
    let value = &rest[skip..skip + length];
    let fits = !value.is_empty() && !is_placeholder(value);
    fits.then_some(Span { start: joint.value + skip, end: joint.value + skip + length, what: What::Named })
}

fn joint(text: &str, at: usize) -> Option<Joint> {
    let rest = &text[at..];
    let after_quote = rest.strip_prefix('\\').unwrap_or(rest).strip_prefix(['"', '\'', ']']);
    let quoted = after_quote.is_some() && !rest.starts_with(']');
    let rest = after_quote.unwrap_or(rest);
    let space = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    if space > 3 {
        return None;
    }
    let rest = &rest[space..];
    let (colon, sign) = match rest.as_bytes() {
        [b'=', b'=', ..] | [b':', b':', ..] => return None,
        [b'=', b'>', ..] | [b':', b'=', ..] => (false, 2),
        [b'=', ..] => (false, 1),
        [b':', ..] => (true, 1),
        [b'%', b'3', b'D' | b'd', ..] => (false, 3),
        _ => return None,
    };
    let rest = &rest[sign..];
    let behind = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    // Of a name in a list (`token: \n`) the value is on another line, and not this one's.
    let fits = behind <= 3 && !(colon && behind == 0 && !quoted && rest.starts_with('/'));
    fits.then(|| Joint { quoted, colon, spaced: space + behind > 0, value: text.len() - rest.len() + behind })
}

/// The length of an opening quote, with what closes it.
fn quote(text: &str) -> Option<(usize, &'static str)> {
    let quotes = [("\\\"", "\\\""), ("\\'", "\\'"), ("\"", "\""), ("'", "'"), ("`", "`"), ("b'", "'"), ("u'", "'")];
    quotes.into_iter().find(|(open, _)| text.starts_with(open)).map(|(open, close)| (open.len(), close))
}

/// Up to the closing quote, escapes passed over; to the end of the text where it is missing.
fn quoted_length(text: &str, close: &str) -> usize {
    let window = &text.as_bytes()[..text.len().min(VALUE_BYTES_MAX)];
    let mut at = 0;
    while at < window.len() {
        if window[at..].starts_with(close.as_bytes()) {
            return at;
        }
        at += if window[at] == b'\\' && close.len() == 1 { 2 } else { 1 };
    }
    text.len()
}

/// A list or map with all it holds; to the end of the text where it is not closed.
fn nested_length(text: &str) -> usize {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().take(VALUE_BYTES_MAX).enumerate() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

fn line_length(text: &str) -> usize {
    let end = text.find(['\n', '\r', '"', '\'', '\\']).unwrap_or(text.len());
    text[..end].trim_end().len()
}

fn bare_length(text: &str) -> usize {
    let ends = |c: char| {
        c.is_whitespace() || matches!(c, '&' | ',' | ';' | '"' | '\'' | ')' | ']' | '}' | '<' | '>' | '|' | '\\' | '`')
    };
    let end = text.find(ends).unwrap_or(text.len());
    text[..end].trim_end_matches(['.', '!', '?', ':']).len()
}

/// Names of headers, whose value is the whole line.
fn is_header(name: &str) -> bool {
    ["authorization", "cookie"].iter().any(|end| {
        name.len() >= end.len() && name.as_bytes()[name.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
    })
}

/// Words that stand where no secret was, or where one was taken out already.
fn is_placeholder(value: &str) -> bool {
    const WORDS: &[&str] = &[
        "null",
        "none",
        "nil",
        "undefined",
        "true",
        "false",
        "yes",
        "no",
        "string",
        "str",
        "redacted",
        "filtered",
        "required",
        "empty",
        "missing",
        "optional",
        "void",
        "any",
        "bool",
        "int",
        "...",
        "…",
    ];
    let bare = value.trim_matches(['[', ']', '<', '>', '(', ')', '*', ' ']);
    let lead = value.as_bytes().first().copied().unwrap_or_default();
    bare.is_empty()
        || WORDS.iter().any(|word| word.eq_ignore_ascii_case(bare))
        || bare.starts_with("scrubbed")
        || (matches!(lead, b'$' | b'%') && value.len() < 48 && value.contains(['{', '(']))
        || (lead == b'{' && value.starts_with("{{"))
}

/// Whether text without quotes is a value, not code or prose: `token=getToken()`, `password: must be longer`.
fn is_plausible(value: &str, name: &str, joint: &Joint) -> bool {
    let digit = value.bytes().any(|byte| byte.is_ascii_digit());
    let code = value.contains(['(', '[', '{']) || value.starts_with(['$', '<', '%', '{', '=', '-', '@']);
    if joint.colon && is_header(name) {
        return digit || value.contains(['=']) || value.len() >= 20 && !value.contains(' ');
    }
    let long = value.len() >= 8 && !value.contains('.');
    match (joint.colon, joint.spaced) {
        (true, _) => digit && value.len() >= 4 && !code,
        (false, true) => digit && value.len() >= 4 && !code && !value.contains('.'),
        (false, false) => !code && (digit || long || is_strong(name)),
    }
}

/// Names that mean a secret even where the value is a short word.
fn is_strong(name: &str) -> bool {
    const STRONG: &[&str] = &["pass", "pwd", "secret", "key", "token"];
    let lower = name.to_ascii_lowercase();
    STRONG.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::super::detect::{Detectors, scan};

    fn check(text: &str, expected: &[&str]) {
        let mut spans = Vec::new();
        scan(text, Detectors { secrets: true, ..Detectors::default() }, &mut spans);
        let found: Vec<_> = spans.iter().map(|span| &text[span.start..span.end]).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn finds_values_behind_names() {
        check("login failed password=hunter2 user=bob", &["hunter2"]);
        check("https://x.io/cb?code=1&access_token=abc123&state=2", &["abc123"]);
        check(r#"body {"password": "hun\"ter2", "a": 1}"#, &[r#"hun\"ter2"#]);
        check(r#"body {\"token\":\"abc\",\"a\":1}"#, &["abc"]);
        check("{'api_key': 'k-1', 'x': 2}", &["k-1"]);
        check("curl -H 'Authorization: Token abc123' x", &["Token abc123"]);
        check("Cookie: a=b; c=d\nHost: x", &["a=b; c=d"]);
        check("user[password]=x1y2&b=1", &["x1y2"]);
        check("PASSWORD = 'a b'", &["a b"]);
        check("AWS_SECRET_ACCESS_KEY=wJalr/K7MDENG+x", &["wJalr/K7MDENG+x"]);
        check(r#"{"cookies": {"a": "b"}, "c": 1}"#, &[r#"{"a": "b"}"#]);
        check(r#"{"cvv": 123}"#, &["123"]);
        check("token%3Dabc123%26", &["abc123%26"]);
        check("password='open", &["open"]);
    }

    #[test]
    fn leaves_code_and_prose() {
        for text in [
            "Unexpected token: }",
            "invalid token: expected ;",
            "password: must be at least 8 characters",
            "if token == x:",
            "token = get_token()",
            "password=getpass()",
            "token_count=12",
            "authorization: denied",
            "session=closed",
            "auth=none",
            "Enum::Token::A",
            "secret: None",
            "password=[scrubbed]",
            "password=***",
            "password=${DB_PASSWORD}",
            "the card: blue",
            "author=bob",
            "password",
            "password=",
            "token :",
            "pass: 3 of 4",
            "keys: a=b",
        ] {
            check(text, &[]);
        }
    }
}
