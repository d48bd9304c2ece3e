//! How far a query is, asked while it runs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use datafusion::physical_plan::ExecutionPlan;

/// Counts that grow while batches arrive.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    plan: OnceLock<Arc<dyn ExecutionPlan>>,
    rows_returned: AtomicU64,
    truncated: AtomicBool,
}

impl Progress {
    pub(crate) fn new(started: Instant) -> Self {
        let (plan, rows_returned, truncated) = Default::default();
        Self { started, plan, rows_returned, truncated }
    }

    pub(crate) fn planned(&self, plan: Arc<dyn ExecutionPlan>) {
        // A query is planned once.
        let _ = self.plan.set(plan);
    }

    pub(crate) fn returned(&self, rows: usize) {
        self.rows_returned.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(crate) fn cut(&self) {
        self.truncated.store(true, Ordering::Release);
    }

    /// Rows looked at in files and segments; those that indexes and statistics left out are not among them.
    pub fn rows_read(&self) -> u64 {
        self.plan.get().map_or(0, |plan| {
            sum(plan, &|leaf| match leaf.name() {
                "HotExec" => metric(leaf, "rows_scanned"),
                _ => metric(leaf, "output_rows") + metric(leaf, "pushdown_rows_pruned"),
            })
        })
    }

    /// Bytes read from the object store.
    pub fn bytes_read(&self) -> u64 {
        self.plan.get().map_or(0, |plan| sum(plan, &|leaf| metric(leaf, "bytes_scanned")))
    }

    /// Rows of the answer so far.
    pub fn rows_returned(&self) -> u64 {
        self.rows_returned.load(Ordering::Relaxed)
    }

    /// Whether rows were cut off at `rows_max`; final when the stream has ended.
    pub fn truncated(&self) -> bool {
        self.truncated.load(Ordering::Acquire)
    }

    /// Since the statement came in.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

fn sum(plan: &Arc<dyn ExecutionPlan>, of: &dyn Fn(&dyn ExecutionPlan) -> u64) -> u64 {
    match plan.children() {
        children if children.is_empty() => of(plan.as_ref()),
        children => children.into_iter().map(|child| sum(child, of)).sum(),
    }
}

fn metric(leaf: &dyn ExecutionPlan, name: &str) -> u64 {
    leaf.metrics().and_then(|metrics| metrics.sum_by_name(name)).map_or(0, |value| value.as_usize() as u64)
}
