//! What reading an event costs, grouping included, by protocol; and what making one costs the load generator.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use prost::Message;
use serde_json::{Value, json};
use tephra_bench::generate::{
    DataSet, Draw, JsonEncoder, NativeEncoder, NativeScratch, OtlpEncoder, OtlpScratch, Settings, Size,
};
use tephra_ingest::{Limits, Receipt, Rules, native, ndjson, otlp};
use tephra_storage::ProjectId;

const BATCH: u64 = 1_000;
const BASE_US: i64 = 1_763_654_400_000_000;

struct Bodies {
    data: Arc<DataSet>,
    draws: Vec<Draw>,
    otlp: Bytes,
    otlp_json: Bytes,
    native: Bytes,
    ndjson: Bytes,
}

impl Bodies {
    fn new() -> Self {
        let settings = Settings { events: 1_000_000, size: Size::Small, seed: 1, days: 7, base_us: BASE_US };
        let data = Arc::new(DataSet::new(settings));
        let draws: Vec<_> = (0..BATCH).map(|index| data.draw(index)).collect();
        let (mut otlp, mut native, mut ndjson) = (Vec::new(), Vec::new(), Vec::new());
        OtlpEncoder::new(&data, false).encode(&draws, &mut OtlpScratch::default(), &mut otlp);
        NativeEncoder::new(&data).encode(1, &draws, &mut NativeScratch::default(), &mut native);
        let lines = JsonEncoder::new(&data);
        draws.iter().for_each(|draw| lines.encode(draw, &mut ndjson));
        let otlp_json = otlp_json(&ExportLogsServiceRequest::decode(otlp.as_slice()).unwrap()).to_string();
        Self {
            otlp: otlp.into(),
            otlp_json: otlp_json.into(),
            native: native.into(),
            ndjson: ndjson.into(),
            data,
            draws,
        }
    }
}

fn decode(criterion: &mut Criterion) {
    let bodies = Bodies::new();
    let limits = Limits::default();
    let receipt = Receipt { project_id: ProjectId(1), received_at: BASE_US, limits: &limits, rules: Rules::standard() };
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(BATCH)).sample_size(20);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    group.bench_function("otlp protobuf", |b| {
        b.iter(|| otlp::logs_protobuf(&receipt, black_box(&bodies.otlp)).unwrap())
    });
    group.bench_function("otlp json", |b| b.iter(|| otlp::logs_json(&receipt, black_box(&bodies.otlp_json)).unwrap()));
    group.bench_function("native", |b| b.iter(|| native::batch(&receipt, black_box(&bodies.native)).unwrap()));
    group.bench_function("ndjson", |b| b.iter(|| ndjson::lines(&receipt, black_box(&bodies.ndjson)).unwrap()));
    group.finish();
    let decoded = native::batch(&receipt, &bodies.native).unwrap().decoded;
    assert_eq!(decoded.events.len() as u64, BATCH);
}

fn generate(criterion: &mut Criterion) {
    let bodies = Bodies::new();
    let (native, otlp) = (NativeEncoder::new(&bodies.data), OtlpEncoder::new(&bodies.data, false));
    let (mut native_scratch, mut otlp_scratch) = (NativeScratch::default(), OtlpScratch::default());
    let out = || Vec::with_capacity(3 << 20);
    let mut group = criterion.benchmark_group("generate");
    group.throughput(Throughput::Elements(BATCH)).sample_size(20);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    group.bench_function("native", |b| {
        b.iter_batched_ref(out, |out| native.encode(1, &bodies.draws, &mut native_scratch, out), BatchSize::LargeInput);
    });
    group.bench_function("otlp protobuf", |b| {
        b.iter_batched_ref(out, |out| otlp.encode(&bodies.draws, &mut otlp_scratch, out), BatchSize::LargeInput);
    });
    group.finish();
}

/// The request in OTLP's JSON.
fn otlp_json(request: &ExportLogsServiceRequest) -> Value {
    let resources = request.resource_logs.iter().map(|resource| {
        let scopes = resource.scope_logs.iter().map(|scope| {
            let records = scope.log_records.iter().map(|record| {
                json!({
                    "timeUnixNano": record.time_unix_nano.to_string(),
                    "observedTimeUnixNano": record.observed_time_unix_nano.to_string(),
                    "severityNumber": record.severity_number,
                    "severityText": record.severity_text,
                    "body": { "stringValue": text(record.body.as_ref().and_then(|body| body.value.as_ref())) },
                    "attributes": attributes(&record.attributes),
                    "traceId": hex::encode(&record.trace_id),
                    "spanId": hex::encode(&record.span_id),
                })
            });
            let name = scope.scope.as_ref().map_or("", |scope| &scope.name);
            json!({ "scope": { "name": name }, "logRecords": records.collect::<Value>() })
        });
        let own = resource.resource.as_ref().map(|resource| attributes(&resource.attributes));
        json!({ "resource": { "attributes": own }, "scopeLogs": scopes.collect::<Value>() })
    });
    json!({ "resourceLogs": resources.collect::<Value>() })
}

fn attributes(pairs: &[KeyValue]) -> Value {
    let value = |pair: &KeyValue| text(pair.value.as_ref().and_then(|value| value.value.as_ref())).to_owned();
    pairs.iter().map(|pair| json!({ "key": pair.key, "value": { "stringValue": value(pair) } })).collect()
}

fn text(value: Option<&any_value::Value>) -> &str {
    match value {
        Some(any_value::Value::StringValue(text)) => text,
        _ => "",
    }
}

criterion_group!(benches, decode, generate);
criterion_main!(benches);
