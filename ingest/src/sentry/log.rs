//! Sentry's structured logs: a container of records that are OpenTelemetry's in all but the wire.
//!
//! Attributes come as `{name: {value, type}}` and go where OpenTelemetry's attributes go.

use std::net::IpAddr;

use tephra_storage::{Kind, Level};

use super::event::infers;
use crate::conventions::Slot;
use crate::draft::Draft;
use crate::moment::Moment;
use crate::text;
use crate::value::{Pairs, Value};

/// A container's records, and whether its sender wants the user's address filled in.
pub(super) struct Container<'a> {
    pub(super) items: Vec<Value<'a>>,
    pub(super) infers_ip: bool,
}

impl<'a> Container<'a> {
    /// Reads `{"items": […], "ingest_settings": {…}}`, or a single record as the first SDKs sent them.
    pub(super) fn new(pairs: Pairs<'a>) -> Self {
        let mut container = Self { items: Vec::new(), infers_ip: false };
        if !pairs.iter().any(|(name, _)| name == "items") {
            container.items.push(Value::Map(pairs));
            return container;
        }
        for (name, value) in pairs {
            match (name.as_ref(), value) {
                ("items", Value::List(items)) => container.items = items,
                ("ingest_settings", settings) => container.infers_ip = infers(&settings),
                _ => {}
            }
        }
        container
    }
}

/// One record; `drift` in microseconds is added to its time.
pub(super) fn draft(record: Pairs<'_>, drift: i64, client_address: Option<IpAddr>) -> Draft<'_> {
    let mut draft = Draft::default();
    draft.kind = Some(Kind::Log);
    let mut word = "".into();
    let mut number = 0;
    for (name, value) in record {
        match (name.as_ref(), value) {
            (_, Value::Null) => {}
            ("body", value) => draft.put_message(value),
            ("level", Value::Text(level)) => word = level,
            ("severity_number", value) if value.as_int().is_some() => {
                number = value.as_int().and_then(|number| i32::try_from(number).ok()).unwrap_or(0);
            }
            ("trace_id", Value::Text(id)) => draft.trace_id = text::hex_id(&id).filter(|id| *id != [0; 16]),
            ("span_id", Value::Text(id)) => draft.span_id = text::hex_id(&id).filter(|id| *id != [0; 8]),
            ("timestamp", value) => {
                let came = Moment::Loose(value);
                draft.moment = match came.micros() {
                    Some(micros) if drift != 0 && micros != 0 => Moment::Micros(micros.saturating_add(drift)),
                    _ => came,
                };
            }
            ("attributes", Value::Map(attributes)) => {
                for (name, value) in attributes {
                    put_attribute(&mut draft, name, inner(value));
                }
            }
            (_, value) => draft.keep(name, value),
        }
    }
    draft.put_severity(number, word);
    if draft.level.is_none() {
        draft.level = Some(Level::Info);
    }
    if let (None, Some(address)) = (draft.get(Slot::UserIp), client_address) {
        draft.set(Slot::UserIp, address.to_canonical().to_string().into());
    }
    draft
}

/// The value of `{value, type, unit}`.
fn inner(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Map(mut pairs) => match pairs.iter().position(|(name, _)| name == "value") {
            Some(at) => pairs.swap_remove(at).1,
            None => Value::Map(pairs),
        },
        bare => bare,
    }
}

fn put_attribute<'a>(draft: &mut Draft<'a>, name: std::borrow::Cow<'a, str>, value: Value<'a>) {
    match name.as_ref() {
        "server.address" => draft.put_slot(Slot::ServerName, name, value),
        "logger.name" => draft.put_slot(Slot::Logger, name, value),
        "sentry.trace.parent_span_id" => match (&value, draft.span_id) {
            (Value::Text(id), None) => draft.span_id = text::hex_id(id).filter(|id| *id != [0; 8]),
            _ => draft.keep(name, value),
        },
        // The order of logs within a microsecond, of no use once they are stored.
        "sentry.timestamp.sequence" => {}
        _ => draft.put(name, value),
    }
}
