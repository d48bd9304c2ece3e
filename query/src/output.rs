//! Answers as bytes: JSON, NDJSON, CSV and Arrow IPC, made batch by batch.
//!
//! Times are RFC 3339 with microseconds and `Z`; maps, lists and structs are JSON, in CSV too, as text. What is not a
//! number (NaN, infinities) is null in JSON.

mod arrow_stream;
mod csv;
mod json;
mod rows;

use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One object: `{"columns":[…],"rows":[{…},…],"truncated":false,"statistics":{…}}`.
    Json,
    /// One object per line and row.
    Ndjson,
    /// RFC 4180 with a header.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
}

impl Format {
    const ALL: [Self; 4] = [Self::Json, Self::Ndjson, Self::Csv, Self::Arrow];

    /// The format that an `Accept` header prefers; `None` where it names none of ours.
    pub fn from_accept(accept: &str) -> Option<Self> {
        let quality = |parameters: &str| {
            let found = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("q="));
            found.map_or(1.0, |text| text.trim().parse::<f32>().unwrap_or(0.0))
        };
        let mut best: Option<(f32, Self)> = None;
        for range in accept.split(',') {
            let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
            let Some(format) = Self::named(name.trim()) else { continue };
            let quality = quality(parameters);
            if quality > best.map_or(0.0, |(best, _)| best) {
                best = Some((quality, format));
            }
        }
        best.map(|(_, format)| format)
    }

    fn named(media_range: &str) -> Option<Self> {
        match media_range.to_ascii_lowercase().as_str() {
            "" | "*/*" | "application/*" => Some(Self::Json),
            "text/*" => Some(Self::Csv),
            "application/jsonl" | "application/ndjson" => Some(Self::Ndjson),
            name => Self::ALL.into_iter().find(|format| format.media_type() == name),
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            other => other.media_type(),
        }
    }
}

/// What an answer says of its making.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Since the statement came in.
    pub elapsed: Duration,
    /// Rows looked at.
    pub rows_read: u64,
    /// Bytes read from the object store.
    pub bytes_read: u64,
    /// Rows of the answer.
    pub rows_returned: u64,
}

impl From<&Progress> for Statistics {
    fn from(progress: &Progress) -> Self {
        Self {
            elapsed: progress.elapsed(),
            rows_read: progress.rows_read(),
            bytes_read: progress.bytes_read(),
            rows_returned: progress.rows_returned(),
        }
    }
}

/// Makes one answer: `start`, any number of `batch`, then `finish` or `fail`; send what each returns.
pub struct Encoder(Form);

enum Form {
    Json(json::Json),
    Ndjson(rows::Rows),
    Csv(csv::Csv),
    Arrow(Box<arrow_stream::ArrowStream>),
}

impl Encoder {
    /// An encoder for an answer of these columns, and the first bytes.
    ///
    /// # Errors
    /// `Internal` where Arrow refuses a type.
    pub fn start(format: Format, schema: &SchemaRef) -> Result<(Self, Vec<u8>)> {
        let mut bytes = Vec::new();
        let form = match format {
            Format::Json => Form::Json(json::Json::start(schema, &mut bytes)),
            Format::Ndjson => Form::Ndjson(rows::Rows::new(schema)),
            Format::Csv => Form::Csv(csv::Csv::start(schema, &mut bytes)),
            Format::Arrow => {
                Form::Arrow(Box::new(arrow_stream::ArrowStream::start(schema, &mut bytes).map_err(broken)?))
            }
        };
        Ok((Self(form), bytes))
    }

    /// The bytes of some rows.
    ///
    /// # Errors
    /// `Internal` where Arrow cannot write a value.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match &mut self.0 {
            Form::Json(json) => json.batch(batch, &mut bytes),
            Form::Ndjson(rows) => rows.write(batch, &mut bytes, |_, _| {}, |bytes| bytes.push(b'\n')),
            Form::Csv(csv) => csv.batch(batch, &mut bytes),
            Form::Arrow(stream) => stream.batch(batch, &mut bytes),
        }
        .map_err(broken)?;
        Ok(bytes)
    }

    /// The last bytes of a whole answer. Only JSON has room for `truncated` and statistics.
    ///
    /// # Errors
    /// `Internal` where Arrow cannot end its stream.
    pub fn finish(self, truncated: bool, statistics: &Statistics) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.0 {
            Form::Json(json) => json.finish(truncated, statistics, &mut bytes),
            Form::Ndjson(_) | Form::Csv(_) => {}
            Form::Arrow(stream) => stream.finish(&mut bytes).map_err(broken)?,
        }
        Ok(bytes)
    }

    /// The last bytes of an answer that broke off: JSON and NDJSON say why. CSV and Arrow cannot: their connection
    /// must be cut, so that nobody takes the part for the whole.
    pub fn fail(self, error: &Error) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.0 {
            Form::Json(json) => json.fail(error, &mut bytes),
            Form::Ndjson(_) => {
                json::write_error(error, &mut bytes);
                bytes.push(b'\n');
            }
            Form::Csv(_) | Form::Arrow(_) => {}
        }
        bytes
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn broken(error: arrow::error::ArrowError) -> Error {
    Error::new(ErrorKind::Internal, format!("could not write the answer: {error}"))
}

#[cfg(test)]
mod tests;
