//! Reads what stands behind a key's `:` by the kind of what the key names, so that a wrong value is told where it stands.

use tephra_storage::schema::{COLUMNS, ColumnKind};
use tephra_storage::{Kind, Level};

use super::error::SearchError;
use super::fields::{Field, IssueKey};
use super::moment::Moment;
use super::parser::too_many;
use super::reader::{Reader, Word};
use super::tree::{Comparison, Pattern, Term, Test, Value};
use crate::hints;
use crate::ids::parse_id;

/// What values a key has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    /// Long text, in which a value is looked for.
    Long,
    Tag,
    Level,
    Kind,
    State,
    Id(usize),
    Integer(i64, i64),
    Bool,
    Time,
}

impl Shape {
    fn of(field: &Field) -> Self {
        let name = match field {
            Field::Tag(_) => return Self::Tag,
            Field::Column(index) => COLUMNS[*index].name,
        };
        match field.kind() {
            _ if name == "level" => Self::Level,
            _ if name == "kind" => Self::Kind,
            _ if field.is_long() => Self::Long,
            kind => Self::of_kind(kind),
        }
    }

    fn of_kind(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Int64 => Self::Integer(i64::MIN, i64::MAX),
            ColumnKind::Int32 => Self::Integer(i32::MIN.into(), i32::MAX.into()),
            ColumnKind::Bool => Self::Bool,
            ColumnKind::Time => Self::Time,
            ColumnKind::Id(bytes) => Self::Id(bytes as usize),
            ColumnKind::Word | ColumnKind::Stack | ColumnKind::Text | ColumnKind::Tags => Self::Text,
        }
    }

    fn is_ordered(self) -> bool {
        matches!(self, Self::Level | Self::Integer(..) | Self::Time | Self::Tag)
    }
}

/// Reads the condition on `field`, which was written `name`.
pub(super) fn field(reader: &mut Reader, field: Field, name: &str, left: &mut usize) -> Result<Term, SearchError> {
    let test = test(reader, Shape::of(&field), name, left)?;
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

fn value(shape: Shape, name: &str, word: Word) -> Result<Value, SearchError> {
    let Word { pattern, position, .. } = word;
    let wrong = |what: &str| match pattern.as_exact() {
        Some(text) => SearchError::new(position, format!("`{text}` is not {what}")),
        None => SearchError::new(position, format!("`{name}` takes {what}, without `*`")),
    };
    let exact = pattern.as_exact();
    Ok(match shape {
        Shape::Text | Shape::Long | Shape::Tag => Value::Text(pattern),
        Shape::Level => match exact {
            Some(text) => {
                let hint = "levels are trace, debug, info, warning, error, fatal";
                Value::Text(Pattern::exact(
                    Level::parse(text).ok_or_else(|| wrong("a level").with_hint(hint))?.as_str(),
                ))
            }
            None => Value::Text(pattern.map(str::to_ascii_lowercase)),
        },
        Shape::Kind => match exact {
            Some(text) => {
                let hint = "kinds are error, log, message, feedback";
                let kind = Kind::parse(&text.to_ascii_lowercase()).ok_or_else(|| wrong("a kind").with_hint(hint))?;
                Value::Text(Pattern::exact(kind.as_str()))
            }
            None => Value::Text(pattern.map(str::to_ascii_lowercase)),
        },
        Shape::State => {
            let state = exact.map(str::to_ascii_lowercase).ok_or_else(|| wrong("a state"))?;
            let state = if state == "ignored" { "archived".to_owned() } else { state };
            if !IssueKey::STATES.contains(&state.as_str()) {
                let hint = match hints::nearest(&state, IssueKey::STATES) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("states are {}", IssueKey::STATES.join(", ")),
                };
                return Err(wrong("a state").with_hint(hint));
            }
            Value::Text(Pattern::exact(state))
        }
        Shape::Id(bytes) => Value::Text(id(&pattern, bytes).ok_or_else(|| {
            let hint = format!("ids are {} hexadecimal digits; `*` stands for those you do not know", bytes * 2);
            wrong("an id").with_hint(hint)
        })?),
        Shape::Integer(min, max) => {
            let number = exact.and_then(|text| text.parse::<i64>().ok()).filter(|number| (min..=max).contains(number));
            Value::Integer(number.ok_or_else(|| wrong("a whole number"))?)
        }
        Shape::Bool => match exact.map(str::to_ascii_lowercase).as_deref() {
            Some("true" | "yes" | "1") => Value::Bool(true),
            Some("false" | "no" | "0") => Value::Bool(false),
            _ => return Err(wrong("`true` or `false`")),
        },
        Shape::Time => {
            let hint = format!(
                "write a date (`2026-09-21`), a time (`2026-09-21T14:30:00Z`), or a length of time: `{name}:-24h` is the last day"
            );
            let moment = exact.and_then(Moment::absolute);
            Value::Moment(moment.ok_or_else(|| wrong("a time").with_hint(hint))?)
        }
    })
}

/// The stored spelling of an id, or of the part of it that is known.
fn id(pattern: &Pattern, bytes: usize) -> Option<Pattern> {
    match pattern.as_exact() {
        Some(text) => Some(Pattern::exact(hex::encode(parse_id(text, bytes)?))),
        None => {
            let part = |part: &String| {
                part.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-').then(|| part.replace('-', ""))
            };
            let parts = pattern.parts.iter().map(part).collect::<Option<Vec<_>>>()?;
            Some(Pattern { parts }.map(str::to_ascii_lowercase))
        }
    }
}
