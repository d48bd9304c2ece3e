//! Files that come with an event.

use bytes::Bytes;

use super::framing::Item;
use super::multipart::Part;

/// Longer names, types and kinds are cut.
const WORD_BYTES_MAX: usize = 255;

/// A file, a slice of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The event that it belongs to.
    pub event_id: [u8; 16],
    /// Without a path; `unnamed` where the sender gave none.
    pub filename: String,
    /// As the sender says; never to be served as such without care.
    pub content_type: Option<String>,
    /// `event.attachment` unless the sender says otherwise (`event.minidump`, `event.view_hierarchy`, …).
    pub attachment_type: String,
    /// The file.
    pub bytes: Bytes,
}

impl Attachment {
    pub(super) fn of_item(event_id: [u8; 16], item: Item) -> Self {
        Self::new(event_id, item.filename, item.content_type, item.attachment_type.as_deref(), item.payload)
    }

    pub(super) fn of_part(event_id: [u8; 16], part: Part, attachment_type: Option<&str>) -> Self {
        Self::new(event_id, part.filename, part.content_type, attachment_type, part.bytes)
    }

    fn new(
        event_id: [u8; 16],
        filename: Option<String>,
        content_type: Option<String>,
        attachment_type: Option<&str>,
        bytes: Bytes,
    ) -> Self {
        let name = filename.as_deref().map(base_name).filter(|name| !name.is_empty());
        let word = |text: &str| Some(printable(text)).filter(|text| !text.is_empty());
        Self {
            event_id,
            filename: name.unwrap_or_else(|| "unnamed".to_owned()),
            content_type: content_type.as_deref().and_then(word),
            attachment_type: attachment_type.and_then(word).unwrap_or_else(|| "event.attachment".to_owned()),
            bytes,
        }
    }
}

/// The last part of a path; `.` and `..` are none.
fn base_name(path: &str) -> String {
    let name = printable(path.rsplit(['/', '\\']).next().unwrap_or_default());
    if matches!(name.as_str(), "." | "..") { String::new() } else { name }
}

fn printable(text: &str) -> String {
    let text: String = text.chars().filter(|character| !character.is_control()).collect();
    let text = text.trim();
    text[..text.floor_char_boundary(WORD_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_paths() {
        for (path, expected) in [
            ("a.txt", "a.txt"),
            ("/etc/passwd", "passwd"),
            ("..\\..\\x.dmp", "x.dmp"),
            ("..", ""),
            ("a/", ""),
            (" a\r\nb\0.txt ", "ab.txt"),
        ] {
            assert_eq!(base_name(path), expected, "{path}");
        }
        assert_eq!(base_name(&"ä".repeat(500)).len(), 254);
    }
}
