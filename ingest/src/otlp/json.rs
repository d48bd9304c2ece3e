//! OTLP in JSON, by the proto3 mapping with OTLP's changes: ids are hexadecimal, enums may be numbers.
//!
//! The frame of a request is read first and leaves each record as raw text, so that a bad record costs only itself.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::record::{self, EXCEPTION, LogRecord, Span, SpanEvent};
use crate::batch::{Batch, Decoded};
use crate::draft::Shared;
use crate::error::{Error, Result};
use crate::json::{complaint, parse, text_of};
use crate::limits::{Limits, Receipt};
use crate::value::{Pairs, Value};

type Read<T> = std::result::Result<T, String>;

/// `{"resourceLogs": […]}` or `{"resourceSpans": […]}`.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow, default, alias = "resource_logs", rename = "resourceLogs")]
    logs: Option<Vec<Resource<'a>>>,
    #[serde(borrow, default, alias = "resource_spans", rename = "resourceSpans")]
    spans: Option<Vec<Resource<'a>>>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow, default)]
    resource: Option<&'a RawValue>,
    #[serde(borrow, default, alias = "scope_logs", rename = "scopeLogs")]
    logs: Option<Vec<Scope<'a>>>,
    #[serde(borrow, default, alias = "scope_spans", rename = "scopeSpans")]
    spans: Option<Vec<Scope<'a>>>,
}

#[derive(Deserialize)]
struct Scope<'a> {
    #[serde(borrow, default)]
    scope: Option<&'a RawValue>,
    #[serde(borrow, default, alias = "log_records", rename = "logRecords")]
    logs: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    spans: Option<Vec<&'a RawValue>>,
}

/// Reads an `ExportLogsServiceRequest` in JSON.
pub fn logs_json(receipt: &Receipt<'_>, body: &Bytes) -> Result<Decoded> {
    let text = text_of(body);
    let mut batch = Batch::new(receipt, body)?;
    walk(&mut batch, &text, Signal::Logs, |batch, index, raw, shared| {
        let limits = batch.receipt.limits;
        let record =
            limits.check_event(raw.len()).and_then(|()| object(raw, &text)).and_then(|o| log_record(o, limits));
        match record {
            Ok(record) => batch.push(index, record.into_draft(), shared),
            Err(reason) => batch.reject(index, reason),
        }
    })?;
    Ok(batch.finish(body))
}

/// Reads an `ExportTraceServiceRequest` in JSON.
pub fn traces_json(receipt: &Receipt<'_>, body: &Bytes) -> Result<Decoded> {
    let text = text_of(body);
    let mut batch = Batch::new(receipt, body)?;
    walk(&mut batch, &text, Signal::Traces, |batch, index, raw, shared| {
        let limits = batch.receipt.limits;
        if raw.len() > limits.span_bytes_max() {
            let limit = limits.span_bytes_max();
            return batch.reject(index, format!("span of {} bytes exceeds the limit of {limit}", raw.len()));
        }
        match object(raw, &text).and_then(|pairs| span(pairs, limits)) {
            Ok(span) if span.exceptions.is_empty() => batch.ignore(),
            Ok(span) => {
                for draft in span.into_drafts() {
                    batch.push(index, draft, shared)?;
                }
            }
            Err(reason) => batch.reject(index, reason)?,
        }
        Ok(())
    })?;
    Ok(batch.finish(body))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Signal {
    Logs,
    Traces,
}

impl Signal {
    /// The list that belongs to the signal; absent or null is empty.
    fn pick<T>(self, logs: Option<Vec<T>>, spans: Option<Vec<T>>) -> Vec<T> {
        if self == Self::Logs { logs } else { spans }.unwrap_or_default()
    }
}

fn walk<'t, F>(batch: &mut Batch<'_>, text: &'t str, signal: Signal, mut visit: F) -> Result<()>
where
    F: FnMut(&mut Batch<'_>, u32, &'t str, &Shared) -> Result<()>,
{
    // Serde reads an array as a struct, field by field.
    if !text.trim_start().starts_with('{') {
        return Err(Error::malformed("request is not a JSON object (line 1, column 1)"));
    }
    let request: Request<'t> = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Error::malformed(format!("request is not OTLP JSON: {} (line {line}, column {column})", complaint(&error)))
    })?;
    let broken = |what: &str, reason| Error::malformed(format!("{what} is malformed: {reason}"));
    let limits = batch.receipt.limits;
    let mut index = 0u32;
    for group in signal.pick(request.logs, request.spans) {
        let resource = shared_fields(group.resource, text, limits).map_err(|reason| broken("resource", reason))?;
        let resource = record::resource(resource.0);
        batch.charge(resource.bytes())?;
        for group in signal.pick(group.logs, group.spans) {
            let mut shared = None;
            if group.scope.is_some() {
                let fields = shared_fields(group.scope, text, limits).map_err(|reason| broken("scope", reason))?;
                let scope = scope(fields, &resource).map_err(|reason| broken("scope", reason))?;
                batch.charge(scope.bytes())?;
                shared = Some(scope);
            }
            for raw in signal.pick(group.logs, group.spans) {
                visit(batch, index, raw.get(), shared.as_ref().unwrap_or(&resource))?;
                index = index.saturating_add(1);
            }
        }
    }
    Ok(())
}

fn scope((attributes, fields): (Pairs<'_>, Pairs<'_>), resource: &Shared) -> Read<Shared> {
    let [mut name, mut version] = [Cow::Borrowed(""), Cow::Borrowed("")];
    for (key, value) in fields {
        match key.as_ref() {
            "name" => name = string(&key, value)?,
            "version" => version = string(&key, value)?,
            _ => {}
        }
    }
    Ok(record::scope(name, version, attributes, resource))
}

/// The attributes of a resource or scope, and its other fields.
fn shared_fields<'t>(raw: Option<&'t RawValue>, text: &str, limits: &Limits) -> Read<(Pairs<'t>, Pairs<'t>)> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(Default::default()) };
    limits.check_event(raw.get().len())?;
    let mut found = Pairs::new();
    let mut rest = object(raw.get(), text)?;
    while let Some(index) = rest.iter().position(|(key, _)| key == "attributes") {
        found = attributes(rest.swap_remove(index).1)?;
    }
    limits.check_attributes(found.len())?;
    Ok((found, rest))
}

/// The fields of a record that lies at `raw` within `text`.
fn object<'t>(raw: &'t str, text: &str) -> Read<Pairs<'t>> {
    let start = (raw.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    match parse(raw) {
        Ok(Value::Map(pairs)) => Ok(pairs),
        Ok(other) => Err(format!("{} at byte {start} of the request, where an object is needed", other.type_name())),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let what = complaint(&error);
            Err(format!("{what} (line {line}, column {column} of the object at byte {start} of the request)"))
        }
    }
}

fn log_record<'t>(pairs: Pairs<'t>, limits: &Limits) -> Read<LogRecord<'t>> {
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

fn span<'t>(pairs: Pairs<'t>, limits: &Limits) -> Read<Span<'t>> {
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

/// `[{"key": …, "value": AnyValue}, …]`
fn attributes(value: Value<'_>) -> Read<Pairs<'_>> {
    let list = match value {
        Value::List(list) => list,
        Value::Null => return Ok(Pairs::new()),
        other => return Err(wrong("attributes", "a list", &other)),
    };
    let mut pairs = Pairs::with_capacity(list.len());
    for item in list {
        let Value::Map(fields) = item else { return Err(wrong("attributes", "a list of objects", &item)) };
        let (mut name, mut read) = (Cow::Borrowed(""), Value::Null);
        for (key, value) in fields {
            match key.as_ref() {
                "key" => name = string("key", value)?,
                "value" => read = any_value(value)?,
                _ => {}
            }
        }
        pairs.push((name, read));
    }
    Ok(pairs)
}

/// `{"stringValue": …}` and its like; unknown kinds are null.
fn any_value(value: Value<'_>) -> Read<Value<'_>> {
    let fields = match value {
        Value::Map(fields) => fields,
        Value::Null => return Ok(Value::Null),
        other => return Err(wrong("value", "an object such as {\"stringValue\": …}", &other)),
    };
    let mut read = Value::Null;
    for (key, value) in fields {
        read = match (key.as_ref(), value) {
            (_, Value::Null) => continue,
            ("stringValue" | "string_value", value) => Value::Text(string(&key, value)?),
            ("boolValue" | "bool_value", value @ Value::Bool(_)) => value,
            ("boolValue" | "bool_value", other) => return Err(wrong(&key, "a boolean", &other)),
            ("intValue" | "int_value", value) => Value::Int(whole(&key, &value)?),
            ("doubleValue" | "double_value", value) => Value::Double(double(&key, &value)?),
            ("bytesValue" | "bytes_value", value) => {
                let text = string(&key, value)?;
                let bytes = BASE64_STANDARD.decode(text.as_bytes());
                Value::Bytes(bytes.map_err(|error| format!("`{key}` is not base64: {error}"))?.into())
            }
            ("arrayValue" | "array_value", value) => {
                Value::List(values(value)?.into_iter().map(any_value).collect::<Read<_>>()?)
            }
            ("kvlistValue" | "kvlist_value", value) => Value::Map(attributes(Value::List(values(value)?))?),
            _ => continue,
        };
    }
    Ok(read)
}

/// The list in `{"values": […]}`.
fn values(value: Value<'_>) -> Read<Vec<Value<'_>>> {
    let Value::Map(fields) = value else { return Err(wrong("value", "an object with `values`", &value)) };
    match fields.into_iter().find(|(key, _)| key == "values") {
        None | Some((_, Value::Null)) => Ok(Vec::new()),
        Some((_, Value::List(list))) => Ok(list),
        Some((_, other)) => Err(wrong("values", "a list", &other)),
    }
}

fn string<'t>(key: &str, value: Value<'t>) -> Read<Cow<'t, str>> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Null => Ok(Cow::Borrowed("")),
        other => Err(wrong(key, "a string", &other)),
    }
}

fn whole<N: TryFrom<i128>>(key: &str, value: &Value<'_>) -> Read<N> {
    value
        .as_int()
        .and_then(|number| N::try_from(number).ok())
        .ok_or_else(|| wrong(key, "a whole number in range", value))
}

fn double(key: &str, value: &Value<'_>) -> Read<f64> {
    match value {
        Value::Double(number) => Ok(*number),
        Value::Int(number) => Ok(*number as f64),
        Value::Uint(number) => Ok(*number as f64),
        Value::Text(text) => text.parse().map_err(|_| wrong(key, "a number", value)),
        other => Err(wrong(key, "a number", other)),
    }
}

/// A number, or a name such as `SEVERITY_NUMBER_ERROR2`.
fn severity(key: &str, value: &Value<'_>) -> Read<i32> {
    const NAMES: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let Value::Text(text) = value else { return whole(key, value) };
    let Some(name) = text.strip_prefix("SEVERITY_NUMBER_") else { return whole(key, value) };
    let (word, step) = match name.as_bytes().last() {
        Some(digit @ b'2'..=b'4') => (&name[..name.len() - 1], i32::from(digit - b'1')),
        _ => (name, 0),
    };
    let level = (0i32..).zip(NAMES).find(|(_, known)| *known == word);
    match level {
        Some((level, _)) => Ok(level * 4 + 1 + step),
        None if name == "UNSPECIFIED" => Ok(0),
        None => Err(wrong(key, "a severity", value)),
    }
}

/// Hexadecimal digits.
fn id<'t>(key: &str, value: Value<'t>) -> Read<Cow<'t, [u8]>> {
    let text = string(key, value)?;
    hex::decode(text.as_bytes()).map(Cow::Owned).map_err(|error| format!("`{key}` is not hexadecimal: {error}"))
}

fn wrong(key: &str, needed: &str, found: &Value<'_>) -> String {
    format!("`{key}` is {}, where {needed} is needed", found.type_name())
}
