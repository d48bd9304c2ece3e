//! A search as the text that reads back to it.
//!
//! Keys come under their columns' names and values in their stored spelling; what could be taken for something else is quoted.

use std::fmt;

use super::fields::{Field, is_taken};
use super::tree::{Comparison, Node, Pattern, Term, Test, Value};

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(nodes) => joined(f, nodes, " ", |node| matches!(node, Self::Or(_))),
            Self::Or(nodes) => joined(f, nodes, " OR ", |_| false),
            Self::Not(node) => match node.as_ref() {
                Self::Term(term) => write!(f, "!{term}"),
                other => write!(f, "!({other})"),
            },
            Self::Term(term) => term.fmt(f),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, nodes: &[Node], by: &str, wrapped: fn(&Node) -> bool) -> fmt::Result {
    for (at, node) in nodes.iter().enumerate() {
        let before = if at == 0 { "" } else { by };
        match wrapped(node) {
            true => write!(f, "{before}({node})")?,
            false => write!(f, "{before}{node}")?,
        }
    }
    Ok(())
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(pattern) => match pattern.as_exact() {
                // Bare, these would be words of the language.
                Some(word @ ("AND" | "OR" | "NOT")) => write!(f, "\"{word}\""),
                _ => pattern.fmt(f),
            },
            Self::Field { field, test } => write!(f, "{field}:{test}"),
            Self::Has(Field::Column(index)) => write!(f, "has:{}", Field::Column(*index)),
            // Here the key is a value.
            Self::Has(Field::Tag(name)) if is_taken(name) => Pattern::exact(format!("tags[{name}]")).has(f),
            Self::Has(Field::Tag(name)) => Pattern::exact(name.clone()).has(f),
            Self::Issue { key, test, .. } => write!(f, "{}:{test}", key.name()),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(_) => f.write_str(&self.name()),
            Self::Tag(name) if is_bare_key(name) && !is_taken(name) => f.write_str(name),
            Self::Tag(name) => {
                f.write_str("tags[")?;
                quoted(f, name)?;
                f.write_str("]")
            }
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any(values) => match &values[..] {
                [value] => value.fmt(f),
                values => {
                    for (at, value) in values.iter().enumerate() {
                        write!(f, "{}{value}", if at == 0 { "[" } else { "," })?;
                    }
                    f.write_str("]")
                }
            },
            Self::Compare(comparison, value) => write!(f, "{comparison}{value}"),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Exactly => "=",
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(pattern) => pattern.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Bool(value) => value.fmt(f),
            Self::Moment(moment) => moment.fmt(f),
        }
    }
}

impl Pattern {
    fn has(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "has:{self}")
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 {
                f.write_str("*")?;
            }
            let is_whole = self.parts.len() == 1;
            match is_plain(part, at == 0) && (!part.is_empty() || !is_whole) {
                true => f.write_str(part)?,
                false => quoted(f, part)?,
            }
        }
        Ok(())
    }
}

/// Whether a text means itself without quotes wherever it stands.
fn is_plain(text: &str, at_start: bool) -> bool {
    let starts_well = !at_start || !text.starts_with(['-', '+', '.', '/']);
    starts_well && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@' | '#' | '+'))
}

/// Whether a name can be a key without `tags[…]`.
pub(super) fn is_bare_key(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(starts_key) && letters.all(continues_key)
}

pub(super) fn starts_key(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '_' | '@' | '$')
}

pub(super) fn continues_key(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '@' | '$' | '.' | '-' | '/')
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            f.write_str("\\")?;
        }
        write!(f, "{c}")?;
    }
    f.write_str("\"")
}
