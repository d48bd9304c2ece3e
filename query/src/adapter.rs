//! Adapts expressions over the table form to the form in which a tier keeps the columns.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};

use crate::ids::{HexExpr, compare_bytes};
use crate::words::compare_words;

/// Makes [`TierAdapter`]s; given to the Parquet scan and used by the hot one.
#[derive(Debug)]
pub(crate) struct TierAdapterFactory;

impl PhysicalExprAdapterFactory for TierAdapterFactory {
    fn create(&self, table: SchemaRef, tier: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let casts = DefaultPhysicalExprAdapterFactory.create(table, tier.clone())?;
        Ok(Arc::new(TierAdapter { tier, casts }))
    }
}

/// Ids become bytes and their hexadecimal text, words dictionaries where they are compared, other columns are cast where the forms differ.
#[derive(Debug)]
struct TierAdapter {
    tier: SchemaRef,
    casts: Arc<dyn PhysicalExprAdapter>,
}

impl TierAdapter {
    fn column(&self, expr: &Arc<dyn PhysicalExpr>, column: &Column) -> Result<Arc<dyn PhysicalExpr>> {
        match self.tier.column_with_name(column.name()) {
            Some((index, field)) if matches!(field.data_type(), DataType::FixedSizeBinary(_)) => {
                Ok(Arc::new(HexExpr::new(Arc::new(Column::new(column.name(), index)))))
            }
            _ => self.casts.rewrite(expr.clone()),
        }
    }
}

impl PhysicalExprAdapter for TierAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        expr.transform_up(|node| {
            if let Some(column) = node.downcast_ref::<Column>() {
                return Ok(Transformed::yes(self.column(&node, column)?));
            }
            if let Some(bytes) = compare_bytes(&node, &self.tier)? {
                return Ok(Transformed::yes(bytes));
            }
            Ok(match compare_words(&node, &self.tier)? {
                Some(words) => Transformed::yes(words),
                None => Transformed::no(node),
            })
        })
        .data()
    }
}
