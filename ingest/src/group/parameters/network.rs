//! URLs, email addresses, hosts and IP addresses.

use std::net::Ipv6Addr;

use super::{is_digit, is_word, run_end};

/// Top domains and private zones by which two names and a dot are a host; others need three names.
const CERTAIN: &[&str] = &["com", "net", "org", "local", "internal", "lan", "localdomain", "localhost"];
#[rustfmt::skip]
const LIKELY: &[&str] = &[
    "com", "net", "org", "edu", "gov", "io", "dev", "app", "cloud", "local", "internal", "lan", "localdomain", "info", "biz",
    "de", "uk", "fr", "nl", "eu", "us", "ca", "jp", "cn", "ru", "br", "au", "ch", "at", "in", "it", "es", "pl", "se", "co",
    "ai", "me", "tv", "corp", "svc", "intra", "home", "arpa", "site", "online", "xyz",
];

/// No host, and no email address that is worth the name, is longer.
const NAME_BYTES_MAX: usize = 320;

/// Behind a scheme at its colon: `://…`.
pub(super) fn url(message: &str, colon: usize) -> Option<usize> {
    let bytes = message.as_bytes();
    let rest = bytes.get(colon..)?;
    let data =
        message[..colon].ends_with("data") && rest.len() > 8 && !rest[1].is_ascii_whitespace() && rest.contains(&b',');
    if !rest.starts_with(b"://") && !data {
        return None;
    }
    // `http://[::1]:8080/x`
    let from = match rest.strip_prefix(b"://[").and_then(|host| host.iter().take(64).position(|byte| *byte == b']')) {
        Some(close) => colon + 4 + close + 1,
        None => colon + 1,
    };
    url_end(bytes, from).filter(|end| *end > colon + 3)
}

/// Where an address ends that goes on at `from`.
fn url_end(bytes: &[u8], from: usize) -> Option<usize> {
    let ends = |byte: u8| {
        byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`' | b')' | b']' | b'}' | b'|')
    };
    let mut end = run_end(bytes, from, |byte| !ends(byte));
    while end > from && matches!(bytes[end - 1], b'.' | b',' | b':' | b';' | b'!' | b'?') {
        end -= 1;
    }
    Some(end)
}

pub(super) fn email(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = &bytes[..bytes.len().min(at + NAME_BYTES_MAX)];
    let name = run_end(bytes, at, |byte| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte));
    if bytes.get(name) != Some(&b'@') || name - at > 64 {
        return None;
    }
    let mut end = run_end(bytes, name + 1, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    while end > name && matches!(bytes[end - 1], b'.' | b'-') {
        end -= 1;
    }
    let host = &bytes[(name + 1).min(end)..end];
    let dot = host.iter().rposition(|byte| *byte == b'.')?;
    (dot > 0 && host.len() - dot > 2).then_some(end)
}

/// An IPv4 address or a host's name, with a port.
pub(super) fn host(message: &str, at: usize) -> Option<(&'static str, usize)> {
    let bytes = &message.as_bytes()[..message.len().min(at + NAME_BYTES_MAX)];
    let mut end = run_end(bytes, at, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    while end > at && matches!(bytes[end - 1], b'.' | b'-') {
        end -= 1;
    }
    let name = &message[at..end];
    let next = bytes.get(end).copied().unwrap_or(b' ');
    let port =
        (next == b':' && is_digit(bytes, end + 1)).then(|| run_end(bytes, end + 1, |byte| byte.is_ascii_digit()));
    let glued = matches!(next, b'_' | b'(' | b'$' | b'@');
    if name.len() > 253 || glued {
        return None;
    }
    // The numbers of `Chrome/120.0.0.0` are a version.
    let version = at > 1 && message.as_bytes()[at - 1] == b'/' && message.as_bytes()[at - 2].is_ascii_alphanumeric();
    if is_ip_v4(name) && !version {
        return Some(("<ip>", port.unwrap_or(end)));
    }
    if name != "localhost" && !is_host(name, port.is_some()) {
        return None;
    }
    let end = port.unwrap_or(end);
    // `example.com/users/17?full=1` is an address without its scheme.
    match bytes.get(end) == Some(&b'/') && bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric) {
        true => url_end(message.as_bytes(), end).map(|end| ("<url>", end)),
        false => Some(("<host>", end)),
    }
}

/// `00:1b:44:11:3a:b7`
pub(super) fn mac(bytes: &[u8], at: usize) -> Option<usize> {
    let sign = *bytes.get(at + 2).filter(|byte| matches!(byte, b':' | b'-'))?;
    let text = bytes.get(at..at + 17)?;
    let fits = text.iter().enumerate().all(|(index, byte)| match index % 3 {
        2 => *byte == sign,
        _ => byte.is_ascii_hexdigit(),
    });
    let whole = !bytes.get(at + 17).is_some_and(|byte| is_word(*byte) || *byte == sign);
    (fits && whole && text.iter().any(u8::is_ascii_alphabetic)).then_some(at + 17)
}

fn is_ip_v4(name: &str) -> bool {
    let mut parts = 0;
    let fits = name.split('.').all(|part| {
        parts += 1;
        part.len() <= 3 && part.parse::<u8>().is_ok()
    });
    fits && parts == 4
}

/// Lowercase names with dots that end as hosts do, and not as files or classes.
fn is_host(name: &str, with_port: bool) -> bool {
    let (Some((rest, top)), true) = (name.rsplit_once('.'), name.bytes().all(|byte| !byte.is_ascii_uppercase())) else {
        return false;
    };
    let parts = name.split('.').count();
    // A package is a host's name backwards.
    let package = CERTAIN
        .iter()
        .chain(&["java", "io", "std", "app", "sun"])
        .any(|top| name.starts_with(top) && name.as_bytes()[top.len()] == b'.');
    let letters = rest.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !top.is_empty()
        && top.bytes().all(|b| b.is_ascii_lowercase());
    let whole = name.split('.').all(|part| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-'));
    let known = CERTAIN.contains(&top) || ((parts >= 3 || with_port) && LIKELY.contains(&top));
    letters && whole && known && !package
}

/// An IPv6 address, also in brackets with a port.
pub(super) fn ip_v6(message: &str, at: usize) -> Option<(&'static str, usize)> {
    let bytes = &message.as_bytes()[..message.len().min(at + 64)];
    let from = at + usize::from(bytes[at] == b'[');
    let end = run_end(bytes, from, |byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
    let text = message.get(from..end)?.trim_end_matches('.');
    let text = if text.ends_with("::") { text } else { text.trim_end_matches(':') };
    let end = from + text.len();
    let colons = text.bytes().filter(|byte| *byte == b':').count();
    let glued = bytes.get(end).is_some_and(|byte| is_word(*byte));
    if colons < 2 || glued || !text.bytes().any(|byte| byte.is_ascii_digit()) || text.parse::<Ipv6Addr>().is_err() {
        return None;
    }
    if from == at {
        return Some(("<ip>", end));
    }
    let close = (bytes.get(end) == Some(&b']')).then_some(end + 1)?;
    let port = bytes.get(close) == Some(&b':') && is_digit(bytes, close + 1);
    Some(("<ip>", if port { run_end(bytes, close + 1, |byte| byte.is_ascii_digit()) } else { close }))
}
