//! The grammar, by recursive descent: OR binds least, then AND (which need not be written), then negation.

use super::error::SearchError;
use super::fields::{AGE, Field, HAS, IssueKey};
use super::reader::{Key, Reader};
use super::tree::{Node, Term};
use super::values;

/// The length of a text.
const BYTES_MAX: usize = 4 << 10;
/// Parentheses and negations within each other.
const DEPTH_MAX: usize = 50;
/// Conditions and values together.
pub(super) const TERMS_MAX: usize = 200;
/// Words and phrases of free text, each of which is looked for in many columns.
const TEXTS_MAX: usize = 32;

/// Reads a whole text; `None` is an empty one.
pub(super) fn parse(text: &str) -> Result<Option<Node>, SearchError> {
    if text.len() > BYTES_MAX {
        let message = format!("a search of {} bytes; at most {BYTES_MAX} are allowed", text.len());
        return Err(SearchError::new(1, message));
    }
    let mut parser = Parser { reader: Reader::new(text), depth: 0, terms: 0, texts: 0 };
    parser.reader.skip_spaces();
    if parser.reader.peek().is_none() {
        return Ok(None);
    }
    let node = parser.any()?;
    match parser.reader.peek() {
        None => Ok(Some(node)),
        Some(_) => Err(SearchError::new(parser.reader.position(), "a `)` without its `(`")
            .with_hint("quote it to search for it: `\")\"`")),
    }
}

struct Parser<'a> {
    reader: Reader<'a>,
    depth: usize,
    terms: usize,
    texts: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Node, SearchError> {
        let mut nodes = vec![self.all()?];
        while self.reader.take_keyword("OR") {
            nodes.push(self.all()?);
        }
        Ok(Node::any(nodes))
    }

    fn all(&mut self) -> Result<Node, SearchError> {
        let mut nodes = vec![self.one()?];
        loop {
            self.reader.skip_spaces();
            let ends = matches!(self.reader.peek(), None | Some(')')) || self.reader.sees_keyword("OR");
            if ends {
                return Ok(Node::all(nodes));
            }
            self.reader.take_keyword("AND");
            nodes.push(self.one()?);
        }
    }

    /// A condition, its negation, or a group.
    fn one(&mut self) -> Result<Node, SearchError> {
        self.reader.skip_spaces();
        let position = self.reader.position();
        if self.negates() {
            self.deeper(position)?;
            let node = self.one()?;
            self.depth -= 1;
            return Ok(Node::not(node));
        }
        match self.reader.peek() {
            Some('(') => self.group(position),
            None | Some(')') => Err(expected(position)),
            Some(_) if ["AND", "OR"].iter().any(|word| self.reader.sees_keyword(word)) => Err(expected(position)),
            Some(_) => self.term(position).map(Node::Term),
        }
    }

    /// Passes a `!`, a `-` right before something, or a NOT.
    fn negates(&mut self) -> bool {
        let before_something =
            self.reader.rest().strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| !c.is_whitespace()));
        self.reader.take("!") || (before_something && self.reader.take("-")) || self.reader.take_keyword("NOT")
    }

    fn group(&mut self, position: usize) -> Result<Node, SearchError> {
        self.reader.take("(");
        self.deeper(position)?;
        let node = self.any()?;
        self.depth -= 1;
        match self.reader.take(")") {
            true => Ok(node),
            false => Err(SearchError::new(position, "a `(` that is not closed")),
        }
    }

    fn term(&mut self, position: usize) -> Result<Term, SearchError> {
        if let Some(key) = self.reader.take_key()? {
            return self.keyed(&key);
        }
        self.count(position, 1)?;
        self.texts += 1;
        if self.texts > TEXTS_MAX {
            return Err(SearchError::new(position, format!("more than {TEXTS_MAX} words and phrases without a key"))
                .with_hint("quote words that stand together: `\"connection refused\"`"));
        }
        let word = self.reader.word(false)?;
        match word.pattern.as_exact() {
            Some("") => Err(SearchError::new(position, "an empty text").with_hint("leave it out to find everything")),
            _ => Ok(Term::Text(word.pattern)),
        }
    }

    fn keyed(&mut self, key: &Key) -> Result<Term, SearchError> {
        let Key { name, is_tag, position } = key;
        let mut left = TERMS_MAX.saturating_sub(self.terms);
        let before = left;
        let reader = &mut self.reader;
        let is = |word: &str| !is_tag && name.eq_ignore_ascii_case(word);
        let term = if is(HAS) {
            left = left.saturating_sub(1);
            Term::Has(values::has(reader, name)?)
        } else if is(AGE) {
            values::age(reader, name, &mut left)?
        } else if let Some(issue) = IssueKey::named(name).filter(|_| !is_tag) {
            let test = values::issue(reader, issue, name, &mut left)?;
            Term::Issue { key: issue, test, position: *position }
        } else {
            let field = if *is_tag { Field::Tag(name.clone()) } else { Field::named(name) };
            values::field(reader, field, name, &mut left)?
        };
        self.count(*position, before - left)?;
        Ok(term)
    }

    fn deeper(&mut self, position: usize) -> Result<(), SearchError> {
        self.depth += 1;
        match self.depth > DEPTH_MAX {
            true => {
                Err(SearchError::new(position, format!("more than {DEPTH_MAX} levels of parentheses and negations")))
            }
            false => Ok(()),
        }
    }

    fn count(&mut self, position: usize, terms: usize) -> Result<(), SearchError> {
        self.terms += terms;
        match self.terms > TERMS_MAX {
            true => Err(too_many(position)),
            false => Ok(()),
        }
    }
}

pub(super) fn too_many(position: usize) -> SearchError {
    SearchError::new(position, format!("more than {TERMS_MAX} conditions and values"))
}

fn expected(position: usize) -> SearchError {
    SearchError::new(position, "expected a condition").with_hint("write `key:value`, a word, or a \"phrase\"")
}
