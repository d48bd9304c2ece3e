//! What a condition is about as an expression, and the conditions on it.
//!
//! Literals have the type of what they are compared with, so that nothing needs a cast that files and dictionaries could
//! not see through.

use datafusion::common::{Column, ScalarValue};
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::expr::Like;
use datafusion::logical_expr::{Expr, Operator, binary_expr, in_list, lit, try_cast};
use tephra_storage::schema::{COLUMNS, ColumnKind};

use super::fields::Field;
use super::tree::{Comparison, Value};

/// What a condition is about, as an expression.
pub(super) struct Target {
    expr: Expr,
    nullable: bool,
    /// Whether its strings are views.
    is_view: bool,
}

impl Target {
    pub(super) fn of(field: &Field) -> Self {
        match field {
            Field::Column(index) => {
                let column = &COLUMNS[*index];
                let is_view = !matches!(column.kind, ColumnKind::Tags);
                Self { expr: self::column(column.name), nullable: column.nullable, is_view }
            }
            Field::Tag(name) => Self { expr: get_field(column("tags"), name.as_str()), nullable: true, is_view: false },
        }
    }

    /// What it is as a number, where it reads as one.
    pub(super) fn into_number(self) -> Self {
        let expr = try_cast(self.expr, arrow::datatypes::DataType::Float64);
        Self { expr, nullable: true, is_view: false }
    }

    fn literal(&self, value: &Value) -> Option<ScalarValue> {
        Some(match value {
            Value::Text(pattern) => self.text(pattern.as_exact()?),
            Value::Integer(number) => self.integer(*number),
            Value::Bool(value) => ScalarValue::from(*value),
            Value::Number(number) => ScalarValue::from(*number),
            Value::Moment(_) => return None,
        })
    }

    fn text(&self, text: &str) -> ScalarValue {
        let text = Some(text.to_owned());
        if self.is_view { ScalarValue::Utf8View(text) } else { ScalarValue::Utf8(text) }
    }

    pub(super) fn integer(&self, number: i64) -> ScalarValue {
        let is_long = match &self.expr {
            Expr::Column(column) => COLUMNS.iter().any(|c| c.name == column.name && c.kind == ColumnKind::Int64),
            _ => true,
        };
        match i32::try_from(number) {
            Ok(number) if !is_long => ScalarValue::Int32(Some(number)),
            _ => ScalarValue::Int64(Some(number)),
        }
    }

    /// One of the values, or none of them.
    pub(super) fn equals(&self, values: &[&Value], holds: bool) -> Expr {
        let mut literals: Vec<Expr> =
            values.iter().filter_map(|value| self.literal(value)).map(|value| Expr::Literal(value, None)).collect();
        let expr = self.expr.clone();
        let found = match (literals.pop(), literals.is_empty()) {
            (None, _) => return lit(!holds),
            (Some(one), true) if holds => expr.eq(one),
            (Some(one), true) => expr.not_eq(one),
            (Some(last), false) => {
                literals.push(last);
                in_list(expr, literals, !holds)
            }
        };
        self.or_absent(found, holds)
    }

    pub(super) fn is_there(&self, holds: bool) -> Expr {
        let expr = self.expr.clone();
        if holds { expr.is_not_null() } else { expr.is_null() }
    }

    pub(super) fn like(&self, pattern: &str, any_case: bool, holds: bool) -> Expr {
        let pattern = Expr::Literal(self.text(pattern), None);
        let like = Like::new(!holds, Box::new(self.expr.clone()), Box::new(pattern), None, any_case);
        self.or_absent(Expr::Like(like), holds)
    }

    pub(super) fn compare(&self, comparison: Comparison, value: ScalarValue, holds: bool) -> Expr {
        let operator = match (comparison, holds) {
            (Comparison::Less, true) | (Comparison::AtLeast, false) => Operator::Lt,
            (Comparison::AtMost, true) | (Comparison::More, false) => Operator::LtEq,
            (Comparison::More, true) | (Comparison::AtMost, false) => Operator::Gt,
            (Comparison::AtLeast, true) | (Comparison::Less, false) => Operator::GtEq,
            (Comparison::Exactly, true) => Operator::Eq,
            (Comparison::Exactly, false) => Operator::NotEq,
        };
        self.or_absent(binary_expr(self.expr.clone(), operator, Expr::Literal(value, None)), holds)
    }

    pub(super) fn within(&self, (from_us, until_us): (i64, i64), holds: bool) -> Expr {
        let (from, until) = (Expr::Literal(time(from_us), None), Expr::Literal(time(until_us), None));
        let expr = || self.expr.clone();
        let found = match holds {
            true => expr().gt_eq(from).and(expr().lt(until)),
            false => expr().lt(from).or(expr().gt_eq(until)),
        };
        self.or_absent(found, holds)
    }

    /// What is absent fails a condition by being NULL within AND and OR; its negation must be told.
    fn or_absent(&self, found: Expr, holds: bool) -> Expr {
        match (self.nullable, holds) {
            (true, false) => found.or(self.expr.clone().is_null()),
            _ => found,
        }
    }
}

/// The column of this name, which is not read as an identifier.
pub(crate) fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

/// A field as an expression.
pub(crate) fn target(field: &Field) -> Expr {
    Target::of(field).expr
}

/// A literal of a column of times.
pub(crate) fn time(us: i64) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into()))
}
