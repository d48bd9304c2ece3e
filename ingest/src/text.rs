//! Strings as they may be stored: valid UTF-8, no NUL, not longer than their column takes.
//!
//! NUL is legal UTF-8 but cuts strings short in C programs and is refused by PostgreSQL, so it becomes U+FFFD as invalid
//! bytes do: readers already know that character as "something unreadable stood here".

use std::borrow::Cow;

/// Makes bytes a string, replacing what cannot be stored.
pub(crate) fn from_bytes(bytes: &[u8]) -> Cow<'_, str> {
    without_nul(lossy(bytes))
}

/// Makes bytes a string, replacing what is not UTF-8. Checking first is several times faster than replacing right away.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Replaces NUL characters.
pub(crate) fn without_nul(text: Cow<'_, str>) -> Cow<'_, str> {
    if memchr::memchr(0, text.as_bytes()).is_none() { text } else { Cow::Owned(text.replace('\0', "\u{fffd}")) }
}

/// Cuts the middle out of a text longer than `bytes_max`, saying how much went.
pub(crate) fn trim_middle(text: &str, bytes_max: usize) -> Cow<'_, str> {
    const MARKER_BYTES: usize = 48;
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    let kept = bytes_max.saturating_sub(MARKER_BYTES);
    let head = &text[..text.floor_char_boundary(kept - kept / 2)];
    let tail = &text[text.ceil_char_boundary(text.len() - kept / 2)..];
    Cow::Owned(format!("{head}…[{} bytes cut]…{tail}", text.len() - head.len() - tail.len()))
}

/// Reads `N` bytes from hexadecimal digits, dashes of a UUID allowed.
pub(crate) fn hex_id<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut digits = [0u8; 32];
    let mut count = 0;
    for byte in text.bytes().filter(|byte| *byte != b'-') {
        *digits.get_mut(count)? = byte;
        count += 1;
    }
    let mut id = [0u8; N];
    hex::decode_to_slice(digits.get(..count)?, &mut id).ok()?;
    Some(id)
}

/// An id of `N` bytes; all zeros is none.
pub(crate) fn id_of_bytes<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok().filter(|id: &[u8; N]| *id != [0; N])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_what_cannot_be_stored() {
        assert_eq!(from_bytes(b"a\0b"), "a\u{fffd}b");
        assert_eq!(from_bytes(b"a\xff\xfeb"), "a\u{fffd}\u{fffd}b");
        assert!(matches!(from_bytes("grün".as_bytes()), Cow::Borrowed("grün")));
    }

    #[test]
    fn cuts_the_middle_on_character_boundaries() {
        assert_eq!(trim_middle("short", 100), "short");
        let long = "ä".repeat(1_000);
        for bytes_max in [0, 1, 47, 48, 49, 100, 333, 1_999] {
            let cut = trim_middle(&long, bytes_max);
            assert!(cut.len() <= bytes_max.max(48) + 2, "{bytes_max}: {}", cut.len());
            assert!(cut.contains(" bytes cut]…"), "{cut}");
        }
    }

    #[test]
    fn reads_ids() {
        assert_eq!(hex_id::<2>("01fF"), Some([1, 255]));
        assert_eq!(hex_id::<16>("67e55044-10b1-426f-9247-bb680e5fe0c8").map(|id| id[0]), Some(0x67));
        for bad in ["", "0", "zz", "010203", &"0".repeat(70)] {
            assert_eq!(hex_id::<2>(bad), None, "{bad}");
        }
        assert_eq!(id_of_bytes::<2>(&[0, 0]), None);
        assert_eq!(id_of_bytes::<2>(&[0, 1, 2]), None);
    }
}
