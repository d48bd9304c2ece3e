//! Which events a socket wants: a search and the projects that its caller reaches.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use tephra_query::{Matcher, Search};
use tephra_storage::ProjectId;

use crate::answer::Result;

/// A search, ready to be held against batches.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    /// Its text: sockets with one text share the work.
    pub(super) text: Arc<str>,
    matcher: Matcher,
}

impl Filter {
    pub(super) fn new(text: &str, now_us: i64) -> Result<Self> {
        let search = Search::parse(text).map_err(tephra_query::Error::from)?;
        Ok(Self { text: text.into(), matcher: search.matcher(now_us).map_err(tephra_query::Error::from)? })
    }

    /// The columns that a batch must have.
    pub(super) fn columns(&self) -> &[usize] {
        self.matcher.columns()
    }

    /// The rows that match, whatever their projects.
    pub(super) fn rows(&self, batch: &RecordBatch) -> Result<Vec<u32>> {
        let selected = self.matcher.select(batch)?;
        Ok(selected.values().set_indices().map(|row| row as u32).collect())
    }
}

/// The project of each row.
pub(super) fn projects_of(batch: &RecordBatch) -> &[i64] {
    let column = batch.column_by_name("project_id").and_then(|column| column.as_primitive_opt::<Int64Type>());
    column.map(|column| column.values().as_ref()).unwrap_or_default()
}

/// Whether a row is of one of the projects, which are sorted.
pub(super) fn is_of(projects: &[ProjectId], project: Option<&i64>) -> bool {
    project.is_some_and(|project| projects.binary_search(&ProjectId(*project)).is_ok())
}
