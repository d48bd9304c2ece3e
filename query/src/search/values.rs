//! Reads what stands behind a key's `:` by the kind of what the key names, so that a wrong value is told where it stands.

use super::error::SearchError;
use super::fields::{Field, IssueKey};
use super::moment::Moment;
use super::parser::too_many;
use super::reader::{Reader, Word};
use super::shape::{Shape, value};
use super::tree::{Comparison, Pattern, Term, Test, Value};

/// Reads the condition on `field`, which was written `name`.
pub(super) fn field(reader: &mut Reader, field: Field, name: &str, left: &mut usize) -> Result<Term, SearchError> {
    let test = test(reader, Shape::of(&field), name, left)?;
    Ok(Term::Field { field, test })
}

/// `field` is exactly this.
pub(super) fn equal(key: &str, text: &str) -> Result<Term, SearchError> {
    let field = Field::named(key);
    let word = Word { pattern: Pattern::exact(text), is_quoted: true, position: 1 };
    let value = value(Shape::of(&field), key, word)?;
    let test = if field.is_long() { Test::Compare(Comparison::Exactly, value) } else { Test::Any(vec![value]) };
    Ok(Term::Field { field, test })
}

/// Reads the condition on issues.
pub(super) fn issue(reader: &mut Reader, key: IssueKey, name: &str, left: &mut usize) -> Result<Test, SearchError> {
    let shape = if key == IssueKey::Is { Shape::State } else { Shape::of_kind(key.kind()) };
    test(reader, shape, name, left)
}

/// Reads the key behind `has:`.
pub(super) fn has(reader: &mut Reader, name: &str) -> Result<Field, SearchError> {
    let word = reader.word(false)?;
    match word.pattern.as_exact() {
        Some("") => Err(no_value(word.position, name)),
        Some(key) => Ok(Field::named(key)),
        None => Err(SearchError::new(word.position, "`has:` takes a key, without `*`")),
    }
}

/// Reads `<7d` behind `age:`: younger than a week.
pub(super) fn age(reader: &mut Reader, name: &str, left: &mut usize) -> Result<Term, SearchError> {
    let position = reader.position();
    let hint = "write `age:<7d` for what is younger than seven days; units are s, m, h, d, w";
    let comparison = match comparison(reader)? {
        Some(Comparison::Less) => Comparison::More,
        Some(Comparison::AtMost) => Comparison::AtLeast,
        Some(Comparison::More) => Comparison::Less,
        Some(Comparison::AtLeast) => Comparison::AtMost,
        _ => return Err(SearchError::new(position, format!("expected `<` or `>` after `{name}:`")).with_hint(hint)),
    };
    let word = reader.word(false)?;
    let Some(us) = word.pattern.as_exact().and_then(Moment::duration) else {
        return Err(SearchError::new(word.position, "expected a length of time").with_hint(hint));
    };
    take(left, word.position)?;
    let test = Test::Compare(comparison, Value::Moment(Moment::Ago(us)));
    Ok(Term::Field { field: Field::named("timestamp"), test })
}

fn test(reader: &mut Reader, shape: Shape, name: &str, left: &mut usize) -> Result<Test, SearchError> {
    if reader.peek() == Some('[') {
        return list(reader, shape, name, left);
    }
    let position = reader.position();
    let comparison = comparison(reader)?;
    let word = word(reader, name, false)?;
    take(left, word.position)?;
    match comparison {
        None => match relative(shape, &word) {
            Some(test) => Ok(test),
            None => Ok(Test::Any(vec![value(shape, name, word)?])),
        },
        Some(Comparison::Exactly) => {
            let at = word.position;
            match value(shape, name, word)? {
                Value::Text(pattern) if shape == Shape::Long => match pattern.as_exact() {
                    Some(_) => Ok(Test::Compare(Comparison::Exactly, Value::Text(pattern))),
                    None => Err(SearchError::new(at, "`=` takes a whole text, without `*`")),
                },
                value => Ok(Test::Any(vec![value])),
            }
        }
        Some(_) if !shape.is_ordered() => {
            let message = format!("`{name}` is not ordered: only numbers, times and `level` compare with `<` and `>`");
            Err(SearchError::new(position, message)
                .with_hint(format!("quote the value to search for it: `{name}:\"…\"`")))
        }
        Some(comparison) => compared(shape, name, comparison, word),
    }
}

/// Reads `[a,b]`.
fn list(reader: &mut Reader, shape: Shape, name: &str, left: &mut usize) -> Result<Test, SearchError> {
    let opened = reader.position();
    reader.take("[");
    let mut values = Vec::new();
    loop {
        reader.skip_spaces();
        let word = word(reader, name, true)?;
        take(left, word.position)?;
        values.push(value(shape, name, word)?);
        reader.skip_spaces();
        if reader.take("]") {
            return Ok(Test::Any(values));
        }
        if !reader.take(",") {
            return Err(match reader.peek() {
                None => SearchError::new(opened, "a `[` that is not closed"),
                Some(_) => SearchError::new(reader.position(), "expected `,` or `]`"),
            }
            .with_hint(format!("write `{name}:[one,two]`; quote values with spaces")));
        }
    }
}

fn comparison(reader: &mut Reader) -> Result<Option<Comparison>, SearchError> {
    const ALL: [(&str, Comparison); 5] = [
        (">=", Comparison::AtLeast),
        ("<=", Comparison::AtMost),
        (">", Comparison::More),
        ("<", Comparison::Less),
        ("=", Comparison::Exactly),
    ];
    if reader.rest().starts_with("!=") {
        let hint = "negate the whole condition: `!key:value`";
        return Err(SearchError::new(reader.position(), "`!=` is not a comparison").with_hint(hint));
    }
    Ok(ALL.into_iter().find(|(text, _)| reader.take(text)).map(|(_, comparison)| comparison))
}

fn word(reader: &mut Reader, name: &str, in_list: bool) -> Result<Word, SearchError> {
    let word = reader.word(in_list)?;
    match word.pattern.as_exact() {
        Some("") if !word.is_quoted => Err(no_value(word.position, name)),
        _ => Ok(word),
    }
}

fn no_value(position: usize, name: &str) -> SearchError {
    SearchError::new(position, format!("expected a value after `{name}:`"))
        .with_hint(format!("quote it to search for the text: `\"{name}:\"`"))
}

fn take(left: &mut usize, position: usize) -> Result<(), SearchError> {
    *left = left.checked_sub(1).ok_or_else(|| too_many(position))?;
    Ok(())
}

/// `-24h` is since then, `+24h` until then.
fn relative(shape: Shape, word: &Word) -> Option<Test> {
    let text = word.pattern.as_exact().filter(|_| shape == Shape::Time)?;
    let (comparison, duration) = match text.strip_prefix('-') {
        Some(duration) => (Comparison::AtLeast, duration),
        None => (Comparison::AtMost, text.strip_prefix('+')?),
    };
    Some(Test::Compare(comparison, Value::Moment(Moment::Ago(Moment::duration(duration)?))))
}

fn compared(shape: Shape, name: &str, comparison: Comparison, word: Word) -> Result<Test, SearchError> {
    let exact = word.pattern.as_exact();
    let value = match shape {
        Shape::Time => match exact.and_then(|text| Moment::duration(text.strip_prefix('-')?)) {
            Some(us) => Value::Moment(Moment::Ago(us)),
            None => value(shape, name, word)?,
        },
        Shape::Tag => {
            let number = exact.and_then(|text| text.parse::<f64>().ok()).filter(|number| number.is_finite());
            let expected = || SearchError::new(word.position, format!("expected a number to compare `{name}` with"));
            Value::Number(number.ok_or_else(expected)?)
        }
        _ if exact.is_none() => return Err(SearchError::new(word.position, "`<` and `>` take a value without `*`")),
        _ => value(shape, name, word)?,
    };
    Ok(Test::Compare(comparison, value))
}
