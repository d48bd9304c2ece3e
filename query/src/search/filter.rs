//! Turns a search into a condition over the table form of `events`.
//!
//! Negation goes down to the conditions, where what is absent fails a condition and meets its negation: no row ever gets
//! NULL for an answer. Equality stays `column = literal`, which is what files, bloom filters and dictionaries are asked by.

use datafusion::common::{Column, ScalarValue};
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::expr::Like;
use datafusion::logical_expr::{Expr, Operator, binary_expr, in_list, lit, try_cast};
use tephra_storage::Level;
use tephra_storage::schema::{COLUMNS, ColumnKind};

use super::error::SearchError;
use super::fields::{FREE_TEXT, Field};
use super::moment::Moment;
use super::split::only_events;
use super::tree::{Comparison, Node, Pattern, Term, Test, Value};

pub(super) fn filter(root: Option<&Node>, now_us: i64) -> Result<Expr, SearchError> {
    let Some(root) = root else { return Ok(lit(true)) };
    only_events(root)?;
    Ok(node(root, true, now_us))
}

fn node(node_: &Node, holds: bool, now_us: i64) -> Expr {
    match (node_, holds) {
        (Node::And(nodes), true) | (Node::Or(nodes), false) => all(each(nodes, holds, now_us)),
        (Node::Or(nodes), true) | (Node::And(nodes), false) => any(each(nodes, holds, now_us)),
        (Node::Not(inner), _) => node(inner, !holds, now_us),
        (Node::Term(term_), _) => term(term_, holds, now_us),
    }
}

fn each(nodes: &[Node], holds: bool, now_us: i64) -> Vec<Expr> {
    nodes.iter().map(|inner| node(inner, holds, now_us)).collect()
}

fn term(term: &Term, holds: bool, now_us: i64) -> Expr {
    match term {
        Term::Text(pattern) => text(pattern, holds),
        Term::Has(field) => {
            let target = Target::of(field);
            if holds { target.expr.is_not_null() } else { target.expr.is_null() }
        }
        Term::Field { field, test } => self::test(field, test, holds, now_us),
        // `only_events` has been here before.
        Term::Issue { .. } => lit(false),
    }
}

/// Free text: in one of the columns, or in none.
fn text(pattern: &Pattern, holds: bool) -> Expr {
    if pattern.is_anything() {
        return lit(holds);
    }
    let columns = FREE_TEXT.iter().map(|name| Target::of(&Field::named(name)));
    let found = columns.map(|target| target.like(&pattern.to_like_inside(), true, holds)).collect();
    if holds { any(found) } else { all(found) }
}

fn test(field: &Field, test: &Test, holds: bool, now_us: i64) -> Expr {
    let target = Target::of(field);
    match test {
        Test::Any(values) => any_of(field, &target, values, holds, now_us),
        Test::Compare(Comparison::Exactly, value) => target.equals(&[value], holds),
        Test::Compare(comparison, value) => match value {
            Value::Moment(moment) => target.compare(*comparison, moment_edge(*comparison, moment, now_us), holds),
            Value::Integer(number) => target.compare(*comparison, target.integer(*number), holds),
            Value::Number(number) => {
                let expr = try_cast(target.expr, arrow::datatypes::DataType::Float64);
                Target { expr, nullable: true, is_view: false }.compare(*comparison, ScalarValue::from(*number), holds)
            }
            // Levels: the only texts with an order.
            Value::Text(pattern) => {
                let levels = levels(*comparison, pattern.as_exact().unwrap_or_default());
                let levels: Vec<Value> =
                    levels.iter().map(|level| Value::Text(Pattern::exact(level.as_str()))).collect();
                target.equals(&levels.iter().collect::<Vec<_>>(), holds)
            }
            Value::Bool(_) => target.equals(&[value], holds),
        },
    }
}

fn any_of(field: &Field, target: &Target, values: &[Value], holds: bool, now_us: i64) -> Expr {
    let (mut exact, mut conditions) = (Vec::new(), Vec::new());
    for value in values {
        match value {
            Value::Text(pattern) if field.is_long() => {
                conditions.push(target.like(&pattern.to_like_inside(), true, holds))
            }
            Value::Text(pattern) if pattern.as_exact().is_none() => {
                conditions.push(target.like(&pattern.to_like(), false, holds));
            }
            Value::Moment(moment) => conditions.push(target.within(moment.range(now_us), holds)),
            value => exact.push(value),
        }
    }
    if !exact.is_empty() {
        conditions.push(target.equals(&exact, holds));
    }
    if holds { any(conditions) } else { all(conditions) }
}

/// `>` a day is from the next one on.
fn moment_edge(comparison: Comparison, moment: &Moment, now_us: i64) -> ScalarValue {
    match comparison {
        // Compared with the last microsecond of it.
        Comparison::More | Comparison::AtMost => time(moment.ends(now_us).saturating_sub(1)),
        _ => time(moment.begins(now_us)),
    }
}

fn levels(comparison: Comparison, than: &str) -> Vec<Level> {
    const ALL: [Level; 6] = [Level::Trace, Level::Debug, Level::Info, Level::Warning, Level::Error, Level::Fatal];
    let Some(than) = Level::parse(than) else { return Vec::new() };
    let meets = |level: &Level| match comparison {
        Comparison::Less => *level < than,
        Comparison::AtMost => *level <= than,
        Comparison::More => *level > than,
        Comparison::AtLeast => *level >= than,
        Comparison::Exactly => *level == than,
    };
    ALL.into_iter().filter(meets).collect()
}

/// What a condition is about, as an expression.
struct Target {
    expr: Expr,
    nullable: bool,
    /// Whether its strings are views.
    is_view: bool,
}

impl Target {
    fn of(field: &Field) -> Self {
        match field {
            Field::Column(index) => {
                let column = &COLUMNS[*index];
                let is_view = !matches!(column.kind, ColumnKind::Tags);
                Self { expr: self::column(column.name), nullable: column.nullable, is_view }
            }
            Field::Tag(name) => Self { expr: get_field(column("tags"), name.as_str()), nullable: true, is_view: false },
        }
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

    fn integer(&self, number: i64) -> ScalarValue {
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
    fn equals(&self, values: &[&Value], holds: bool) -> Expr {
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

    fn like(&self, pattern: &str, any_case: bool, holds: bool) -> Expr {
        let pattern = Expr::Literal(self.text(pattern), None);
        let like = Like::new(!holds, Box::new(self.expr.clone()), Box::new(pattern), None, any_case);
        self.or_absent(Expr::Like(like), holds)
    }

    fn compare(&self, comparison: Comparison, value: ScalarValue, holds: bool) -> Expr {
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

    fn within(&self, (from_us, until_us): (i64, i64), holds: bool) -> Expr {
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

/// All of `exprs`. Halved, so that a long chain is not a deep one.
pub(crate) fn all(exprs: Vec<Expr>) -> Expr {
    joined(exprs, Operator::And).unwrap_or_else(|| lit(true))
}

/// Any of `exprs`.
pub(crate) fn any(exprs: Vec<Expr>) -> Expr {
    joined(exprs, Operator::Or).unwrap_or_else(|| lit(false))
}

fn joined(mut exprs: Vec<Expr>, by: Operator) -> Option<Expr> {
    match exprs.len() {
        0 | 1 => exprs.pop(),
        length => {
            let right = exprs.split_off(length / 2);
            Some(binary_expr(joined(exprs, by)?, by, joined(right, by)?))
        }
    }
}
