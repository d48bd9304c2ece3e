//! What one request may cost, and the circumstances of its arrival.

use tephra_storage::ProjectId;

use crate::error::{Error, Result};
use crate::rules::Rules;

/// Bounds on one request and on each event in it. A sender learns the name of the one it broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A request after decompression; more is refused whole.
    pub request_bytes_max: usize,
    /// What a request may become in memory, shared strings counted once per batch; more is refused whole.
    pub decoded_bytes_max: usize,
    /// One event, on the wire and in its columns; a larger one is rejected.
    pub event_bytes_max: usize,
    /// Attributes of one event; an event with more is rejected.
    pub attributes_max: usize,
    /// Tags of one event; further ones go to `attributes`.
    pub tags_max: usize,
    /// Levels of lists and maps in a protobuf attribute; what is deeper becomes `…`.
    pub depth_max: usize,
    /// `message`, `exception_value` and every other text column but the stack; longer ones lose their middle.
    pub text_bytes_max: usize,
    /// `stack`; a longer one loses its middle.
    pub stack_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: 20 << 20,
            decoded_bytes_max: 256 << 20,
            event_bytes_max: 1 << 20,
            attributes_max: 65_536,
            tags_max: 1_000,
            depth_max: 64,
            text_bytes_max: 64 << 10,
            stack_bytes_max: 256 << 10,
        }
    }
}

impl Limits {
    /// A span carries many events, so it may be larger than one.
    pub(crate) fn span_bytes_max(&self) -> usize {
        self.event_bytes_max.saturating_mul(4)
    }

    pub(crate) fn check_request(&self, bytes: usize) -> Result<()> {
        if bytes > self.request_bytes_max {
            let limit = self.request_bytes_max;
            return Err(Error::too_large(format!("request of {bytes} bytes exceeds `request_bytes_max` of {limit}")));
        }
        Ok(())
    }

    pub(crate) fn check_event(&self, bytes: usize) -> std::result::Result<(), String> {
        if bytes > self.event_bytes_max {
            return Err(format!("event of {bytes} bytes exceeds `event_bytes_max` of {}", self.event_bytes_max));
        }
        Ok(())
    }

    pub(crate) fn check_attributes(&self, count: usize) -> std::result::Result<(), String> {
        if count > self.attributes_max {
            return Err(format!("more attributes than `attributes_max` of {}", self.attributes_max));
        }
        Ok(())
    }
}

/// Whose request it is and when it came.
#[derive(Clone, Copy, Debug)]
pub struct Receipt<'a> {
    /// The project of the ingest key.
    pub project_id: ProjectId,
    /// Microseconds since 1970-01-01 UTC.
    pub received_at: i64,
    /// The bounds in force.
    pub limits: &'a Limits,
    /// The project's rules; [`Rules::standard`] where it has none.
    pub rules: &'a Rules,
}
