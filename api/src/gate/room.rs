//! How many events may come in now: of all categories together, and of each.

use tephra_ingest::sentry::Category;

use super::quota::{self, COUNTED, EVENTS};
use super::verdict::Reason;

/// So many more, and the reason where there are no more.
pub(super) type Left = Option<(u64, Reason)>;

/// A limit that was met: why, and of which category it is, where it is not of all.
pub(super) type Met = (Reason, Option<Category>);

/// What there is room for; `None` is any number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    /// All events. Attachments are none.
    pub(super) for_all: Left,
    pub(super) each: [Left; COUNTED.len()],
}

impl Room {
    /// Takes the room of one event, or says which limit it meets.
    pub(super) fn take(&mut self, category: Category) -> Result<(), Met> {
        let place = quota::place(category);
        let own = place.and_then(|place| self.each[place].as_mut());
        let shared = self.for_all.as_mut().filter(|_| place.is_none_or(|place| place < EVENTS));
        match (&own, &shared) {
            (Some((0, reason)), _) => return Err((*reason, Some(category))),
            (_, Some((0, reason))) => return Err((*reason, None)),
            _ => {}
        }
        [own, shared].into_iter().flatten().for_each(|(room, _)| *room -= 1);
        Ok(())
    }

    /// The limit that keeps out everything of these categories.
    pub(super) fn closed(&self, categories: &[Category]) -> Option<Met> {
        let events = categories.iter().any(|category| *category != Category::Attachment);
        if let Some((0, reason)) = self.for_all.filter(|_| events) {
            return Some((reason, None));
        }
        let own = |category: &Category| match self.each[quota::place(*category)?] {
            Some((0, reason)) => Some((reason, Some(*category))),
            _ => None,
        };
        let met: Option<Vec<Met>> = categories.iter().map(own).collect();
        met?.first().copied()
    }
}

/// The tighter of two; the second where both are alike.
pub(super) fn tighter(a: Left, b: Left) -> Left {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.0 < b.0 { a } else { b }),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_and_the_shared_limit_both_hold() {
        let mut room = Room { for_all: Some((3, Reason::KeyRate)), ..Room::default() };
        room.each[0] = Some((1, Reason::DailyQuota));
        assert_eq!(room.take(Category::Error), Ok(()));
        assert_eq!(room.take(Category::Error), Err((Reason::DailyQuota, Some(Category::Error))));
        assert_eq!(room.take(Category::Default), Ok(()));
        assert_eq!(room.take(Category::LogItem), Ok(()));
        assert_eq!(room.take(Category::LogItem), Err((Reason::KeyRate, None)));
        assert_eq!(room.take(Category::Attachment), Ok(()), "a file is no event");
        assert_eq!(room.closed(&[Category::Error, Category::LogItem]), Some((Reason::KeyRate, None)));
        assert_eq!(room.closed(&[Category::Attachment]), None);
    }

    #[test]
    fn it_is_closed_when_nothing_of_what_may_come_has_room() {
        let mut room = Room::default();
        room.each[0] = Some((0, Reason::DailyQuota));
        assert_eq!(room.closed(&[Category::Error, Category::LogItem]), None);
        room.each[2] = Some((0, Reason::MonthlyQuota));
        let closed = room.closed(&[Category::Error, Category::LogItem]);
        assert_eq!(closed, Some((Reason::DailyQuota, Some(Category::Error))));
    }

    #[test]
    fn the_tighter_counts() {
        let (a, b) = ((1, Reason::Spike), (2, Reason::KeyRate));
        assert_eq!((tighter(Some(a), Some(b)), tighter(Some(b), Some(a))), (Some(a), Some(a)));
        assert_eq!((tighter(None, Some(b)), tighter(None, None)), (Some(b), None));
    }
}
