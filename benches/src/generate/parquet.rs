//! Plain Parquet in order of time, as any program would write it: what other engines are measured on without our files.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryArray, MapBuilder, RecordBatch, StringArray, StringBuilder};
use arrow::array::{MapFieldNames, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::template::{write_message, write_user};
use super::{DataSet, Draw, ENVIRONMENTS, LEVELS, REGIONS, Size, TIERS, large};

const BATCH: u64 = 8_192;

/// Writes the events `range`: zstd(3), row groups of 128 k rows, everything else as the writer's defaults are.
pub fn write_parquet(data: &DataSet, range: Range<u64>, out: impl Write + Send) -> anyhow::Result<()> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_max_row_group_row_count(Some(131_072))
        .build();
    let schema = batch(data, &[])?.schema();
    let mut writer = ArrowWriter::try_new(out, schema, Some(properties))?;
    for first in range.clone().step_by(BATCH as usize) {
        let last = (first + BATCH).min(range.end);
        let draws: Vec<_> = (first..last).map(|index| data.draw(index)).collect();
        writer.write(&batch(data, &draws)?)?;
    }
    writer.close()?;
    Ok(())
}

fn batch(data: &DataSet, draws: &[Draw]) -> anyhow::Result<RecordBatch> {
    let ids = |size, bytes: Vec<&[u8]>| -> anyhow::Result<ArrayRef> {
        let ids = bytes.into_iter().map(Some);
        Ok(Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(ids, size)?))
    };
    let words = |word: &dyn Fn(&Draw) -> String| -> ArrayRef {
        Arc::new(draws.iter().map(|draw| Some(word(draw))).collect::<StringArray>())
    };
    let times = TimestampMicrosecondArray::from_iter_values(draws.iter().map(|draw| draw.timestamp_us));
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("event_id", ids(16, draws.iter().map(|draw| draw.event_id.as_slice()).collect())?),
        ("timestamp", Arc::new(times.with_timezone("UTC"))),
        ("level", words(&|draw| LEVELS[draw.level as usize].to_owned())),
        ("platform", words(&|draw| data.service(draw).language.platform().to_owned())),
        ("logger", words(&|draw| data.service(draw).logger.clone())),
        ("message", words(&|draw| text(|out| write_message(&data.group(draw).message, draw, out)))),
        ("template", words(&|draw| data.group(draw).template.clone())),
        ("exception_type", words(&|draw| data.group(draw).exception_type.to_owned())),
        ("exception_value", words(&|draw| data.group(draw).exception_value.clone())),
        ("culprit", words(&|draw| data.group(draw).culprit.clone())),
        ("stack", words(&|draw| stack(data, draw))),
        ("environment", words(&|draw| ENVIRONMENTS[draw.environment as usize].to_owned())),
        ("release", words(&|draw| data.service(draw).releases[draw.release as usize].clone())),
        ("service", words(&|draw| data.service(draw).name.clone())),
        ("server_name", words(&|draw| data.service(draw).hosts[draw.host as usize].clone())),
        ("user_id", words(&|draw| text(|out| write_user(draw.user, out)))),
        ("trace_id", ids(16, draws.iter().map(|draw| draw.trace_id.as_slice()).collect())?),
        ("span_id", ids(8, draws.iter().map(|draw| draw.span_id.as_slice()).collect())?),
        ("tags", tags(data, draws)?),
    ];
    if data.settings.size == Size::Large {
        for (n, name) in large::COLUMNS.into_iter().enumerate() {
            let render = |draw: &Draw, out: &mut Vec<u8>| {
                data.group(draw).large[n].render(draw, 100 * (n as u64 + 1), out);
            };
            columns.push((name, words(&|draw| text(|out| render(draw, out)))));
        }
    }
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn stack(data: &DataSet, draw: &Draw) -> String {
    let stack = &data.group(draw).stacks[draw.variant as usize];
    if draw.is_rare() { stack.rare() } else { stack.text.clone() }
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("the generator writes UTF-8")
}

fn tags(data: &DataSet, draws: &[Draw]) -> anyhow::Result<ArrayRef> {
    let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let mut map = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for draw in draws {
        let own = [
            ("region", REGIONS[draw.region as usize]),
            ("customer_tier", TIERS[draw.tier as usize]),
            ("canary", if draw.canary { "true" } else { "false" }),
        ];
        let shared = data.group(draw).tags.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in shared.chain(own) {
            map.keys().append_value(name);
            map.values().append_value(value);
        }
        map.append(true)?;
    }
    Ok(Arc::new(map.finish()))
}
