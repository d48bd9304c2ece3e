//! Filters over the hot form.
//!
//! A filter over one dictionary column is evaluated once for each distinct word or stack instead of once for each row,
//! and all segments that share a dictionary share the verdicts. So are the parts of an OR, such as a text that may stand in
//! any of several columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::prep_null_mask_filter;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, DynamicFilterPhysicalExpr, Literal};
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory};
use tephra_storage::schema::{column_index, hot_schema, table_schema};

use crate::adapter::TierAdapterFactory;
use crate::hot::convert::distinct_words;

/// One condition that a row must meet.
pub(super) struct Condition {
    /// Over the hot form of the columns that all conditions read.
    rows: Arc<dyn PhysicalExpr>,
    /// The same over the one dictionary column that it reads, in the table form.
    words: Option<Words>,
    /// The same where it asks for one id.
    id: Option<OneId>,
    /// The same as conditions of which one must be met, where that is worth it; those on words come first.
    any: Vec<Self>,
}

/// `column = id`, which is what a lookup is. Arrow's comparison takes three times as long.
struct OneId {
    column: String,
    id: Vec<u8>,
}

struct Words {
    column: String,
    expr: Arc<dyn PhysicalExpr>,
    schema: SchemaRef,
    /// A moving threshold changes its mind.
    keeps: bool,
    last: Option<(ArrayRef, BooleanArray)>,
}

/// The columns (indexes into the table form, ascending) that `filters` read.
pub(super) fn columns_of(filters: &[Arc<dyn PhysicalExpr>]) -> Vec<usize> {
    let mut columns: Vec<usize> =
        filters.iter().flat_map(collect_columns).map(|column| column_index(column.name())).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// Splits `filters` into conditions over the hot `columns`, the cheap ones first.
pub(super) fn conditions(filters: &[Arc<dyn PhysicalExpr>], columns: &[usize]) -> Result<Vec<Condition>> {
    let hot = Arc::new(hot_schema().project(columns)?);
    let adapter = TierAdapterFactory.create(table_schema(), hot.clone())?;
    let mut found = Vec::new();
    for filter in filters.iter().flat_map(split_conjunction) {
        let condition = Condition::of(filter, &hot, adapter.as_ref())?;
        let cost = match &condition.words {
            Some(_) => 1,
            None => collect_columns(filter)
                .iter()
                .map(|column| match hot.field_with_name(column.name()).map(Field::data_type) {
                    Ok(data_type) if data_type.is_primitive() => 0,
                    Ok(DataType::FixedSizeBinary(_) | DataType::Boolean) => 0,
                    _ => 2,
                })
                .max()
                .unwrap_or(0),
        };
        found.push((cost, condition));
    }
    found.sort_by_key(|(cost, _)| *cost);
    Ok(found.into_iter().map(|(_, condition)| condition).collect())
}

/// The parts of `a OR b OR c`.
fn split_disjunction(filter: &Arc<dyn PhysicalExpr>) -> Vec<&Arc<dyn PhysicalExpr>> {
    match filter.downcast_ref::<BinaryExpr>() {
        Some(or) if *or.op() == Operator::Or => {
            let mut parts = split_disjunction(or.left());
            parts.extend(split_disjunction(or.right()));
            parts
        }
        _ => vec![filter],
    }
}

impl OneId {
    fn of(condition: &Arc<dyn PhysicalExpr>) -> Option<Self> {
        let equal = condition.downcast_ref::<BinaryExpr>().filter(|binary| *binary.op() == Operator::Eq)?;
        let column = equal.left().downcast_ref::<Column>()?;
        match equal.right().downcast_ref::<Literal>()?.value() {
            ScalarValue::FixedSizeBinary(_, Some(id)) => {
                Some(Self { column: column.name().to_owned(), id: id.clone() })
            }
            _ => None,
        }
    }

    fn mask(&self, ids: &FixedSizeBinaryArray) -> BooleanArray {
        let found = match (<[u8; 16]>::try_from(&self.id[..]), <[u8; 8]>::try_from(&self.id[..])) {
            (Ok(id), _) => same(ids, id, u128::from_ne_bytes),
            (_, Ok(id)) => same(ids, id, u64::from_ne_bytes),
            _ => BooleanBuffer::collect_bool(ids.len(), |row| ids.value(row) == self.id),
        };
        match ids.logical_nulls() {
            Some(nulls) => BooleanArray::new(&found & nulls.inner(), None),
            None => BooleanArray::new(found, None),
        }
    }
}

fn same<const N: usize, T: PartialEq>(
    ids: &FixedSizeBinaryArray,
    id: [u8; N],
    number: fn([u8; N]) -> T,
) -> BooleanBuffer {
    let id = number(id);
    BooleanBuffer::collect_bool(ids.len(), |row| ids.value(row).try_into().is_ok_and(|value| number(value) == id))
}

impl Words {
    fn of(filter: &Arc<dyn PhysicalExpr>, hot: &Schema) -> Result<Option<Self>> {
        let columns = collect_columns(filter);
        let [column] = &columns.iter().collect::<Vec<_>>()[..] else { return Ok(None) };
        if !matches!(hot.field_with_name(column.name())?.data_type(), DataType::Dictionary(_, _)) {
            return Ok(None);
        }
        let schema = Arc::new(Schema::new(vec![Field::new(column.name(), DataType::Utf8View, true)]));
        Ok(Some(Self {
            column: column.name().to_owned(),
            expr: reassign_expr_columns(filter.clone(), &schema)?,
            schema,
            keeps: filter.downcast_ref::<DynamicFilterPhysicalExpr>().is_none(),
            last: None,
        }))
    }

    fn verdicts(&mut self, column: &ArrayRef) -> Result<Option<BooleanArray>> {
        let Some(dictionary) = column.as_dictionary_opt::<Int32Type>() else { return Ok(None) };
        let values = dictionary.values();
        let known = self.last.as_ref().filter(|(last, _)| Arc::ptr_eq(last, values)).map(|(_, verdicts)| verdicts);
        let verdicts = match known {
            Some(verdicts) => verdicts.clone(),
            None if values.len() > dictionary.len() * 4 && !self.keeps => return Ok(None),
            None => {
                let words = RecordBatch::try_new(self.schema.clone(), vec![distinct_words(dictionary)?])?;
                // Not every word need be one of the caller's, nor every expression hold for every word: an error
                // here is nobody's business, the rows tell whether there is one.
                let Ok(verdicts) = boolean(&self.expr, &words) else { return Ok(None) };
                if self.keeps {
                    self.last = Some((values.clone(), verdicts.clone()));
                }
                verdicts
            }
        };
        let null = verdicts.value(values.len());
        let keys = dictionary.keys();
        let (verdicts, numbers) = (verdicts.values(), keys.values());
        let mask = match keys.nulls() {
            None => BooleanBuffer::collect_bool(keys.len(), |row| verdicts.value(numbers[row] as usize)),
            Some(nulls) => BooleanBuffer::collect_bool(keys.len(), |row| {
                if nulls.is_valid(row) { verdicts.value(numbers[row] as usize) } else { null }
            }),
        };
        Ok(Some(BooleanArray::new(mask, None)))
    }
}

impl Condition {
    fn of(filter: &Arc<dyn PhysicalExpr>, hot: &Schema, adapter: &dyn PhysicalExprAdapter) -> Result<Self> {
        let words = Words::of(filter, hot)?;
        let rows = adapter.rewrite(filter.clone())?;
        let id = OneId::of(&rows);
        let parts = split_disjunction(filter);
        let mut any = Vec::new();
        if words.is_none() && parts.len() > 1 {
            any = parts.into_iter().map(|part| Self::of(part, hot, adapter)).collect::<Result<Vec<_>>>()?;
            any.sort_by_key(|part| part.words.is_none());
            if any.iter().all(|part| part.words.is_none()) {
                any.clear();
            }
        }
        Ok(Self { rows, words, id, any })
    }

    /// Which rows of the filter columns meet the condition; never NULL.
    pub(super) fn mask(&mut self, batch: &RecordBatch) -> Result<BooleanArray> {
        if let Some(words) = &mut self.words
            && let Some(column) = batch.column_by_name(&words.column)
            && let Some(mask) = words.verdicts(column)?
        {
            return Ok(mask);
        }
        if let Some(one) = &self.id
            && let Some(ids) = batch.column_by_name(&one.column).and_then(|ids| ids.as_fixed_size_binary_opt())
        {
            return Ok(one.mask(ids));
        }
        let mut found: Option<BooleanArray> = None;
        for part in &mut self.any {
            let mask = part.mask(batch)?;
            let mask = match found {
                Some(found) => BooleanArray::new(found.values() | mask.values(), None),
                None => mask,
            };
            if mask.true_count() == mask.len() {
                return Ok(mask);
            }
            found = Some(mask);
        }
        found.map_or_else(|| boolean(&self.rows, batch), Ok)
    }
}

fn boolean(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<BooleanArray> {
    let values = expr.evaluate(batch)?.into_array(batch.num_rows())?;
    let mask = values
        .as_boolean_opt()
        .ok_or_else(|| exec_datafusion_err!("a filter that is {} instead of Boolean", values.data_type()))?;
    Ok(if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() })
}
