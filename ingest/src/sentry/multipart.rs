//! The parts of a form (`multipart/form-data`, RFC 7578), each a slice of the body.
//!
//! Lines may end in a bare `\n`, as those of some crash handlers do. What stands before the first part and behind the last is
//! nobody's.

use bytes::Bytes;
use memchr::memmem;

use super::auth::percent_decoded;
use crate::error::{Error, Result};
use crate::text;

/// No form of a crash handler has more.
const PARTS_MAX: usize = 1_000;
/// Longer headers are somebody's file.
const HEADERS_BYTES_MAX: usize = 8 << 10;
/// By RFC 2046.
const BOUNDARY_BYTES_MAX: usize = 70;

/// One field of a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    /// Where it is a file.
    pub(super) filename: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) bytes: Bytes,
}

/// Cuts a body by the boundary in its content type.
pub(super) fn parts(content_type: &str, body: &Bytes) -> Result<Vec<Part>> {
    let boundary = boundary(content_type)?;
    let delimiter = format!("\n--{boundary}");
    let finder = memmem::Finder::new(delimiter.as_bytes());
    let mut parts = Vec::new();
    // The first one may stand at the very beginning, without a line before it.
    let mut at = if body.starts_with(&delimiter.as_bytes()[1..]) {
        delimiter.len() - 1
    } else {
        finder.find(body).ok_or_else(|| broken("the boundary is not in it"))? + delimiter.len()
    };
    loop {
        if body[at..].starts_with(b"--") {
            return Ok(parts);
        }
        if parts.len() >= PARTS_MAX {
            return Err(broken(&format!("it has more than {PARTS_MAX} parts")));
        }
        // The rest of the boundary's own line.
        at += 1 + memchr::memchr(b'\n', &body[at..]).ok_or_else(|| broken("it ends at a boundary"))?;
        let mut part = Part::default();
        loop {
            let room = &body[at..body.len().min(at + HEADERS_BYTES_MAX)];
            let end = memchr::memchr(b'\n', room).ok_or_else(|| broken("it ends in the headers of a part"))?;
            let line = text::from_bytes(room[..end].trim_ascii_end()).into_owned();
            at += end + 1;
            if line.is_empty() {
                break;
            }
            read_header(&mut part, &line);
        }
        // An empty part may have no line of its own.
        let found = finder.find(&body[at - 1..]).ok_or_else(|| broken("it ends in a part"))?;
        let end = at - 1 + found;
        let next = end + delimiter.len();
        let end = if end > at && body[end - 1] == b'\r' { end - 1 } else { end.max(at) };
        part.bytes = body.slice(at..end);
        parts.push(part);
        at = next;
    }
}

fn read_header(part: &mut Part, line: &str) {
    let Some((name, value)) = line.split_once(':') else { return };
    if name.trim().eq_ignore_ascii_case("content-type") {
        part.content_type = Some(value.trim().to_owned());
    } else if name.trim().eq_ignore_ascii_case("content-disposition") {
        for (name, value) in parameters(value) {
            match name.to_ascii_lowercase().as_str() {
                "name" => part.name = value,
                // The other form is for letters beyond ASCII, and wins.
                "filename" if part.filename.is_none() => part.filename = Some(value),
                "filename*" => {
                    let encoded = value.split_once("''").map_or(value.as_str(), |(_, encoded)| encoded);
                    part.filename = Some(percent_decoded(&encoded.replace('+', "%2B")).into_owned());
                }
                _ => {}
            }
        }
    }
}

fn boundary(content_type: &str) -> Result<String> {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("multipart/form-data") && !media.eq_ignore_ascii_case("multipart/mixed") {
        return Err(broken(&format!("its content type is `{media}`")));
    }
    let found = parameters(content_type).find(|(name, _)| name.eq_ignore_ascii_case("boundary"));
    let found = found.map(|(_, value)| value).filter(|value| (1..=BOUNDARY_BYTES_MAX).contains(&value.len()));
    found.ok_or_else(|| broken("its content type names no boundary"))
}

/// `name=value` and `name="va\"lue"` behind the first word of a header.
fn parameters(header: &str) -> impl Iterator<Item = (String, String)> {
    let mut rest = header.split_once(';').map_or("", |(_, rest)| rest);
    std::iter::from_fn(move || {
        let (name, after) = rest.trim_start_matches([' ', '\t', ';']).split_once('=')?;
        let mut value = String::new();
        if let Some(quoted) = after.trim_start().strip_prefix('"') {
            let mut letters = quoted.char_indices();
            let mut end = quoted.len();
            while let Some((place, letter)) = letters.next() {
                match letter {
                    '"' => {
                        end = place + 1;
                        break;
                    }
                    // A path of Windows has backslashes that mean themselves.
                    '\\' => match letters.next() {
                        Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                        Some((_, other)) => value.extend(['\\', other]),
                        None => value.push('\\'),
                    },
                    letter => value.push(letter),
                }
            }
            rest = &quoted[end..];
        } else {
            let (plain, more) = after.split_once(';').unwrap_or((after, ""));
            value.push_str(plain.trim());
            rest = more;
        }
        Some((name.trim().to_owned(), value))
    })
}

fn broken(reason: &str) -> Error {
    Error::malformed(format!("invalid multipart body: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &[(&str, Option<&str>, &str)]) {
        let body = Bytes::from(body.to_owned());
        let parts = parts("multipart/form-data; boundary=\"b\"", &body).unwrap();
        let found: Vec<_> = parts
            .iter()
            .map(|part| (part.name.as_str(), part.filename.as_deref(), std::str::from_utf8(&part.bytes).unwrap()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn cuts_forms_into_fields() {
        check(
            "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--b\r\ncontent-disposition: form-data; name=f; \
             filename=\"C:\\new\\x \\\"1\\\".dmp\"\r\nContent-Type: text/plain\r\n\r\ntwo\r\n\r\n--b--\r\nnobody's",
            &[("a", None, "one"), ("f", Some("C:\\new\\x \"1\".dmp"), "two\r\n")],
        );
        check("before\n--b\nContent-Disposition: form-data; name=a\n\none\n--b--", &[("a", None, "one")]);
        check("--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--b--", &[("a", None, "")]);
        check("--b\r\nContent-Disposition: form-data; name=a\r\n\r\n--b--", &[("a", None, "")]);
        check("--b--", &[]);
        check(
            "--b\r\nContent-Disposition: form-data; filename*=UTF-8''na%C3%AFve+1.txt; filename=x\r\n\r\n.\r\n--b--",
            &[("", Some("naïve+1.txt"), ".")],
        );
    }

    #[test]
    fn refuses_what_is_no_form() {
        let form = "multipart/form-data; boundary=b";
        for (content_type, body) in [
            ("application/json", "--b--"),
            ("multipart/form-data", "--b--"),
            ("multipart/form-data; boundary=", "--b--"),
            (form, ""),
            (form, "--c--"),
            (form, "--b"),
            (form, "--b\r\n"),
            (form, "--b\r\nContent-Disposition: form-data"),
            (form, "--b\r\n\r\nopen"),
            (form, &format!("--b\r\n{}", "x".repeat(20_000))),
            (form, &"--b\r\n\r\n\r\n".repeat(2_000)),
        ] {
            assert!(parts(content_type, &Bytes::from(body.to_owned())).is_err(), "{content_type} {body:.40}");
        }
    }
}
