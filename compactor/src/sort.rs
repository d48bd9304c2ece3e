//! Sorts hot batches by project, group and time, newest first, without copying more than one output batch at a time.
//!
//! Only the keys are sorted; rows are gathered from their batches as they are written. Dictionaries of all batches are
//! unified first, so that gathering a repeated string is gathering a number.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Int32Array, StringBuilder};
use arrow::compute::interleave;
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use chrono::DateTime;
use hashbrown::HashTable;
use tephra_storage::schema::{COLUMNS, ColumnKind, column_index, hot_schema};
use tephra_storage::{Error, ErrorKind, Partition, Result};

/// Rows of an output batch.
const OUTPUT_ROWS: usize = 8192;
/// An event this much older than its receipt goes to a file of its own.
const LATE_US: i64 = 3_600_000_000;
const DAY_US: i64 = 86_400_000_000;

/// A row and what it is sorted by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    project: i64,
    group: [u8; 8],
    time: Reverse<i64>,
    batch: u32,
    row: u32,
}

/// Hot batches, ready to be read in the order of a file.
pub(crate) struct Sorted {
    columns: Vec<Vec<ArrayRef>>,
    dictionaries: Vec<Option<ArrayRef>>,
    partitions: BTreeMap<Partition, Vec<Key>>,
}

impl Sorted {
    /// Sorts batches in the hot form.
    pub(crate) fn new(batches: &[RecordBatch], retention_days: u16) -> Result<Self> {
        let mut partitions: BTreeMap<(i64, bool), Vec<Key>> = BTreeMap::new();
        for (number, batch) in batches.iter().enumerate() {
            let projects = batch.column(column_index("project_id")).as_primitive::<Int64Type>().values();
            let groups = batch.column(column_index("group_hash")).as_fixed_size_binary();
            let time = |name| batch.column(column_index(name)).as_primitive::<TimestampMicrosecondType>().values();
            let (times, received) = (time("timestamp"), time("received_at"));
            for row in 0..batch.num_rows() {
                let late = times[row] < received[row].saturating_sub(LATE_US);
                let group = groups.value(row).try_into().unwrap_or_default();
                let key = Key {
                    project: projects[row],
                    group,
                    time: Reverse(times[row]),
                    batch: number as u32,
                    row: row as u32,
                };
                partitions.entry((received[row].div_euclid(DAY_US), late)).or_default().push(key);
            }
        }
        partitions.values_mut().for_each(|keys| keys.sort_unstable());
        let mut columns = Vec::with_capacity(COLUMNS.len());
        let mut dictionaries = Vec::with_capacity(COLUMNS.len());
        for (index, column) in COLUMNS.iter().enumerate() {
            let arrays: Vec<&ArrayRef> = batches.iter().map(|batch| batch.column(index)).collect();
            if matches!(column.kind, ColumnKind::Word | ColumnKind::Stack) {
                let (keys, values) = unify(&arrays);
                columns.push(keys);
                dictionaries.push(Some(values));
            } else {
                columns.push(arrays.into_iter().cloned().collect());
                dictionaries.push(None);
            }
        }
        let partitions = partitions
            .into_iter()
            .map(|((day, late), keys)| (Partition { retention_days, day: day_name(day), late }, keys));
        Ok(Self { columns, dictionaries, partitions: partitions.collect() })
    }

    /// The files that these rows make.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = &Partition> {
        self.partitions.keys()
    }

    /// The rows of one file, in order, in batches.
    pub(crate) fn read(&self, partition: &Partition) -> impl Iterator<Item = Result<RecordBatch>> {
        let keys = self.partitions.get(partition).map_or(&[][..], Vec::as_slice);
        keys.chunks(OUTPUT_ROWS).map(|chunk| self.gather(chunk).map_err(broken))
    }

    fn gather(&self, keys: &[Key]) -> std::result::Result<RecordBatch, ArrowError> {
        let rows: Vec<(usize, usize)> = keys.iter().map(|key| (key.batch as usize, key.row as usize)).collect();
        let mut columns = Vec::with_capacity(self.columns.len());
        for (arrays, dictionary) in self.columns.iter().zip(&self.dictionaries) {
            let arrays: Vec<&dyn Array> = arrays.iter().map(|array| array.as_ref()).collect();
            let gathered = interleave(&arrays, &rows)?;
            columns.push(match dictionary {
                Some(values) => {
                    let keys = gathered.as_primitive::<Int32Type>().clone();
                    Arc::new(DictionaryArray::try_new(keys, values.clone())?) as ArrayRef
                }
                None => gathered,
            });
        }
        RecordBatch::try_new(hot_schema(), columns)
    }
}

/// The keys of each dictionary array, renumbered into one dictionary, and that dictionary's values.
fn unify(arrays: &[&ArrayRef]) -> (Vec<ArrayRef>, ArrayRef) {
    if let Some(shared) = shared(arrays) {
        return shared;
    }
    let hasher = ahash::RandomState::new();
    let mut table: HashTable<(u64, i32)> = HashTable::new();
    let mut values = StringBuilder::new();
    let mut known: Option<(ArrayRef, Vec<i32>)> = None;
    let mut keys = Vec::with_capacity(arrays.len());
    for array in arrays {
        let dictionary = array.as_dictionary::<Int32Type>();
        // Batches in memory share the values of their stacks.
        let shared = known.as_ref().is_some_and(|(values, _)| Arc::ptr_eq(values, dictionary.values()));
        if !shared {
            let local = dictionary.values().as_string::<i32>();
            let numbers = local.iter().map(|value| {
                let value = value.unwrap_or_default();
                let hash = hasher.hash_one(value);
                let slice = (values.values_slice(), values.offsets_slice());
                let at = |number: i32| {
                    let number = number as usize;
                    &slice.0[slice.1[number] as usize..slice.1[number + 1] as usize]
                };
                let found = table.find(hash, |(h, number)| *h == hash && at(*number) == value.as_bytes());
                if let Some((_, number)) = found {
                    return *number;
                }
                let number = (values.offsets_slice().len() - 1) as i32;
                values.append_value(value);
                table.insert_unique(hash, (hash, number), |(hash, _)| *hash);
                number
            });
            known = Some((dictionary.values().clone(), numbers.collect()));
        }
        let numbers = known.as_ref().map_or(&[][..], |(_, numbers)| numbers);
        let renumbered: Int32Array =
            dictionary.keys().iter().map(|key| key.and_then(|key| numbers.get(key as usize).copied())).collect();
        keys.push(Arc::new(renumbered) as ArrayRef);
    }
    (keys, Arc::new(values.finish()))
}

/// The same where all have one dictionary already, as batches in memory have their stacks: nothing is copied.
fn shared(arrays: &[&ArrayRef]) -> Option<(Vec<ArrayRef>, ArrayRef)> {
    let values = arrays.first()?.as_dictionary::<Int32Type>().values();
    let keys = arrays.iter().map(|array| {
        let dictionary = array.as_dictionary::<Int32Type>();
        Arc::ptr_eq(dictionary.values(), values).then(|| Arc::new(dictionary.keys().clone()) as ArrayRef)
    });
    Some((keys.collect::<Option<_>>()?, values.clone()))
}

fn day_name(day: i64) -> String {
    let time = day.checked_mul(DAY_US).and_then(DateTime::from_timestamp_micros).unwrap_or_default();
    time.format("%Y-%m-%d").to_string()
}

fn broken(error: ArrowError) -> Error {
    Error::caused(ErrorKind::Internal, "could not sort hot events", error)
}
