//! The one table of answers: what each kind of failure is called over HTTP, gRPC and the native protocol.
//!
//! Every crate below tells its failures by kind; here a kind becomes a status, so that the same fault gets the same answer
//! on every protocol. Two choices are about SDKs: too large is never a code that OTLP clients take for "send it again",
//! and whatever might succeed later says when to come back.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use tephra_ingest::native::refusal::Kind as R;
use tonic::Code;

use crate::gate::Limits;

/// What went wrong, and so what the caller should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Fix the request.
    Invalid,
    /// Send less at once, on the wire or inflated.
    TooLarge,
    /// Use a content type or encoding that is known here.
    Unsupported,
    /// Send a key or token, or a right one.
    Unauthenticated,
    /// The key or token is right and does not reach this.
    Denied,
    /// Look elsewhere.
    NotFound,
    /// The route knows other methods.
    Method,
    /// The request id is in use.
    Conflict,
    /// The client did not send its request in time.
    Slow,
    /// Send it again later: a queue or the disk is full, a sync failed, or the server starts or stops.
    Busy,
    /// Ask less often.
    RateLimited,
    /// Ask for less: the query needs more than its limits allow.
    Exhausted,
    /// The query took longer than it may.
    Timeout,
    /// The query was cancelled.
    Cancelled,
    /// Call the operator: stored bytes are not what was written.
    Corrupt,
    /// Report a bug.
    Internal,
}

struct Row {
    kind: Kind,
    word: &'static str,
    title: &'static str,
    http: StatusCode,
    grpc: Code,
    refusal: R,
}

const fn row(kind: Kind, word: &'static str, title: &'static str, http: StatusCode, grpc: Code, refusal: R) -> Row {
    Row { kind, word, title, http, grpc, refusal }
}

use StatusCode as S;

/// In the order of [`Kind`].
static TABLE: [Row; 16] = [
    row(Kind::Invalid, "invalid", "Invalid request", S::BAD_REQUEST, Code::InvalidArgument, R::Invalid),
    row(Kind::TooLarge, "too_large", "Too large", S::PAYLOAD_TOO_LARGE, Code::InvalidArgument, R::TooLarge),
    row(Kind::Unsupported, "unsupported", "Not supported", S::UNSUPPORTED_MEDIA_TYPE, Code::Unimplemented, R::Invalid),
    row(Kind::Unauthenticated, "unauthenticated", "No access", S::UNAUTHORIZED, Code::Unauthenticated, R::Invalid),
    row(Kind::Denied, "denied", "No right", S::FORBIDDEN, Code::PermissionDenied, R::Invalid),
    row(Kind::NotFound, "not_found", "Not found", S::NOT_FOUND, Code::Unimplemented, R::Invalid),
    row(Kind::Method, "method", "Method not allowed", S::METHOD_NOT_ALLOWED, Code::Unimplemented, R::Invalid),
    row(Kind::Conflict, "conflict", "Conflict", S::CONFLICT, Code::AlreadyExists, R::Invalid),
    row(Kind::Slow, "slow", "Request not sent in time", S::REQUEST_TIMEOUT, Code::Cancelled, R::Busy),
    row(Kind::Busy, "busy", "Busy", S::SERVICE_UNAVAILABLE, Code::Unavailable, R::Busy),
    row(Kind::RateLimited, "rate_limited", "Too many requests", S::TOO_MANY_REQUESTS, Code::Unavailable, R::Busy),
    row(Kind::Exhausted, "exhausted", "Over a limit", S::UNPROCESSABLE_ENTITY, Code::ResourceExhausted, R::TooLarge),
    row(Kind::Timeout, "timeout", "Took too long", S::GATEWAY_TIMEOUT, Code::DeadlineExceeded, R::Busy),
    row(Kind::Cancelled, "cancelled", "Cancelled", CLIENT_CLOSED_REQUEST, Code::Cancelled, R::Invalid),
    row(Kind::Corrupt, "corrupt", "Stored data is damaged", S::INTERNAL_SERVER_ERROR, Code::DataLoss, R::Busy),
    row(Kind::Internal, "internal", "Internal error", S::INTERNAL_SERVER_ERROR, Code::Internal, R::Busy),
];

const CLIENT_CLOSED_REQUEST: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => S::BAD_REQUEST,
};

impl Kind {
    fn row(self) -> &'static Row {
        let row = &TABLE[self as usize];
        debug_assert!(row.kind == self, "the table is not in the order of the kinds");
        row
    }

    /// The word in problem documents and metrics.
    pub fn word(self) -> &'static str {
        self.row().word
    }

    /// A short title for people.
    pub fn title(self) -> &'static str {
        self.row().title
    }

    /// The HTTP status.
    pub fn http(self) -> StatusCode {
        self.row().http
    }

    /// The gRPC code.
    pub fn grpc(self) -> Code {
        self.row().grpc
    }

    /// The native protocol's refusal of one batch.
    pub fn refusal(self) -> R {
        self.row().refusal
    }
}

/// A failure as a caller gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What went wrong.
    pub kind: Kind,
    /// What was attempted, on what, and what went wrong.
    pub message: String,
    /// When to come back, where that may help.
    pub retry_after: Option<Duration>,
    /// Line and column in the SQL text, from 1.
    pub position: Option<(u64, u64)>,
    /// What may help.
    pub hint: Option<String>,
    /// The input field at fault.
    pub field: Option<Box<str>>,
    /// The limits that a sender of events met. Boxed, as answers are handed up often and limits are rare.
    pub(crate) limits: Option<Box<Limits>>,
}

/// Result of a request.
pub(crate) type Result<T> = std::result::Result<T, Answer>;

/// When a client should come back if nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Answer {
    /// A failure without a hint.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let retry_after = matches!(kind, Kind::Busy | Kind::RateLimited).then_some(RETRY_AFTER);
        let message = message.into();
        Self { kind, message, retry_after, position: None, hint: None, field: None, limits: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with the name of the input field at fault, as the request spells it.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into().into_boxed_str());
        self
    }

    /// The same with another time to come back.
    #[must_use]
    pub fn after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    /// Seconds for `Retry-After`: whole ones, at least one.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after.map(|after| after.as_millis().div_ceil(1000).max(1) as u64)
    }

    /// The answer to an append that the store did not take. Whatever the reason, nothing was acknowledged, so that sending it
    /// again is right: a failed sync leaves durability unknown, and a retry that was stored after all is a duplicate.
    pub fn from_append(error: &tephra_storage::Error) -> Self {
        use tephra_storage::ErrorKind as From;
        match error.kind() {
            From::Invalid => Self::new(Kind::Invalid, error.to_string()),
            From::Busy => Self::new(Kind::Busy, error.to_string()),
            From::NotFound | From::Denied | From::Conflict | From::Corrupt | From::Internal => {
                tracing::error!(%error, "could not store events");
                Self::new(Kind::Busy, error.message()).after(Duration::from_secs(5))
            }
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Answer {}

impl From<tephra_ingest::Error> for Answer {
    fn from(error: tephra_ingest::Error) -> Self {
        use tephra_ingest::ErrorKind as From;
        let kind = match error.kind() {
            From::Malformed => Kind::Invalid,
            From::TooLarge => Kind::TooLarge,
            From::Unsupported => Kind::Unsupported,
        };
        Self::new(kind, error.message())
    }
}

impl From<tephra_storage::Error> for Answer {
    fn from(error: tephra_storage::Error) -> Self {
        use tephra_storage::ErrorKind as From;
        let kind = match error.kind() {
            From::Invalid => Kind::Invalid,
            From::NotFound => Kind::NotFound,
            From::Denied => Kind::Denied,
            From::Conflict => Kind::Conflict,
            From::Busy => Kind::Busy,
            From::Corrupt => Kind::Corrupt,
            From::Internal => Kind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<tephra_query::Error> for Answer {
    fn from(error: tephra_query::Error) -> Self {
        use tephra_query::ErrorKind as From;
        let kind = match error.kind {
            From::Invalid => Kind::Invalid,
            From::ResourcesExhausted => Kind::Exhausted,
            From::Timeout => Kind::Timeout,
            From::Busy => Kind::Busy,
            From::Corrupt => Kind::Corrupt,
            From::Internal => Kind::Internal,
        };
        Self { position: error.position, hint: error.hint, ..Self::new(kind, error.message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_kinds() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.kind as usize, index, "{:?}", row.kind);
            assert_eq!(row.kind.word(), row.word);
        }
        assert_eq!(Kind::Internal as usize + 1, TABLE.len());
    }

    #[test]
    fn too_large_is_never_retryable() {
        assert_eq!(Kind::TooLarge.http(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(Kind::TooLarge.grpc(), Code::InvalidArgument);
        assert_eq!(Kind::TooLarge.refusal(), R::TooLarge);
    }

    #[test]
    fn busy_says_when_to_come_back() {
        let answer = Answer::new(Kind::Busy, "full");
        assert_eq!(answer.retry_after_seconds(), Some(1));
        assert_eq!(answer.after(Duration::from_millis(2500)).retry_after_seconds(), Some(3));
        assert_eq!(Answer::new(Kind::Invalid, "no").retry_after_seconds(), None);
    }

    #[test]
    fn an_append_that_may_or_may_not_be_durable_is_sent_again() {
        let failed = tephra_storage::Error::new(tephra_storage::ErrorKind::Internal, "could not sync");
        let answer = Answer::from_append(&failed);
        assert_eq!((answer.kind, answer.retry_after_seconds()), (Kind::Busy, Some(5)));
    }
}
