//! The bounded queue between requests and the appender.
//!
//! Its bound is in bytes: what waits here is memory that nobody has acknowledged. A request that does not fit is
//! answered Busy, and SDKs know how to wait.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::event::{Event, ProjectId};

/// One request's events, on their way into the hot tier.
#[derive(Debug)]
pub struct Append {
    /// The project of the key that the request came with.
    pub project_id: ProjectId,
    /// The events in request order.
    pub events: Vec<Event>,
    /// The hash of the whole request, where its events have no ids of their own: a retry within 15 minutes is known by it.
    pub request_hash: Option<u128>,
    /// The request's size, as decoded.
    pub bytes: usize,
}

/// What became of an append. All accepted events are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Events stored now.
    pub accepted: u32,
    /// Indexes of the events that were stored before.
    pub duplicates: Vec<u32>,
    /// How many requests shared the group's fsync.
    pub group_requests: u32,
    /// The sequence number of the group's batch; 0 where nothing had to be written.
    pub sequence: u64,
}

pub(crate) struct Pending {
    pub(crate) append: Append,
    pub(crate) reply: oneshot::Sender<Result<Appended>>,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Pending>,
    bytes: usize,
    closed: bool,
    /// The appender gathers, and wants to hear of nothing less than so many bytes or requests.
    gathers: Option<(usize, usize)>,
}

impl Inner {
    fn is_gathered(&self) -> bool {
        let enough = |(bytes, requests)| self.bytes >= bytes || self.waiting.len() >= requests;
        self.closed || self.gathers.is_none_or(enough)
    }
}

/// How long a group gathers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gather {
    pub(crate) until: Instant,
    /// So many requests are enough.
    pub(crate) requests: usize,
}

pub(crate) struct Queue {
    inner: Mutex<Inner>,
    filled: Condvar,
    bytes_max: usize,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { inner: Mutex::default(), filled: Condvar::new(), bytes_max }
    }

    /// Adds a request, or answers Busy.
    pub(crate) fn push(&self, append: Append) -> Result<oneshot::Receiver<Result<Appended>>> {
        let (reply, answer) = oneshot::channel();
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(Error::busy("the store is stopping"));
        }
        if inner.bytes + append.bytes > self.bytes_max && !inner.waiting.is_empty() {
            return Err(Error::busy(format!("{} bytes wait to be written already: retry later", inner.bytes)));
        }
        inner.bytes += append.bytes;
        inner.waiting.push_back(Pending { append, reply });
        let wakes = inner.is_gathered();
        metrics::gauge!("tephra_append_queue_bytes").set(inner.bytes as f64);
        drop(inner);
        if wakes {
            self.filled.notify_one();
        }
        Ok(answer)
    }

    /// Takes what waits, up to about `bytes_max`; waits up to `patience` for the first, and as long as `gather` says for more,
    /// unless there are `bytes_max` before. `None` once closed and empty.
    pub(crate) fn take(&self, bytes_max: usize, patience: Duration, gather: Option<Gather>) -> Option<Vec<Pending>> {
        if let Some(Gather { until, requests }) = gather {
            let mut inner = self.inner.lock();
            inner.gathers = Some((bytes_max, requests));
            while !inner.is_gathered() && !self.filled.wait_until(&mut inner, until).timed_out() {}
            inner.gathers = None;
        }
        let mut inner = self.inner.lock();
        if inner.waiting.is_empty() && !inner.closed {
            self.filled.wait_for(&mut inner, patience);
        }
        if inner.waiting.is_empty() && inner.closed {
            return None;
        }
        let mut taken = Vec::new();
        let mut bytes = 0;
        while bytes < bytes_max {
            let Some(pending) = inner.waiting.pop_front() else { break };
            bytes += pending.append.bytes;
            taken.push(pending);
        }
        inner.bytes -= bytes;
        metrics::gauge!("tephra_append_queue_bytes").set(inner.bytes as f64);
        Some(taken)
    }

    /// Refuses new requests; what waits is still taken.
    pub(crate) fn close(&self) {
        self.inner.lock().closed = true;
        self.filled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn request(bytes: usize) -> Append {
        Append { project_id: ProjectId(1), events: Vec::new(), request_hash: None, bytes }
    }

    #[test]
    fn what_does_not_fit_is_busy_and_what_was_taken_makes_room() {
        let queue = Queue::new(100);
        let _first = queue.push(request(60)).unwrap();
        let _second = queue.push(request(40)).unwrap();
        assert_eq!(queue.push(request(1)).unwrap_err().kind(), ErrorKind::Busy);
        assert_eq!(queue.take(50, Duration::ZERO, None).unwrap().len(), 1);
        let _third = queue.push(request(60)).unwrap();
        assert_eq!(queue.take(1000, Duration::ZERO, None).unwrap().len(), 2);
    }

    #[test]
    fn one_request_larger_than_the_bound_is_taken_alone() {
        let queue = Queue::new(100);
        let _alone = queue.push(request(1000)).unwrap();
        assert_eq!(queue.push(request(1)).unwrap_err().kind(), ErrorKind::Busy);
    }

    #[test]
    fn a_closed_queue_gives_what_waits_and_takes_no_more() {
        let queue = Queue::new(100);
        let _waiting = queue.push(request(1)).unwrap();
        queue.close();
        assert_eq!(queue.push(request(1)).unwrap_err().kind(), ErrorKind::Busy);
        assert_eq!(queue.take(10, Duration::ZERO, None).unwrap().len(), 1);
        assert!(queue.take(10, Duration::ZERO, None).is_none());
    }
}
