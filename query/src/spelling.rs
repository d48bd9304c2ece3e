//! Ids may be written in capitals and with a UUID's dashes: comparisons with literals get the stored spelling.
//!
//! Filters that reach a scan compare bytes anyway (`ids.rs`); this covers those that stay above it, such as in SELECT,
//! CASE and HAVING.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::analyzer::AnalyzerRule;
use tephra_storage::schema::{COLUMNS, ColumnKind};

use crate::ids::parse_id;

/// The rule over a whole plan.
#[derive(Debug)]
pub(crate) struct IdSpelling;

impl AnalyzerRule for IdSpelling {
    fn name(&self) -> &str {
        "id_spelling"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = plan.transform_up_with_subqueries(|node| {
            let names = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(expr.transform_up(respell)?.update_data(|expr| name.restore(expr)))
            })
        })?;
        Ok(plan.data)
    }
}

fn respell(expr: Expr) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(mut comparison) => {
            let changed = match (comparison.left.as_mut(), comparison.right.as_mut()) {
                (Expr::Column(column), other) | (other, Expr::Column(column)) => {
                    id_bytes(&column.name).is_some_and(|bytes| respell_literal(other, bytes))
                }
                _ => false,
            };
            Ok(Transformed::new_transformed(Expr::BinaryExpr(comparison), changed))
        }
        Expr::InList(mut list) => {
            let mut changed = false;
            if let Expr::Column(column) = list.expr.as_ref()
                && let Some(bytes) = id_bytes(&column.name)
            {
                for item in &mut list.list {
                    changed |= respell_literal(item, bytes);
                }
            }
            Ok(Transformed::new_transformed(Expr::InList(list), changed))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn id_bytes(name: &str) -> Option<usize> {
    COLUMNS.iter().find(|column| column.name == name).and_then(|column| match column.kind {
        ColumnKind::Id(bytes) => Some(bytes as usize),
        _ => None,
    })
}

/// A literal, also one that was cast to the column's type.
fn respell_literal(expr: &mut Expr, bytes: usize) -> bool {
    match expr {
        Expr::Literal(value, _) => respell_value(value, bytes),
        Expr::Cast(cast) => respell_literal(&mut cast.expr, bytes),
        _ => false,
    }
}

fn respell_value(value: &mut ScalarValue, bytes: usize) -> bool {
    let (ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text))) =
        value
    else {
        return false;
    };
    match parse_id(text, bytes).map(hex::encode) {
        Some(stored) if stored != *text => {
            *text = stored;
            true
        }
        _ => false,
    }
}
