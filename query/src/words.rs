//! Columns of few values are read as dictionaries, and compared with literals as such.
//!
//! A page of ten thousand services holds a few distinct ones. Decoded as strings each row is hashed and compared; as a
//! dictionary the distinct values are, and each row looks its verdict up. The files carry no Arrow schema, so the reader is
//! told here which columns to keep as dictionaries; SQL sees strings all the same (`adapter.rs` puts the cast in).

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Fields, Schema};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, Literal, binary, in_list, is_not_null,
    is_null, lit,
};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, encode_arrow_schema};
use parquet::file::metadata::{FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataBuilder};
use tephra_storage::schema::{COLUMNS, ColumnKind, cold_schema};

fn word_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The cold form with dictionaries, as the Parquet reader takes it.
fn hint() -> &'static str {
    static HINT: LazyLock<String> = LazyLock::new(|| {
        let field = |(field, column): (&Arc<Field>, &tephra_storage::schema::Column)| match column.kind {
            ColumnKind::Word => Arc::new(field.as_ref().clone().with_data_type(word_type())),
            _ => field.clone(),
        };
        encode_arrow_schema(&Schema::new(cold_schema().fields().iter().zip(COLUMNS).map(field).collect::<Fields>()))
    });
    &HINT
}

/// Whether a file's metadata says how to read it: ours after [`hinted`], or another writer's.
pub(crate) fn is_hinted(metadata: &ParquetMetaData) -> bool {
    let pairs = metadata.file_metadata().key_value_metadata();
    pairs.is_some_and(|pairs| pairs.iter().any(|pair| pair.key == ARROW_SCHEMA_META_KEY))
}

/// The metadata with the hint in it.
pub(crate) fn hinted(metadata: &ParquetMetaData) -> ParquetMetaData {
    let file = metadata.file_metadata();
    let mut pairs = file.key_value_metadata().cloned().unwrap_or_default();
    pairs.push(KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), hint().to_owned()));
    let file = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        Some(pairs),
        file.schema_descr_ptr(),
        file.column_orders().cloned(),
    );
    ParquetMetaDataBuilder::new(file)
        .set_row_groups(metadata.row_groups().to_vec())
        .set_column_index(metadata.column_index().cloned())
        .set_offset_index(metadata.offset_index().cloned())
        .build()
}

/// Rewrites a comparison of a dictionary's strings with literals to one of the dictionary; children are rewritten already.
pub(crate) fn compare_words(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    if let Some(comparison) = expr.downcast_ref::<BinaryExpr>()
        && is_comparison(*comparison.op())
    {
        let (left, right) = (comparison.left(), comparison.right());
        if let (Some(column), Some(word)) = (column(left, schema), word(right)) {
            return Ok(Some(binary(column, *comparison.op(), word, schema)?));
        }
        if let (Some(word), Some(column)) = (word(left), column(right, schema)) {
            return Ok(Some(binary(word, *comparison.op(), column, schema)?));
        }
    }
    if let Some(list) = expr.downcast_ref::<InListExpr>()
        && let Some(column) = column(list.expr(), schema)
        && let Some(words) = list.list().iter().map(word).collect::<Option<Vec<_>>>()
    {
        return Ok(Some(in_list(column, words, &list.negated(), schema)?));
    }
    if let Some(test) = expr.downcast_ref::<IsNullExpr>() {
        return column(test.arg(), schema).map(is_null).transpose();
    }
    if let Some(test) = expr.downcast_ref::<IsNotNullExpr>() {
        return column(test.arg(), schema).map(is_not_null).transpose();
    }
    Ok(None)
}

fn is_comparison(op: Operator) -> bool {
    matches!(op, Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}

/// The dictionary column below a cast to its strings.
fn column(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Arc<dyn PhysicalExpr>> {
    let below = expr.downcast_ref::<CastExpr>()?.expr();
    let column = below.downcast_ref::<Column>()?;
    let field = schema.fields().get(column.index())?;
    (*field.data_type() == word_type()).then(|| below.clone())
}

fn word(expr: &Arc<dyn PhysicalExpr>) -> Option<Arc<dyn PhysicalExpr>> {
    let text = expr.downcast_ref::<Literal>()?.value().try_as_str()??;
    Some(lit(ScalarValue::Dictionary(Box::new(DataType::Int32), Box::new(ScalarValue::from(text)))))
}
