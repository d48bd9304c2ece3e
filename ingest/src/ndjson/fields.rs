//! Which field of a line lands in which column.

use std::borrow::Cow;

use tephra_storage::{Kind, Level};

use crate::conventions::Slot;
use crate::draft::{Draft, event_id};
use crate::json;
use crate::moment::Moment;
use crate::text::hex_id;
use crate::value::{Pairs, Value};

/// What one line says.
pub(super) fn draft(pairs: Pairs<'_>) -> Draft<'_> {
    let mut draft = Draft::default();
    for (key, value) in pairs {
        if !value.is_empty() {
            put(&mut draft, key, value);
        }
    }
    draft
}

fn put<'a>(draft: &mut Draft<'a>, key: Cow<'a, str>, value: Value<'a>) {
    if let Some(slot) = text_slot(&key) {
        return draft.put_slot(slot, key, value);
    }
    match (key.as_ref(), value) {
        ("message" | "msg", value) => draft.put_message(value),
        ("timestamp" | "ts" | "time" | "@timestamp" | "datetime", value) if draft.moment == Moment::Absent => {
            draft.moment = Moment::Loose(value);
        }
        ("level" | "lvl" | "severity" | "severity_text" | "severityText" | "levelname" | "log.level", value) => {
            put_level(draft, key, value);
        }
        ("severity_number" | "severityNumber", value) => {
            match value.as_int().and_then(|number| i32::try_from(number).ok()) {
                Some(number) if Level::from_severity(number).is_some() => {
                    draft.severity = Some(number);
                    draft.level = draft.level.or(Level::from_severity(number));
                }
                _ => draft.keep(key, value),
            }
        }
        ("kind", Value::Text(word)) if Kind::parse(&word).is_some() => draft.kind = Kind::parse(&word),
        ("handled", Value::Bool(handled)) => draft.handled = Some(handled),
        ("exception" | "error" | "err" | "exc_info", value) => put_exception(draft, key, value),
        ("event_id" | "eventId", Value::Text(uid)) => draft.event_id = Some(event_id(&uid)),
        ("trace_id" | "traceId" | "trace.id", Value::Text(id)) => match hex_id(&id) {
            Some(id) => draft.trace_id = Some(id).filter(|id| *id != [0; 16]),
            None => draft.keep(key, Value::Text(id)),
        },
        ("span_id" | "spanId" | "span.id", Value::Text(id)) => match hex_id(&id) {
            Some(id) => draft.span_id = Some(id).filter(|id| *id != [0; 8]),
            None => draft.keep(key, Value::Text(id)),
        },
        ("tags", value) => put_tags(draft, key, value),
        ("user", value) => put_user(draft, key, value),
        ("fingerprint", value) => draft.put_fingerprint(key, value),
        ("attributes", Value::Map(pairs)) => draft.rest.extend(pairs),
        (name, value) => match json_slot(name) {
            Some(slot) => match value {
                value @ (Value::List(_) | Value::Map(_)) => draft.set(slot, json::to_string(&value).into()),
                other => draft.keep(key, other),
            },
            None => draft.put(key, value),
        },
    }
}

/// Fields that hold one text, beside OpenTelemetry's own names.
fn text_slot(key: &str) -> Option<Slot> {
    Some(match key {
        "template" | "message_template" | "messageTemplate" | "@mt" => Slot::Template,
        "platform" => Slot::Platform,
        "logger" | "logger_name" | "log.logger" => Slot::Logger,
        "exception_type" | "error.type" => Slot::ExceptionType,
        "exception_value" | "exception_message" | "error.message" => Slot::ExceptionValue,
        "stack" | "stacktrace" | "stack_trace" | "traceback" | "error.stack_trace" | "error.stack" => Slot::Stack,
        "culprit" => Slot::Culprit,
        "environment" | "env" => Slot::Environment,
        "release" | "version" => Slot::Release,
        "dist" => Slot::Dist,
        "service" => Slot::Service,
        "server_name" | "host" | "hostname" => Slot::ServerName,
        "user_id" => Slot::UserId,
        "user_email" => Slot::UserEmail,
        "user_ip" => Slot::UserIp,
        "session_id" => Slot::SessionId,
        "sdk_name" => Slot::SdkName,
        "sdk_version" => Slot::SdkVersion,
        _ => return None,
    })
}

/// Fields that hold JSON.
fn json_slot(key: &str) -> Option<Slot> {
    Some(match key {
        "frames" => Slot::Frames,
        "frame_vars" => Slot::FrameVars,
        "breadcrumbs" => Slot::Breadcrumbs,
        "contexts" => Slot::Contexts,
        "request" => Slot::Request,
        "extra" => Slot::Extra,
        _ => return None,
    })
}

fn put_level<'a>(draft: &mut Draft<'a>, key: Cow<'a, str>, value: Value<'a>) {
    let (level, severity) = match &value {
        Value::Text(word) => (Level::parse(word), None),
        number => match number.as_int() {
            Some(10) => (Some(Level::Trace), None),
            Some(20) => (Some(Level::Debug), None),
            Some(30) => (Some(Level::Info), None),
            Some(40) => (Some(Level::Warning), None),
            Some(50) => (Some(Level::Error), None),
            Some(60) => (Some(Level::Fatal), None),
            Some(number @ 1..=24) => (Level::from_severity(number as i32), Some(number as i32)),
            _ => (None, None),
        },
    };
    match level {
        Some(level) => {
            draft.level = Some(level);
            draft.severity = severity.or(draft.severity).or(Some(level.severity()));
        }
        None => draft.keep(key, value),
    }
}

fn put_exception<'a>(draft: &mut Draft<'a>, key: Cow<'a, str>, value: Value<'a>) {
    match value {
        Value::Map(pairs) => {
            for (name, value) in pairs {
                let slot = match name.as_ref() {
                    "type" | "name" | "class" => Slot::ExceptionType,
                    "value" | "message" | "msg" => Slot::ExceptionValue,
                    "stacktrace" | "stack" | "stack_trace" | "traceback" => Slot::Stack,
                    "handled" if value.as_bool().is_some() => {
                        draft.handled = value.as_bool();
                        continue;
                    }
                    _ => {
                        draft.keep(format!("{key}.{name}"), value);
                        continue;
                    }
                };
                let full = format!("{key}.{name}");
                draft.put_slot(slot, full.into(), value);
            }
        }
        Value::Text(text) if text.contains('\n') && draft.get(Slot::Stack).is_none() => draft.set(Slot::Stack, text),
        Value::Text(text) => draft.set(Slot::ExceptionValue, text),
        other => draft.keep(key, other),
    }
}

fn put_tags<'a>(draft: &mut Draft<'a>, key: Cow<'a, str>, value: Value<'a>) {
    match value {
        Value::Map(pairs) => {
            for (name, value) in pairs {
                draft.put_tag(name, value);
            }
        }
        Value::List(list) if list.iter().all(|item| matches!(item, Value::List(pair) if pair.len() == 2)) => {
            for item in list {
                let Value::List(pair) = item else { continue };
                let Ok([name, value]) = <[Value<'a>; 2]>::try_from(pair) else { continue };
                match name.into_scalar() {
                    Ok(name) => draft.put_tag(name, value),
                    Err(name) => draft.keep("tags", Value::List(vec![name, value])),
                }
            }
        }
        other => draft.keep(key, other),
    }
}

fn put_user<'a>(draft: &mut Draft<'a>, key: Cow<'a, str>, value: Value<'a>) {
    match value {
        Value::Map(pairs) => {
            for (name, value) in pairs {
                let full = format!("{key}.{name}").into();
                match name.as_ref() {
                    "id" => draft.put_slot(Slot::UserId, full, value),
                    "email" => draft.put_slot(Slot::UserEmail, full, value),
                    "ip" | "ip_address" => draft.put_slot(Slot::UserIp, full, value),
                    _ => draft.keep(full, value),
                }
            }
        }
        scalar => draft.put_slot(Slot::UserId, key, scalar),
    }
}
