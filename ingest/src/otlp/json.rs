//! OTLP in JSON, by the proto3 mapping with OTLP's changes: ids are hexadecimal, enums may be numbers.
//!
//! The frame of a request is read first and leaves each record as raw text, so that a bad record costs only itself.

mod fields;
mod records;

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::record;
use crate::batch::{Batch, Decoded};
use crate::draft::Shared;
use crate::error::{Error, Result};
use crate::json::{complaint, parse, text_of};
use crate::limits::{Limits, Receipt};
use crate::value::{Pairs, Value};
use fields::{Read, attributes, string};
use records::{log_record, span};

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
        let resource = record::resource(resource.0, &batch.receipt);
        batch.charge(resource.bytes())?;
        for group in signal.pick(group.logs, group.spans) {
            let mut shared = None;
            if group.scope.is_some() {
                let fields = shared_fields(group.scope, text, limits).map_err(|reason| broken("scope", reason))?;
                let scope = scope(fields, &resource, &batch.receipt).map_err(|reason| broken("scope", reason))?;
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

fn scope((attributes, fields): (Pairs<'_>, Pairs<'_>), resource: &Shared, receipt: &Receipt<'_>) -> Read<Shared> {
    let [mut name, mut version] = [Cow::Borrowed(""), Cow::Borrowed("")];
    for (key, value) in fields {
        match key.as_ref() {
            "name" => name = string(&key, value)?,
            "version" => version = string(&key, value)?,
            _ => {}
        }
    }
    Ok(record::scope(name, version, attributes, resource, receipt))
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
