//! Times in JSON and in queries: RFC 3339 with microseconds and `Z`, microseconds since 1970 inside.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "Cow<'_, str>")]
pub(crate) struct Time(
    /// Microseconds since 1970, UTC.
    pub(crate) i64,
);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = DateTime::from_timestamp_micros(self.0).unwrap_or_default();
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl TryFrom<Cow<'_, str>> for Time {
    type Error = String;

    fn try_from(text: Cow<'_, str>) -> Result<Self, String> {
        // A `+` of an address that was not escaped came as a blank.
        let time =
            DateTime::parse_from_rfc3339(&text).or_else(|_| DateTime::parse_from_rfc3339(&text.replace(' ', "+")));
        let time = time.map_err(|_| format!("`{text}` is not a time such as `2026-01-31T12:00:00Z`"))?;
        Ok(Self(time.timestamp_micros()))
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        let time = ObjectBuilder::new().schema_type(Type::String).format(Some(format));
        time.examples([serde_json::json!("2026-01-31T12:00:00.000000Z")]).into()
    }
}

impl ToSchema for Time {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Time")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back() {
        let check = |text: &str, shown: &str| {
            let time: Time = serde_json::from_value(serde_json::json!(text)).unwrap();
            assert_eq!(serde_json::to_value(time).unwrap(), shown, "{text}");
        };
        check("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000000Z");
        check("2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00.123456Z");
        check("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00.000000Z");
        check("2026-01-31T12:00:00 02:00", "2026-01-31T10:00:00.000000Z");
        for text in ["", "today", "2026-01-31", "2026-13-01T00:00:00Z"] {
            assert!(serde_json::from_value::<Time>(serde_json::json!(text)).is_err(), "{text}");
        }
    }
}
