//! Why a whole request was refused.

use std::fmt;

/// What the sender should change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The bytes are not what the protocol says.
    Malformed,
    /// Send less at once.
    TooLarge,
    /// Use an encoding that Tephra knows.
    Unsupported,
}

/// Result of the ingest crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A message in lowercase, names in backticks. Nothing of the request was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    /// An error of a kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// What the sender should change.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was attempted and what went wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::TooLarge, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
