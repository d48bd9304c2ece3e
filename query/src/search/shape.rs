//! What kind of values a key has, and how one is read.

use tephra_storage::schema::{COLUMNS, ColumnKind};
use tephra_storage::{Kind, Level};

use super::error::SearchError;
use super::fields::{Field, IssueKey};
use super::moment::Moment;
use super::reader::Word;
use super::tree::{Pattern, Value};
use crate::hints;
use crate::ids::parse_id;

/// What values a key has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
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
    pub(super) fn of(field: &Field) -> Self {
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

    pub(super) fn of_kind(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Int64 => Self::Integer(i64::MIN, i64::MAX),
            ColumnKind::Int32 => Self::Integer(i32::MIN.into(), i32::MAX.into()),
            ColumnKind::Bool => Self::Bool,
            ColumnKind::Time => Self::Time,
            ColumnKind::Id(bytes) => Self::Id(bytes as usize),
            ColumnKind::Word | ColumnKind::Stack | ColumnKind::Text | ColumnKind::Tags => Self::Text,
        }
    }

    pub(super) fn is_ordered(self) -> bool {
        matches!(self, Self::Level | Self::Integer(..) | Self::Time | Self::Tag)
    }
}

/// Reads a word as a value of this kind; the key was written `name`.
pub(super) fn value(shape: Shape, name: &str, word: Word) -> Result<Value, SearchError> {
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
