//! One OTLP request with every field that matters, as the real messages of `opentelemetry-proto`, and as JSON.

use std::fmt::Write;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event as SpanEvent;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tephra_ingest::{Limits, Receipt, Rules};
use tephra_storage::ProjectId;

pub(crate) const NOW: i64 = 1_760_000_000_000_000;
pub(crate) const STACK: &str =
    "Traceback (most recent call last):\n  File \"/srv/app/pay.py\", line 20, in pay\nValueError: cart 17";

pub(crate) fn receipt(limits: &Limits) -> Receipt<'_> {
    Receipt { project_id: ProjectId(42), received_at: NOW, limits, rules: Rules::standard() }
}

pub(crate) fn wrap(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

pub(crate) fn text(value: &str) -> AnyValue {
    wrap(Value::StringValue(value.into()))
}

pub(crate) fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.into(), value: Some(value), ..Default::default() }
}

pub(crate) fn pairs(list: &[(&str, &str)]) -> Vec<KeyValue> {
    list.iter().map(|(key, value)| pair(key, text(value))).collect()
}

pub(crate) fn record() -> LogRecord {
    let mut attributes = pairs(&[
        ("exception.type", "ValueError"),
        ("exception.message", "cart 17"),
        ("exception.stacktrace", STACK),
        ("user.id", "u-1"),
        ("tag.tier", "gold"),
        ("http.route", "/pay"),
        ("zone", "b"),
    ]);
    attributes.push(pair("exception.escaped", wrap(Value::BoolValue(true))));
    attributes.push(pair("count", wrap(Value::IntValue(i64::MIN))));
    attributes.push(pair("ratio", wrap(Value::DoubleValue(0.25))));
    attributes.push(pair("bad", wrap(Value::DoubleValue(f64::NAN))));
    attributes.push(pair("raw", wrap(Value::BytesValue(vec![0, 255]))));
    attributes.push(pair("nothing", AnyValue { value: None }));
    let inner = KeyValueList { values: vec![pair("k", text("v \"q\" \n ü"))] };
    let list = ArrayValue { values: vec![text("a"), wrap(Value::KvlistValue(inner))] };
    attributes.push(pair("list", wrap(Value::ArrayValue(list))));
    LogRecord {
        time_unix_nano: 1_759_999_999_000_001_999,
        observed_time_unix_nano: 1,
        severity_number: 18,
        severity_text: "ERROR".into(),
        body: Some(text("payment failed")),
        attributes,
        dropped_attributes_count: 2,
        trace_id: vec![0xab; 16],
        span_id: vec![0xcd; 8],
        event_name: "pay.failed".into(),
        ..Default::default()
    }
}

pub(crate) fn resource() -> Resource {
    Resource {
        attributes: pairs(&[
            ("service.name", "shop"),
            ("service.version", "1.2.3"),
            ("deployment.environment", "prod"),
            ("host.name", "web-1"),
            ("telemetry.sdk.language", "python"),
            ("telemetry.sdk.name", "opentelemetry"),
            ("telemetry.sdk.version", "1.30.0"),
            ("k8s.pod.name", "p1"),
            ("zone", "a"),
        ]),
        ..Default::default()
    }
}

pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "shop.pay".into(),
        version: "9".into(),
        attributes: pairs(&[("lib", "x")]),
        ..Default::default()
    }
}

pub(crate) fn logs(records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let scope_logs = vec![ScopeLogs { scope: Some(scope()), log_records: records, ..Default::default() }];
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { resource: Some(resource()), scope_logs, ..Default::default() }],
    }
}

pub(crate) fn traces() -> ExportTraceServiceRequest {
    let exception = |message: &str| SpanEvent {
        time_unix_nano: 1_759_999_999_000_000_000,
        name: "exception".into(),
        attributes: pairs(&[("exception.type", "E"), ("exception.message", message), ("exception.escaped", "False")]),
        ..Default::default()
    };
    let other = SpanEvent { name: "retry".into(), ..Default::default() };
    let span = |events| Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: "POST /pay".into(),
        end_time_unix_nano: 1_759_999_999_500_000_000,
        attributes: pairs(&[("user.id", "u-1"), ("http.route", "/pay")]),
        events,
        ..Default::default()
    };
    let spans = vec![span(vec![]), span(vec![exception("a"), other.clone(), exception("b")]), span(vec![other])];
    let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans, ..Default::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource: Some(resource()), scope_spans, ..Default::default() }],
    }
}

/// The same request by the JSON mapping, written by hand so that no other decoder's habits are tested.
pub(crate) fn logs_json(request: &ExportLogsServiceRequest) -> String {
    let mut out = String::from("{\"resourceLogs\":[");
    for (at, group) in request.resource_logs.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let resource = attributes_json(&group.resource.clone().unwrap_or_default().attributes);
        write!(out, "{comma}{{\"resource\":{{\"attributes\":{resource}}},\"scopeLogs\":[").unwrap();
        for (at, group) in group.scope_logs.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let records: Vec<_> = group.log_records.iter().map(record_json).collect();
            let scope = scope_json(group.scope.as_ref());
            write!(out, "{comma}{{\"scope\":{scope},\"logRecords\":[{}]}}", records.join(",")).unwrap();
        }
        out.push_str("]}");
    }
    out + "]}"
}

pub(crate) fn traces_json(request: &ExportTraceServiceRequest) -> String {
    let group = &request.resource_spans[0];
    let spans: Vec<_> = group.scope_spans[0].spans.iter().map(span_json).collect();
    format!(
        "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":{}}},\"scopeSpans\":[{{\"scope\":{},\"spans\":[{}]}}]}}]}}",
        attributes_json(&group.resource.clone().unwrap_or_default().attributes),
        scope_json(group.scope_spans[0].scope.as_ref()),
        spans.join(",")
    )
}

fn span_json(span: &Span) -> String {
    let events: Vec<_> = span
        .events
        .iter()
        .map(|event| {
            let (name, attributes) = (quoted(&event.name), attributes_json(&event.attributes));
            format!("{{\"timeUnixNano\":\"{}\",\"name\":{name},\"attributes\":{attributes}}}", event.time_unix_nano)
        })
        .collect();
    format!(
        "{{\"traceId\":\"{}\",\"spanId\":\"{}\",\"name\":{},\"endTimeUnixNano\":\"{}\",\"attributes\":{},\"events\":[{}],\"kind\":2}}",
        hex(&span.trace_id),
        hex(&span.span_id),
        quoted(&span.name),
        span.end_time_unix_nano,
        attributes_json(&span.attributes),
        events.join(",")
    )
}

fn scope_json(scope: Option<&InstrumentationScope>) -> String {
    let Some(scope) = scope else { return "null".into() };
    let attributes = attributes_json(&scope.attributes);
    format!("{{\"name\":{},\"version\":{},\"attributes\":{attributes}}}", quoted(&scope.name), quoted(&scope.version))
}

pub(crate) fn record_json(record: &LogRecord) -> String {
    format!(
        concat!(
            "{{\"timeUnixNano\":\"{}\",\"observedTimeUnixNano\":{},\"severityNumber\":{},\"severityText\":{},\"body\":{},",
            "\"attributes\":{},\"droppedAttributesCount\":{},\"traceId\":\"{}\",\"spanId\":\"{}\",\"eventName\":{},\"unknown\":[{{}}]}}"
        ),
        record.time_unix_nano,
        record.observed_time_unix_nano,
        record.severity_number,
        quoted(&record.severity_text),
        value_json(record.body.as_ref()),
        attributes_json(&record.attributes),
        record.dropped_attributes_count,
        hex(&record.trace_id).to_uppercase(),
        hex(&record.span_id),
        quoted(&record.event_name)
    )
}

fn attributes_json(attributes: &[KeyValue]) -> String {
    let pairs: Vec<_> = attributes
        .iter()
        .map(|pair| format!("{{\"key\":{},\"value\":{}}}", quoted(&pair.key), value_json(pair.value.as_ref())))
        .collect();
    format!("[{}]", pairs.join(","))
}

fn value_json(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        None => "{}".into(),
        Some(Value::StringValue(text)) => format!("{{\"stringValue\":{}}}", quoted(text)),
        Some(Value::BoolValue(value)) => format!("{{\"boolValue\":{value}}}"),
        Some(Value::IntValue(value)) => format!("{{\"intValue\":\"{value}\"}}"),
        Some(Value::DoubleValue(value)) if value.is_finite() => format!("{{\"doubleValue\":{value:?}}}"),
        Some(Value::DoubleValue(value)) => match value.is_nan() {
            true => "{\"doubleValue\":\"NaN\"}".into(),
            false => format!("{{\"doubleValue\":\"{}Infinity\"}}", if *value < 0.0 { "-" } else { "" }),
        },
        Some(Value::BytesValue(bytes)) => format!("{{\"bytesValue\":\"{}\"}}", base64(bytes)),
        Some(Value::ArrayValue(list)) => {
            let values: Vec<_> = list.values.iter().map(|value| value_json(Some(value))).collect();
            format!("{{\"arrayValue\":{{\"values\":[{}]}}}}", values.join(","))
        }
        Some(Value::KvlistValue(list)) => {
            format!("{{\"kvlistValue\":{{\"values\":{}}}}}", attributes_json(&list.values))
        }
        Some(_) => "{}".into(),
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}
