//! The messages of `proto/tephra/v1/ingest.proto`, for senders and for answers. Requests are read by hand, not by these.

/// A batch of events.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AppendRequest {
    /// Chosen by the sender and returned in the answer.
    #[prost(uint64, tag = "1")]
    pub batch_id: u64,
    /// What all events of the batch share; an event's own field wins.
    #[prost(message, optional, tag = "2")]
    pub resource: Option<Resource>,
    /// Stack traces of the batch, each once.
    #[prost(message, repeated, tag = "3")]
    pub stacks: Vec<Stack>,
    /// The events.
    #[prost(message, repeated, tag = "4")]
    pub events: Vec<Event>,
}

/// What events share.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Resource {
    /// Name of the program.
    #[prost(string, tag = "1")]
    pub service: String,
    /// `production`, `staging`, ….
    #[prost(string, tag = "2")]
    pub environment: String,
    /// Version of the program.
    #[prost(string, tag = "3")]
    pub release: String,
    /// Build of the release.
    #[prost(string, tag = "4")]
    pub dist: String,
    /// Host it runs on.
    #[prost(string, tag = "5")]
    pub server_name: String,
    /// Language or runtime.
    #[prost(string, tag = "6")]
    pub platform: String,
    /// The sender's own name.
    #[prost(string, tag = "7")]
    pub sdk_name: String,
    /// The sender's own version.
    #[prost(string, tag = "8")]
    pub sdk_version: String,
    /// Names and values to filter by.
    #[prost(message, repeated, tag = "9")]
    pub tags: Vec<Tag>,
    /// One JSON object.
    #[prost(string, tag = "10")]
    pub attributes_json: String,
}

/// A name and a value to filter by.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Tag {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// A stack trace: its text, or its frames, oldest call first.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Stack {
    /// As the runtime prints it.
    #[prost(string, tag = "1")]
    pub text: String,
    /// Oldest call first.
    #[prost(message, repeated, tag = "2")]
    pub frames: Vec<Frame>,
}

/// One call.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Frame {
    /// Name of the function.
    #[prost(string, tag = "1")]
    pub function: String,
    /// Its module, package or class.
    #[prost(string, tag = "2")]
    pub module: String,
    /// Its file, short.
    #[prost(string, tag = "3")]
    pub filename: String,
    /// Its file, whole.
    #[prost(string, tag = "4")]
    pub abs_path: String,
    /// Its line, from 1; 0 where unknown.
    #[prost(uint32, tag = "5")]
    pub line: u32,
    /// Its column, from 1; 0 where unknown.
    #[prost(uint32, tag = "6")]
    pub column: u32,
    /// Whether it is the program's own.
    #[prost(bool, optional, tag = "7")]
    pub in_app: Option<bool>,
}

/// How bad an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Level {
    /// Error with an exception, else info.
    Unspecified = 0,
    /// Trace.
    Trace = 1,
    /// Debug.
    Debug = 2,
    /// Info.
    Info = 3,
    /// Warning.
    Warning = 4,
    /// Error.
    Error = 5,
    /// Fatal.
    Fatal = 6,
}

/// One event.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Event {
    /// 16 bytes by which a retry is recognised; made by the server where empty.
    #[prost(bytes = "vec", tag = "1")]
    pub event_id: Vec<u8>,
    /// Microseconds since 1970-01-01 UTC; the receipt time where 0.
    #[prost(int64, tag = "2")]
    pub timestamp_us: i64,
    /// How bad it is.
    #[prost(enumeration = "Level", tag = "3")]
    pub level: i32,
    /// The logger's name.
    #[prost(string, tag = "4")]
    pub logger: String,
    /// The message with its parameters filled in.
    #[prost(string, tag = "5")]
    pub message: String,
    /// The message before its parameters were filled in.
    #[prost(string, tag = "6")]
    pub template: String,
    /// The exception's type.
    #[prost(string, tag = "7")]
    pub exception_type: String,
    /// The exception's text.
    #[prost(string, tag = "8")]
    pub exception_value: String,
    /// Whether the program caught it.
    #[prost(bool, optional, tag = "9")]
    pub handled: Option<bool>,
    /// Index into `stacks` of the batch, plus 1; 0 is no stack.
    #[prost(uint32, tag = "10")]
    pub stack: u32,
    /// The function or transaction to blame.
    #[prost(string, tag = "11")]
    pub culprit: String,
    /// The user's id.
    #[prost(string, tag = "12")]
    pub user_id: String,
    /// The user's email address.
    #[prost(string, tag = "13")]
    pub user_email: String,
    /// The user's IP address.
    #[prost(string, tag = "14")]
    pub user_ip: String,
    /// The session's id.
    #[prost(string, tag = "15")]
    pub session_id: String,
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "16")]
    pub trace_id: Vec<u8>,
    /// 8 bytes.
    #[prost(bytes = "vec", tag = "17")]
    pub span_id: Vec<u8>,
    /// Names and values to filter by.
    #[prost(message, repeated, tag = "18")]
    pub tags: Vec<Tag>,
    /// One JSON object.
    #[prost(string, tag = "19")]
    pub attributes_json: String,
    /// Replaces the server's grouping; `{{ default }}` stands for it.
    #[prost(string, repeated, tag = "20")]
    pub fingerprint: Vec<String>,
    /// Where it differs from the batch's resource.
    #[prost(message, optional, tag = "21")]
    pub resource: Option<Resource>,
}

/// The answer to a batch.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AppendResponse {
    /// The number of the batch.
    #[prost(uint64, tag = "1")]
    pub batch_id: u64,
    /// Events stored.
    #[prost(uint32, tag = "2")]
    pub accepted: u32,
    /// Indexes of events that were stored before.
    #[prost(uint32, repeated, tag = "3")]
    pub duplicates: Vec<u32>,
    /// Events that were not taken.
    #[prost(message, repeated, tag = "4")]
    pub rejected: Vec<Rejected>,
    /// Set when nothing of the batch was stored.
    #[prost(message, optional, tag = "5")]
    pub refusal: Option<Refusal>,
    /// Events that the project's filters do not want; they need not be sent again.
    #[prost(uint32, tag = "6")]
    pub filtered: u32,
}

/// An event that was not taken.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Rejected {
    /// Its index in the batch.
    #[prost(uint32, tag = "1")]
    pub index: u32,
    /// Why.
    #[prost(string, tag = "2")]
    pub reason: String,
}

/// Why nothing of a batch was stored.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Refusal {
    /// What the sender should do.
    #[prost(enumeration = "refusal::Kind", tag = "1")]
    pub kind: i32,
    /// Why.
    #[prost(string, tag = "2")]
    pub reason: String,
    /// When to send it again, for busy.
    #[prost(uint32, tag = "3")]
    pub retry_after_ms: u32,
}

/// The kinds of a refusal.
pub mod refusal {
    /// What the sender should do.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
    #[repr(i32)]
    pub enum Kind {
        /// Not said.
        Unspecified = 0,
        /// Fix the batch.
        Invalid = 1,
        /// Send less at once.
        TooLarge = 2,
        /// Send it again later.
        Busy = 3,
    }
}

impl From<crate::batch::Rejected> for Rejected {
    fn from(rejected: crate::batch::Rejected) -> Self {
        Self { index: rejected.index, reason: rejected.reason }
    }
}
