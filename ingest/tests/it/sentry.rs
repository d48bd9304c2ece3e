//! Sentry's protocol as real SDKs speak it: every payload of the corpus, every encoding, and the columns they end in.

mod columns;
pub(crate) mod hostile;
mod items;
mod payloads;
mod same_group;

use std::net::IpAddr;
use std::path::PathBuf;

use bytes::Bytes;
use tephra_ingest::sentry::{self, Policy, Sender, SentryBatch};
use tephra_ingest::{Limits, Result};
use tephra_storage::Event;

use crate::sample::receipt;

pub(crate) const CLIENT: [u8; 4] = [203, 0, 113, 9];

pub(crate) fn sender() -> Sender<'static> {
    Sender { address: Some(IpAddr::from(CLIENT)), ..Sender::default() }
}

pub(crate) fn envelope(body: impl Into<Bytes>) -> Result<SentryBatch> {
    sentry::envelope(&receipt(&Limits::default()), &Policy::default(), &sender(), &body.into())
}

pub(crate) fn store(body: impl Into<Bytes>) -> Result<SentryBatch> {
    sentry::store(&receipt(&Limits::default()), &Policy::default(), &sender(), &body.into())
}

/// The only event of a `/store/` body.
pub(crate) fn stored(json: &str) -> Event {
    let mut batch = store(json.to_owned()).unwrap();
    assert_eq!(batch.decoded.rejected, []);
    assert_eq!(batch.decoded.events.len(), 1, "{json}");
    batch.decoded.events.remove(0)
}

/// A column that holds JSON.
pub(crate) fn json(column: &Option<tephra_storage::Text>) -> serde_json::Value {
    column.as_ref().map_or(serde_json::Value::Null, |text| serde_json::from_str(text).unwrap())
}

#[expect(clippy::print_stdout, reason = "a skipped test says so")]
pub(crate) fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("TEPHRA_CORPUS").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: TEPHRA_CORPUS is not set");
    }
    folder
}
