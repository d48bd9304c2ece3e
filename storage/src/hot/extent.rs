//! What is known of hot rows without reading them: how many, from when, of which projects.

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::{max, min};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};

use crate::event::ProjectId;
use crate::schema::column_index;

/// Bounds of some rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) rows: usize,
    /// The least and the greatest `timestamp`, µs.
    pub(crate) timestamps: (i64, i64),
    /// The least and the greatest `received_at`, µs.
    pub(crate) received: (i64, i64),
    /// Sorted, each once.
    pub(crate) projects: Vec<ProjectId>,
}

impl Extent {
    /// Of the columns of a batch, all of them and in their order.
    pub(crate) fn of(columns: &[ArrayRef]) -> Self {
        let time_range = |name: &str| {
            let times = columns[column_index(name)].as_primitive::<TimestampMicrosecondType>();
            (min(times).unwrap_or_default(), max(times).unwrap_or_default())
        };
        let ids = columns[column_index("project_id")].as_primitive::<Int64Type>().values();
        let mut projects: Vec<ProjectId> = ids.iter().map(|id| ProjectId(*id)).collect();
        projects.sort_unstable();
        projects.dedup();
        Self { rows: ids.len(), timestamps: time_range("timestamp"), received: time_range("received_at"), projects }
    }

    /// Of these rows and others.
    pub(crate) fn join(mut self, other: Self) -> Self {
        let widest = |a: (i64, i64), b: (i64, i64)| (a.0.min(b.0), a.1.max(b.1));
        self.rows += other.rows;
        self.timestamps = widest(self.timestamps, other.timestamps);
        self.received = widest(self.received, other.received);
        self.projects.extend(other.projects);
        self.projects.sort_unstable();
        self.projects.dedup();
        self
    }
}
