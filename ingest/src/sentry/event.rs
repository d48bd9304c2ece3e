//! An event's JSON into a draft: every form that SDKs have sent over the years, none of them refused.
//!
//! What has a column goes there in one form; what has none is kept in `attributes` under its own name. A value of the wrong
//! type is kept as it came. Large parts lose their middle, each by a share of the room that one event has.

mod bounds;
mod fault;
mod message;
mod parts;
mod people;
mod request;

use std::borrow::Cow;
use std::net::IpAddr;

use tephra_storage::{Kind, Level};

use crate::batch::Batch;
use crate::conventions::Slot;
use crate::draft::{Draft, event_id};
use crate::error::Result;
use crate::json;
use crate::moment::Moment;
use crate::normalize::{self, Cutter, Origin, Runtime};
use crate::value::{Pairs, Value};
use bounds::{bound_tags, bound_words};
use parts::{put_breadcrumbs, put_contexts, put_fingerprint, put_tags};

/// Bytes of a column that holds a word.
const WORD_BYTES_MAX: usize = 1 << 10;

/// The room of one event is shared out in parts of so many: `event_bytes_max / SHARE`.
const CONTEXTS_SHARE: usize = 16;
const REQUEST_SHARE: usize = 16;
const EXTRA_SHARE: usize = 10;
const BREADCRUMBS_SHARE: usize = 12;
const REST_SHARE: usize = 9;
const TAGS_SHARE: usize = 16;
const TEXT_SHARE: usize = 16;

/// Fields that are of no use to anybody once the event is stored.
const DROPPED: [&str; 5] = ["project", "received", "key_id", "site", "time_spent"];

/// What the envelope and the connection say of an event.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Circumstances {
    pub(super) client_address: Option<IpAddr>,
    /// Microseconds to add to the sender's times.
    pub(super) drift: i64,
    /// The envelope's id, which wins over the event's own.
    pub(super) event_id: Option<[u8; 16]>,
}

/// The fields that depend on each other, as they came; null where absent.
#[derive(Default)]
struct Came<'a> {
    platform: Cow<'a, str>,
    kind: Cow<'a, str>,
    sdk: Value<'a>,
    level: Value<'a>,
    exception: Value<'a>,
    stacktrace: Value<'a>,
    threads: Value<'a>,
    message: Value<'a>,
    logentry: Value<'a>,
    contexts: Value<'a>,
    user: Value<'a>,
    culprit: Value<'a>,
    transaction: Value<'a>,
    checksum: Value<'a>,
    fingerprint: Value<'a>,
    timestamp: Value<'a>,
}

/// Reads an event, which `fallback` is the kind of where it does not say itself.
pub(super) fn draft<'a>(
    batch: &mut Batch<'_>,
    pairs: Pairs<'a>,
    circumstances: &Circumstances,
    fallback: Option<Kind>,
) -> Result<Draft<'a>> {
    let limits = batch.receipt.limits;
    let room = limits.event_bytes_max;
    let cutter = Cutter::new(&batch.receipt.rules.scrubber);
    let mut draft = Draft::default();
    draft.event_id = circumstances.event_id;
    let mut came = Came::default();
    for (name, value) in pairs {
        if value != Value::Null {
            put(&mut draft, &mut came, (name, value), circumstances, room, cutter);
        }
    }

    let infers_ip = put_sdk(&mut draft, came.sdk);
    let runtime = Runtime::new(&came.platform, draft.get(Slot::SdkName).unwrap_or_default());
    draft.set(Slot::Platform, came.platform);
    put_moment(&mut draft, came.timestamp, circumstances.drift);
    let no_level = is_empty(&came.level);
    put_level(&mut draft, came.level);
    people::put(&mut draft, came.user, circumstances.client_address, infers_ip);
    let feedback = put_contexts(&mut draft, came.contexts, room / CONTEXTS_SHARE, cutter);
    put_fingerprint(&mut draft, came.fingerprint, came.checksum, cutter);

    let mut fault = fault::Fault::read(came.exception, came.stacktrace, came.threads);
    message::put(&mut draft, came.logentry, came.message, limits.text_bytes_max.min(room / TEXT_SHARE), cutter);
    let kind = match (came.kind.as_ref(), fallback) {
        ("feedback", _) => Kind::Feedback,
        (_, Some(fallback)) => fallback,
        _ if fault.is_message(draft.get(Slot::Message)) => Kind::Message,
        _ if !fault.chain.is_empty() => Kind::Error,
        _ => Kind::Message,
    };
    draft.kind = Some(kind);
    if kind == Kind::Feedback {
        // What a user wrote is no error.
        if no_level {
            draft.level = Some(Level::Info);
            draft.severity = Some(Level::Info.severity());
        }
        people::put_feedback(&mut draft, feedback);
    }
    fault.put(&mut draft, runtime, kind, limits.text_bytes_max.min(room / TEXT_SHARE), cutter);
    let origin = Origin { runtime, platform: draft.get(Slot::Platform), sdk: draft.get(Slot::SdkName) };
    let normalized = normalize::stack(batch, origin, fault.chain)?;
    draft.stack = normalized.stack;
    for (slot, json) in [(Slot::Frames, normalized.frames), (Slot::FrameVars, normalized.vars)] {
        if let Some(json) = json {
            draft.set(slot, json.into());
        }
    }

    put_culprit(&mut draft, came.culprit, came.transaction);
    bound_words(&mut draft, cutter);
    bound_tags(&mut draft, limits.tags_max, room / TAGS_SHARE, cutter);
    let rest = Value::Map(std::mem::take(&mut draft.rest));
    if let Value::Map(rest) = cutter.fit(&["attributes"], rest, room / REST_SHARE) {
        draft.rest = rest;
    }
    Ok(draft)
}

/// Takes one field, or sets it aside until all are known.
fn put<'a>(
    draft: &mut Draft<'a>,
    came: &mut Came<'a>,
    (name, value): (Cow<'a, str>, Value<'a>),
    circumstances: &Circumstances,
    room: usize,
    cutter: Cutter<'_>,
) {
    let slot = match name.strip_prefix("sentry.interfaces.").unwrap_or(&name) {
        "event_id" => {
            if let (None, Value::Text(id)) = (draft.event_id, &value) {
                draft.event_id = (!id.trim().is_empty()).then(|| event_id(id)).filter(|id| *id != [0; 16]);
            }
            return;
        }
        "platform" => match value {
            Value::Text(platform) => return came.platform = platform,
            _ => Slot::Platform,
        },
        "type" => match value {
            Value::Text(kind) => return came.kind = kind,
            _ => return draft.keep(name, value),
        },
        "timestamp" => return came.timestamp = value,
        "level" => return came.level = value,
        "sdk" => return came.sdk = value,
        "exception" | "Exception" => return came.exception = value,
        "stacktrace" | "Stacktrace" => return came.stacktrace = value,
        "threads" | "Threads" => return came.threads = value,
        "message" => return came.message = value,
        "logentry" | "Message" => return came.logentry = value,
        "contexts" | "Contexts" => return came.contexts = value,
        "user" | "User" => return came.user = value,
        "culprit" => return came.culprit = value,
        "transaction" => return came.transaction = value,
        "checksum" => return came.checksum = value,
        "fingerprint" => return came.fingerprint = value,
        "tags" => return put_tags(draft, value),
        "breadcrumbs" | "Breadcrumbs" => {
            return put_breadcrumbs(draft, value, circumstances.drift, room / BREADCRUMBS_SHARE, cutter);
        }
        "request" | "Http" => {
            let value = cutter.fit(&["request"], request::normalized(value), room / REQUEST_SHARE);
            return put_json(draft, Slot::Request, "request", value);
        }
        "extra" => {
            let value = cutter.fit(&["extra"], value, room / EXTRA_SHARE);
            return put_json(draft, Slot::Extra, "extra", value);
        }
        "logger" => Slot::Logger,
        "server_name" => Slot::ServerName,
        "release" => Slot::Release,
        "dist" => Slot::Dist,
        "environment" => Slot::Environment,
        dropped if DROPPED.contains(&dropped) => return,
        _ if is_empty(&value) => return,
        _ => return draft.keep(name, value),
    };
    draft.put_slot(slot, name, value);
}

fn is_empty(value: &Value<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => text.is_empty(),
        Value::List(list) => list.is_empty(),
        Value::Map(pairs) => pairs.is_empty(),
        _ => false,
    }
}

/// Takes an object as the JSON of a column; what is none is kept as it came.
fn put_json<'a>(draft: &mut Draft<'a>, slot: Slot, name: &'static str, value: Value<'a>) {
    match value {
        value if is_empty(&value) => {}
        Value::Map(_) => draft.set(slot, json::to_string(&value).into()),
        other => draft.keep(name, other),
    }
}

/// Takes name and version; tells whether the SDK wants the user's address filled in.
fn put_sdk<'a>(draft: &mut Draft<'a>, sdk: Value<'a>) -> bool {
    let mut infers_ip = false;
    match sdk {
        Value::Map(pairs) => {
            let mut rest = Pairs::new();
            for (name, value) in pairs {
                match name.as_ref() {
                    "name" => draft.put_slot(Slot::SdkName, "sdk.name".into(), value),
                    "version" => draft.put_slot(Slot::SdkVersion, "sdk.version".into(), value),
                    _ if is_empty(&value) => {}
                    _ => {
                        infers_ip |= name == "settings" && infers(&value);
                        rest.push((name, value));
                    }
                }
            }
            if !rest.is_empty() {
                draft.keep("sdk", Value::Map(rest));
            }
        }
        other => draft.put_slot(Slot::SdkName, "sdk".into(), other),
    }
    infers_ip
}

/// Whether settings say `"infer_ip": "auto"`.
pub(super) fn infers(settings: &Value<'_>) -> bool {
    let auto = Value::Text("auto".into());
    matches!(settings, Value::Map(pairs) if pairs.iter().any(|(name, value)| name == "infer_ip" && *value == auto))
}

fn put_moment<'a>(draft: &mut Draft<'a>, timestamp: Value<'a>, drift: i64) {
    let came = Moment::Loose(timestamp);
    draft.moment = match came.micros() {
        Some(micros) if drift != 0 && micros != 0 => {
            draft.keep("clock_drift_ms", Value::Int(drift / 1_000));
            Moment::Micros(micros.saturating_add(drift))
        }
        _ => came,
    };
}

/// Takes the level; without one, or with an unknown one, an event is an error.
fn put_level<'a>(draft: &mut Draft<'a>, came: Value<'a>) {
    let read = match &came {
        Value::Text(word) => Level::parse(word),
        // As Python's `logging` counts.
        number => match number.as_int() {
            Some(..=9) => None,
            Some(10..=19) => Some(Level::Debug),
            Some(20..=29) => Some(Level::Info),
            Some(30..=39) => Some(Level::Warning),
            Some(40..=49) => Some(Level::Error),
            Some(_) => Some(Level::Fatal),
            None => None,
        },
    };
    let level = read.unwrap_or(Level::Error);
    draft.level = Some(level);
    draft.severity = Some(level.severity());
    if read.is_none() && !is_empty(&came) {
        draft.keep("level", came);
    }
}

/// The items of `{"values": […]}`, of a list, or of a single object; nulls are left out.
pub(super) fn values(came: Value<'_>) -> std::result::Result<Vec<Value<'_>>, Value<'_>> {
    let list = match came {
        Value::Null => return Ok(Vec::new()),
        Value::List(list) => list,
        Value::Map(mut pairs) => match pairs.iter().position(|(name, _)| name == "values") {
            Some(at) => match pairs.swap_remove(at).1 {
                Value::List(list) => list,
                Value::Null => return Ok(Vec::new()),
                single => vec![single],
            },
            None if pairs.is_empty() => return Ok(Vec::new()),
            None => vec![Value::Map(pairs)],
        },
        other => return Err(other),
    };
    Ok(list.into_iter().filter(|value| *value != Value::Null).collect())
}

/// Takes the function or transaction to blame; where both are named, the transaction is kept beside.
fn put_culprit<'a>(draft: &mut Draft<'a>, culprit: Value<'a>, transaction: Value<'a>) {
    draft.put_slot(Slot::Culprit, "culprit".into(), culprit);
    match draft.get(Slot::Culprit) {
        None => draft.put_slot(Slot::Culprit, "transaction".into(), transaction),
        Some(_) if is_empty(&transaction) => {}
        Some(_) => draft.keep("transaction", transaction),
    }
}

#[cfg(test)]
mod tests;
