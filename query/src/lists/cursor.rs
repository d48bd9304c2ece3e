//! Where a list goes on: behind which event, for which question.
//!
//! The place is an event's own time, id and project, so events that arrive meanwhile neither push one into the next page
//! nor out of it. The range and the meaning of `now` of the first page travel along and hold for all pages.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use tephra_storage::ProjectId;

use super::events::EventsPage;
use crate::error::{Error, Result};

const VERSION: u8 = 1;
const LENGTH: usize = 1 + 8 + 8 + 17 + 8 + 16 + 8 + 8;

/// A place in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// What was asked.
    pub(super) question: u64,
    pub(super) now_us: i64,
    pub(super) from_us: Option<i64>,
    pub(super) to_us: Option<i64>,
    /// The last event of the page before.
    pub(super) timestamp: i64,
    pub(super) event_id: [u8; 16],
    pub(super) project: i64,
}

/// What makes two pages parts of one list.
pub(super) fn question(projects: &[ProjectId], page: &EventsPage) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut projects = projects.to_vec();
    projects.sort_unstable();
    projects.dedup();
    projects.hash(&mut hasher);
    page.selection.search.to_string().hash(&mut hasher);
    let mut groups = page.selection.group_hashes.clone();
    groups.iter_mut().for_each(|groups| groups.sort_unstable());
    groups.hash(&mut hasher);
    page.newest_first.hash(&mut hasher);
    hasher.finish()
}

impl Cursor {
    pub(super) fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(VERSION);
        bytes.extend(self.question.to_be_bytes());
        bytes.extend(self.now_us.to_be_bytes());
        bytes.push(u8::from(self.from_us.is_some()) | u8::from(self.to_us.is_some()) << 1);
        bytes.extend(self.from_us.unwrap_or_default().to_be_bytes());
        bytes.extend(self.to_us.unwrap_or_default().to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.event_id);
        bytes.extend(self.project.to_be_bytes());
        bytes.extend(checksum(&bytes));
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(super) fn decode(text: &str, question: u64) -> Result<Self> {
        let cursor = Self::read(text).ok_or_else(|| {
            Error::invalid("the cursor is not one of ours")
                .with_hint("send `next_cursor` of the page before as it came")
        })?;
        match cursor.question == question {
            true => Ok(cursor),
            false => Err(Error::invalid("the cursor belongs to another list")
                .with_hint("ask with the search, the projects and the order of the first page, or without a cursor")),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == LENGTH)?;
        let (body, sum) = bytes.split_at(LENGTH - 8);
        if body[0] != VERSION || checksum(body) != sum {
            return None;
        }
        let mut rest = &body[1..];
        let (question, now_us) = (take(&mut rest)? as u64, take(&mut rest)?);
        let (given, tail) = rest.split_first()?;
        rest = tail;
        let (from, to, timestamp) = (take(&mut rest)?, take(&mut rest)?, take(&mut rest)?);
        let (event_id, tail) = rest.split_first_chunk::<16>()?;
        rest = tail;
        Some(Self {
            question,
            now_us,
            from_us: (given & 1 != 0).then_some(from),
            to_us: (given & 2 != 0).then_some(to),
            timestamp,
            event_id: *event_id,
            project: take(&mut rest)?,
        })
    }
}

fn take(rest: &mut &[u8]) -> Option<i64> {
    let (number, tail) = rest.split_first_chunk::<8>()?;
    *rest = tail;
    Some(i64::from_be_bytes(*number))
}

/// Against slips, not against people: the scope is applied whatever a cursor says.
fn checksum(bytes: &[u8]) -> [u8; 8] {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_and_others_are_refused() {
        let cursor = Cursor {
            question: u64::MAX - 3,
            now_us: 5,
            from_us: Some(-1),
            to_us: None,
            timestamp: i64::MIN,
            event_id: [7; 16],
            project: 12,
        };
        let text = cursor.encode();
        assert_eq!(Cursor::decode(&text, cursor.question), Ok(cursor.clone()));
        assert!(Cursor::decode(&text, 1).unwrap_err().message.contains("another list"));
        for at in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert_ne!(Cursor::decode(&other, cursor.question).ok(), Some(cursor.clone()), "{other}");
        }
        for text in ["", "x", "%%", &text[1..], &format!("{text}AAAA")] {
            assert!(Cursor::decode(text, cursor.question).is_err(), "{text}");
        }
    }
}
