use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, MapBuilder, StringBuilder, StringViewArray, TimestampMicrosecondArray,
};
use arrow::ipc::reader::StreamReader;
use serde_json::Value;

use super::*;

fn sample() -> RecordBatch {
    let mut tags = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    tags.keys().append_value("env");
    tags.values().append_value("a \"b\"");
    tags.append(true).unwrap();
    tags.append(true).unwrap();
    let times = TimestampMicrosecondArray::from(vec![Some(1_790_000_000_123_456), None]).with_timezone("UTC");
    RecordBatch::try_from_iter_with_nullable([
        ("n", Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef, true),
        ("text", Arc::new(StringViewArray::from(vec![Some("=1,\"x\"\r\ny"), Some("")])), true),
        ("float", Arc::new(Float64Array::from(vec![f64::NAN, 0.5])), true),
        ("time", Arc::new(times), true),
        ("tags", Arc::new(tags.finish()), true),
    ])
    .unwrap()
}

fn whole(format: Format) -> Vec<u8> {
    let batch = sample();
    let (mut encoder, mut bytes) = Encoder::start(format, &batch.schema()).unwrap();
    for part in [batch.slice(0, 1), batch.slice(1, 0), batch.slice(1, 1)] {
        bytes.extend(encoder.batch(&part).unwrap());
    }
    bytes.extend(encoder.finish(true, &Statistics { rows_read: 7, ..Statistics::default() }).unwrap());
    bytes
}

#[test]
fn json_is_one_document() {
    let answer: Value = serde_json::from_slice(&whole(Format::Json)).unwrap();
    assert_eq!(answer["columns"][3], serde_json::json!({"name": "time", "type": "timestamptz"}));
    assert_eq!(answer["rows"].as_array().map(Vec::len), Some(2));
    let row = &answer["rows"][0];
    assert_eq!(row["float"], Value::Null);
    assert_eq!(row["time"], "2026-09-21T14:13:20.123456Z");
    assert_eq!(row["tags"], serde_json::json!({"env": "a \"b\""}));
    assert_eq!(answer["rows"][1]["n"], Value::Null);
    assert_eq!((&answer["truncated"], &answer["statistics"]["rows_read"]), (&Value::from(true), &Value::from(7)));
}

#[test]
fn an_empty_answer_is_json_too() {
    let (encoder, mut bytes) = Encoder::start(Format::Json, &sample().schema()).unwrap();
    bytes.extend(encoder.finish(false, &Statistics::default()).unwrap());
    let answer: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(answer["rows"], serde_json::json!([]));
}

#[test]
fn an_error_ends_the_document() {
    let error = Error::new(ErrorKind::Timeout, "too slow");
    for (format, path) in [(Format::Json, "/error/kind"), (Format::Ndjson, "/error/kind")] {
        let (mut encoder, mut bytes) = Encoder::start(format, &sample().schema()).unwrap();
        bytes.extend(encoder.batch(&sample()).unwrap());
        bytes.extend(encoder.fail(&error));
        let text = String::from_utf8(bytes).unwrap();
        let last = if format == Format::Json { text.as_str() } else { text.lines().last().unwrap() };
        let value: Value = serde_json::from_str(last).unwrap();
        assert_eq!(value.pointer(path), Some(&Value::from("timeout")), "{format:?}");
    }
}

#[test]
fn ndjson_has_a_line_per_row() {
    let text = String::from_utf8(whole(Format::Ndjson)).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((rows.len(), &rows[0]["text"]), (2, &Value::from("=1,\"x\"\r\ny")));
}

#[test]
fn csv_quotes_what_needs_it() {
    let text = String::from_utf8(whole(Format::Csv)).unwrap();
    let expected = "n,text,float,time,tags\r\n\
        1,\"=1,\"\"x\"\"\r\ny\",NaN,2026-09-21T14:13:20.123456Z,\"{\"\"env\"\":\"\"a \\\"\"b\\\"\"\"\"}\"\r\n\
        ,\"\",0.5,,{}\r\n";
    assert_eq!(text, expected);
}

#[test]
fn arrow_comes_back_as_it_was() {
    let bytes = whole(Format::Arrow);
    let batches: Vec<RecordBatch> =
        StreamReader::try_new(&bytes[..], None).unwrap().map(|batch| batch.unwrap()).collect();
    let back = arrow::compute::concat_batches(&sample().schema(), &batches).unwrap();
    // NaN equals nothing.
    let without_float = |batch: &RecordBatch| batch.project(&[0, 1, 3, 4]).unwrap();
    assert_eq!(without_float(&back), without_float(&sample()));
}

#[test]
fn the_accept_header_chooses() {
    let check = |accept: &str, expected: Option<Format>| assert_eq!(Format::from_accept(accept), expected, "{accept}");
    check("application/json", Some(Format::Json));
    check("*/*", Some(Format::Json));
    check("text/csv;q=0.5, application/x-ndjson", Some(Format::Ndjson));
    check("text/csv, application/json;q=0.9", Some(Format::Csv));
    check("application/vnd.apache.arrow.stream", Some(Format::Arrow));
    check("image/png", None);
    check("application/json;q=0", None);
}
