//! What the other tools rely on: sizes, counts, and the same bytes for the same settings.

use std::collections::HashSet;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message;

use super::native::NativeScratch;
use super::otlp::OtlpScratch;
use super::*;

fn data(events: u64, size: Size) -> Arc<DataSet> {
    Arc::new(DataSet::new(Settings { events, size, seed: 1, days: 7, base_us: 1_763_654_400_000_000 }))
}

fn draws(data: &DataSet, count: u64) -> Vec<Draw> {
    (0..count).map(|index| data.draw(index)).collect()
}

#[test]
fn events_are_as_long_as_those_of_the_peers() {
    for (size, expected) in [(Size::Small, 2_214.0), (Size::Large, 6_000.0)] {
        for seed in [1, 2, 3] {
            let settings = Settings { seed, ..data(20_000, size).settings.clone() };
            let mean = Arc::new(DataSet::new(settings)).json_bytes_mean();
            assert!((mean / expected - 1.0).abs() < 0.03, "{size:?}, seed {seed}: {mean}");
        }
    }
}

#[test]
fn groups_users_and_ids_are_spread_as_promised() {
    let data = data(100_000, Size::Small);
    let draws = draws(&data, 100_000);
    let distinct = |key: fn(&Draw) -> Vec<u8>| draws.iter().map(key).collect::<HashSet<_>>().len();
    assert_eq!(distinct(|draw| draw.trace_id.to_vec()), 100_000);
    assert_eq!(distinct(|draw| draw.span_id.to_vec()), 100_000);
    assert_eq!(distinct(|draw| draw.event_id.to_vec()), 100_000);
    assert!((67_500..69_500).contains(&distinct(|draw| draw.user.to_le_bytes().to_vec())));
    assert_eq!(draws.iter().filter(|draw| draw.is_rare()).count(), 1);
    assert_eq!(draws.iter().filter(|draw| draw.has_substring()).count(), 41);
    let head = draws.iter().filter(|draw| draw.group == 0).count();
    assert!((10_500..11_500).contains(&head), "{head}");
    let services: HashSet<_> = draws.iter().map(|draw| &data.service(draw).name).collect();
    let projects: HashSet<_> = draws.iter().map(|draw| &data.service(draw).project).collect();
    assert_eq!((services.len(), projects.len()), (SERVICES, PROJECTS));
    let span_us = draws[99_999].timestamp_us - draws[0].timestamp_us;
    assert!((span_us - 7 * 86_400_000_000).abs() < 10_000_000, "{span_us}");
}

#[test]
fn stacks_have_8_to_40_frames_and_4_variants() {
    let data = data(1, Size::Small);
    for group in &data.catalog.groups {
        let frames = group.stacks[0].text.lines().filter(|line| line.contains(':') || line.contains("File ")).count();
        let lines = group.stacks[0].text.lines().count();
        assert!((8..=41).contains(&frames) || (18..=82).contains(&lines), "{}", group.stacks[0].text);
        assert!(group.stacks[1].rare().contains(RARE_TOKEN));
        assert!(!group.template.contains('{'), "{}", group.template);
    }
}

#[test]
fn lines_are_json_and_texts_say_what_the_draw_says() {
    for size in [Size::Small, Size::Large] {
        let data = data(100_000, size);
        let encoder = JsonEncoder::new(&data);
        let indexes = (0..200).chain([RARE_EVERY / 2, SUBSTRING_EVERY / 3]);
        for draw in indexes.map(|index| data.draw(index)) {
            let mut line = Vec::new();
            encoder.encode(&draw, &mut line);
            let event: serde_json::Value = serde_json::from_slice(&line).unwrap();
            assert_eq!(event["stack"].as_str().unwrap().contains(RARE_TOKEN), draw.is_rare());
            assert_eq!(event["message"].as_str().unwrap().contains(SUBSTRING), draw.has_substring());
            assert_eq!(event["tags"].as_object().unwrap().len(), 9);
            assert_eq!(event["breadcrumbs"].is_array(), size == Size::Large);
        }
    }
}

#[test]
fn otlp_requests_hold_every_event_once() {
    for size in [Size::Small, Size::Large] {
        let data = data(10_000, size);
        let encoder = OtlpEncoder::new(&data, true);
        let draws = draws(&data, 1_000);
        let (mut out, mut again, mut scratch) = (Vec::new(), Vec::new(), OtlpScratch::default());
        encoder.encode(&draws, &mut scratch, &mut out);
        encoder.encode(&draws, &mut scratch, &mut again);
        assert!(out == again);
        let request = ExportLogsServiceRequest::decode(out.as_slice()).unwrap();
        let scopes = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
        let traces: HashSet<_> =
            scopes.flat_map(|scope| &scope.log_records).map(|record| record.trace_id.clone()).collect();
        assert_eq!(traces, draws.iter().map(|draw| draw.trace_id.to_vec()).collect());
        assert_eq!(request.encoded_len(), out.len());
    }
}

#[test]
fn native_batches_are_deterministic() {
    let data = data(10_000, Size::Small);
    let encoder = NativeEncoder::new(&data);
    let draws = draws(&data, 1_000);
    let (mut out, mut again, mut scratch) = (Vec::new(), Vec::new(), NativeScratch::default());
    encoder.encode(7, &draws, &mut scratch, &mut out);
    encoder.encode(7, &draws, &mut scratch, &mut again);
    assert!(out == again);
}

#[test]
fn envelopes_are_as_long_as_those_of_sdks() {
    for (size, expected) in [(Size::Small, 2_100.0), (Size::Huge, 50_000.0)] {
        let data = data(2_000, size);
        let (encoder, mut bytes) = (SentryEncoder::new(&data), 0);
        for draw in draws(&data, 2_000) {
            let mut out = Vec::new();
            encoder.encode(&draw, &mut out);
            bytes += out.len();
            let lines: Vec<_> = out.split(|byte| *byte == b'\n').collect();
            let event: serde_json::Value = serde_json::from_slice(lines[2]).expect("an event in JSON");
            assert_eq!((lines.len(), event["event_id"].as_str()), (4, Some(hex::encode(draw.event_id).as_str())));
        }
        let mean = bytes as f64 / 2_000.0;
        assert!((mean / expected - 1.0).abs() < 0.1, "{size:?}: {mean}");
    }
}
