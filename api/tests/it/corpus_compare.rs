//! Whether what came in comes out: each value of an event as it was sent is looked for in the event as it is stored.
//!
//! A value is found under its own name, or under the name of the column that took it; texts also within a longer text. As many
//! are asked for as came, so that a lost frame is not covered by its neighbour. What may be missing stands here, rule by rule,
//! with the words of `docs/SENTRY.md`.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime};
use serde_json::Value;

/// An event as it was sent.
pub(crate) struct Sent {
    pub(crate) name: String,
    /// The id under which it is stored.
    pub(crate) id: String,
    /// The sender's clock, where the envelope tells it.
    pub(crate) sent_at: Option<String>,
    pub(crate) event: Value,
}

/// Fields of no use to anybody once the event is stored.
const DROPPED: [&str; 5] = ["project", "received", "key_id", "site", "time_spent"];

/// A sender's clock that differs less is right.
const DRIFT_MIN_US: i64 = 10_000_000;

/// What is stored, to look in.
struct Stored {
    /// How often each value stands under each name, in lower case.
    values: HashMap<(String, String), usize>,
    texts: Vec<String>,
    moments: Vec<i64>,
    drift: i64,
}

/// What of `sent` is not to be found in `stored`.
pub(crate) fn missing(sent: &Sent, stored: &Value) -> Vec<String> {
    let column = |name: &str| stored[name].as_str().and_then(micros);
    let drift = match (sent.sent_at.as_deref().and_then(micros), column("received_at")) {
        (Some(sent_at), Some(received_at)) if (received_at - sent_at).abs() >= DRIFT_MIN_US => received_at - sent_at,
        _ => 0,
    };
    let mut found = Stored { values: HashMap::new(), texts: Vec::new(), moments: Vec::new(), drift };
    found.add("", stored);
    let mut missing = Vec::new();
    if stored["event_id"] != sent.id.as_str() {
        missing.push(format!("its id is {}", stored["event_id"]));
    }
    for (name, value) in sent.event.as_object().unwrap() {
        if !DROPPED.contains(&name.as_str()) && name != "event_id" {
            found.look(&mut vec![name.clone()], value, &mut missing);
        }
    }
    missing
}

impl Stored {
    fn add(&mut self, name: &str, value: &Value) {
        match value {
            Value::Object(pairs) => pairs.iter().for_each(|(name, value)| self.add(name, value)),
            Value::Array(list) => list.iter().for_each(|value| self.add(name, value)),
            Value::Null => {}
            scalar => {
                let text = text_of(scalar);
                if name == "timestamp" {
                    self.moments.extend(moment(scalar));
                }
                if scalar.is_string() {
                    self.texts.push(text.clone());
                }
                *self.values.entry((name.to_lowercase(), text)).or_default() += 1;
            }
        }
    }

    fn look(&mut self, path: &mut Vec<String>, value: &Value, missing: &mut Vec<String>) {
        match value {
            Value::Object(pairs) => {
                for (name, value) in pairs {
                    path.push(name.clone());
                    self.look(path, value, missing);
                    path.pop();
                }
            }
            Value::Array(list) => match as_pair(path, list) {
                // Headers, tags and the like also come as lists of pairs.
                Some((name, value)) => {
                    path.push(name);
                    self.look(path, &value, missing);
                    path.pop();
                }
                None => list.iter().for_each(|value| self.look(path, value, missing)),
            },
            Value::Null => {}
            scalar => {
                // No text holds a NUL.
                let text = text_of(scalar).replace('\0', "\u{fffd}");
                if !text.is_empty() && !self.take(path, scalar, &text) {
                    missing.push(format!("{} = {text:.200}", path.join(".")));
                }
            }
        }
    }

    /// Finds a value, and uses it up.
    fn take(&mut self, path: &[String], scalar: &Value, text: &str) -> bool {
        let name = path.last().map_or("", String::as_str);
        if name == "timestamp" {
            return self.has_moment(path, scalar);
        }
        let root = path[0].as_str();
        let columns: &[&str] = match (root, name) {
            ("user", "id") => &["user_id"],
            ("user", "email") => &["user_email"],
            ("user", "ip_address") => &["user_ip"],
            ("sdk" | "client_sdk", "name") => &["sdk_name"],
            ("sdk" | "client_sdk", "version") => &["sdk_version"],
            ("logentry" | "message", "message") | ("logentry", _) => &["message", "template", "logentry.params"],
            ("message", _) => &["message", "template"],
            ("transaction", _) => &["culprit"],
            _ => &[],
        };
        let names = [name.to_lowercase()].into_iter().chain(columns.iter().map(|column| (*column).to_owned()));
        for name in names {
            if let Some(count) = self.values.get_mut(&(name, text.to_owned())).filter(|count| **count > 0) {
                *count -= 1;
                return true;
            }
        }
        self.is_said_otherwise(path, scalar, text)
    }

    /// What is stored in another form than it came in.
    fn is_said_otherwise(&self, path: &[String], scalar: &Value, text: &str) -> bool {
        let (root, name) = (path[0].as_str(), path.last().map_or("", String::as_str));
        let has = |wanted: &str| self.texts.iter().any(|found| found.contains(wanted));
        // Secrets are taken out, the shape stays.
        let whole = |found: &str| found.starts_with("[scrubbed") && found.find(']') == Some(found.len() - 1);
        let scrubbed = |found: &String| {
            let here = || self.values.contains_key(&(name.to_lowercase(), found.clone()));
            found.contains("[scrubbed") && (!whole(found) || here()) && is_cut_from(found, text, "[scrubbed", "]")
        };
        // Long texts lose their middle.
        let trimmed = |found: &String| found.contains(" bytes cut]…") && is_cut_from(found, text, "…[", " bytes cut]…");
        match (root, name) {
            // Ids of the trace lose their hyphens; that the context is one of a trace goes without saying.
            ("contexts", "type") if text == path[path.len() - 2] => true,
            ("contexts", "trace_id" | "span_id") => has(&text.replace('-', "").to_lowercase()),
            // A runtime's SDK that marks every frame as the program's own is not believed of libraries.
            (_, "in_app") => self.values.keys().any(|(name, _)| name == "in_app"),
            // A path that says no more than the file's name is left out.
            (_, "abs_path") if self.values.contains_key(&("filename".to_owned(), text.to_owned())) => true,
            (_, "native") if *scalar == Value::Bool(false) => true,
            ("user", "ip_address") if text == "{{auto}}" => self.values.keys().any(|(name, _)| name == "user_ip"),
            ("request", "query_string") => text.trim_start_matches('?').split('&').all(|pair| {
                let mut parts = url::form_urlencoded::parse(pair.as_bytes()).into_owned();
                parts.all(|(name, value)| value.is_empty() || self.values.contains_key(&(name.to_lowercase(), value)))
            }),
            // `level` is a column of few words.
            ("level", "level") => true,
            // The query is taken out of the URL, and is an object.
            ("request", "url") => has(text.split(['?', '#']).next().unwrap_or_default()),
            _ if scalar.is_string() && text.trim().len() >= 3 && has(text.trim()) => true,
            _ => self.texts.iter().any(scrubbed) || self.texts.iter().any(trimmed),
        }
    }

    /// Times are moved by the drift of the sender's clock, and are stored to the microsecond.
    fn has_moment(&self, path: &[String], scalar: &Value) -> bool {
        let Some(moment) = moment(scalar) else { return self.texts.iter().any(|text| *text == text_of(scalar)) };
        let moved = moment + if matches!(path[0].as_str(), "timestamp" | "breadcrumbs") { self.drift } else { 0 };
        self.moments.iter().any(|found| (found - moved).abs() <= 2_000)
    }
}

/// Whether `found` is `text` with parts replaced by what begins and ends so.
fn is_cut_from(found: &str, text: &str, begins: &str, ends: &str) -> bool {
    let (mut at, mut rest) = (0, found);
    loop {
        let (kept, more) = match rest.split_once(begins) {
            Some((kept, more)) => (kept, more.split_once(ends).map(|(_, more)| more)),
            None => (rest, None),
        };
        match text[at..].find(kept.trim()) {
            Some(place) => at += place + kept.trim().len(),
            None => return false,
        }
        match more {
            Some(more) => rest = more,
            None => return true,
        }
    }
}

fn as_pair(path: &[String], list: &[Value]) -> Option<(String, Value)> {
    let named = path.iter().any(|name| ["headers", "cookies", "tags", "query_string", "data"].contains(&name.as_str()));
    match list {
        [Value::String(name), value] if named => Some((name.clone(), value.clone())),
        _ => None,
    }
}

fn text_of(scalar: &Value) -> String {
    match scalar {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.0}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

fn moment(scalar: &Value) -> Option<i64> {
    match scalar {
        Value::Number(number) => number.as_f64().map(|seconds| (seconds * 1e6).round() as i64),
        Value::String(text) => micros(text).or_else(|| text.parse::<f64>().ok().map(|seconds| (seconds * 1e6) as i64)),
        _ => None,
    }
}

fn micros(text: &str) -> Option<i64> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_micros());
    let bare =
        || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|time| time.and_utc().timestamp_micros());
    zoned.or_else(|_| bare()).ok()
}
