//! A place in the feed as clients keep it: which node, which batch, how many of its rows are seen. Opaque to them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::answer::{Answer, Kind, Result};

/// All rows of a batch.
pub(super) const WHOLE: u32 = u32::MAX;

/// Everything before this place was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) node: String,
    pub(super) sequence: u64,
    pub(super) rows: u32,
}

impl Cursor {
    /// Behind a whole batch.
    pub(super) fn behind(node: &str, sequence: u64) -> Self {
        Self { node: node.to_owned(), sequence, rows: WHOLE }
    }

    /// Reads what a client kept.
    pub(super) fn read(text: &str) -> Result<Self> {
        let read = || {
            let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
            let (text, rows) = text.rsplit_once(':')?;
            let (node, sequence) = text.rsplit_once(':')?;
            Some(Self { node: node.to_owned(), sequence: sequence.parse().ok()?, rows: rows.parse().ok()? })
        };
        read().ok_or_else(|| Answer::new(Kind::Invalid, "this is not a cursor of the live view").field("cursor"))
    }

    /// What a client keeps.
    pub(super) fn text(&self) -> String {
        let Self { node, sequence, rows } = self;
        URL_SAFE_NO_PAD.encode(format!("{node}:{sequence}:{rows}"))
    }

    /// The last batch that was seen whole.
    pub(super) fn whole(&self) -> u64 {
        if self.rows == WHOLE { self.sequence } else { self.sequence.saturating_sub(1) }
    }

    /// The first row of a batch that was not seen.
    pub(super) fn first_row(&self, sequence: u64) -> usize {
        if sequence == self.sequence && self.rows != WHOLE { self.rows as usize } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back() {
        for cursor in [Cursor::behind("node-1", 7), Cursor { node: "a:b".to_owned(), sequence: 9, rows: 3 }] {
            assert_eq!(Cursor::read(&cursor.text()).unwrap(), cursor);
        }
        for text in ["", "x", "bm9kZQ", "bm9kZTo3"] {
            assert_eq!(Cursor::read(text).unwrap_err().kind, Kind::Invalid, "{text}");
        }
        let cursor = Cursor { node: "n".to_owned(), sequence: 9, rows: 3 };
        assert_eq!((cursor.whole(), cursor.first_row(9), cursor.first_row(10)), (8, 3, 0));
    }
}
