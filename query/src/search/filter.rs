//! Turns a search into a condition over the table form of `events`.
//!
//! Negation goes down to the conditions, where what is absent fails a condition and meets its negation: no row ever gets
//! NULL for an answer. Equality stays `column = literal`, which is what files, bloom filters and dictionaries are asked by.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Operator, binary_expr, lit};
use tephra_storage::Level;

use super::error::SearchError;
use super::fields::{FREE_TEXT, Field};
use super::moment::Moment;
use super::split::only_events;
use super::target::{Target, time};
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
        Term::Has(field) => Target::of(field).is_there(holds),
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
            Value::Number(number) => target.into_number().compare(*comparison, ScalarValue::from(*number), holds),
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
            Value::Text(pattern) if pattern.is_anything() => conditions.push(target.is_there(holds)),
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
