//! Which field of a record or span is which, in both spellings of proto3.

use super::fields::{Read, any_value, attributes, id, severity, string, whole, wrong};
use crate::limits::Limits;
use crate::otlp::record::{EXCEPTION, LogRecord, Span, SpanEvent};
use crate::value::{Pairs, Value};

pub(super) fn log_record<'t>(pairs: Pairs<'t>, limits: &Limits) -> Read<LogRecord<'t>> {
    let mut record = LogRecord::default();
    for (key, value) in pairs {
        if value == Value::Null {
            continue;
        }
        match key.as_ref() {
            "timeUnixNano" | "time_unix_nano" => record.time_nanos = whole(&key, &value)?,
            "observedTimeUnixNano" | "observed_time_unix_nano" => record.observed_nanos = whole(&key, &value)?,
            "severityNumber" | "severity_number" => record.severity_number = severity(&key, &value)?,
            "severityText" | "severity_text" => record.severity_text = string(&key, value)?,
            "body" => record.body = any_value(value)?,
            "attributes" => record.attributes = attributes(value)?,
            "droppedAttributesCount" | "dropped_attributes_count" => record.dropped_attributes = whole(&key, &value)?,
            "traceId" | "trace_id" => record.trace_id = id(&key, value)?,
            "spanId" | "span_id" => record.span_id = id(&key, value)?,
            "eventName" | "event_name" => record.event_name = string(&key, value)?,
            _ => {}
        }
    }
    limits.check_attributes(record.attributes.len()).map(|()| record)
}

pub(super) fn span<'t>(pairs: Pairs<'t>, limits: &Limits) -> Read<Span<'t>> {
    let mut span = Span::default();
    for (key, value) in pairs {
        match (key.as_ref(), value) {
            (_, Value::Null) => {}
            ("traceId" | "trace_id", value) => span.trace_id = id(&key, value)?,
            ("spanId" | "span_id", value) => span.span_id = id(&key, value)?,
            ("name", value) => span.name = string(&key, value)?,
            ("endTimeUnixNano" | "end_time_unix_nano", value) => span.end_nanos = whole(&key, &value)?,
            ("attributes", value) => span.attributes = attributes(value)?,
            ("events", Value::List(events)) => {
                for event in events {
                    span.exceptions.extend(exception(event)?);
                }
            }
            ("events", other) => return Err(wrong(&key, "a list", &other)),
            _ => {}
        }
    }
    limits.check_attributes(span.attributes.len()).map(|()| span)
}

fn exception(event: Value<'_>) -> Read<Option<SpanEvent<'_>>> {
    let Value::Map(pairs) = event else { return Err(wrong("events", "a list of objects", &event)) };
    let mut event = SpanEvent::default();
    let mut is_exception = false;
    for (key, value) in pairs {
        match (key.as_ref(), value) {
            (_, Value::Null) => {}
            ("timeUnixNano" | "time_unix_nano", value) => event.time_nanos = whole(&key, &value)?,
            ("name", value) => is_exception = value == Value::Text(EXCEPTION.into()),
            ("attributes", value) => event.attributes = attributes(value)?,
            ("droppedAttributesCount" | "dropped_attributes_count", value) => {
                event.dropped_attributes = whole(&key, &value)?;
            }
            _ => {}
        }
    }
    Ok(is_exception.then_some(event))
}
