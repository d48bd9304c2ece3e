//! Newline-delimited JSON: one object per line, its fields named as the columns or as common loggers name them.
//!
//! Lines end with `\n` or `\r\n`; blank ones are skipped; the last needs no end. A bad line is rejected by its index (from
//! 0, blank lines counted) with the line (from 1) and column in the reason. Unknown names go to `attributes`, whole.

mod fields;

use bytes::Bytes;

use crate::batch::{Batch, Decoded};
use crate::draft::{Draft, Shared};
use crate::error::Result;
use crate::json::{complaint, parse, text_of};
use crate::limits::Receipt;
use crate::value::Value;

/// Reads one event per line.
///
/// | field | also as | holds |
/// |---|---|---|
/// | `timestamp` | `ts`, `time`, `@timestamp`, `datetime` | RFC 3339 (UTC without a zone), or a number: seconds below 1e11, milliseconds below 1e14, microseconds below 1e17, else nanoseconds |
/// | `level` | `lvl`, `severity`, `severity_text`, `levelname`, `log.level` | a word; 10 to 60 by tens as pino and bunyan have it; else OpenTelemetry's 1 to 24 |
/// | `severity_number` | | OpenTelemetry's 1 to 24 |
/// | `message` | `msg` | text; anything else as JSON |
/// | `exception` | `error`, `err`, `exc_info` | `{type, value or message, stacktrace or stack, handled}`, or text: the value, or a whole stack trace |
/// | `exception_type`, `exception_value`, `stack` | `exception.type`, …, `error.type`, `stacktrace`, `stack_trace` | text |
/// | `event_id` | `log.record.uid` | 32 hex digits, a UUID, or any text |
/// | `trace_id`, `span_id` | `traceId`, `trace.id`, … | hex digits |
/// | `user` | `user_id`, `user_email`, `user_ip` | `{id, email, ip}`, or the id |
/// | `tags` | | `{name: value}` or `[[name, value], …]` |
/// | `fingerprint` | | text or a list of them |
/// | `attributes` | | an object, joined with the unknown names |
/// | `frames`, `frame_vars`, `breadcrumbs`, `contexts`, `request`, `extra` | | JSON |
/// | `logger`, `service`, `environment` (`env`), `release` (`version`), `server_name` (`host`, `hostname`), `platform`, … | OpenTelemetry's names | text |
pub fn lines(receipt: &Receipt<'_>, body: &Bytes) -> Result<Decoded> {
    let text = text_of(body);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut batch = Batch::new(receipt, body)?;
    let shared = Shared::default();
    let mut start = 0;
    let mut index = 0u32;
    while start < text.len() {
        let end = memchr::memchr(b'\n', &text.as_bytes()[start..]).map_or(text.len(), |length| start + length);
        let line = &text[start..end];
        if !line.trim().is_empty() {
            match read(line, receipt) {
                Ok(draft) => batch.push(index, draft, &shared)?,
                Err(reason) => batch.reject(index, format!("line {}: {reason}", u64::from(index) + 1))?,
            }
        }
        index = index.saturating_add(1);
        start = end + 1;
    }
    Ok(batch.finish(body))
}

fn read<'t>(line: &'t str, receipt: &Receipt<'_>) -> std::result::Result<Draft<'t>, String> {
    receipt.limits.check_event(line.len())?;
    match parse(line) {
        Ok(Value::Map(pairs)) => {
            receipt.limits.check_attributes(pairs.len())?;
            Ok(fields::draft(pairs))
        }
        Ok(other) => Err(format!("{}, where an object is needed", other.type_name())),
        Err(error) => Err(format!("{} (column {})", complaint(&error), error.column())),
    }
}

#[cfg(test)]
mod tests;
