//! Turns the events of one group of appends into a record batch in the hot form.
//!
//! Rows are laid down once, by the appender: what a thousand requests bring becomes one batch with one dictionary per
//! repeated column, so a stack that all of them share is held once.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, FixedSizeBinaryBuilder, Int32Builder, Int64Builder, MapBuilder, MapFieldNames,
    StringBuilder, StringDictionaryBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::Int32Type;
use arrow::record_batch::RecordBatch;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, ProjectId};
use crate::schema::{COLUMNS, ColumnKind, hot_schema};

type WordBuilder = StringDictionaryBuilder<Int32Type>;

/// One builder per column, in the order of `COLUMNS`.
enum Builder {
    Int64(Int64Builder),
    Int32(Int32Builder),
    Bool(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
    Id(FixedSizeBinaryBuilder),
    Word(WordBuilder),
    Text(StringBuilder),
    Tags(MapBuilder<StringBuilder, StringBuilder>),
}

impl Builder {
    fn new(kind: ColumnKind, rows: usize) -> Self {
        match kind {
            ColumnKind::Int64 => Self::Int64(Int64Builder::with_capacity(rows)),
            ColumnKind::Int32 => Self::Int32(Int32Builder::with_capacity(rows)),
            ColumnKind::Bool => Self::Bool(BooleanBuilder::with_capacity(rows)),
            ColumnKind::Time => Self::Time(TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC")),
            ColumnKind::Id(bytes) => Self::Id(FixedSizeBinaryBuilder::with_capacity(rows, bytes)),
            ColumnKind::Word | ColumnKind::Stack => Self::Word(WordBuilder::with_capacity(rows, 16, 256)),
            ColumnKind::Text => Self::Text(StringBuilder::with_capacity(rows, 0)),
            ColumnKind::Tags => {
                let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
                Self::Tags(MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new()))
            }
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Int64(b) => Arc::new(b.finish()),
            Self::Int32(b) => Arc::new(b.finish()),
            Self::Bool(b) => Arc::new(b.finish()),
            Self::Time(b) => Arc::new(b.finish()),
            Self::Id(b) => Arc::new(b.finish()),
            Self::Word(b) => Arc::new(b.finish()),
            Self::Text(b) => Arc::new(b.finish()),
            Self::Tags(b) => Arc::new(b.finish()),
        }
    }

    fn int64(&mut self, value: i64) {
        if let Self::Int64(b) = self {
            b.append_value(value);
        }
    }

    fn int32(&mut self, value: Option<i32>) {
        if let Self::Int32(b) = self {
            b.append_option(value);
        }
    }

    fn bool(&mut self, value: Option<bool>) {
        if let Self::Bool(b) = self {
            b.append_option(value);
        }
    }

    fn time(&mut self, value: i64) {
        if let Self::Time(b) = self {
            b.append_value(value);
        }
    }

    fn id(&mut self, value: Option<&[u8]>) -> Result<()> {
        if let Self::Id(b) = self {
            match value {
                Some(bytes) => b.append_value(bytes).map_err(broken)?,
                None => b.append_null(),
            }
        }
        Ok(())
    }

    fn text(&mut self, value: Option<&str>) -> Result<()> {
        match (self, value) {
            (Self::Text(b), Some(text)) => b.append_value(text),
            (Self::Text(b), None) => b.append_null(),
            (Self::Word(b), Some(text)) => {
                b.append(text).map_err(broken)?;
            }
            (Self::Word(b), None) => b.append_null(),
            _ => {}
        }
        Ok(())
    }
}

fn broken(error: arrow::error::ArrowError) -> Error {
    Error::caused(ErrorKind::Internal, "could not build a batch", error)
}

/// Builds one batch from rows of (project, id, event).
pub(crate) struct Columns {
    builders: Vec<Builder>,
    rows: usize,
}

impl Columns {
    pub(crate) fn new(rows: usize) -> Self {
        Self { builders: COLUMNS.iter().map(|column| Builder::new(column.kind, rows)).collect(), rows: 0 }
    }

    pub(crate) fn push(&mut self, project: ProjectId, event_id: &[u8; 16], event: &Event) -> Result<()> {
        let Event {
            event_id: _,
            timestamp,
            received_at,
            level,
            severity,
            kind,
            platform,
            logger,
            message,
            template,
            exception_type,
            exception_value,
            culprit,
            handled,
            stack,
            frames,
            frame_vars,
            breadcrumbs,
            contexts,
            request,
            extra,
            environment,
            release,
            dist,
            service,
            server_name,
            user_id,
            user_email,
            user_ip,
            session_id,
            trace_id,
            span_id,
            sdk_name,
            sdk_version,
            tags,
            attributes,
            group_hash,
            group_hash_full,
            grouping_version,
        } = event;
        let mut columns = self.builders.iter_mut();
        let mut next = || columns.next().expect("as many builders as columns");
        next().int64(project.0);
        next().id(Some(event_id))?;
        next().time(*timestamp);
        next().time(*received_at);
        next().text(Some(level.as_str()))?;
        next().int32(*severity);
        next().text(Some(kind.as_str()))?;
        for text in [platform, logger, message, template, exception_type, exception_value, culprit] {
            next().text(text.as_deref())?;
        }
        next().bool(*handled);
        for text in [stack, frames, frame_vars, breadcrumbs, contexts, request, extra] {
            next().text(text.as_deref())?;
        }
        for text in [environment, release, dist, service, server_name, user_id, user_email, user_ip, session_id] {
            next().text(text.as_deref())?;
        }
        next().id(trace_id.as_ref().map(|id| id.as_slice()))?;
        next().id(span_id.as_ref().map(|id| id.as_slice()))?;
        next().text(sdk_name.as_deref())?;
        next().text(sdk_version.as_deref())?;
        if let Builder::Tags(map) = next() {
            for (name, value) in tags {
                map.keys().append_value(name);
                map.values().append_value(value);
            }
            map.append(true).map_err(broken)?;
        }
        next().text(attributes.as_deref())?;
        next().id(Some(&group_hash.to_be_bytes()))?;
        next().id(Some(&group_hash_full.to_be_bytes()))?;
        next().int32(Some(*grouping_version));
        self.rows += 1;
        Ok(())
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn finish(mut self) -> Result<RecordBatch> {
        let columns = self.builders.iter_mut().map(Builder::finish).collect();
        RecordBatch::try_new(hot_schema(), columns).map_err(broken)
    }
}
