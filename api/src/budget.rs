//! One bound on the memory of all requests at hand, in bytes.
//!
//! A request takes its part as its bytes arrive, and gives it back when it is answered. Nobody waits for memory: a request
//! that does not fit is answered Busy at once, because many half-read requests that wait for each other would never end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::answer::{Answer, Kind, Result};

/// The bytes that requests may hold together.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    used: AtomicUsize,
    max: usize,
}

/// A part of the budget; gives itself back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Self {
        Self(Arc::new(Inner { used: AtomicUsize::new(0), max }))
    }

    /// An empty part.
    pub(crate) fn share(&self) -> Share {
        Share { budget: self.clone(), bytes: 0 }
    }

    /// Bytes that are taken now.
    pub(crate) fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> Result<()> {
        let max = self.0.max;
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= max);
        match self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(()),
            Err(_) => Err(Answer::new(
                Kind::Busy,
                format!("the requests at hand hold all of `ingest.memory_bytes_max`, {max} bytes"),
            )),
        }
    }
}

impl Share {
    /// Takes `bytes` more.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<()> {
        self.budget.take(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Splits everything taken so far off into a part of its own.
    pub(crate) fn split(&mut self) -> Self {
        Self { budget: self.budget.clone(), bytes: std::mem::take(&mut self.bytes) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_busy_and_what_is_dropped_comes_back() {
        let budget = Budget::new(10);
        let mut one = budget.share();
        one.grow(6).unwrap();
        let mut two = budget.share();
        assert_eq!(two.grow(5).unwrap_err().kind, Kind::Busy);
        two.grow(4).unwrap();
        let part = one.split();
        drop(one);
        assert_eq!(budget.used(), 10);
        drop(part);
        assert_eq!(budget.used(), 4);
        assert!(two.grow(usize::MAX).is_err());
    }
}
