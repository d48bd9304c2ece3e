//! A run of hot batches as readers see it: in memory while there is room, else read back from RocksDB.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{concat, max, min};
use arrow::datatypes::{Int64Type, SchemaRef, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use parking_lot::RwLock;

use crate::error::{Error, ErrorKind, Result};
use crate::event::ProjectId;
use crate::hot::db::Db;
use crate::hot::stacks::StackTable;
use crate::schema::{COLUMNS, ColumnKind, column_index, hot_schema};

/// Hot batches with consecutive sequence numbers.
pub struct HotSegment {
    db: Arc<Db>,
    first: u64,
    last: u64,
    rows: usize,
    timestamps: (i64, i64),
    received: (i64, i64),
    projects: Vec<ProjectId>,
    bytes: usize,
    resident: RwLock<Option<Resident>>,
}

/// The rows in memory: as the hot form, but stack columns are numbers into the table.
#[derive(Clone)]
struct Resident {
    columns: Vec<ArrayRef>,
    stacks: Arc<StackTable>,
}

impl HotSegment {
    /// A segment of one batch in the hot form.
    pub(crate) fn new(db: Arc<Db>, sequence: u64, batch: RecordBatch, stacks: &Arc<StackTable>) -> Result<Self> {
        let (_, mut columns, _) = batch.into_parts();
        for (column, array) in COLUMNS.iter().zip(&mut columns) {
            match column.kind {
                ColumnKind::Stack => *array = Arc::new(stacks.intern(array)?),
                // Builders leave room for rows that never came.
                _ => array.shrink_to_fit(),
            }
        }
        Ok(Self::resident(db, sequence, sequence, columns, stacks.clone()))
    }

    fn resident(db: Arc<Db>, first: u64, last: u64, columns: Vec<ArrayRef>, stacks: Arc<StackTable>) -> Self {
        let time_range = |name: &str| {
            let times = columns[column_index(name)].as_primitive::<TimestampMicrosecondType>();
            (min(times).unwrap_or_default(), max(times).unwrap_or_default())
        };
        let ids = columns[column_index("project_id")].as_primitive::<Int64Type>().values();
        let mut projects: Vec<ProjectId> = ids.iter().map(|id| ProjectId(*id)).collect();
        projects.sort_unstable();
        projects.dedup();
        Self {
            db,
            first,
            last,
            rows: ids.len(),
            timestamps: time_range("timestamp"),
            received: time_range("received_at"),
            projects,
            bytes: columns.iter().map(bytes).sum(),
            resident: RwLock::new(Some(Resident { columns, stacks })),
        }
    }

    /// One segment of several neighbours, where all are in memory and share their table of stacks.
    pub(crate) fn join(segments: &[Arc<Self>]) -> Result<Option<Self>> {
        let (Some(first), Some(last)) = (segments.first(), segments.last()) else { return Ok(None) };
        let Some(parts) = segments.iter().map(|segment| segment.resident.read().clone()).collect::<Option<Vec<_>>>()
        else {
            return Ok(None);
        };
        let stacks = parts[0].stacks.clone();
        if parts.iter().any(|part| !Arc::ptr_eq(&part.stacks, &stacks)) {
            return Ok(None);
        }
        let mut columns = Vec::with_capacity(COLUMNS.len());
        for index in 0..COLUMNS.len() {
            let arrays: Vec<&dyn Array> = parts.iter().map(|part| part.columns[index].as_ref()).collect();
            columns.push(concat(&arrays).map_err(broken)?);
        }
        Ok(Some(Self::resident(first.db.clone(), first.first, last.last, columns, stacks)))
    }

    /// The first and the last sequence number.
    pub fn sequences(&self) -> (u64, u64) {
        (self.first, self.last)
    }

    /// The number of events.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// About how many bytes the rows take in memory, without their stacks.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The least and the greatest `timestamp`, µs.
    pub fn timestamps(&self) -> (i64, i64) {
        self.timestamps
    }

    /// The least and the greatest `received_at`, µs.
    pub fn received(&self) -> (i64, i64) {
        self.received
    }

    /// The projects of the events, sorted, each once.
    pub fn projects(&self) -> &[ProjectId] {
        &self.projects
    }

    /// Whether the rows are in memory.
    pub fn is_resident(&self) -> bool {
        self.resident.read().is_some()
    }

    /// Lets the rows go from memory; they are read from RocksDB from now on.
    pub(crate) fn evict(&self) {
        *self.resident.write() = None;
    }

    /// The columns with these indexes in the hot form. Blocks: an old segment is read from RocksDB.
    ///
    /// # Errors
    /// `Corrupt` naming the batch whose stored value is not what was written.
    pub fn read(&self, projection: &[usize]) -> Result<Vec<RecordBatch>> {
        let resident = self.resident.read().clone();
        let Some(resident) = resident else {
            let batches = self.db.batches(self.first, self.last)?;
            return batches.iter().map(|batch| batch.project(projection).map_err(broken)).collect();
        };
        let mut columns = Vec::with_capacity(projection.len());
        for index in projection {
            let column =
                resident.columns.get(*index).ok_or_else(|| Error::internal(format!("no column with index {index}")))?;
            columns.push(match COLUMNS[*index].kind {
                ColumnKind::Stack => resident.stacks.column(column.as_primitive())?,
                _ => column.clone(),
            });
        }
        let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch =
            RecordBatch::try_new_with_options(hot_projection(projection)?, columns, &options).map_err(broken)?;
        Ok(vec![batch])
    }
}

/// What the rows take, whatever larger buffer they lie in.
fn bytes(column: &ArrayRef) -> usize {
    let data = column.to_data();
    data.get_slice_memory_size().unwrap_or_else(|_| data.get_buffer_memory_size())
}

fn hot_projection(projection: &[usize]) -> Result<SchemaRef> {
    hot_schema().project(projection).map(Arc::new).map_err(broken)
}

fn broken(error: arrow::error::ArrowError) -> Error {
    Error::caused(ErrorKind::Internal, "could not read hot batches", error)
}
