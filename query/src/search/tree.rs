//! A search as a tree.

use tephra_storage::schema::column_index;

use super::fields::{FREE_TEXT, Field, IssueKey};
use super::moment::Moment;

/// A condition or several of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// All must hold; two or more.
    And(Vec<Self>),
    /// One must hold; two or more.
    Or(Vec<Self>),
    /// It must not hold; what is absent does not hold.
    Not(Box<Self>),
    /// One condition.
    Term(Term),
}

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// Free text: anywhere in the message, the exception's type and value, the culprit, the logger or the stack.
    Text(Pattern),
    /// A column or tag has such a value.
    Field {
        /// Which.
        field: Field,
        /// What its value must be.
        test: Test,
    },
    /// A column or tag has any value.
    Has(Field),
    /// About issues; no event meets or fails it.
    Issue {
        /// What it asks for.
        key: IssueKey,
        /// What its value must be.
        test: Test,
        /// The character at which it stands, from 1.
        position: usize,
    },
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// One of these; at least one.
    Any(Vec<Value>),
    /// Less, more, or exactly this.
    Compare(Comparison, Value),
}

/// How a value compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `=`: exactly, where a plain value would be looked for inside of a long text.
    Exactly,
}

/// A value of the kind that its key has.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, ids and levels.
    Text(Pattern),
    /// Whole numbers.
    Integer(i64),
    /// What a tag is compared with.
    Number(f64),
    /// Yes or no.
    Bool(bool),
    /// Times.
    Moment(Moment),
}

/// A text in which `*` stands for anything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// What stands between the `*`; one part is a text without any.
    pub(super) parts: Vec<String>,
}

impl Node {
    /// All of `nodes`, of which there must be one.
    pub(super) fn all(nodes: Vec<Self>) -> Self {
        let inner = |node| match node {
            Self::And(nodes) => nodes,
            other => vec![other],
        };
        let mut nodes: Vec<Self> = nodes.into_iter().flat_map(inner).collect();
        if nodes.len() == 1 { nodes.remove(0) } else { Self::And(nodes) }
    }

    /// Any of `nodes`, of which there must be one.
    pub(super) fn any(nodes: Vec<Self>) -> Self {
        let inner = |node| match node {
            Self::Or(nodes) => nodes,
            other => vec![other],
        };
        let mut nodes: Vec<Self> = nodes.into_iter().flat_map(inner).collect();
        if nodes.len() == 1 { nodes.remove(0) } else { Self::Or(nodes) }
    }

    /// Not `node`.
    pub(super) fn not(node: Self) -> Self {
        match node {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// Calls `visit` for every condition.
    pub fn each_term<'a>(&'a self, visit: &mut impl FnMut(&'a Term)) {
        match self {
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().for_each(|node| node.each_term(visit)),
            Self::Not(node) => node.each_term(visit),
            Self::Term(term) => visit(term),
        }
    }
}

/// The columns that a tree reads, ascending.
pub(super) fn columns(root: Option<&Node>) -> Vec<usize> {
    let mut columns = Vec::new();
    let mut of_field = |field: &Field| match field {
        Field::Column(index) => columns.push(*index),
        Field::Tag(_) => columns.push(column_index("tags")),
    };
    let mut texts = false;
    if let Some(root) = root {
        root.each_term(&mut |term| match term {
            Term::Text(_) => texts = true,
            Term::Field { field, .. } | Term::Has(field) => of_field(field),
            Term::Issue { .. } => {}
        });
    }
    if texts {
        columns.extend(FREE_TEXT.iter().map(|name| column_index(name)));
    }
    columns.sort_unstable();
    columns.dedup();
    columns
}

impl Pattern {
    /// A text without wildcards.
    pub fn exact(text: impl Into<String>) -> Self {
        Self { parts: vec![text.into()] }
    }

    /// The text, where there is no wildcard in it.
    pub fn as_exact(&self) -> Option<&str> {
        match &self.parts[..] {
            [text] => Some(text),
            _ => None,
        }
    }

    /// The pattern as LIKE writes it, with `\\` for its escapes.
    pub fn to_like(&self) -> String {
        let mut like = String::new();
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 {
                like.push('%');
            }
            for c in part.chars() {
                if matches!(c, '%' | '_' | '\\') {
                    like.push('\\');
                }
                like.push(c);
            }
        }
        like
    }

    /// The same anywhere in a text.
    pub fn to_like_inside(&self) -> String {
        let (first, last) = (self.parts.first(), self.parts.last());
        let open =
            |part: Option<&String>| if self.parts.len() > 1 && part.is_some_and(String::is_empty) { "" } else { "%" };
        format!("{}{}{}", open(first), self.to_like(), open(last))
    }

    /// Whether any text would do.
    pub(super) fn is_anything(&self) -> bool {
        self.parts.len() > 1 && self.parts.iter().all(String::is_empty)
    }

    pub(super) fn map(self, change: impl Fn(&str) -> String) -> Self {
        Self { parts: self.parts.iter().map(|part| change(part)).collect() }
    }
}
