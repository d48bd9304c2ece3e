//! What is wrong with a search text, and where.

use std::fmt;

use crate::error::Error;

/// A mistake in a search text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchError {
    /// The character at which it is, from 1.
    pub position: usize,
    /// What was expected or found, lowercase, names in backticks.
    pub message: String,
    /// What may help.
    pub hint: Option<String>,
}

impl SearchError {
    pub(super) fn new(position: usize, message: impl Into<String>) -> Self {
        Self { position, message: message.into(), hint: None }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for SearchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (character {})", self.message, self.position)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SearchError {}

/// A search is one line.
impl From<SearchError> for Error {
    fn from(error: SearchError) -> Self {
        let SearchError { position, message, hint } = error;
        Self { position: Some((1, position as u64)), hint, ..Self::invalid(message) }
    }
}
