//! How an envelope is cut: a line of headers, then items, each a line of headers and a payload.
//!
//! Only `\n` ends a line; a `\r` before it belongs to the payload. A payload has the `length` its header says and then a `\n`
//! or the end; without a `length` it runs to the next `\n`. Payloads are slices of the request, never copies.
//!
//! <https://develop.sentry.dev/sdk/foundations/transport/envelopes/>

use std::borrow::Cow;

use bytes::Bytes;

use super::item::ItemType;
use crate::error::{Error, Result};
use crate::json::{complaint, parse, text_of};
use crate::moment::Moment;
use crate::text;
use crate::value::{Pairs, Value};

/// Headers are small; a longer line is somebody's binary file.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// What the first line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Headers {
    pub(super) event_id: Option<[u8; 16]>,
    /// Microseconds since 1970, by the sender's clock.
    pub(super) sent_at: Option<i64>,
    /// `name/version` of the SDK.
    pub(super) client: Option<String>,
    pub(super) trace_id: Option<[u8; 16]>,
}

/// One item, its payload untouched.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) kind: ItemType,
    pub(super) filename: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) attachment_type: Option<String>,
    /// How many things are in it: `item_count`, or 1.
    pub(super) quantity: u64,
    pub(super) payload: Bytes,
}

/// The items of an envelope, in their order.
pub(super) struct Items<'b> {
    body: &'b Bytes,
    at: usize,
}

/// Reads the first line; the items follow as they are asked for.
pub(super) fn open(body: &Bytes) -> Result<(Headers, Items<'_>)> {
    let mut headers = Headers::default();
    for (name, value) in header_pairs(body)? {
        match (name.as_ref(), value) {
            ("event_id", Value::Text(id)) => headers.event_id = text::hex_id(id.trim()).and_then(not_zero),
            ("sent_at", value) => headers.sent_at = Moment::Loose(value).micros(),
            ("sdk", Value::Map(sdk)) => headers.client = client(&sdk),
            ("trace", Value::Map(trace)) => {
                if let Some((_, Value::Text(id))) = trace.iter().find(|(name, _)| name == "trace_id") {
                    headers.trace_id = text::hex_id(id).and_then(not_zero);
                }
            }
            _ => {}
        }
    }
    Ok((headers, Items { body, at: line_end(body, 0) + 1 }))
}

/// The pairs of the envelope's first line.
pub(super) fn header_pairs(body: &Bytes) -> Result<Pairs<'static>> {
    header(&body[..line_end(body, 0)], "envelope header", 0)
}

/// `name/version` of an `sdk` object.
pub(super) fn client(sdk: &Pairs<'_>) -> Option<String> {
    let find = |wanted: &str| match sdk.iter().find(|(name, _)| name == wanted) {
        Some((_, Value::Text(text))) => Some(text.as_ref()),
        _ => None,
    };
    Some(format!("{}/{}", find("name")?, find("version").unwrap_or("unknown")))
}

fn not_zero(id: [u8; 16]) -> Option<[u8; 16]> {
    (id != [0; 16]).then_some(id)
}

impl Items<'_> {
    /// The next item; after an error nothing more can be found.
    pub(super) fn next(&mut self) -> Result<Option<Item>> {
        // An empty line between items is nobody's payload.
        let (start, line) = loop {
            self.at += self.body[self.at.min(self.body.len())..].iter().take_while(|byte| **byte == b'\n').count();
            if self.at >= self.body.len() {
                return Ok(None);
            }
            let start = self.at;
            let end = line_end(self.body, start);
            self.at = end + 1;
            if !self.body[start..end].trim_ascii().is_empty() {
                break (start, &self.body[start..end]);
            }
        };
        let mut item = Item {
            kind: ItemType::Unknown,
            filename: None,
            content_type: None,
            attachment_type: None,
            quantity: 1,
            payload: Bytes::new(),
        };
        let mut length = None;
        let mut typed = false;
        for (name, value) in header(line, "item header", start)? {
            match (name.as_ref(), value) {
                ("type", Value::Text(word)) => {
                    item.kind = ItemType::parse(&word);
                    typed = true;
                }
                ("length", Value::Null) => length = None,
                ("length", value) => {
                    let read = value.as_int().and_then(|length| usize::try_from(length).ok());
                    length = Some(read.ok_or_else(|| broken("`length` is not a size", start))?);
                }
                ("item_count", value) => {
                    item.quantity = value.as_int().and_then(|count| u64::try_from(count).ok()).unwrap_or(1);
                }
                ("filename", Value::Text(text)) => item.filename = Some(text.into_owned()),
                ("content_type", Value::Text(text)) => item.content_type = Some(text.into_owned()),
                ("attachment_type", Value::Text(text)) => item.attachment_type = Some(text.into_owned()),
                _ => {}
            }
        }
        if !typed {
            return Err(broken("`type` is missing", start));
        }
        let from = self.at.min(self.body.len());
        let end = match length {
            None => line_end(self.body, from),
            Some(length) => {
                let end = from.checked_add(length).filter(|end| *end <= self.body.len());
                let end = end.ok_or_else(|| broken("`length` runs past the end of the envelope", start))?;
                if self.body.get(end).is_some_and(|byte| *byte != b'\n') {
                    return Err(broken("no newline follows its payload", start));
                }
                end
            }
        };
        item.payload = self.body.slice(from..end);
        self.at = end + 1;
        Ok(Some(item))
    }
}

fn line_end(body: &[u8], from: usize) -> usize {
    let from = from.min(body.len());
    memchr::memchr(b'\n', &body[from..]).map_or(body.len(), |length| from + length)
}

fn header(line: &[u8], what: &str, at: usize) -> Result<Pairs<'static>> {
    let malformed = |reason: &str| Error::malformed(format!("invalid event envelope: {what} at byte {at}: {reason}"));
    if line.len() > HEADER_BYTES_MAX {
        return Err(malformed(&format!("longer than {HEADER_BYTES_MAX} bytes")));
    }
    match parse(&text_of(line)) {
        Ok(Value::Map(pairs)) => {
            Ok(pairs.into_iter().map(|(name, value)| (Cow::Owned(name.into_owned()), value.into_owned())).collect())
        }
        Ok(other) => Err(malformed(&format!("{}, where an object is needed", other.type_name()))),
        Err(error) => Err(malformed(&complaint(&error))),
    }
}

fn broken(reason: &str, at: usize) -> Error {
    Error::malformed(format!("invalid event envelope: item at byte {at}: {reason}"))
}

#[cfg(test)]
mod tests;
