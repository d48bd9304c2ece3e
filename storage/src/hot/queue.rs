//! The bounded queue between requests and the appender.
//!
//! Its bound is in bytes: what waits here is memory that nobody has acknowledged. A request that does not fit is
//! answered Busy, and SDKs know how to wait.

use std::collections::VecDeque;
use std::time::Duration;

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
        metrics::gauge!("tephra_append_queue_bytes").set(inner.bytes as f64);
        drop(inner);
        self.filled.notify_one();
        Ok(answer)
    }

    /// Takes what waits, up to about `bytes_max`; waits up to `patience` for the first. `None` once closed and empty.
    pub(crate) fn take(&self, bytes_max: usize, patience: Duration) -> Option<Vec<Pending>> {
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
