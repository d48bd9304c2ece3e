//! OTLP written down field by field, so that a test can also write what no SDK would.

use prost::encoding::{WireType, encode_key, encode_varint};
use serde_json::{Value, json};

use crate::protocol::Sample;

pub(crate) const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// One `ExportLogsServiceRequest` in protobuf.
pub(crate) fn logs_protobuf(samples: &[Sample]) -> Vec<u8> {
    request(samples.iter().map(log_record))
}

/// A request of log records that are encoded already.
pub(crate) fn request(records: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let service = field(1, &attribute("service.name", b"shop"));
    let mut scope_logs = field(1, &field(1, b"tests"));
    for record in records {
        scope_logs.extend(field(2, &record));
    }
    let resource_logs = [field(1, &service), field(2, &scope_logs)].concat();
    field(1, &resource_logs)
}

/// One log record in protobuf.
pub(crate) fn log_record(sample: &Sample) -> Vec<u8> {
    if sample.broken {
        return vec![0x2a, 0x7f, 0x01];
    }
    let mut record = Vec::new();
    encode_key(1, WireType::SixtyFourBit, &mut record);
    record.extend((sample.timestamp_us as u64).wrapping_mul(1000).to_le_bytes());
    encode_key(2, WireType::Varint, &mut record);
    encode_varint(17, &mut record);
    record.extend(field(5, &field(1, &sample.message)));
    record.extend(field(6, &attribute("log.record.uid", sample.id_hex().as_bytes())));
    for (name, value) in &sample.attributes {
        record.extend(field(6, &attribute(name, value)));
    }
    record
}

fn attribute(name: &str, value: &[u8]) -> Vec<u8> {
    [field(1, name.as_bytes()), field(2, &field(1, value))].concat()
}

/// A length-delimited field.
pub(crate) fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut field = Vec::with_capacity(content.len() + 8);
    encode_key(number, WireType::LengthDelimited, &mut field);
    encode_varint(content.len() as u64, &mut field);
    field.extend(content);
    field
}

/// The same request in JSON.
pub(crate) fn logs_json(samples: &[Sample]) -> Vec<u8> {
    let records: Vec<Value> = samples.iter().map(json_record).collect();
    let request = json!({ "resourceLogs": [{
        "resource": { "attributes": [json_attribute("service.name", "shop")] },
        "scopeLogs": [{ "scope": { "name": "tests" }, "logRecords": records }],
    }]});
    request.to_string().into_bytes()
}

fn json_record(sample: &Sample) -> Value {
    if sample.broken {
        return json!("not a record");
    }
    let mut attributes = vec![json_attribute("log.record.uid", &sample.id_hex())];
    attributes
        .extend(sample.attributes.iter().map(|(name, value)| json_attribute(name, &String::from_utf8_lossy(value))));
    json!({
        "timeUnixNano": (sample.timestamp_us as u64).wrapping_mul(1000).to_string(),
        "severityNumber": 17,
        "body": { "stringValue": String::from_utf8_lossy(&sample.message) },
        "attributes": attributes,
    })
}

fn json_attribute(name: &str, value: &str) -> Value {
    json!({ "key": name, "value": { "stringValue": value } })
}
