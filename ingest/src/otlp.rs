//! OpenTelemetry's protocol: log records, and the exceptions that spans carry.
//!
//! Protobuf is walked by hand and JSON by its proto3 mapping; both fill the same record, so that an event is the same
//! either way. A record that cannot be read is rejected, and its neighbours are stored; a fault between records refuses the
//! request. Not kept: `flags`, and the observed time where the record has its own.
//!
//! <https://opentelemetry.io/docs/specs/otlp/> · <https://opentelemetry.io/docs/specs/otel/logs/data-model/>

mod json;
mod protobuf;
mod record;

pub use json::{logs_json, traces_json};
pub use protobuf::{logs_protobuf, traces_protobuf};
