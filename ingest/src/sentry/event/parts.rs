//! The parts of an event that come as lists or objects: contexts, tags, breadcrumbs, the fingerprint.

use super::bounds::bound;
use super::{WORD_BYTES_MAX, is_empty, put_json, values};
use crate::conventions::Slot;
use crate::draft::Draft;
use crate::json;
use crate::moment::Moment;
use crate::normalize::Cutter;
use crate::text;
use crate::value::{Pairs, Value};

/// Parts of a fingerprint.
const FINGERPRINT_MAX: usize = 32;

/// Takes the ids of the trace into their columns and the rest as JSON; returns the context `feedback`.
pub(super) fn put_contexts<'a>(
    draft: &mut Draft<'a>,
    contexts: Value<'a>,
    bytes_max: usize,
    cutter: Cutter<'_>,
) -> Value<'a> {
    let Value::Map(pairs) = contexts else {
        if !is_empty(&contexts) {
            draft.keep("contexts", contexts);
        }
        return Value::Null;
    };
    let mut feedback = Value::Null;
    let mut kept = Pairs::with_capacity(pairs.len());
    for (name, value) in pairs {
        match (name.as_ref(), value) {
            ("trace", Value::Map(mut trace)) => {
                trace.retain(|(name, value)| match (name.as_ref(), value) {
                    ("trace_id", Value::Text(id)) => {
                        draft.trace_id = text::hex_id(id).filter(|id| *id != [0; 16]);
                        draft.trace_id.is_none() && !id.is_empty()
                    }
                    ("span_id", Value::Text(id)) => {
                        draft.span_id = text::hex_id(id).filter(|id| *id != [0; 8]);
                        draft.span_id.is_none() && !id.is_empty()
                    }
                    ("type", Value::Text(kind)) => kind != "trace",
                    (_, value) => !is_empty(value),
                });
                if !trace.is_empty() {
                    kept.push((name, Value::Map(trace)));
                }
            }
            (_, value) if is_empty(&value) => {}
            (word, value) => {
                if word == "feedback" {
                    feedback = value.clone();
                }
                kept.push((name, value));
            }
        }
    }
    put_json(draft, Slot::Contexts, "contexts", cutter.fit(&["contexts"], Value::Map(kept), bytes_max));
    feedback
}

/// Takes the tags, an object or a list of pairs.
pub(super) fn put_tags<'a>(draft: &mut Draft<'a>, tags: Value<'a>) {
    match tags {
        Value::Map(pairs) => pairs.into_iter().for_each(|(name, value)| draft.put_tag(name, value)),
        Value::List(list) => {
            for item in list {
                match item {
                    Value::List(pair) => match <[Value<'a>; 2]>::try_from(pair) {
                        Ok([name, value]) => match name.into_scalar() {
                            Ok(name) => draft.put_tag(name, value),
                            Err(Value::Null) => {}
                            Err(name) => draft.keep("tags", Value::List(vec![name, value])),
                        },
                        Err(other) => draft.keep("tags", Value::List(other)),
                    },
                    Value::Map(pairs) => {
                        let (mut name, mut tag) = (Value::Null, Value::Null);
                        for (part, value) in pairs {
                            match part.as_ref() {
                                "key" | "name" => name = value,
                                "value" => tag = value,
                                _ => {}
                            }
                        }
                        if let Ok(name) = name.into_scalar() {
                            draft.put_tag(name, tag);
                        }
                    }
                    Value::Null => {}
                    other => draft.keep("tags", other),
                }
            }
        }
        other if is_empty(&other) => {}
        other => draft.keep("tags", other),
    }
}

/// Takes the newest breadcrumbs that fit, their times corrected as the event's is.
pub(super) fn put_breadcrumbs<'a>(
    draft: &mut Draft<'a>,
    came: Value<'a>,
    drift: i64,
    bytes_max: usize,
    cutter: Cutter<'_>,
) {
    let mut list = match values(came) {
        Ok(list) => list,
        Err(other) => return draft.keep("breadcrumbs", other),
    };
    for crumb in &mut list {
        let Value::Map(pairs) = crumb else { continue };
        pairs.retain(|(_, value)| !is_empty(value));
        for (_, value) in pairs.iter_mut().filter(|(name, _)| drift != 0 && name == "timestamp") {
            if let Some(micros) = Moment::Loose(value.clone()).micros() {
                *value = Value::Double(micros.saturating_add(drift) as f64 / 1e6);
            }
        }
    }
    if !list.is_empty() {
        let kept = cutter.newest(&["breadcrumbs", "0"], list, bytes_max, bytes_max / 4);
        draft.set(Slot::Breadcrumbs, json::to_string(&Value::List(kept)).into());
    }
}

/// Takes the fingerprint, or the checksum that stood for it once.
pub(super) fn put_fingerprint<'a>(
    draft: &mut Draft<'a>,
    fingerprint: Value<'a>,
    checksum: Value<'a>,
    cutter: Cutter<'_>,
) {
    let came = if is_empty(&fingerprint) { checksum } else { fingerprint };
    if is_empty(&came) {
        return;
    }
    let came = match came {
        // A null or an empty part says nothing.
        Value::List(parts) => {
            Value::List(parts.into_iter().filter(|part| !part.is_empty()).take(FINGERPRINT_MAX).collect())
        }
        other => other,
    };
    draft.put_fingerprint("fingerprint".into(), came);
    for part in &mut draft.fingerprint {
        bound(part, &["fingerprint"], WORD_BYTES_MAX, cutter);
    }
}
