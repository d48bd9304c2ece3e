//! Events read back from the columns that they became: the opposite of `hot/columns.rs`, over any of the three forms.
//!
//! Rules that look at events as they are stored need them whole; everybody else reads columns. Columns that a batch does not
//! have are absent in its events.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType};

use super::{Event, Kind, Level, ProjectId, Text};
use crate::error::{Error, ErrorKind, Result};

/// The events of a batch, in its order, each with its project.
///
/// # Errors
/// `Internal` where a column of a known name is not of its type.
pub fn stored_events(batch: &RecordBatch) -> Result<Vec<(ProjectId, Event)>> {
    let mut rows = vec![(ProjectId(0), Event::default()); batch.num_rows()];
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let name = field.name().as_str();
        let unlike = || Error::internal(format!("the column `{name}` of a batch is not of its type"));
        match name {
            "project_id" => {
                let ids = column.as_primitive_opt::<Int64Type>().ok_or_else(unlike)?;
                rows.iter_mut().zip(ids.values()).for_each(|((project, _), id)| project.0 = *id);
            }
            "timestamp" | "received_at" => {
                let times = column.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(unlike)?;
                for ((_, event), time) in rows.iter_mut().zip(times.values()) {
                    *(if name == "timestamp" { &mut event.timestamp } else { &mut event.received_at }) = *time;
                }
            }
            "severity" | "grouping_version" => {
                let numbers = column.as_primitive_opt::<Int32Type>().ok_or_else(unlike)?;
                for ((_, event), number) in rows.iter_mut().zip(numbers.iter()) {
                    match name {
                        "severity" => event.severity = number,
                        _ => event.grouping_version = number.unwrap_or_default(),
                    }
                }
            }
            "handled" => {
                let flags = column.as_boolean_opt().ok_or_else(unlike)?;
                rows.iter_mut().zip(flags.iter()).for_each(|((_, event), flag)| event.handled = flag);
            }
            "event_id" | "trace_id" | "span_id" | "group_hash" | "group_hash_full" => {
                for (row, (_, event)) in rows.iter_mut().enumerate() {
                    put_id(event, name, column, row).ok_or_else(unlike)?;
                }
            }
            "tags" => {
                let tags = column.as_map_opt().ok_or_else(unlike)?;
                for (row, (_, event)) in rows.iter_mut().enumerate() {
                    let entries = tags.value(row);
                    let text = |at: usize| entries.column(at).as_string_opt::<i32>().ok_or_else(unlike);
                    let pairs = text(0)?.iter().zip(text(1)?.iter());
                    event.tags = pairs.filter_map(|(key, value)| Some((key?.into(), value?.into()))).collect();
                }
            }
            _ => put_texts(&mut rows, name, column)?,
        }
    }
    Ok(rows)
}

/// An id, as bytes or as hexadecimal text; absent where it is NULL.
fn put_id(event: &mut Event, name: &str, column: &ArrayRef, row: usize) -> Option<()> {
    if column.is_null(row) {
        return Some(());
    }
    let mut bytes = [0; 16];
    let length = match column.data_type() {
        DataType::FixedSizeBinary(_) => {
            let id = column.as_fixed_size_binary().value(row);
            bytes.get_mut(..id.len())?.copy_from_slice(id);
            id.len()
        }
        _ => {
            let text = column.as_string_view_opt()?.value(row);
            hex::decode_to_slice(text, bytes.get_mut(..text.len() / 2)?).ok()?;
            text.len() / 2
        }
    };
    let long = || (length == 16).then_some(bytes);
    let short = || bytes[..8].try_into().ok().filter(|_| length == 8);
    match name {
        "event_id" => event.event_id = Some(long()?),
        "trace_id" => event.trace_id = Some(long()?),
        "span_id" => event.span_id = Some(short()?),
        "group_hash" => event.group_hash = u64::from_be_bytes(short()?),
        _ => event.group_hash_full = u64::from_be_bytes(short()?),
    }
    Some(())
}

fn put_texts(rows: &mut [(ProjectId, Event)], name: &str, column: &ArrayRef) -> Result<()> {
    if !matches!(name, "level" | "kind") && text_of(&mut Event::default(), name).is_none() {
        return Ok(());
    }
    let failed = |error| Error::caused(ErrorKind::Internal, format!("could not read the column `{name}`"), error);
    // Words of a dictionary are made texts once, and shared by their rows.
    let (keys, values) = match column.as_dictionary_opt::<Int32Type>() {
        Some(words) => (Some(words.keys().clone()), words.values().clone()),
        None => (None, column.clone()),
    };
    let values = cast(&values, &DataType::Utf8View).map_err(failed)?;
    let values = values.as_string_view();
    let mut words: Vec<Option<Text>> = vec![None; if keys.is_some() { values.len() } else { 0 }];
    for (row, (_, event)) in rows.iter_mut().enumerate() {
        if column.is_null(row) {
            continue;
        }
        let text: Text = match &keys {
            Some(keys) => {
                let key = keys.value(row) as usize;
                words[key].get_or_insert_with(|| Arc::from(values.value(key))).clone()
            }
            None => Arc::from(values.value(row)),
        };
        match name {
            "level" => event.level = Level::parse(&text).unwrap_or_default(),
            "kind" => event.kind = Kind::parse(&text).unwrap_or_default(),
            _ => {
                if let Some(field) = text_of(event, name) {
                    *field = Some(text);
                }
            }
        }
    }
    Ok(())
}

fn text_of<'e>(event: &'e mut Event, name: &str) -> Option<&'e mut Option<Text>> {
    Some(match name {
        "platform" => &mut event.platform,
        "logger" => &mut event.logger,
        "message" => &mut event.message,
        "template" => &mut event.template,
        "exception_type" => &mut event.exception_type,
        "exception_value" => &mut event.exception_value,
        "culprit" => &mut event.culprit,
        "stack" => &mut event.stack,
        "frames" => &mut event.frames,
        "frame_vars" => &mut event.frame_vars,
        "breadcrumbs" => &mut event.breadcrumbs,
        "contexts" => &mut event.contexts,
        "request" => &mut event.request,
        "extra" => &mut event.extra,
        "environment" => &mut event.environment,
        "release" => &mut event.release,
        "dist" => &mut event.dist,
        "service" => &mut event.service,
        "server_name" => &mut event.server_name,
        "user_id" => &mut event.user_id,
        "user_email" => &mut event.user_email,
        "user_ip" => &mut event.user_ip,
        "session_id" => &mut event.session_id,
        "sdk_name" => &mut event.sdk_name,
        "sdk_version" => &mut event.sdk_version,
        "attributes" => &mut event.attributes,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hot::columns::Columns;
    use crate::schema::{COLUMNS, ColumnKind, table_schema};

    fn event(number: u8) -> Event {
        let mut event = Event {
            event_id: Some([number; 16]),
            timestamp: 7 * i64::from(number),
            received_at: 9,
            level: Level::Fatal,
            severity: Some(21),
            kind: Kind::Message,
            handled: Some(false),
            trace_id: Some([3; 16]),
            span_id: (number > 1).then_some([4; 8]),
            tags: vec![("a".into(), "b".into())],
            group_hash: 5,
            group_hash_full: u64::MAX,
            grouping_version: 2,
            ..Event::default()
        };
        for (index, column) in COLUMNS.iter().enumerate().filter(|(index, _)| index % 3 != usize::from(number) % 3) {
            if let Some(field) = text_of(&mut event, column.name) {
                *field = Some(format!("{} {index}", column.name).into());
            }
        }
        event
    }

    #[test]
    fn what_was_laid_down_is_read_back() {
        let events: Vec<Event> = (1..=5).map(event).collect();
        let mut columns = Columns::new(events.len());
        for event in &events {
            columns.push(ProjectId(3), &event.event_id.unwrap(), event).unwrap();
        }
        let hot = columns.finish().unwrap();
        let expected: Vec<_> = events.into_iter().map(|event| (ProjectId(3), event)).collect();
        assert_eq!(stored_events(&hot).unwrap(), expected);

        // The table form: words as views, ids as text.
        let schema = table_schema();
        let table =
            schema.fields().iter().zip(COLUMNS).zip(hot.columns()).map(|((field, column), array)| match column.kind {
                ColumnKind::Id(_) => {
                    let text = array.as_fixed_size_binary().iter().map(|id| id.map(hex::encode));
                    Arc::new(text.collect::<arrow::array::StringViewArray>()) as ArrayRef
                }
                _ => cast(array, field.data_type()).unwrap(),
            });
        let table = RecordBatch::try_new(schema.clone(), table.collect()).unwrap();
        assert_eq!(stored_events(&table).unwrap(), expected);

        let few = hot.project(&[crate::schema::column_index("message")]).unwrap();
        let read = stored_events(&few).unwrap();
        assert_eq!((read.len(), read[0].1.message.clone()), (5, expected[0].1.message.clone()));
        assert_eq!((read[0].0, read[0].1.event_id), (ProjectId(0), None));
    }
}
