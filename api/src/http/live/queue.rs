//! What waits for a socket: bounded, and what does not fit is counted.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Messages that wait for one socket; each is shared with the others that wait for it.
pub(super) const WAITING_MAX: usize = 512;

/// A message's text.
pub(super) type Text = Arc<str>;

/// The messages of one socket.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    texts: VecDeque<Text>,
    lost: Lost,
}

/// What a reader was too slow for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) events: u64,
    pub(super) issues: u64,
    /// The cursors before the first lost event and behind the last.
    pub(super) between: Option<(String, String)>,
}

impl Lost {
    pub(super) fn is_nothing(&self) -> bool {
        self.events == 0 && self.issues == 0
    }
}

impl Queue {
    /// How many messages have room. Once something was lost there is none until the reader was told, so that what is lost lies
    /// between two places.
    pub(super) fn room(&self) -> usize {
        let waiting = self.waiting.lock();
        if waiting.lost.is_nothing() { WAITING_MAX.saturating_sub(waiting.texts.len()) } else { 0 }
    }

    /// Adds messages for which there is room.
    pub(super) fn push(&self, texts: impl IntoIterator<Item = Text>) {
        self.waiting.lock().texts.extend(texts);
        self.more.notify_one();
    }

    /// Counts what had no room.
    pub(super) fn lose(&self, events: u64, issues: u64, between: Option<(String, String)>) {
        let mut waiting = self.waiting.lock();
        let lost = &mut waiting.lost;
        lost.events += events;
        lost.issues += issues;
        lost.between = match (lost.between.take(), between) {
            (Some((from, _)), Some((_, to))) => Some((from, to)),
            (before, new) => before.or(new),
        };
        drop(waiting);
        self.more.notify_one();
    }

    /// Waits for messages and takes them with what was lost behind them.
    pub(super) async fn take(&self) -> (VecDeque<Text>, Lost) {
        loop {
            let taken = {
                let mut waiting = self.waiting.lock();
                (std::mem::take(&mut waiting.texts), std::mem::take(&mut waiting.lost))
            };
            if !taken.0.is_empty() || !taken.1.is_nothing() {
                return taken;
            }
            self.more.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_has_no_room_is_counted_and_lies_behind_what_waits() {
        let queue = Queue::default();
        queue.push((0..WAITING_MAX).map(|number| number.to_string().into()));
        assert_eq!(queue.room(), 0);
        queue.lose(3, 0, Some(("a".to_owned(), "b".to_owned())));
        queue.lose(2, 1, Some(("b".to_owned(), "c".to_owned())));
        let (texts, lost) = queue.take().await;
        assert_eq!((texts.len(), lost.events, lost.issues), (WAITING_MAX, 5, 1));
        assert_eq!(lost.between, Some(("a".to_owned(), "c".to_owned())));
        assert_eq!(queue.room(), WAITING_MAX);
    }
}
