//! Tephra's own protocol: events that share a resource and a table of stacks (`proto/tephra/v1/ingest.proto`).
//!
//! Each stack of the table is read, hashed and stored once, however many events refer to it.

pub mod proto;
mod stacks;

use std::borrow::Cow;

use bytes::Bytes;
use tephra_storage::Level;

pub use proto::{AppendResponse, Refusal, Rejected, refusal};

use crate::batch::{Batch, Decoded, malformed};
use crate::conventions::Slot;
use crate::draft::{Draft, Shared};
use crate::error::{Error, Result};
use crate::group::Stack;
use crate::json;
use crate::limits::{Limits, Receipt};
use crate::moment::Moment;
use crate::text;
use crate::value::{Pairs, Value};
use crate::wire::{Entry, Fault, Slice};

/// One decoded `AppendRequest`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NativeBatch {
    /// The sender's number of the batch, to be returned in the answer.
    pub batch_id: u64,
    /// Its events.
    pub decoded: Decoded,
}

/// The number of a batch that may itself be malformed, for the answer that refuses it; 0 where it cannot be found.
pub fn batch_id(body: &Bytes) -> u64 {
    let mut fields = Slice::whole(body).fields();
    let mut id = 0;
    while let Ok(Some(entry)) = fields.next() {
        if entry.number == 1 {
            id = entry.varint().unwrap_or(id);
        }
    }
    id
}

/// Reads one `AppendRequest`.
pub fn batch(receipt: &Receipt<'_>, body: &Bytes) -> Result<NativeBatch> {
    let mut batch = Batch::new(receipt, body)?;
    let mut batch_id = 0;
    let mut shared = Shared::default();
    let mut stacks = Vec::new();
    // Fields may come in any order, and events need all others.
    let mut fields = Slice::whole(body).fields();
    while let Some(entry) = fields.next().map_err(malformed)? {
        match entry.number {
            1 => batch_id = entry.varint().map_err(malformed)?,
            2 => {
                let mut draft = Draft::default();
                let message = entry.slice().map_err(malformed)?;
                receipt.limits.check_event(message.bytes.len()).map_err(Error::too_large)?;
                resource(message, receipt.limits, &mut draft).map_err(|bad| Error::malformed(bad.say("resource")))?;
                shared = Shared::new(draft, &Shared::default(), &receipt.rules.scrubber);
                batch.charge(shared.bytes())?;
            }
            3 => stacks.push(stacks::read(entry.slice().map_err(malformed)?, &mut batch)?),
            _ => {}
        }
    }
    let mut index = 0u32;
    let mut fields = Slice::whole(body).fields();
    while let Some(entry) = fields.next().map_err(malformed)? {
        if entry.number == 4 {
            let message = entry.slice().map_err(malformed)?;
            let size = receipt.limits.check_event(message.bytes.len()).map_err(Bad::Content);
            match size.and_then(|()| event(message, &stacks, receipt.limits)) {
                Ok(draft) => batch.push(index, draft, &shared)?,
                Err(bad) => batch.reject(index, bad.say("event"))?,
            }
            index = index.saturating_add(1);
        }
    }
    Ok(NativeBatch { batch_id, decoded: batch.finish(body) })
}

/// Why an event or resource cannot be read.
enum Bad {
    Wire(Fault),
    Content(String),
}

impl Bad {
    fn say(self, what: &str) -> String {
        match self {
            Self::Wire(fault) => format!("{what} is malformed: {fault} of the request"),
            Self::Content(reason) => reason,
        }
    }
}

impl From<Fault> for Bad {
    fn from(fault: Fault) -> Self {
        Self::Wire(fault)
    }
}

type Read<T> = std::result::Result<T, Bad>;

fn resource<'a>(message: Slice<'a>, limits: &Limits, draft: &mut Draft<'a>) -> Read<()> {
    let mut fields = message.fields();
    while let Some(entry) = fields.next()? {
        let slot = match entry.number {
            1 => Slot::Service,
            2 => Slot::Environment,
            3 => Slot::Release,
            4 => Slot::Dist,
            5 => Slot::ServerName,
            6 => Slot::Platform,
            7 => Slot::SdkName,
            8 => Slot::SdkVersion,
            9 => {
                draft.tags.push(tag(entry.slice()?)?);
                continue;
            }
            10 => {
                draft.rest.extend(attributes("attributes_json", &entry, limits)?);
                continue;
            }
            _ => continue,
        };
        draft.set(slot, entry.text()?);
    }
    Ok(())
}

fn event<'a>(message: Slice<'a>, stacks: &[Stack], limits: &Limits) -> Read<Draft<'a>> {
    let mut draft = Draft::default();
    let mut own = Draft::default();
    let mut fields = message.fields();
    while let Some(entry) = fields.next()? {
        let slot = match entry.number {
            1 => {
                draft.event_id = id("event_id", &entry)?;
                continue;
            }
            2 => {
                draft.moment = Moment::Micros(entry.varint()?.cast_signed());
                continue;
            }
            3 => {
                draft.level = level(entry.varint()?, &mut draft.rest);
                draft.severity = draft.level.map(Level::severity);
                continue;
            }
            4 => Slot::Logger,
            5 => Slot::Message,
            6 => Slot::Template,
            7 => Slot::ExceptionType,
            8 => Slot::ExceptionValue,
            9 => {
                draft.handled = Some(entry.varint()? != 0);
                continue;
            }
            10 => {
                let number = entry.varint()?;
                draft.stack = stack(number, stacks)?;
                continue;
            }
            11 => Slot::Culprit,
            12 => Slot::UserId,
            13 => Slot::UserEmail,
            14 => Slot::UserIp,
            15 => Slot::SessionId,
            16 => {
                draft.trace_id = id("trace_id", &entry)?;
                continue;
            }
            17 => {
                draft.span_id = id("span_id", &entry)?;
                continue;
            }
            18 => {
                draft.tags.push(tag(entry.slice()?)?);
                continue;
            }
            19 => {
                draft.rest.extend(attributes("attributes_json", &entry, limits)?);
                continue;
            }
            20 => {
                draft.fingerprint.push(entry.text()?);
                continue;
            }
            21 => {
                resource(entry.slice()?, limits, &mut own)?;
                continue;
            }
            _ => continue,
        };
        draft.set(slot, entry.text()?);
    }
    draft.fill_from(own);
    Ok(draft)
}

fn level(number: u64, rest: &mut Pairs<'_>) -> Option<Level> {
    Some(match number {
        0 => return None,
        1 => Level::Trace,
        2 => Level::Debug,
        3 => Level::Info,
        4 => Level::Warning,
        5 => Level::Error,
        6 => Level::Fatal,
        unknown => {
            rest.push(("level".into(), Value::Uint(unknown)));
            return None;
        }
    })
}

fn stack(number: u64, stacks: &[Stack]) -> Read<Option<Stack>> {
    let Some(index) = number.checked_sub(1) else { return Ok(None) };
    let found = usize::try_from(index).ok().and_then(|index| stacks.get(index));
    let missing = || Bad::Content(format!("`stack` is {number}, but the batch has {} stacks", stacks.len()));
    found.cloned().map(Some).ok_or_else(missing)
}

fn tag(message: Slice<'_>) -> Read<(Cow<'_, str>, Cow<'_, str>)> {
    let [mut name, mut value] = [Cow::Borrowed(""), Cow::Borrowed("")];
    let mut fields = message.fields();
    while let Some(entry) = fields.next()? {
        match entry.number {
            1 => name = entry.text()?,
            2 => value = entry.text()?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// An id of exactly `N` bytes; none where empty or all zeros.
fn id<const N: usize>(name: &str, entry: &Entry<'_>) -> Read<Option<[u8; N]>> {
    let bytes = entry.slice()?.bytes;
    if !bytes.is_empty() && bytes.len() != N {
        return Err(Bad::Content(format!("`{name}` has {} bytes, where {N} are needed", bytes.len())));
    }
    Ok(text::id_of_bytes(bytes))
}

/// The pairs of a JSON object in a string field.
fn attributes<'a>(name: &str, entry: &Entry<'a>, limits: &Limits) -> Read<Pairs<'a>> {
    let value = match entry.text()? {
        Cow::Borrowed("") => return Ok(Pairs::new()),
        Cow::Borrowed(text) => json::parse(text),
        Cow::Owned(text) => json::parse(&text).map(Value::into_owned),
    };
    match value {
        Ok(Value::Map(pairs)) => {
            limits.check_attributes(pairs.len()).map_err(Bad::Content)?;
            Ok(pairs)
        }
        Ok(other) => Err(Bad::Content(format!("`{name}` is {}, where a JSON object is needed", other.type_name()))),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let what = json::complaint(&error);
            Err(Bad::Content(format!("`{name}` is not JSON: {what} (line {line}, column {column} of it)")))
        }
    }
}

#[cfg(test)]
mod tests;
