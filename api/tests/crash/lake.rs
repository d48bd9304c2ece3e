//! Reads the lake as a stranger does: the Delta log and plain Parquet, without any code of Tephra's.

use std::path::Path;

use anyhow::{Context, Result};
use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use bytes::Bytes;
use deltalake_core::DeltaTableBuilder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use reqwest::Url;

use crate::events::Content;
use crate::ledger::Stored;

/// Reads every row of the table at `table` into `stored`.
pub(crate) async fn read_all(table: &Path, stored: &mut Stored) -> Result<()> {
    let url = Url::from_directory_path(table).map_err(|()| anyhow::anyhow!("not a path: {}", table.display()))?;
    let delta = DeltaTableBuilder::from_url(url)?.load().await.context("could not load the Delta table")?;
    let files: Vec<_> = delta.get_file_uris()?.collect();
    for uri in files {
        let path = Url::parse(&uri).ok().and_then(|url| url.to_file_path().ok()).unwrap_or_else(|| uri.clone().into());
        let bytes = std::fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
        parquet(bytes.into(), stored).with_context(|| format!("could not read {uri}"))?;
    }
    Ok(())
}

/// Hands the rows of a Parquet file over.
pub(crate) fn parquet(bytes: Bytes, stored: &mut Stored) -> Result<()> {
    for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
        rows(&batch?, stored)?;
    }
    Ok(())
}

/// Hands the rows of a batch over, in whichever of the three forms its strings are.
pub(crate) fn rows(batch: &RecordBatch, stored: &mut Stored) -> Result<()> {
    let column = |name: &str| batch.column_by_name(name).with_context(|| format!("no column `{name}`"));
    let ids = bytes(column("event_id")?)?;
    let traces = bytes(column("trace_id")?)?;
    let times = column("timestamp")?.as_primitive::<TimestampMicrosecondType>();
    let texts = ["level", "message", "exception_type", "stack", "service", "user_id"];
    let texts = texts.iter().map(|name| Ok(cast(column(name)?, &DataType::Utf8)?)).collect::<Result<Vec<_>>>()?;
    let texts: Vec<_> = texts.iter().map(|array| array.as_string::<i32>()).collect();
    let tags = column("tags")?.as_map();
    for row in 0..batch.num_rows() {
        let text = |index: usize| texts[index].is_valid(row).then(|| texts[index].value(row).to_owned());
        let entries = tags.value(row);
        let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1).as_string::<i32>());
        let content = Content {
            timestamp: times.value(row),
            level: text(0).unwrap_or_default(),
            message: text(1),
            exception_type: text(2),
            stack: text(3),
            service: text(4),
            user_id: text(5),
            trace_id: traces.is_valid(row).then(|| hex::encode(traces.value(row))),
            tags: (0..keys.len()).map(|i| (keys.value(i).to_owned(), values.value(i).to_owned())).collect(),
        };
        stored.row(ids.value(row).try_into()?, &content);
    }
    Ok(())
}

fn bytes(array: &ArrayRef) -> Result<&FixedSizeBinaryArray> {
    array.as_any().downcast_ref().context("an id is not of fixed size")
}
