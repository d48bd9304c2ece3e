//! Secrets that are known by their shape: keys of services, JWTs, private keys, credentials in headers and URLs.
//!
//! Each reader is given a text and the range of the word that announced the secret, and looks no further than needed.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::detect::{Span, What};

/// Reads what a word at `start..end` announces.
pub(super) type Reader = fn(text: &str, start: usize, end: usize) -> Option<Span>;

/// The longest private key that is looked for the end of.
const PEM_BYTES_MAX: usize = 64 << 10;

fn span(start: usize, end: usize, what: What) -> Option<Span> {
    Some(Span { start, end, what })
}

fn run(text: &str, from: usize, belongs: impl Fn(u8) -> bool) -> usize {
    text.as_bytes()[from..].iter().position(|byte| !belongs(*byte)).map_or(text.len(), |length| from + length)
}

fn starts_word(text: &str, at: usize) -> bool {
    at == 0 || !text.as_bytes()[at - 1].is_ascii_alphanumeric()
}

fn starts_key(text: &str, at: usize) -> bool {
    at == 0 || !is_key_byte(text.as_bytes()[at - 1])
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Behind an authentication scheme: spaces, also as a URL writes them.
fn behind_spaces(text: &str, end: usize) -> Option<usize> {
    let rest = &text[end..];
    let skipped = rest.len() - rest.trim_start_matches([' ', '\t', '+']).len();
    let skipped = if rest.starts_with("%20") { 3 } else { skipped };
    (1..=8).contains(&skipped).then_some(end + skipped)
}

fn is_credential_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'+' | b'/' | b'-' | b'=' | b':' | b'%')
}

/// How much of a credential is looked at to tell whether it is one.
const GLANCE_BYTES: usize = 512;

/// `Bearer abc123`; words such as in "bearer token expired" are none.
pub(super) fn bearer(text: &str, start: usize, end: usize) -> Option<Span> {
    let from = behind_spaces(text, end).filter(|_| starts_word(text, start))?;
    let glance = &text[..text.floor_char_boundary(from + GLANCE_BYTES)];
    let to = run(glance, from, is_credential_byte);
    if to == glance.len() && to < text.len() {
        return span(from, run(text, from, is_credential_byte), What::Credentials);
    }
    let token = text[from..to].trim_end_matches(['.', ':']);
    let mixed = token.bytes().any(|b| b.is_ascii_uppercase()) && token.bytes().any(|b| b.is_ascii_lowercase());
    let fits = token.len() >= 6 && has_digit(token) || token.len() >= 20 && (mixed || !token.contains(['-', '/', '.']));
    if fits { span(from, from + token.len(), What::Credentials) } else { None }
}

/// `Basic dXNlcjpwYXNz`, where it says `user:password`.
pub(super) fn basic(text: &str, start: usize, end: usize) -> Option<Span> {
    let from = behind_spaces(text, end).filter(|_| starts_word(text, start))?;
    let belongs = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    // The beginning tells; the whole may have been cut.
    let glance = &text[..text.floor_char_boundary(from + GLANCE_BYTES)];
    let token = &text[from..run(glance, from, belongs)];
    let head = &token[..token.trim_end_matches('=').len() / 4 * 4];
    let whole = BASE64_STANDARD.decode(token).or_else(|_| BASE64_STANDARD.decode(head)).ok()?;
    let fits = whole.contains(&b':') && whole.iter().all(|byte| !byte.is_ascii_control());
    if fits { span(from, run(text, from, belongs), What::Credentials) } else { None }
}

/// `scheme://user:password@host`; a user alone only where it looks like a key.
pub(super) fn url_credentials(text: &str, _start: usize, end: usize) -> Option<Span> {
    const AUTHORITY_BYTES_MAX: usize = 512;
    let window = &text.as_bytes()[end..text.len().min(end + AUTHORITY_BYTES_MAX)];
    let ends = |byte: &u8| {
        byte.is_ascii_whitespace()
            || byte.is_ascii_control()
            || matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\' | b'{' | b'}')
    };
    let authority = &window[..window.iter().position(ends).unwrap_or(window.len())];
    let at = memchr::memrchr(b'@', authority)?;
    let user = &authority[..at];
    let colon = memchr::memchr(b':', user);
    let keyed = user.len() >= 16 && user.iter().any(u8::is_ascii_digit);
    let fits = colon.is_some_and(|colon| colon + 1 < user.len() || keyed) || keyed;
    if fits { span(end, end + at, What::Credentials) } else { None }
}

/// `eyJ….eyJ….signature`
pub(super) fn jwt(text: &str, start: usize, _end: usize) -> Option<Span> {
    // Only where a word begins, so that no byte is looked at for two of them.
    if !text[start..].starts_with("eyJ") || !starts_key(text, start) {
        return None;
    }
    let header = run(text, start, is_key_byte);
    if header - start < 10 || text.as_bytes().get(header) != Some(&b'.') {
        return None;
    }
    let payload = run(text, header + 1, is_key_byte);
    if payload - header < 8 {
        return None;
    }
    let end = if text.as_bytes().get(payload) == Some(&b'.') { run(text, payload + 1, is_key_byte) } else { payload };
    span(start, end, What::Jwt)
}

/// `-----BEGIN … PRIVATE KEY-----` to its end, or to the end of the text where that is missing.
pub(super) fn pem(text: &str, start: usize, end: usize) -> Option<Span> {
    private_key_label(text, end)?;
    let window = &text.as_bytes()[end..text.len().min(end + PEM_BYTES_MAX)];
    let Some(footer) = memchr::memmem::find(window, b"-----END") else {
        return span(start, text.len(), What::PrivateKey);
    };
    let footer = end + footer + 8;
    let close = memchr::memmem::find(&text.as_bytes()[footer..], b"-----").map_or(text.len(), |at| footer + at + 5);
    span(start, close, What::PrivateKey)
}

/// `-----END … PRIVATE KEY-----` whose beginning was cut away: the lines before it.
pub(super) fn pem_end(text: &str, start: usize, end: usize) -> Option<Span> {
    let label = private_key_label(text, end)?;
    let close = text[label..].find("-----").map_or(text.len(), |at| label + at + 5);
    let bytes = text.as_bytes();
    let mut from = start;
    let belongs = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\n' | b'\r' | b'\\');
    while from > 0 && belongs(bytes[from - 1]) {
        from -= 1;
    }
    span(from, close, What::PrivateKey)
}

/// The end of ` RSA PRIVATE KEY` right behind `end`.
fn private_key_label(text: &str, end: usize) -> Option<usize> {
    let window = &text.as_bytes()[end..text.len().min(end + 48)];
    let label = memchr::memmem::find(window, b"PRIVATE KEY")?;
    window[..label].iter().all(|byte| byte.is_ascii_uppercase() || *byte == b' ').then_some(end + label + 11)
}

/// `AKIA` and sixteen capitals and digits.
pub(super) fn aws(text: &str, start: usize, end: usize) -> Option<Span> {
    if !starts_word(text, start) || !matches!(&text[start..end], "AKIA" | "ASIA") {
        return None;
    }
    let to = run(text, end, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let word = !text.as_bytes().get(to).is_some_and(|byte| is_key_byte(*byte));
    if to - end == 16 && word { span(start, to, What::Token) } else { None }
}

/// `ghp_` and thirty letters and digits or more.
pub(super) fn github(text: &str, start: usize, end: usize) -> Option<Span> {
    prefixed(text, start, end, 30)
}

/// A prefix and at least twenty letters and digits.
pub(super) fn long(text: &str, start: usize, end: usize) -> Option<Span> {
    prefixed(text, start, end, 20)
}

/// A prefix and at least ten letters and digits.
pub(super) fn short(text: &str, start: usize, end: usize) -> Option<Span> {
    prefixed(text, start, end, 10)
}

/// `AIza` and 35 more.
pub(super) fn google(text: &str, start: usize, end: usize) -> Option<Span> {
    if text[start..].starts_with("AIza") { prefixed(text, start, end, 35) } else { None }
}

/// `SG.` and two parts.
pub(super) fn sendgrid(text: &str, start: usize, end: usize) -> Option<Span> {
    let middle = run(text, end, is_key_byte);
    if !text[start..].starts_with("SG.") || middle - end < 16 || text.as_bytes().get(middle) != Some(&b'.') {
        return None;
    }
    let to = run(text, middle + 1, is_key_byte);
    if to - middle > 30 { span(start, to, What::Token) } else { None }
}

/// The path of a Slack hook is its secret.
pub(super) fn slack_hook(text: &str, _start: usize, end: usize) -> Option<Span> {
    let to = run(text, end, |byte| byte.is_ascii_alphanumeric() || byte == b'/');
    if to - end >= 20 { span(end, to, What::Token) } else { None }
}

/// A case-exact prefix of a service and at least `min` bytes of a key that has digits, as words seldom do.
fn prefixed(text: &str, start: usize, end: usize, min: usize) -> Option<Span> {
    let cased = text[start..end].bytes().all(|byte| !byte.is_ascii_uppercase()) || text[start..].starts_with("AIza");
    if !cased || !starts_key(text, start) {
        return None;
    }
    let to = run(text, end, is_key_byte);
    let key = &text[end..to];
    let fits = key.len() >= min && has_digit(key);
    if fits { span(start, to, What::Token) } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::detect::{Detectors, scan};

    fn check(text: &str, expected: &[&str]) {
        let mut spans = Vec::new();
        scan(text, Detectors { secrets: true, cards: true, ..Detectors::default() }, &mut spans);
        let found: Vec<_> = spans.iter().map(|span| &text[span.start..span.end]).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn finds_shapes() {
        check("sent Bearer abc.DEF-123_x, then", &["abc.DEF-123_x"]);
        check("basic dXNlcjpwYXNz", &["dXNlcjpwYXNz"]);
        check("postgres://app:hunter2@db/x and https://x.io", &["app:hunter2"]);
        check("https://0123456789abcdef0@sentry.io/1", &["0123456789abcdef0"]);
        check("t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig-_x!", &["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig-_x"]);
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----";
        check(&format!("a {key} b"), &[key]);
        check("a -----BEGIN PRIVATE KEY-----\nMIIE…", &["-----BEGIN PRIVATE KEY-----\nMIIE…"]);
        check("cut: abcd\nMIIE==\n-----END EC PRIVATE KEY----- z", &["abcd\nMIIE==\n-----END EC PRIVATE KEY-----"]);
        check("AKIAIOSFODNN7EXAMPLE", &["AKIAIOSFODNN7EXAMPLE"]);
        check("(xoxb-123456789012-abcdef)", &["xoxb-123456789012-abcdef"]);
    }

    #[test]
    fn leaves_words() {
        for text in [
            "bearer token expired",
            "the bearer of authentication",
            "basic authentication failed",
            "Basic Auth",
            "https://example.com/@user",
            "mailto://",
            "https://user@example.com",
            "eyJ",
            "eyJabcdefghij klm",
            "-----BEGIN CERTIFICATE-----",
            "AKIA",
            "asia2024",
            "sk-learn",
            "task-force",
            "npm_config_registry",
        ] {
            check(text, &[]);
        }
    }
}
