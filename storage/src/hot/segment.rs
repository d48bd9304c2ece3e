//! A run of hot batches as readers see it: in memory while there is room, else read back from RocksDB.
//!
//! Texts and tags are most of the bytes and least of what queries filter, group and sort by: they are let go first, and
//! are then read back only for the batches that hold a row that is asked for.
//!
//! A segment never changes, so that one who reads it twice reads the same rows: where a batch is set aside as damaged,
//! another segment takes its place for those who come later, and those who still hold the old one are told.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array};
use arrow::compute::{concat, concat_batches, filter_record_batch, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use parking_lot::RwLock;

use crate::error::{Error, ErrorKind, Result};
use crate::event::ProjectId;
use crate::hot::codec;
use crate::hot::db::Db;
use crate::hot::extent::Extent;
use crate::hot::stacks::StackTable;
use crate::schema::{COLUMNS, ColumnKind, hot_schema};

/// Hot batches with consecutive sequence numbers.
pub struct HotSegment {
    db: Arc<Db>,
    first: u64,
    last: u64,
    extent: Extent,
    /// Each batch's number and its rows, in order; empty where some were set aside.
    batches: Vec<(u64, usize)>,
    bytes: usize,
    /// Those of `bytes` that [`Self::evict_texts`] frees.
    text_bytes: usize,
    resident: RwLock<Option<Resident>>,
}

/// The rows in memory: as the hot form, but stack columns are numbers into the table.
#[derive(Clone)]
struct Resident {
    /// `None` where the column was let go.
    columns: Vec<Option<ArrayRef>>,
    stacks: Arc<StackTable>,
}

impl Resident {
    fn has(&self, index: usize) -> bool {
        self.columns.get(index).is_some_and(Option::is_some)
    }
}

fn is_text(kind: ColumnKind) -> bool {
    matches!(kind, ColumnKind::Text | ColumnKind::Tags)
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
        let rows = columns.first().map_or(0, |column| column.len());
        Ok(Self::resident(db, vec![(sequence, rows)], columns, stacks.clone()))
    }

    fn resident(db: Arc<Db>, batches: Vec<(u64, usize)>, columns: Vec<ArrayRef>, stacks: Arc<StackTable>) -> Self {
        let sizes: Vec<usize> = columns.iter().map(bytes).collect();
        let texts = COLUMNS.iter().zip(&sizes).filter(|(column, _)| is_text(column.kind));
        let (first, last) = (batches.first().map_or(0, |batch| batch.0), batches.last().map_or(0, |batch| batch.0));
        Self {
            db,
            first,
            last,
            extent: Extent::of(&columns),
            batches,
            bytes: sizes.iter().sum(),
            text_bytes: texts.map(|(_, bytes)| bytes).sum(),
            resident: RwLock::new(Some(Resident { columns: columns.into_iter().map(Some).collect(), stacks })),
        }
    }

    /// What is left of the segment once some of its batches were set aside.
    pub(crate) fn remainder(&self, extent: Extent) -> Self {
        let bytes = self.bytes / self.extent.rows.max(1) * extent.rows;
        let Self { first, last, .. } = *self;
        let (db, resident) = (self.db.clone(), RwLock::new(None));
        Self { db, first, last, extent, batches: Vec::new(), bytes, text_bytes: 0, resident }
    }

    /// One segment of several neighbours, where all are in memory and share their table of stacks.
    pub(crate) fn join(segments: &[Arc<Self>]) -> Result<Option<Self>> {
        let Some(first) = segments.first() else { return Ok(None) };
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
            let arrays: Option<Vec<&dyn Array>> = parts.iter().map(|part| part.columns[index].as_deref()).collect();
            let Some(arrays) = arrays else { return Ok(None) };
            columns.push(concat(&arrays).map_err(broken)?);
        }
        let batches = segments.iter().flat_map(|segment| segment.batches.iter().copied()).collect();
        Ok(Some(Self::resident(first.db.clone(), batches, columns, stacks)))
    }

    /// The first and the last sequence number.
    pub fn sequences(&self) -> (u64, u64) {
        (self.first, self.last)
    }

    /// The number of events.
    pub fn rows(&self) -> usize {
        self.extent.rows
    }

    /// About how many bytes the rows take in memory, without their stacks.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The least and the greatest `timestamp`, µs.
    pub fn timestamps(&self) -> (i64, i64) {
        self.extent.timestamps
    }

    /// The least and the greatest `received_at`, µs.
    pub fn received(&self) -> (i64, i64) {
        self.extent.received
    }

    /// The projects of the events, sorted, each once.
    pub fn projects(&self) -> &[ProjectId] {
        &self.extent.projects
    }

    /// Whether the rows are in memory with all their columns.
    pub fn is_resident(&self) -> bool {
        self.resident.read().as_ref().is_some_and(|resident| resident.columns.iter().all(Option::is_some))
    }

    /// The bytes that are in memory, without stacks.
    pub(crate) fn resident_bytes(&self) -> usize {
        match self.resident.read().as_ref() {
            None => 0,
            Some(resident) if resident.columns.iter().all(Option::is_some) => self.bytes,
            Some(_) => self.bytes - self.text_bytes,
        }
    }

    /// Lets texts and tags go from memory.
    pub(crate) fn evict_texts(&self) {
        if let Some(resident) = self.resident.write().as_mut() {
            let texts = COLUMNS.iter().zip(&mut resident.columns).filter(|(column, _)| is_text(column.kind));
            texts.for_each(|(_, array)| *array = None);
        }
    }

    /// Lets all columns go from memory; they are read from RocksDB from now on.
    pub(crate) fn evict(&self) {
        *self.resident.write() = None;
    }

    /// The columns with these indexes in the hot form. Blocks: an old segment is read from RocksDB.
    ///
    /// # Errors
    /// `Corrupt` naming the batch whose stored value is not what was written, or those of which one was set aside.
    pub fn read(&self, projection: &[usize]) -> Result<Vec<RecordBatch>> {
        if let Some(batch) = self.read_resident(projection)? {
            return Ok(vec![batch]);
        }
        let held: Vec<bool> = {
            let resident = self.resident.read();
            let has = |index: &usize| resident.as_ref().is_some_and(|resident| resident.has(*index));
            projection.iter().map(has).collect()
        };
        let missing: Vec<usize> = projection.iter().zip(&held).filter(|(_, held)| !**held).map(|at| *at.0).collect();
        let known: Vec<usize> = projection.iter().zip(&held).filter(|(_, held)| **held).map(|at| *at.0).collect();
        let (stored, known) = match self.read_resident(&known)?.filter(|_| !known.is_empty()) {
            Some(known) => (self.stored_columns(&missing)?, known),
            // Nothing is in memory, or what was has just been let go.
            None => {
                return self.stored(self.first, self.last, self.extent.rows)?.iter().map(project(projection)).collect();
            }
        };
        let (mut stored, mut known) = (stored.columns().iter(), known.columns().iter());
        let next = held.iter().filter_map(|held| if *held { known.next() } else { stored.next() }).cloned().collect();
        Ok(vec![self.batch(projection, next)?])
    }

    /// The same of the rows that `mask` keeps, which has one value for each row. Reads only the batches that hold one.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_rows(&self, projection: &[usize], mask: &BooleanArray) -> Result<RecordBatch> {
        let kept = |batch: &RecordBatch, mask: &BooleanArray| {
            filter_record_batch(&project(projection)(batch)?, mask).map_err(broken)
        };
        let mut found = Vec::new();
        if let Some(batch) = self.read_resident(projection)? {
            return filter_record_batch(&batch, mask).map_err(broken);
        } else if self.batches.is_empty() {
            let mut start = 0;
            for batch in self.stored(self.first, self.last, self.extent.rows)? {
                found.push(kept(&batch, &mask.slice(start, batch.num_rows()))?);
                start += batch.num_rows();
            }
        } else {
            let mut start = 0;
            for (number, rows) in &self.batches {
                let mask = mask.slice(start, *rows);
                start += rows;
                if mask.true_count() > 0 {
                    let batches = self.stored(*number, *number, *rows)?;
                    found.extend(batches.iter().map(|batch| kept(batch, &mask)).collect::<Result<Vec<_>>>()?);
                }
            }
        }
        concat_batches(&hot_projection(projection)?, &found).map_err(broken)
    }

    /// Some columns of each batch behind number `after`, without copying a row; `None` where they are not in memory.
    pub(crate) fn batches_after(&self, after: u64, projection: &[usize]) -> Result<Option<Vec<(u64, RecordBatch)>>> {
        let Some(all) = self.read_resident(projection)?.filter(|_| !self.batches.is_empty()) else { return Ok(None) };
        let (mut start, mut found) = (0, Vec::new());
        for (number, rows) in &self.batches {
            if *number > after {
                found.push((*number, all.slice(start, *rows)));
            }
            start += rows;
        }
        Ok(Some(found))
    }

    /// `None` where one of the columns is not in memory.
    fn read_resident(&self, projection: &[usize]) -> Result<Option<RecordBatch>> {
        let resident = self.resident.read().clone();
        let Some(resident) = resident.filter(|resident| projection.iter().all(|index| resident.has(*index))) else {
            return Ok(None);
        };
        let mut columns = Vec::with_capacity(projection.len());
        for (index, column) in projection.iter().filter_map(|index| Some((*index, resident.columns[*index].as_ref()?)))
        {
            columns.push(match COLUMNS[index].kind {
                ColumnKind::Stack => resident.stacks.column(column.as_primitive())?,
                _ => column.clone(),
            });
        }
        Ok(Some(self.batch(projection, columns)?))
    }

    fn batch(&self, projection: &[usize], columns: Vec<ArrayRef>) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.extent.rows));
        RecordBatch::try_new_with_options(hot_projection(projection)?, columns, &options).map_err(broken)
    }

    /// Some columns of all rows, from RocksDB. A decoded batch is one buffer that any of its columns holds: what is wanted is
    /// copied, so that the rest goes.
    fn stored_columns(&self, projection: &[usize]) -> Result<RecordBatch> {
        let mut parts = Vec::new();
        self.db.each_batch(self.first, self.last, |number, value| {
            let named = |error: Error| Error::caused(error.kind(), format!("could not read hot batch {number}"), error);
            let batch = project(projection)(&codec::decode(value).map_err(named)?)?;
            let rows: UInt32Array = (0..batch.num_rows() as u32).collect();
            parts.push(take_record_batch(&batch, &rows).map_err(broken)?);
            Ok(())
        })?;
        Self::check(self.first, self.last, parts.iter().map(RecordBatch::num_rows).sum(), self.extent.rows)?;
        concat_batches(&hot_projection(projection)?, &parts).map_err(broken)
    }

    /// Batches as RocksDB holds them, `written` rows in all.
    fn stored(&self, first: u64, last: u64, written: usize) -> Result<Vec<RecordBatch>> {
        let batches = self.db.batches(first, last)?;
        Self::check(first, last, batches.iter().map(RecordBatch::num_rows).sum(), written)?;
        Ok(batches)
    }

    fn check(first: u64, last: u64, rows: usize, written: usize) -> Result<()> {
        if rows == written {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "hot batches {first} to {last} hold {rows} events where {written} were written: a damaged one may have been set \
             aside meanwhile"
        )))
    }
}

fn project(projection: &[usize]) -> impl Fn(&RecordBatch) -> Result<RecordBatch> {
    |batch| batch.project(projection).map_err(broken)
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
