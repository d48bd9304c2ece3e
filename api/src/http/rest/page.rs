//! Lists in pages: so many at once, and a cursor that says where the next page begins.
//!
//! A cursor names the last thing that was shown and never a number of things, so that what arrives between two pages moves
//! nothing. It is opaque to clients; one that was not made here, or for another list, is refused.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::{Answer, Kind, Result};

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// What is on this page.
    pub(crate) items: Vec<T>,
    /// To be sent as `cursor` for the next page; null on the last one.
    #[schema(required)]
    pub(crate) next_cursor: Option<String>,
}

/// How many things a page holds: 1 to 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub(crate) struct Limit(u32);

impl Limit {
    const MAX: u32 = 200;

    /// As a number of rows.
    pub(crate) fn rows(self) -> u32 {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl TryFrom<u32> for Limit {
    type Error = String;

    fn try_from(rows: u32) -> std::result::Result<Self, String> {
        if (1..=Self::MAX).contains(&rows) {
            return Ok(Self(rows));
        }
        Err(format!("{rows} is not between 1 and {}", Self::MAX))
    }
}

impl<T> Page<T> {
    /// All of a list that is short by nature.
    pub(crate) fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }

    /// A page of `rows`, which are one more than `limit` where there is another page. `place` is where a thing stands in the
    /// list.
    pub(crate) fn of<P: Serialize>(mut items: Vec<T>, limit: Limit, place: impl Fn(&T) -> P) -> Self {
        let is_more = items.len() > limit.0 as usize;
        items.truncate(limit.0 as usize);
        let next_cursor = items.last().filter(|_| is_more).map(|last| write(&place(last)));
        Self { items, next_cursor }
    }

    /// The same page of other things.
    pub(crate) fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next_cursor: self.next_cursor }
    }
}

/// A cursor for a place in a list.
pub(crate) fn write<P: Serialize>(place: &P) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).unwrap_or_default())
}

/// The place that a cursor names.
pub(crate) fn read<P: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<P>> {
    let Some(cursor) = cursor else { return Ok(None) };
    let place = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    place.map(Some).ok_or_else(bad_cursor)
}

/// What is said of a cursor that was not made for this list.
pub(crate) fn bad_cursor() -> Answer {
    Answer::new(Kind::Invalid, "`cursor` is not one that this list gave").field("cursor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_where_the_next_one_begins() {
        let limit = Limit::try_from(2).unwrap();
        let page = Page::of(vec![5, 4, 3], limit, |item| *item);
        assert_eq!(page.items, [5, 4]);
        assert_eq!(read::<i64>(page.next_cursor.as_deref()).unwrap(), Some(4));
        assert_eq!(Page::of(vec![5, 4], limit, |item| *item).next_cursor, None);
        assert_eq!(Page::<i64>::of(vec![], limit, |item| *item).next_cursor, None);
    }

    #[test]
    fn foreign_cursors_are_refused() {
        for cursor in ["", "!", "bnVsbA==", "e30"] {
            assert_eq!(read::<i64>(Some(cursor)).unwrap_err().field.as_deref(), Some("cursor"), "{cursor}");
        }
        assert_eq!(read::<i64>(None).unwrap(), None);
        assert!(Limit::try_from(0).is_err() && Limit::try_from(201).is_err());
    }
}
