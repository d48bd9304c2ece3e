//! The table `events`: one snapshot of both tiers, bound to the caller's projects.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result};
use datafusion::datasource::TableType;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use tephra_storage::schema::table_schema;
use tephra_storage::{ColdFile, HotSegment, Snapshot};

use crate::cold::{self, ColdReader};
use crate::hot::HotExec;
use crate::places::{self, Place};
use crate::prune;
use crate::scope::Scope;

/// Hot ∪ cold of one snapshot.
#[derive(Clone)]
pub(crate) struct EventsTable {
    snapshot: Arc<Snapshot>,
    scope: Scope,
    reader: ColdReader,
    places: bool,
}

impl EventsTable {
    pub(crate) fn new(snapshot: Arc<Snapshot>, scope: Scope, reader: ColdReader) -> Self {
        Self { snapshot, scope, reader, places: false }
    }

    /// The same rows with the columns of `places`.
    pub(crate) fn with_places(&self) -> Self {
        Self { places: true, ..self.clone() }
    }

    pub(crate) fn shows_places(&self) -> bool {
        self.places
    }

    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    pub(crate) fn reader(&self) -> &ColdReader {
        &self.reader
    }

    /// Newest first.
    fn segments(&self) -> Vec<Arc<HotSegment>> {
        let hot = self.snapshot.hot().iter().rev();
        hot.filter(|segment| self.scope.meets(segment.projects())).cloned().collect()
    }

    /// Newest first.
    fn files(&self) -> Vec<Arc<ColdFile>> {
        let cold = self.snapshot.cold().files.iter();
        cold.filter(|file| self.scope.meets(&file.projects)).cloned().collect()
    }

    fn file_numbers(&self, files: &[Arc<ColdFile>]) -> Vec<u32> {
        let numbers = places::numbers(self.snapshot.cold().files.iter(), files);
        numbers.into_iter().map(|index| Place::Cold(index).number()).collect()
    }

    fn segment_numbers(&self, segments: &[Arc<HotSegment>]) -> Vec<u32> {
        let last = self.snapshot.hot().len().saturating_sub(1) as u32;
        let numbers = places::numbers(self.snapshot.hot().iter().rev(), segments);
        numbers.into_iter().map(|from_end| Place::Hot(last - from_end).number()).collect()
    }
}

impl std::fmt::Debug for EventsTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventsTable").field("scope", &self.scope).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for EventsTable {
    fn schema(&self) -> SchemaRef {
        if self.places { places::places_schema() } else { table_schema() }
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all = || (0..self.schema().fields().len()).collect();
        let projection: Vec<usize> = projection.cloned().unwrap_or_else(all);
        let limit = limit.filter(|_| filters.is_empty());

        let predicate = match conjunction(filters.to_vec()) {
            Some(filter) => {
                Some(state.create_physical_expr(filter, &DFSchema::try_from(table_schema().as_ref().clone())?)?)
            }
            None => None,
        };
        let (mut segments, mut files) = (self.segments(), self.files());
        prune::keep(&mut segments, predicate.as_ref())?;
        prune::keep(&mut files, predicate.as_ref())?;

        let mut tiers: Vec<Arc<dyn ExecutionPlan>> = Vec::with_capacity(2);
        if !files.is_empty() {
            let parts = self.places.then(|| self.file_numbers(&files));
            let (reader, predicate) = (&self.reader, predicate.as_ref());
            tiers.push(cold::scan(reader, &files, parts.as_deref(), &self.scope, &projection, predicate, limit)?);
        }
        if !segments.is_empty() {
            let threads = self.reader.threads;
            let parts = self.segment_numbers(&segments);
            let segments = parts.into_iter().zip(segments).collect();
            let hot = HotExec::try_new(segments, self.scope.clone(), projection.clone(), limit, threads)?;
            tiers.push(Arc::new(hot));
        }
        match tiers.len() {
            0 => Ok(Arc::new(EmptyExec::new(Arc::new(self.schema().project(&projection)?)))),
            1 => Ok(tiers.remove(0)),
            _ => UnionExec::try_new(tiers),
        }
    }
}
