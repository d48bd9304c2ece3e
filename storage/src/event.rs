//! One report, as every protocol delivers it and both tiers keep it.
//!
//! The names of the fields are the names of the columns (`schema.rs`); strings that a batch shares (service, release,
//! stacks) are reference counted, so that a thousand events of one program hold them once.

mod stored;

use std::fmt;
use std::sync::Arc;

pub use stored::stored_events;

/// A string that many events of a batch may share.
pub type Text = Arc<str>;

/// The number of a project, as in the path of a DSN. Positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ProjectId(pub i64);

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How bad it is, in the words that Sentry and the SQL use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// OpenTelemetry severity numbers 1 to 4.
    Trace,
    /// 5 to 8.
    Debug,
    /// 9 to 12.
    #[default]
    Info,
    /// 13 to 16.
    Warning,
    /// 17 to 20.
    Error,
    /// 21 to 24.
    Fatal,
}

impl Level {
    /// The word stored in the column `level`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// Reads the words that SDKs and loggers use, in any case (`WARN`, `critical`, `notice`, …).
    pub fn parse(word: &str) -> Option<Self> {
        const WORDS: [(&str, Level); 17] = [
            ("trace", Level::Trace),
            ("verbose", Level::Trace),
            ("debug", Level::Debug),
            ("info", Level::Info),
            ("information", Level::Info),
            ("informational", Level::Info),
            ("notice", Level::Info),
            ("log", Level::Info),
            ("warn", Level::Warning),
            ("warning", Level::Warning),
            ("err", Level::Error),
            ("error", Level::Error),
            ("fatal", Level::Fatal),
            ("critical", Level::Fatal),
            ("alert", Level::Fatal),
            ("emergency", Level::Fatal),
            ("panic", Level::Fatal),
        ];
        let word = word.trim();
        WORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, level)| *level)
    }

    /// The level of an OpenTelemetry severity number (1 to 24), where it is one.
    pub fn from_severity(number: i32) -> Option<Self> {
        match number {
            1..=4 => Some(Self::Trace),
            5..=8 => Some(Self::Debug),
            9..=12 => Some(Self::Info),
            13..=16 => Some(Self::Warning),
            17..=20 => Some(Self::Error),
            21..=24 => Some(Self::Fatal),
            _ => None,
        }
    }

    /// The lowest OpenTelemetry severity number of the level.
    pub fn severity(self) -> i32 {
        match self {
            Self::Trace => 1,
            Self::Debug => 5,
            Self::Info => 9,
            Self::Warning => 13,
            Self::Error => 17,
            Self::Fatal => 21,
        }
    }
}

/// What an event is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It carries an exception.
    Error,
    /// A log record without one.
    #[default]
    Log,
    /// A message that somebody sent on purpose.
    Message,
    /// What a user wrote about an error.
    Feedback,
}

impl Kind {
    /// The word stored in the column `kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Log => "log",
            Self::Message => "message",
            Self::Feedback => "feedback",
        }
    }

    /// Reads the word of the column `kind`.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Error, Self::Log, Self::Message, Self::Feedback].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// One report. Times are microseconds since 1970-01-01 UTC; `None` is SQL's NULL.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// The sender's id of the event, by which a retried event is recognised; the store makes one (UUIDv7) where absent.
    pub event_id: Option<[u8; 16]>,
    /// When it happened, by the sender's clock (corrected where the protocol allows).
    pub timestamp: i64,
    /// When Tephra received it.
    pub received_at: i64,
    /// How bad it is.
    pub level: Level,
    /// OpenTelemetry's severity number, 1 to 24.
    pub severity: Option<i32>,
    /// What it is.
    pub kind: Kind,
    /// The language or runtime: `python`, `javascript`, `java`, ….
    pub platform: Option<Text>,
    /// The logger's or instrumentation scope's name.
    pub logger: Option<Text>,
    /// The message with its parameters filled in.
    pub message: Option<Text>,
    /// The message before its parameters were filled in.
    pub template: Option<Text>,
    /// The type of the exception that was thrown last (`ValueError`).
    pub exception_type: Option<Text>,
    /// Its text.
    pub exception_value: Option<Text>,
    /// The function or transaction to blame.
    pub culprit: Option<Text>,
    /// Whether the program caught the exception itself.
    pub handled: Option<bool>,
    /// The stack trace as canonical text.
    pub stack: Option<Text>,
    /// The exception chain with its frames as JSON, where the sender gave structured frames.
    pub frames: Option<Text>,
    /// Per-frame local variables as JSON.
    pub frame_vars: Option<Text>,
    /// What happened before, as JSON.
    pub breadcrumbs: Option<Text>,
    /// Device, runtime, operating system, … as JSON.
    pub contexts: Option<Text>,
    /// The HTTP request as JSON.
    pub request: Option<Text>,
    /// Sentry's `extra` as JSON.
    pub extra: Option<Text>,
    /// `production`, `staging`, ….
    pub environment: Option<Text>,
    /// The version of the program.
    pub release: Option<Text>,
    /// The build of the release.
    pub dist: Option<Text>,
    /// The name of the program.
    pub service: Option<Text>,
    /// The host it ran on.
    pub server_name: Option<Text>,
    /// The user's id.
    pub user_id: Option<Text>,
    /// The user's email address.
    pub user_email: Option<Text>,
    /// The user's IP address.
    pub user_ip: Option<Text>,
    /// The session's id.
    pub session_id: Option<Text>,
    /// The trace's id; all zeros is absent.
    pub trace_id: Option<[u8; 16]>,
    /// The span's id; all zeros is absent.
    pub span_id: Option<[u8; 8]>,
    /// The SDK's name.
    pub sdk_name: Option<Text>,
    /// The SDK's version.
    pub sdk_version: Option<Text>,
    /// Names and values to filter by. A name occurs once.
    pub tags: Vec<(Text, Text)>,
    /// Whatever else came, as one JSON object.
    pub attributes: Option<Text>,
    /// The group by in-app frames.
    pub group_hash: u64,
    /// The group by all frames.
    pub group_hash_full: u64,
    /// The version of the rules that made the two hashes.
    pub grouping_version: i32,
}
