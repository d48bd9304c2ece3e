//! The one error of the query crate, and how DataFusion's errors become it.
//!
//! DataFusion reports positions in three ways: in the text of a parser error, in a diagnostic beside a planning error,
//! or not at all. What reaches a user is one lowercase sentence, where it is in the statement, and what may help.

use std::error::Error as StdError;
use std::fmt;

use datafusion::common::{DataFusionError, SchemaError};
use tephra_storage::{DigestMismatch, ErrorKind as StorageErrorKind};

use crate::hints;

/// What the caller should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Fix the statement.
    Invalid,
    /// Ask for less: the statement passed a limit of memory, disk or size.
    ResourcesExhausted,
    /// Ask for less, or for more time.
    Timeout,
    /// Retry later: too many queries run.
    Busy,
    /// Call the operator: stored bytes are not what was written.
    Corrupt,
    /// Report a bug.
    Internal,
}

impl ErrorKind {
    /// The word in answers, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::ResourcesExhausted => "resources_exhausted",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
            Self::Corrupt => "corrupt",
            Self::Internal => "internal",
        }
    }
}

/// Result of the query crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong with a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What the caller should do next.
    pub kind: ErrorKind,
    /// What went wrong, lowercase, names in backticks.
    pub message: String,
    /// Line and column in the statement, both from 1.
    pub position: Option<(u64, u64)>,
    /// What may help.
    pub hint: Option<String>,
}

impl Error {
    /// An error without a position.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), position: None, hint: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Reads DataFusion's error; `tables` are the names that the session knows, for hints.
    pub(crate) fn from_datafusion(error: &DataFusionError, tables: &[&str]) -> Self {
        if let Some(own) = find::<Self>(error) {
            return own.clone();
        }
        if let Some(storage) = find::<tephra_storage::Error>(error) {
            let kind = match storage.kind() {
                StorageErrorKind::Corrupt => ErrorKind::Corrupt,
                StorageErrorKind::Busy => ErrorKind::Busy,
                _ => ErrorKind::Internal,
            };
            return Self::new(kind, storage.to_string());
        }
        if let Some(mismatch) = find::<DigestMismatch>(error) {
            return Self::new(ErrorKind::Corrupt, mismatch.to_string());
        }
        let root = error.find_root();
        let mut mapped = match root {
            DataFusionError::ResourcesExhausted(text) => Self::exhausted(text),
            DataFusionError::SQL(parser, _) => Self::invalid(hints::clean(&parser.to_string())),
            DataFusionError::SchemaError(schema, _) => Self::from_schema(schema),
            DataFusionError::Plan(text) | DataFusionError::Configuration(text) => Self::from_plan(text, tables),
            DataFusionError::NotImplemented(text) => Self::invalid(hints::clean(text)),
            DataFusionError::Execution(text) => Self::invalid(hints::clean(text)),
            DataFusionError::ArrowError(arrow, _) => Self::from_arrow(arrow),
            other => Self::new(ErrorKind::Internal, hints::clean(&other.strip_backtrace())),
        };
        if mapped.position.is_none() {
            mapped.position = error
                .diagnostic()
                .and_then(|diagnostic| diagnostic.span)
                .map(|span| (span.start.line, span.start.column))
                .filter(|(line, _)| *line > 0);
        }
        if mapped.position.is_none()
            && let Some((rest, position)) = hints::take_position(&mapped.message)
        {
            mapped.message = rest;
            mapped.position = Some(position);
        }
        mapped
    }

    fn exhausted(text: &str) -> Self {
        let text = hints::clean(text);
        let limit = if text.contains("disk") || text.contains("temporary") {
            "query.spill_bytes_max"
        } else {
            "query.memory_bytes_max"
        };
        let first = text.split(". ").next().unwrap_or(&text).lines().next().unwrap_or_default().to_owned();
        Self::new(ErrorKind::ResourcesExhausted, format!("the query needs more than `{limit}` allows: {first}"))
            .with_hint("filter by time or project, select fewer columns, or group by fewer values")
    }

    fn from_schema(error: &SchemaError) -> Self {
        match error {
            SchemaError::FieldNotFound { field, valid_fields } => {
                let known: Vec<&str> = valid_fields.iter().map(|column| column.name.as_str()).collect();
                let found = Self::invalid(format!("no column `{}`", field.name));
                match hints::nearest(&field.name, &known) {
                    Some(near) => found.with_hint(format!("did you mean `{near}`?")),
                    None => found,
                }
            }
            other => Self::invalid(hints::clean(&other.to_string())),
        }
    }

    fn from_plan(text: &str, tables: &[&str]) -> Self {
        if let Some(name) = hints::missing_table(text) {
            let hint = match hints::nearest(name, tables) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the tables are {}", hints::listed(tables)),
            };
            return Self::invalid(format!("no table `{name}`")).with_hint(hint);
        }
        let text = hints::clean(text);
        match text.split_once("Did you mean ") {
            Some((message, near)) => Self::invalid(message.trim_end_matches(['\n', '.', ' ']))
                .with_hint(format!("did you mean {}", near.replace('\'', "`"))),
            None => Self::invalid(text),
        }
    }

    fn from_arrow(error: &arrow::error::ArrowError) -> Self {
        use arrow::error::ArrowError as A;
        let kind = match error {
            A::DivideByZero
            | A::ArithmeticOverflow(_)
            | A::CastError(_)
            | A::ParseError(_)
            | A::ComputeError(_)
            | A::InvalidArgumentError(_) => ErrorKind::Invalid,
            _ => ErrorKind::Internal,
        };
        Self::new(kind, hints::clean(&error.to_string()))
    }
}

/// The first error of type `T` among `error` and its causes.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // Boxes hide their content from `source()`.
        next = match error.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::External(inner)) => Some(inner.as_ref() as _),
            Some(DataFusionError::ArrowError(inner, _)) => Some(inner.as_ref() as _),
            Some(DataFusionError::ParquetError(inner)) => Some(inner.as_ref() as _),
            Some(DataFusionError::ObjectStore(inner)) => Some(inner.as_ref() as _),
            Some(DataFusionError::Shared(inner)) => Some(inner.as_ref() as _),
            Some(DataFusionError::Collection(errors)) => errors.first().map(|inner| inner as _),
            _ => error.source(),
        };
    }
    None
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some((line, column)) = self.position {
            write!(f, " (line {line}, column {column})")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {}
