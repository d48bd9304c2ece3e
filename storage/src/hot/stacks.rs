//! Distinct stacks and frames of the hot batches in memory, each held once.
//!
//! A busy project throws the same few thousand stacks all day, and a batch of a few megabytes repeats most of its
//! predecessor's. Batches in memory therefore hold numbers into one table, which lives as long as the batches that
//! were begun with it: each roll starts a new one.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Int32Array, StringArray, StringBuilder};
use arrow::datatypes::Int32Type;
use hashbrown::HashTable;
use parking_lot::RwLock;

use crate::error::{Error, Result};

/// An append-only table of distinct strings.
#[derive(Default)]
pub(crate) struct StackTable(RwLock<Inner>);

#[derive(Default)]
struct Inner {
    rows: HashTable<u32>,
    stacks: Vec<Arc<str>>,
    bytes: usize,
    hasher: ahash::RandomState,
    values: Option<Arc<StringArray>>,
}

impl StackTable {
    /// The numbers, in this table, of a dictionary column's rows.
    pub(crate) fn intern(&self, column: &dyn Array) -> Result<Int32Array> {
        let column = column
            .as_dictionary_opt::<Int32Type>()
            .ok_or_else(|| Error::internal("a stack column that is not a dictionary"))?;
        let values = column.values().as_string::<i32>();
        let mut inner = self.0.write();
        let numbers: Vec<i32> = values.iter().map(|stack| inner.number(stack.unwrap_or_default())).collect();
        Ok(column.keys().iter().map(|key| key.and_then(|key| numbers.get(key as usize).copied())).collect())
    }

    /// The dictionary column of rows that `intern` numbered. All columns of one table share their values.
    pub(crate) fn column(&self, numbers: &Int32Array) -> Result<ArrayRef> {
        let values = self.values();
        let column = DictionaryArray::<Int32Type>::try_new(numbers.clone(), values)
            .map_err(|error| Error::caused(crate::ErrorKind::Internal, "could not read a stack column", error))?;
        Ok(Arc::new(column))
    }

    /// The bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.0.read().bytes
    }

    fn values(&self) -> Arc<StringArray> {
        let known = |inner: &Inner| inner.values.clone().filter(|values| values.len() == inner.stacks.len());
        if let Some(values) = known(&self.0.read()) {
            return values;
        }
        let mut inner = self.0.write();
        if let Some(values) = known(&inner) {
            return values;
        }
        let mut builder = StringBuilder::with_capacity(inner.stacks.len(), inner.bytes);
        inner.stacks.iter().for_each(|stack| builder.append_value(stack));
        let values = Arc::new(builder.finish());
        inner.values = Some(values.clone());
        values
    }
}

impl Inner {
    fn number(&mut self, stack: &str) -> i32 {
        let Self { rows, stacks, bytes, hasher, .. } = self;
        let hash = hasher.hash_one(stack);
        let at = |row: &u32| stacks.get(*row as usize).map_or("", |stack| &**stack);
        if let Some(row) = rows.find(hash, |row| at(row) == stack) {
            return *row as i32;
        }
        let row = stacks.len() as u32;
        rows.insert_unique(hash, row, |row| hasher.hash_one(at(row)));
        stacks.push(stack.into());
        *bytes += stack.len();
        row as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_share_one_copy_of_each_stack() {
        let table = StackTable::default();
        let batch = |stacks: &[Option<&str>]| stacks.iter().copied().collect::<DictionaryArray<Int32Type>>();
        let first = table.intern(&batch(&[Some("a"), None, Some("b"), Some("a")])).unwrap();
        let second = table.intern(&batch(&[Some("b"), Some("c")])).unwrap();
        assert_eq!(table.bytes(), 3);
        let text = |column: ArrayRef| {
            let strings = arrow::compute::cast(&column, &arrow::datatypes::DataType::Utf8).unwrap();
            strings.as_string::<i32>().iter().map(|s| s.map(str::to_owned)).collect::<Vec<_>>()
        };
        let some = |s: &str| Some(s.to_owned());
        let (first, second) = (table.column(&first).unwrap(), table.column(&second).unwrap());
        assert!(Arc::ptr_eq(first.as_dictionary::<Int32Type>().values(), second.as_dictionary::<Int32Type>().values()));
        assert_eq!(text(first), [some("a"), None, some("b"), some("a")]);
        assert_eq!(text(second), [some("b"), some("c")]);
    }
}
