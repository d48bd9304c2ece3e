//! Ids are bytes in the files and hexadecimal text in SQL: the expressions that translate.
//!
//! A query that says `event_id = '0AF7…'` is rewritten to compare bytes, so that bloom filters, page indexes and row
//! filters see a plain comparison of the stored column; any other use of an id becomes [`HexExpr`] over the column.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayBuilder, ArrayRef, AsArray, BufferBuilder, ByteView, DictionaryArray, FixedSizeBinaryArray, Int32Array,
    StringBuilder, StringViewArray,
};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, InListExpr, Literal, binary, in_list, is_not_null, is_null, lit,
};

/// Ids that repeat in runs at least this long are spelled once a run.
const RUN_ROWS: usize = 4;

/// The hexadecimal text of an id column.
#[derive(Debug, Clone, Eq)]
pub(crate) struct HexExpr {
    id: Arc<dyn PhysicalExpr>,
}

// Derived, the two would move out of the `Arc`.
impl PartialEq for HexExpr {
    fn eq(&self, other: &Self) -> bool {
        self.id.eq(&other.id)
    }
}

impl Hash for HexExpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl HexExpr {
    pub(crate) fn new(id: Arc<dyn PhysicalExpr>) -> Self {
        Self { id }
    }
}

impl fmt::Display for HexExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hex({})", self.id)
    }
}

impl PhysicalExpr for HexExpr {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.id.nullable(input)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let ids = self.id.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(hex_text(&ids)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.id]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        match <[_; 1]>::try_from(children) {
            Ok([id]) => Ok(Arc::new(Self { id })),
            Err(_) => Err(exec_datafusion_err!("`hex` takes one expression")),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt_sql(f)
    }
}

/// The hexadecimal text of fixed-size bytes.
pub(crate) fn hex_text(ids: &ArrayRef) -> Result<ArrayRef> {
    let ids = ids.as_fixed_size_binary_opt().ok_or_else(|| exec_datafusion_err!("an id column that is not bytes"))?;
    let runs = (1..ids.len()).filter(|row| ids.value(*row) != ids.value(row - 1)).count() + 1;
    if runs * RUN_ROWS < ids.len() { hex_runs(ids, runs) } else { hex_rows(ids) }
}

/// Files are sorted by group: one text serves all rows of a run.
fn hex_runs(ids: &FixedSizeBinaryArray, runs: usize) -> Result<ArrayRef> {
    let mut words = StringBuilder::with_capacity(runs, runs * ids.value_length() as usize * 2);
    let mut keys = Vec::with_capacity(ids.len());
    for row in 0..ids.len() {
        if row == 0 || ids.value(row) != ids.value(row - 1) {
            words.append_value(hex::encode(ids.value(row)));
        }
        keys.push(words.len() as i32 - 1);
    }
    let keys = Int32Array::new(keys.into(), ids.nulls().cloned());
    let runs = DictionaryArray::<Int32Type>::try_new(keys, Arc::new(words.finish()))?;
    Ok(cast(&runs, &DataType::Utf8View)?)
}

fn hex_rows(ids: &FixedSizeBinaryArray) -> Result<ArrayRef> {
    let length = ids.value_length() as usize * 2;
    let mut text = BufferBuilder::<u8>::new(ids.len() * length);
    let mut views = Vec::with_capacity(ids.len());
    let mut digits = [0_u8; 64];
    for row in 0..ids.len() {
        let at = text.len();
        let written = digits.get_mut(..length).ok_or_else(|| exec_datafusion_err!("an id of {length} digits"))?;
        hex::encode_to_slice(ids.value(row), written).map_err(|error| exec_datafusion_err!("{error}"))?;
        text.append_slice(written);
        views.push(ByteView::new(length as u32, &digits[..4]).with_offset(at as u32).as_u128());
    }
    let array = StringViewArray::try_new(ScalarBuffer::from(views), vec![text.finish()], ids.nulls().cloned())?;
    Ok(Arc::new(array))
}

/// Reads an id of `bytes` bytes as people write it: hexadecimal digits in any case, a UUID's dashes allowed for 16.
pub(crate) fn parse_id(text: &str, bytes: usize) -> Option<Vec<u8>> {
    let text = text.trim();
    let dashed = bytes == 16 && text.len() == 36 && [8, 13, 18, 23].iter().all(|at| text.as_bytes()[*at] == b'-');
    let found = if dashed { hex::decode(text.replace('-', "")) } else { hex::decode(text) };
    found.ok().filter(|found| found.len() == bytes)
}

/// Rewrites a comparison of an id's text with literals to one of its bytes; children are rewritten already.
pub(crate) fn compare_bytes(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    if let Some(comparison) = expr.downcast_ref::<BinaryExpr>() {
        let (left, right) = (comparison.left(), comparison.right());
        let (id, literal) = match (left.downcast_ref::<HexExpr>(), right.downcast_ref::<HexExpr>()) {
            (Some(id), None) => (id, right),
            (None, Some(id)) => (id, left),
            (Some(left), Some(right)) if is_equality(*comparison.op()) => {
                return Ok(Some(binary(left.id.clone(), *comparison.op(), right.id.clone(), schema)?));
            }
            _ => return Ok(None),
        };
        return match literal.downcast_ref::<Literal>() {
            Some(literal) if is_equality(*comparison.op()) => compare(id, *comparison.op(), literal.value(), schema),
            _ => Ok(None),
        };
    }
    if let Some(list) = expr.downcast_ref::<InListExpr>()
        && let Some(id) = list.expr().downcast_ref::<HexExpr>()
    {
        return within(id, list, schema);
    }
    Ok(None)
}

fn is_equality(op: Operator) -> bool {
    matches!(op, Operator::Eq | Operator::NotEq | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom)
}

fn compare(
    id: &HexExpr,
    op: Operator,
    literal: &ScalarValue,
    schema: &Schema,
) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    let Some(Some(text)) = literal.try_as_str() else { return Ok(None) };
    if let Some(bytes) = id_literal(id, text, schema)? {
        return Ok(Some(binary(id.id.clone(), op, bytes, schema)?));
    }
    // No id is written so: false where there is an id, NULL where there is none, as in SQL.
    let unknown = lit(ScalarValue::Boolean(None));
    Ok(match op {
        Operator::Eq => Some(binary(is_null(id.id.clone())?, Operator::And, unknown, schema)?),
        Operator::NotEq => Some(binary(is_not_null(id.id.clone())?, Operator::Or, unknown, schema)?),
        _ => None,
    })
}

fn within(id: &HexExpr, list: &InListExpr, schema: &Schema) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    let mut ids = Vec::with_capacity(list.list().len());
    for item in list.list() {
        let Some(text) = item.downcast_ref::<Literal>().and_then(|literal| literal.value().try_as_str().flatten())
        else {
            return Ok(None);
        };
        ids.extend(id_literal(id, text, schema)?);
    }
    if ids.is_empty() {
        return Ok(None);
    }
    Ok(Some(in_list(id.id.clone(), ids, &list.negated(), schema)?))
}

fn id_literal(id: &HexExpr, text: &str, schema: &Schema) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    let DataType::FixedSizeBinary(length) = id.id.data_type(schema)? else { return Ok(None) };
    Ok(parse_id(text, length as usize).map(|bytes| lit(ScalarValue::FixedSizeBinary(length, Some(bytes)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_ids_are_spelled_as_single_ones_are() {
        let ids: Vec<Option<[u8; 8]>> =
            (0..100_u64).map(|row| (row % 30 != 7).then(|| (row / 25).to_be_bytes())).collect();
        let ids = FixedSizeBinaryArray::try_from_sparse_iter_with_size(ids.into_iter(), 8).unwrap();
        let (runs, rows) = (hex_runs(&ids, 9).unwrap(), hex_rows(&ids).unwrap());
        assert_eq!(runs.as_string_view(), rows.as_string_view());
        let ids: ArrayRef = Arc::new(ids);
        assert_eq!(hex_text(&ids).unwrap().as_string_view(), rows.as_string_view());
    }

    #[test]
    fn ids_are_read_in_all_spellings() {
        let id = [0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c];
        for text in [
            "0af7651916cd43dd8448eb211c80319c",
            "0AF7651916CD43DD8448EB211C80319C",
            "0af76519-16cd-43dd-8448-eb211c80319c",
            "0AF76519-16CD-43DD-8448-EB211C80319C",
        ] {
            assert_eq!(parse_id(text, 16).as_deref(), Some(&id[..]), "{text}");
        }
        for text in ["", "0af7", "0af7651916cd43dd8448eb211c80319g", "0af765-1916cd43dd8448eb211c80319c"] {
            assert_eq!(parse_id(text, 16), None, "{text}");
        }
    }
}
