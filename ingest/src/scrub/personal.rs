//! Email and IP addresses in running text; looked for only where a project asks for it.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Calls `found` with the range of each email address.
pub(super) fn emails(text: &str, mut found: impl FnMut(usize, usize)) {
    const PART_BYTES_MAX: usize = 254;
    let bytes = text.as_bytes();
    let local = |byte: u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"._%+-".contains(&byte);
    let domain = |byte: u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || matches!(byte, b'.' | b'-');
    let mut done = 0;
    for at in memchr::memchr_iter(b'@', bytes) {
        if at < done {
            continue;
        }
        let mut start = at;
        while start > done && local(bytes[start - 1]) && at - start < PART_BYTES_MAX {
            start -= 1;
        }
        let mut end = at + 1;
        while end < bytes.len() && domain(bytes[end]) && end - at < PART_BYTES_MAX {
            end += 1;
        }
        let (start, mut end) = (text.ceil_char_boundary(start), text.floor_char_boundary(end));
        while end > at && matches!(bytes[end - 1], b'.' | b'-') {
            end -= 1;
        }
        let host = &text[at + 1..end.max(at + 1)];
        let fits = start < at && host.rsplit_once('.').is_some_and(|(name, top)| !name.is_empty() && top.len() >= 2);
        if fits {
            found(start, end);
            done = end;
        }
    }
}

/// Calls `found` with the range of each IPv4 and IPv6 address.
pub(super) fn ips(text: &str, mut found: impl FnMut(usize, usize)) {
    let bytes = text.as_bytes();
    let belongs = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
    let mut at = 0;
    while at < bytes.len() {
        if !belongs(bytes[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && belongs(bytes[at]) {
            at += 1;
        }
        let before = start.checked_sub(1).map_or(b' ', |before| bytes[before]);
        let after = bytes.get(at).copied().unwrap_or(b' ');
        if before.is_ascii_alphanumeric() || after.is_ascii_alphanumeric() || matches!(before, b'_' | b'-') {
            continue;
        }
        if let Some((from, to)) = address(&text[start..at]) {
            found(start + from, start + to);
        }
    }
}

/// The address in a run of hexadecimal digits, dots and colons: all of it, or what stands before a port.
fn address(run: &str) -> Option<(usize, usize)> {
    let from = usize::from(run.starts_with(':') && !run.starts_with("::"));
    let run = run[from..].trim_end_matches('.');
    let run = if run.ends_with("::") { run } else { run.trim_end_matches(':') };
    if run.len() < 3 {
        return None;
    }
    if run.parse::<Ipv6Addr>().is_ok() && run.bytes().any(|byte| byte.is_ascii_digit()) {
        return Some((from, from + run.len()));
    }
    let host = run.split(':').next().unwrap_or_default();
    host.parse::<Ipv4Addr>().is_ok().then_some((from, from + host.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_addresses() {
        let list = |text: &str, scan: fn(&str, &mut dyn FnMut(usize, usize))| {
            let mut out = Vec::new();
            scan(text, &mut |start, end| out.push(text[start..end].to_owned()));
            out
        };
        let mails = |text: &str| list(text, |text, found| emails(text, found));
        assert_eq!(mails("to <bob.b+x@mail.example.com>, a@b.io."), ["bob.b+x@mail.example.com", "a@b.io"]);
        assert_eq!(mails("@user f@x a@b@c.de jürgen@müller.de"), ["b@c.de", "jürgen@müller.de"]);
        let hosts = |text: &str| list(text, |text, found| ips(text, found));
        assert_eq!(hosts("from 10.0.0.1:8080, 192.168.1.1."), ["10.0.0.1", "192.168.1.1"]);
        assert_eq!(hosts("[2001:db8::1]:80 ::1 fe80::1%eth0"), ["2001:db8::1", "::1", "fe80::1"]);
        assert!(hosts("1.2.3 1.2.3.4.5 12:34:56 v1.2.3.4 std::fs a::b 300.1.1.1 dead").is_empty());
    }
}
