//! OTLP in protobuf, walked where it lies: field numbers as in opentelemetry-proto 1.x.

use bytes::Bytes;

use super::record::{self, EXCEPTION, LogRecord, Span, SpanEvent};
use crate::batch::{Batch, Decoded, malformed};
use crate::draft::Shared;
use crate::error::Result;
use crate::limits::{Limits, Receipt};
use crate::value::{Pairs, Value};
use crate::wire::{Fault, Slice};

type Read<T> = std::result::Result<T, Fault>;

/// Reads an `ExportLogsServiceRequest`.
pub fn logs_protobuf(receipt: &Receipt<'_>, body: &Bytes) -> Result<Decoded> {
    walk(receipt, body, |batch, index, record, shared| {
        if let Err(reason) = batch.receipt.limits.check_event(record.bytes.len()) {
            return batch.reject(index, reason);
        }
        match log_record(record, batch.receipt.limits) {
            Ok(record) => batch.push(index, record.into_draft(), shared),
            Err(fault) => batch.reject(index, format!("log record is malformed: {fault} of the request")),
        }
    })
}

/// Reads an `ExportTraceServiceRequest`.
pub fn traces_protobuf(receipt: &Receipt<'_>, body: &Bytes) -> Result<Decoded> {
    walk(receipt, body, |batch, index, bytes, shared| {
        let limit = batch.receipt.limits.span_bytes_max();
        if bytes.bytes.len() > limit {
            return batch.reject(index, format!("span of {} bytes exceeds the limit of {limit}", bytes.bytes.len()));
        }
        match span(bytes, batch.receipt.limits) {
            Ok(span) if span.exceptions.is_empty() => batch.ignore(),
            Ok(span) => {
                for draft in span.into_drafts() {
                    batch.push(index, draft, shared)?;
                }
            }
            Err(fault) => batch.reject(index, format!("span is malformed: {fault} of the request"))?,
        }
        Ok(())
    })
}

/// Visits each log record or span with its index and what it shares: both signals have the same three levels.
fn walk<'b, F>(receipt: &Receipt<'_>, body: &'b Bytes, mut visit: F) -> Result<Decoded>
where
    F: FnMut(&mut Batch<'_>, u32, Slice<'b>, &Shared) -> Result<()>,
{
    let mut batch = Batch::new(receipt, body)?;
    let mut index = 0;
    let mut resources = Slice::whole(body).fields();
    while let Some(entry) = resources.next().map_err(malformed)? {
        if entry.number != 1 {
            continue;
        }
        let group = entry.slice().map_err(malformed)?;
        // The resource may stand behind the records it speaks for.
        let attributes = first_message(group, 1).and_then(|resource| attributes(resource, 1, receipt.limits));
        let resource = record::resource(attributes.map_err(malformed)?, &batch.receipt);
        batch.charge(resource.bytes())?;
        let mut scopes = group.fields();
        while let Some(entry) = scopes.next().map_err(malformed)? {
            if entry.number == 2 {
                let scope = entry.slice().map_err(malformed)?;
                walk_scope(&mut batch, scope, &resource, &mut index, &mut visit)?;
            }
        }
    }
    Ok(batch.finish(body))
}

fn walk_scope<'b, F>(
    batch: &mut Batch<'_>,
    group: Slice<'b>,
    resource: &Shared,
    index: &mut u32,
    visit: &mut F,
) -> Result<()>
where
    F: FnMut(&mut Batch<'_>, u32, Slice<'b>, &Shared) -> Result<()>,
{
    let message = first_message(group, 1).map_err(malformed)?;
    let shared = match message {
        Some(message) if !message.bytes.is_empty() => {
            let shared = scope(message, resource, &batch.receipt).map_err(malformed)?;
            batch.charge(shared.bytes())?;
            Some(shared)
        }
        _ => None,
    };
    let mut records = group.fields();
    while let Some(entry) = records.next().map_err(malformed)? {
        if entry.number == 2 {
            let record = entry.slice().map_err(malformed)?;
            visit(batch, *index, record, shared.as_ref().unwrap_or(resource))?;
            *index = index.saturating_add(1);
        }
    }
    Ok(())
}

fn first_message(group: Slice<'_>, number: u32) -> Read<Option<Slice<'_>>> {
    let mut fields = group.fields();
    while let Some(entry) = fields.next()? {
        if entry.number == number {
            return entry.slice().map(Some);
        }
    }
    Ok(None)
}

/// The attributes of a resource or scope, which lie in the field `number`.
fn attributes<'a>(message: Option<Slice<'a>>, number: u32, limits: &Limits) -> Read<Pairs<'a>> {
    let mut pairs = Pairs::new();
    let Some(message) = message else { return Ok(pairs) };
    if message.bytes.len() > limits.event_bytes_max {
        return Err(Fault { byte: message.start, what: "resource or scope larger than `event_bytes_max`" });
    }
    let mut fields = message.fields();
    while let Some(entry) = fields.next()? {
        if entry.number == number {
            push(&mut pairs, entry.slice()?, limits)?;
        }
    }
    Ok(pairs)
}

fn push<'a>(pairs: &mut Pairs<'a>, message: Slice<'a>, limits: &Limits) -> Read<()> {
    if pairs.len() >= limits.attributes_max {
        return Err(Fault { byte: message.start, what: "more attributes than `attributes_max`" });
    }
    pairs.push(pair(message, limits.depth_max)?);
    Ok(())
}

fn scope(message: Slice<'_>, resource: &Shared, receipt: &Receipt<'_>) -> Read<Shared> {
    let limits = receipt.limits;
    let (mut name, mut version) = Default::default();
    let attributes = attributes(Some(message), 3, limits)?;
    let mut fields = message.fields();
    while let Some(entry) = fields.next()? {
        match entry.number {
            1 => name = entry.text()?,
            2 => version = entry.text()?,
            _ => {}
        }
    }
    Ok(record::scope(name, version, attributes, resource, receipt))
}

fn log_record<'a>(message: Slice<'a>, limits: &Limits) -> Read<LogRecord<'a>> {
    let mut record = LogRecord { attributes: Vec::with_capacity(16), ..LogRecord::default() };
    let mut fields = message.fields();
    while let Some(entry) = fields.next()? {
        match entry.number {
            1 => record.time_nanos = entry.fixed64()?,
            2 => record.severity_number = entry.varint()? as i32,
            3 => record.severity_text = entry.text()?,
            5 => record.body = value(entry.slice()?, limits.depth_max)?,
            6 => push(&mut record.attributes, entry.slice()?, limits)?,
            7 => record.dropped_attributes = entry.varint()? as u32,
            9 => record.trace_id = entry.slice()?.bytes.into(),
            10 => record.span_id = entry.slice()?.bytes.into(),
            11 => record.observed_nanos = entry.fixed64()?,
            12 => record.event_name = entry.text()?,
            _ => {}
        }
    }
    Ok(record)
}

fn span<'a>(message: Slice<'a>, limits: &Limits) -> Read<Span<'a>> {
    let mut span = Span::default();
    let mut fields = message.fields();
    while let Some(entry) = fields.next()? {
        match entry.number {
            1 => span.trace_id = entry.slice()?.bytes.into(),
            2 => span.span_id = entry.slice()?.bytes.into(),
            5 => span.name = entry.text()?,
            8 => span.end_nanos = entry.fixed64()?,
            9 => push(&mut span.attributes, entry.slice()?, limits)?,
            11 => span.exceptions.extend(exception(entry.slice()?, limits)?),
            _ => {}
        }
    }
    Ok(span)
}

/// A span's event, if it is an exception.
fn exception<'a>(message: Slice<'a>, limits: &Limits) -> Read<Option<SpanEvent<'a>>> {
    let mut event = SpanEvent::default();
    let mut is_exception = false;
    let mut fields = message.fields();
    while let Some(entry) = fields.next()? {
        match entry.number {
            1 => event.time_nanos = entry.fixed64()?,
            2 => is_exception = entry.slice()?.bytes == EXCEPTION.as_bytes(),
            3 => push(&mut event.attributes, entry.slice()?, limits)?,
            4 => event.dropped_attributes = entry.varint()? as u32,
            _ => {}
        }
    }
    Ok(is_exception.then_some(event))
}

/// `KeyValue`.
fn pair<'a>(message: Slice<'a>, depth: usize) -> Read<(std::borrow::Cow<'a, str>, Value<'a>)> {
    let (mut key, mut read) = Default::default();
    let mut fields = message.fields();
    while let Some(entry) = fields.next()? {
        match entry.number {
            1 => key = entry.text()?,
            2 => read = value(entry.slice()?, depth)?,
            _ => {}
        }
    }
    Ok((key, read))
}

/// `AnyValue`. Lists and maps below `depth` levels become `…`.
fn value<'a>(message: Slice<'a>, depth: usize) -> Read<Value<'a>> {
    let mut read = Value::Null;
    let mut fields = message.fields();
    while let Some(entry) = fields.next()? {
        read = match entry.number {
            1 => Value::Text(entry.text()?),
            2 => Value::Bool(entry.varint()? != 0),
            3 => Value::Int(entry.varint()?.cast_signed()),
            4 => Value::Double(f64::from_bits(entry.fixed64()?)),
            5 | 6 if depth == 0 => Value::Text("…".into()),
            5 => {
                let mut list = Vec::new();
                each(entry.slice()?, |item| value(item, depth - 1).map(|value| list.push(value)))?;
                Value::List(list)
            }
            6 => {
                let mut map = Pairs::new();
                each(entry.slice()?, |item| pair(item, depth - 1).map(|pair| map.push(pair)))?;
                Value::Map(map)
            }
            7 => Value::Bytes(entry.slice()?.bytes.into()),
            _ => continue,
        };
    }
    Ok(read)
}

/// Visits the `values` of an `ArrayValue` or `KeyValueList`.
fn each<'a>(message: Slice<'a>, mut visit: impl FnMut(Slice<'a>) -> Read<()>) -> Read<()> {
    let mut fields = message.fields();
    while let Some(entry) = fields.next()? {
        if entry.number == 1 {
            visit(entry.slice()?)?;
        }
    }
    Ok(())
}
