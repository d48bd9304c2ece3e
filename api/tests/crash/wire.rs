//! A batch in the form of each way in: whichever it takes, the same events have to be stored.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use serde_json::json;
use tephra_ingest::native::proto::{AppendRequest, Event, Level, Resource, Stack, Tag};

use crate::events::{Content, Events};
use crate::ledger::Batch;

/// OpenTelemetry's severity numbers of the two levels in use.
const SEVERITIES: [(&str, i32); 2] = [("error", 17), ("info", 9)];

/// Lines of NDJSON.
pub(crate) fn lines(events: &Events, batch: &Batch) -> String {
    batch.numbers().map(|number| format!("{}\n", line(events, number))).collect()
}

fn line(events: &Events, number: u64) -> serde_json::Value {
    let content = events.content(number);
    json!({
        "event_id": hex::encode(events.id(number)),
        "timestamp": chrono::DateTime::from_timestamp_micros(content.timestamp).map(|t| t.to_rfc3339()),
        "level": content.level,
        "message": content.message,
        "exception_type": content.exception_type,
        "stack": content.stack,
        "service": content.service,
        "user_id": content.user_id,
        "trace_id": content.trace_id,
        "tags": content.tags,
    })
}

/// A batch of the native protocol; its number is that of its first event.
pub(crate) fn native(events: &Events, batch: &Batch) -> AppendRequest {
    let mut request = AppendRequest { batch_id: batch.first, ..Default::default() };
    for number in batch.numbers() {
        let content = events.content(number);
        let level = if content.level == "error" { Level::Error } else { Level::Info };
        let mut stack = 0;
        if let Some(text) = content.stack {
            request.stacks.push(Stack { text, frames: Vec::new() });
            stack = request.stacks.len() as u32;
        }
        request.events.push(Event {
            event_id: events.id(number).to_vec(),
            timestamp_us: content.timestamp,
            level: level as i32,
            message: content.message.unwrap_or_default(),
            exception_type: content.exception_type.unwrap_or_default(),
            stack,
            user_id: content.user_id.unwrap_or_default(),
            trace_id: content.trace_id.and_then(|id| hex::decode(id).ok()).unwrap_or_default(),
            tags: content.tags.into_iter().map(|(name, value)| Tag { name, value }).collect(),
            resource: content.service.map(|service| Resource { service, ..Default::default() }),
            ..Default::default()
        });
    }
    request
}

/// A request of OTLP, one resource for each service of the batch.
pub(crate) fn otlp(events: &Events, batch: &Batch) -> ExportLogsServiceRequest {
    let mut services: BTreeMap<String, Vec<LogRecord>> = BTreeMap::new();
    for number in batch.numbers() {
        let mut content = events.content(number);
        let service = content.service.take().unwrap_or_default();
        services.entry(service).or_default().push(record(&events.id(number), content));
    }
    let resource_logs = services.into_iter().map(|(service, log_records)| ResourceLogs {
        resource: Some(opentelemetry_proto::tonic::resource::v1::Resource {
            attributes: vec![attribute("service.name", service)],
            ..Default::default()
        }),
        scope_logs: vec![ScopeLogs { log_records, ..Default::default() }],
        ..Default::default()
    });
    ExportLogsServiceRequest { resource_logs: resource_logs.collect() }
}

fn record(id: &[u8; 16], content: Content) -> LogRecord {
    let mut attributes = vec![attribute("log.record.uid", hex::encode(id))];
    let optional = [
        ("exception.type", content.exception_type),
        ("exception.stacktrace", content.stack),
        ("user.id", content.user_id),
    ];
    attributes.extend(optional.into_iter().filter_map(|(name, value)| Some(attribute(name, value?))));
    attributes.extend(content.tags.into_iter().map(|(name, value)| attribute(&format!("tag.{name}"), value)));
    let severity = SEVERITIES.iter().find(|(level, _)| *level == content.level);
    LogRecord {
        time_unix_nano: content.timestamp as u64 * 1000,
        severity_number: severity.map_or(0, |(_, number)| *number),
        body: content.message.map(text),
        attributes,
        trace_id: content.trace_id.and_then(|id| hex::decode(id).ok()).unwrap_or_default(),
        ..Default::default()
    }
}

fn attribute(name: &str, value: String) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(text(value)), ..Default::default() }
}

fn text(value: String) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(value)) }
}
