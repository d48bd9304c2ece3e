//! A log record and an exception event of a span, whichever form they came in, and what they say of an event.

use std::borrow::Cow;

use tephra_storage::{Kind, Level};

use crate::conventions::Slot;
use crate::draft::{Draft, Shared};
use crate::limits::Receipt;
use crate::moment::Moment;
use crate::value::{Pairs, Value};

/// The name of a span event that carries an exception.
pub(super) const EXCEPTION: &str = "exception";

/// `opentelemetry.proto.logs.v1.LogRecord`.
#[derive(Debug, Default)]
pub(super) struct LogRecord<'a> {
    pub(super) time_nanos: u64,
    pub(super) observed_nanos: u64,
    pub(super) severity_number: i32,
    pub(super) severity_text: Cow<'a, str>,
    pub(super) body: Value<'a>,
    pub(super) attributes: Pairs<'a>,
    pub(super) dropped_attributes: u32,
    pub(super) trace_id: Cow<'a, [u8]>,
    pub(super) span_id: Cow<'a, [u8]>,
    pub(super) event_name: Cow<'a, str>,
}

impl<'a> LogRecord<'a> {
    pub(super) fn into_draft(self) -> Draft<'a> {
        let mut draft = Draft::default();
        draft.moment = Moment::Nanos(if self.time_nanos == 0 { self.observed_nanos } else { self.time_nanos });
        draft.put_body(self.body);
        draft.put_severity(self.severity_number, self.severity_text);
        if !self.event_name.is_empty() {
            draft.keep("event.name", Value::Text(self.event_name));
        }
        put_dropped(&mut draft, self.dropped_attributes);
        for (key, value) in self.attributes {
            draft.put(key, value);
        }
        draft.put_trace(&self.trace_id, &self.span_id);
        draft
    }
}

/// `opentelemetry.proto.trace.v1.Span`, as far as its exceptions need it.
#[derive(Debug, Default)]
pub(super) struct Span<'a> {
    pub(super) trace_id: Cow<'a, [u8]>,
    pub(super) span_id: Cow<'a, [u8]>,
    pub(super) name: Cow<'a, str>,
    pub(super) end_nanos: u64,
    pub(super) attributes: Pairs<'a>,
    pub(super) exceptions: Vec<SpanEvent<'a>>,
}

/// `opentelemetry.proto.trace.v1.Span.Event`.
#[derive(Debug, Default)]
pub(super) struct SpanEvent<'a> {
    pub(super) time_nanos: u64,
    pub(super) attributes: Pairs<'a>,
    pub(super) dropped_attributes: u32,
}

impl<'a> Span<'a> {
    /// One draft per exception; what the span's attributes say holds unless the exception says otherwise.
    pub(super) fn into_drafts(self) -> impl Iterator<Item = Draft<'a>> {
        let mut span = Draft::default();
        for (key, value) in self.attributes {
            span.put(key, value);
        }
        span.set(Slot::Culprit, self.name);
        span.put_trace(&self.trace_id, &self.span_id);
        span.kind = Some(Kind::Error);
        span.level = Some(Level::Error);
        span.severity = Some(Level::Error.severity());
        let end_nanos = self.end_nanos;
        self.exceptions.into_iter().map(move |exception| {
            let mut draft = span.clone();
            draft.moment = Moment::Nanos(if exception.time_nanos == 0 { end_nanos } else { exception.time_nanos });
            put_dropped(&mut draft, exception.dropped_attributes);
            for (key, value) in exception.attributes {
                draft.put(key, value);
            }
            draft
        })
    }
}

/// What a resource says for all its records.
pub(super) fn resource(attributes: Pairs<'_>, receipt: &Receipt<'_>) -> Shared {
    let mut draft = Draft::default();
    for (key, value) in attributes {
        draft.put(key, value);
    }
    Shared::new(draft, &Shared::default(), &receipt.rules.scrubber)
}

/// What an instrumentation scope says for all its records: its name is the logger.
pub(super) fn scope<'a>(
    name: Cow<'a, str>,
    version: Cow<'a, str>,
    attributes: Pairs<'a>,
    resource: &Shared,
    receipt: &Receipt<'_>,
) -> Shared {
    let mut draft = Draft::default();
    for (key, value) in attributes {
        draft.put(key, value);
    }
    draft.set(Slot::Logger, name);
    if !version.is_empty() {
        draft.keep("otel.scope.version", Value::Text(version));
    }
    Shared::new(draft, resource, &receipt.rules.scrubber)
}

fn put_dropped(draft: &mut Draft<'_>, count: u32) {
    if count > 0 {
        draft.keep("dropped_attributes_count", Value::Int(count.into()));
    }
}
