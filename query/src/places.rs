//! Where a row lies: two columns behind those of the table, which no statement can name.
//!
//! A plan that sorts narrow rows first and reads the wide columns of the few that remain carries them along.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Int64Array, UInt32Array};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::{ColumnStatistics, Statistics};
use parquet::arrow::RowNumber;
use tephra_storage::schema::{COLUMNS, table_schema};

/// The index of the column that numbers the part: a cold file or a hot segment.
pub(crate) const PART: usize = COLUMNS.len();
/// The index of the column that numbers the row within its part.
pub(crate) const ROW: usize = PART + 1;

/// Hot segments are numbered from here, cold files from 0.
const HOT: u32 = 1 << 31;

/// A part of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// The file at this index of the cold version.
    Cold(u32),
    /// The segment at this index of the hot list.
    Hot(u32),
}

impl Place {
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Cold(index) => index,
            Self::Hot(index) => HOT | index,
        }
    }

    pub(crate) fn of(number: u32) -> Self {
        if number & HOT == 0 { Self::Cold(number) } else { Self::Hot(number & !HOT) }
    }
}

/// The columns of the table, then the two.
pub(crate) fn places_schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let mut fields: Vec<FieldRef> = table_schema().fields().iter().cloned().collect();
        fields.extend([part_field(), row_field()]);
        Arc::new(Schema::new(fields))
    });
    SCHEMA.clone()
}

pub(crate) fn part_field() -> FieldRef {
    Arc::new(Field::new("__part", DataType::UInt32, false))
}

/// The Parquet reader fills a column of this type by itself.
pub(crate) fn row_field() -> FieldRef {
    Arc::new(Field::new("__row", DataType::Int64, false).with_extension_type(RowNumber))
}

/// The two columns of the rows `rows` of one part.
pub(crate) fn columns(part: u32, rows: impl Iterator<Item = usize>) -> [ArrayRef; 2] {
    let rows: Int64Array = rows.map(|row| row as i64).collect();
    [Arc::new(UInt32Array::from(vec![part; rows.len()])), Arc::new(rows)]
}

/// Statistics of the table's columns, widened by the two.
pub(crate) fn widen(mut statistics: Statistics) -> Statistics {
    statistics.column_statistics.resize(ROW + 1, ColumnStatistics::new_unknown());
    statistics
}

/// The index in `all` of each of `kept`, which are some of them in the same order.
pub(crate) fn numbers<'a, T: 'a>(all: impl Iterator<Item = &'a Arc<T>>, kept: &[Arc<T>]) -> Vec<u32> {
    let mut all = all.enumerate();
    let find = |part: &Arc<T>| all.find(|(_, other)| Arc::ptr_eq(other, part)).map(|(index, _)| index as u32);
    kept.iter().filter_map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_places_read_back() {
        for place in [Place::Cold(0), Place::Cold(9_999), Place::Hot(0), Place::Hot(7)] {
            assert_eq!(Place::of(place.number()), place);
        }
    }

    #[test]
    fn what_is_kept_keeps_its_number() {
        let all: Vec<Arc<u8>> = (0..5).map(Arc::new).collect();
        assert_eq!(numbers(all.iter(), &[all[1].clone(), all[4].clone()]), [1, 4]);
    }
}
