//! The one table of item types: the category by which each is limited, and what becomes of it.

use std::fmt;

/// What an SDK limits apart (`X-Sentry-Rate-Limits`), and what the ledger counts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Messages: events without an exception.
    Default,
    /// Events with an exception.
    Error,
    /// Performance transactions.
    Transaction,
    /// Cron check-ins.
    Monitor,
    /// Spans of any form.
    Span,
    /// Structured logs.
    LogItem,
    /// Browsers' reports of broken policies.
    Security,
    /// Files beside an event.
    Attachment,
    /// Release health.
    Session,
    /// Profiles of a transaction.
    Profile,
    /// Parts of a continuous profile.
    ProfileChunk,
    /// Recordings of a user's session.
    Replay,
    /// What users wrote.
    Feedback,
    /// Metrics that belong to a trace.
    TraceMetric,
    /// Aggregated metrics of older SDKs.
    MetricBucket,
    /// What SDKs say of themselves.
    Internal,
    /// Types that Tephra has never heard of.
    Unknown,
}

impl Category {
    /// The word in headers, client reports and the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Error => "error",
            Self::Transaction => "transaction",
            Self::Monitor => "monitor",
            Self::Span => "span",
            Self::LogItem => "log_item",
            Self::Security => "security",
            Self::Attachment => "attachment",
            Self::Session => "session",
            Self::Profile => "profile",
            Self::ProfileChunk => "profile_chunk",
            Self::Replay => "replay",
            Self::Feedback => "feedback",
            Self::TraceMetric => "trace_metric",
            Self::MetricBucket => "metric_bucket",
            Self::Internal => "internal",
            Self::Unknown => "unknown",
        }
    }

    /// The categories that are never stored, whatever the project's settings: SDKs may be told to keep them.
    pub const UNSUPPORTED: [Self; 9] = [
        Self::Transaction,
        Self::Monitor,
        Self::Span,
        Self::Session,
        Self::Profile,
        Self::ProfileChunk,
        Self::Replay,
        Self::TraceMetric,
        Self::MetricBucket,
    ];
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What becomes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Its events, or its file, are stored.
    Store,
    /// Its figures go to the ledger of what clients dropped themselves.
    Report,
    /// It is counted and dropped.
    Count,
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemType {
    Event,
    Feedback,
    UserReport,
    Attachment,
    Log,
    ClientReport,
    Transaction,
    Session,
    Sessions,
    CheckIn,
    Span,
    OtelSpan,
    OtelTraces,
    Profile,
    ProfileChunk,
    ReplayEvent,
    ReplayRecording,
    ReplayVideo,
    TraceMetric,
    Statsd,
    MetricBuckets,
    MetricMeta,
    Nel,
    Security,
    FormData,
    UnrealReport,
    Unknown,
}

type Row = (ItemType, &'static str, Category, Action);

#[rustfmt::skip]
const TABLE: [Row; 27] = [
    (ItemType::Event,           "event",              Category::Error,        Action::Store),
    (ItemType::Feedback,        "feedback",           Category::Feedback,     Action::Store),
    (ItemType::UserReport,      "user_report",        Category::Feedback,     Action::Store),
    (ItemType::Attachment,      "attachment",         Category::Attachment,   Action::Store),
    (ItemType::Log,             "log",                Category::LogItem,      Action::Store),
    (ItemType::ClientReport,    "client_report",      Category::Internal,     Action::Report),
    (ItemType::Transaction,     "transaction",        Category::Transaction,  Action::Count),
    (ItemType::Session,         "session",            Category::Session,      Action::Count),
    (ItemType::Sessions,        "sessions",           Category::Session,      Action::Count),
    (ItemType::CheckIn,         "check_in",           Category::Monitor,      Action::Count),
    (ItemType::Span,            "span",               Category::Span,         Action::Count),
    (ItemType::OtelSpan,        "otel_span",          Category::Span,         Action::Count),
    (ItemType::OtelTraces,      "otel_traces_data",   Category::Span,         Action::Count),
    (ItemType::Profile,         "profile",            Category::Profile,      Action::Count),
    (ItemType::ProfileChunk,    "profile_chunk",      Category::ProfileChunk, Action::Count),
    (ItemType::ReplayEvent,     "replay_event",       Category::Replay,       Action::Count),
    (ItemType::ReplayRecording, "replay_recording",   Category::Replay,       Action::Count),
    (ItemType::ReplayVideo,     "replay_video",       Category::Replay,       Action::Count),
    (ItemType::TraceMetric,     "trace_metric",       Category::TraceMetric,  Action::Count),
    (ItemType::Statsd,          "statsd",             Category::MetricBucket, Action::Count),
    (ItemType::MetricBuckets,   "metric_buckets",     Category::MetricBucket, Action::Count),
    (ItemType::MetricMeta,      "metric_meta",        Category::MetricBucket, Action::Count),
    (ItemType::Nel,             "nel",                Category::Security,     Action::Count),
    (ItemType::Security,        "security",           Category::Security,     Action::Count),
    (ItemType::FormData,        "form_data",          Category::Default,      Action::Count),
    (ItemType::UnrealReport,    "unreal_report",      Category::Error,        Action::Count),
    (ItemType::Unknown,         "unknown",            Category::Unknown,      Action::Count),
];

/// Further names of types in the table.
const ALIASES: [(&str, ItemType); 3] = [
    ("profile_chunk_ui", ItemType::ProfileChunk),
    ("raw_security", ItemType::Security),
    ("metrics", ItemType::MetricBuckets),
];

impl ItemType {
    pub(super) fn parse(word: &str) -> Self {
        let row = TABLE.iter().find(|(_, name, _, _)| *name == word).map(|row| row.0);
        row.or_else(|| ALIASES.iter().find(|(name, _)| *name == word).map(|alias| alias.1)).unwrap_or(Self::Unknown)
    }

    pub(super) fn as_str(self) -> &'static str {
        self.row().1
    }

    pub(super) fn category(self) -> Category {
        self.row().2
    }

    pub(super) fn action(self) -> Action {
        self.row().3
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_types() {
        for (index, (kind, name, category, action)) in TABLE.iter().enumerate() {
            assert_eq!(*kind as usize, index, "{name}");
            assert_eq!(ItemType::parse(name), *kind);
            let unsupported = Category::UNSUPPORTED.contains(category);
            assert!(!unsupported || *action == Action::Count, "{name} is stored, so SDKs must not be told to keep it");
        }
        assert_eq!(ItemType::parse("profile_chunk_ui").category(), Category::ProfileChunk);
        assert_eq!(ItemType::parse("EVENT"), ItemType::Unknown);
        assert_eq!(ItemType::parse(""), ItemType::Unknown);
    }
}
