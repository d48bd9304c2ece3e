//! Sentry's protocol: envelopes, the older `/store/` bodies, and browsers' security reports.
//!
//! An envelope is cut into items without copying; each is stored, counted or dropped as the one table in `item` says. Events
//! become drafts like those of every other protocol, so that an error is the same whichever SDK sent it.
//!
//! A fault in the framing refuses the envelope, a fault inside an item costs that item. Types that Tephra does not keep are
//! never an error, as SDKs would report it to their users for ever.
//!
//! Known weakness: binary payloads that stand for an event (MessagePack attachments, Unreal crash reports) are not read.

mod attachment;
mod auth;
mod crash;
mod event;
mod framing;
mod item;
mod log;
mod minidump;
mod multipart;
mod payload;
mod reading;
mod report;
mod security;

use std::net::IpAddr;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use tephra_storage::Level;

pub use attachment::Attachment;
pub use auth::Auth;
pub use item::Category;
pub use report::ClientReport;

use crate::batch::Decoded;
use crate::error::{Error, Result};
use crate::inflate::{deflate, inflate};
use crate::limits::Receipt;
use multipart::Part;
use reading::Reading;

/// What a project keeps beside its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The least level of structured logs that are stored; `None` counts all of them and stores none.
    pub logs_from: Option<Level>,
    /// Whether attachments are kept.
    pub attachments: bool,
    /// A larger attachment is counted and dropped.
    pub attachment_bytes_max: usize,
    /// Attachments of one request that are more together are counted and dropped.
    pub attachments_bytes_max: usize,
    /// Further attachments of a request are counted and dropped.
    pub attachments_max: usize,
    /// Whether everything that might be stored is counted (`rate_limited`) and not even read; what clients dropped is.
    pub limited: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            logs_from: Some(Level::Trace),
            attachments: true,
            attachment_bytes_max: 10 << 20,
            attachments_bytes_max: 20 << 20,
            attachments_max: 30,
            limited: false,
        }
    }
}

/// Who sent the request, besides its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sender<'a> {
    /// The address that the connection came from, by trusted proxies where there are some: what `{{auto}}` stands for.
    pub address: Option<IpAddr>,
    /// The header `User-Agent`, for security reports.
    pub user_agent: Option<&'a str>,
    /// The query string, for the `sentry_release` and `sentry_environment` of security reports.
    pub query: Option<&'a str>,
    /// The header `Content-Type`, for forms.
    pub content_type: Option<&'a str>,
}

/// So many things of a category were not stored, for a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// What they were.
    pub category: Category,
    /// `unsupported`, `disabled`, `filtered_level`, `too_large`, `too_many`, `duplicate_item`, `missing_event_id`,
    /// `event_not_stored`, `malformed`, `rate_limited`.
    pub reason: &'static str,
    /// How many.
    pub quantity: u64,
}

/// What one request became.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SentryBatch {
    /// The id to answer with, as 32 hex digits: the envelope's, else the event's. `None` answers `{}`.
    pub event_id: Option<[u8; 16]>,
    /// The events to store, and those that could not be taken; an index is that of the item.
    pub decoded: Decoded,
    /// For each of `decoded.events` the category by which it is limited.
    pub categories: Vec<Category>,
    /// What was neither stored nor refused.
    pub counted: Vec<Counted>,
    /// Files to keep beside the event that each names.
    pub attachments: Vec<Attachment>,
    /// What the client dropped itself.
    pub client_reports: Vec<ClientReport>,
}

impl SentryBatch {
    /// Counts what is neither stored nor refused.
    fn count(&mut self, category: Category, reason: &'static str, quantity: u64) {
        let known = self.counted.iter_mut().find(|row| row.category == category && row.reason == reason);
        match known {
            _ if quantity == 0 => {}
            Some(row) => row.quantity = row.quantity.saturating_add(quantity),
            None => self.counted.push(Counted { category, reason, quantity }),
        }
    }
}

/// Reads an envelope, inflated already.
///
/// # Errors
/// `Malformed` where the framing is broken (`invalid event envelope: …`), `TooLarge` where the request or its event is.
/// A request that is refused has stored nothing.
pub fn envelope(receipt: &Receipt<'_>, policy: &Policy, sender: &Sender<'_>, body: &Bytes) -> Result<SentryBatch> {
    let mut reading = Reading::new(receipt, policy, sender, body)?;
    let (headers, mut items) = framing::open(body)?;
    reading.open(headers);
    while let Some(item) = items.next()? {
        reading.take(item)?;
    }
    Ok(reading.finish(body))
}

/// Reads the body of `/store/`: one event as JSON, or as the base64 of zlib's form that the first SDKs sent.
///
/// # Errors
/// `Malformed` where the body is no JSON object, `TooLarge` where it is too large, inflated or not.
pub fn store(receipt: &Receipt<'_>, policy: &Policy, sender: &Sender<'_>, body: &Bytes) -> Result<SentryBatch> {
    let json = unwrapped(body, receipt.limits.request_bytes_max)?;
    let mut reading = Reading::new(receipt, policy, sender, &json)?;
    reading.take_event(&json)?;
    Ok(reading.finish(&json))
}

/// Reads a security report (`/security/`, `/csp-report/`), or a list of them from the Reporting API.
///
/// # Errors
/// `Malformed` where the body is no such report, `TooLarge` where it is too large.
pub fn security(receipt: &Receipt<'_>, policy: &Policy, sender: &Sender<'_>, body: &Bytes) -> Result<SentryBatch> {
    let mut reading = Reading::new(receipt, policy, sender, body)?;
    reading.take_security(body)?;
    Ok(reading.finish(body))
}

/// Reads a crash: a minidump, or a form whose file `upload_file_minidump` is one. The dump becomes an attachment of an event that
/// says why and where, as far as the dump does, and what the form says besides.
///
/// # Errors
/// `Malformed` where there is no dump or the form is broken, `TooLarge` where the request or its event is too large.
pub fn minidump(receipt: &Receipt<'_>, policy: &Policy, sender: &Sender<'_>, body: &Bytes) -> Result<SentryBatch> {
    let mut reading = Reading::new(receipt, policy, sender, body)?;
    let (parts, mut dump) = if minidump::is_one(body) {
        (Vec::new(), Part { bytes: body.clone(), ..Part::default() })
    } else {
        let mut parts = multipart::parts(sender.content_type.unwrap_or_default(), body)?;
        let place = parts.iter().position(|part| part.name == crash::DUMP);
        let place = place.ok_or_else(|| Error::malformed(format!("no file `{}` in the form", crash::DUMP)))?;
        let dump = parts.swap_remove(place);
        (parts, dump)
    };
    // Crash handlers compress dumps as files, too.
    let encoding = match dump.bytes.as_ref() {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        _ => None,
    };
    dump.bytes = inflate(encoding, dump.bytes, receipt.limits.request_bytes_max)?;
    if !minidump::is_one(&dump.bytes) {
        return Err(Error::malformed("invalid minidump: it does not begin as one"));
    }
    dump.filename.get_or_insert_with(|| "minidump.dmp".to_owned());
    reading.take_crash(parts, dump)?;
    Ok(reading.finish(body))
}

/// Reads a form whose files belong to an event that is, or will be, elsewhere.
///
/// # Errors
/// `Malformed` where the form is broken, `TooLarge` where it is too large.
pub fn files(
    receipt: &Receipt<'_>,
    policy: &Policy,
    sender: &Sender<'_>,
    event_id: [u8; 16],
    body: &Bytes,
) -> Result<SentryBatch> {
    let mut reading = Reading::new(receipt, policy, sender, body)?;
    reading.take_files(event_id, multipart::parts(sender.content_type.unwrap_or_default(), body)?);
    Ok(reading.finish(body))
}

/// The JSON of a `/store/` body.
fn unwrapped(body: &Bytes, limit: usize) -> Result<Bytes> {
    /// Old SDKs wrap lines and leave out the padding as they like.
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let trimmed = body.trim_ascii();
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\r' | b'\n');
    if trimmed.is_empty() || !trimmed.iter().all(is_base64) {
        return Ok(body.clone());
    }
    let digits: Vec<u8> = trimmed.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let Ok(wrapped) = LENIENT.decode(&digits) else { return Ok(body.clone()) };
    if wrapped.trim_ascii_start().starts_with(b"{") {
        return Ok(wrapped.into());
    }
    deflate(&wrapped, limit).map_err(|error| Error::new(error.kind(), format!("invalid event: {error}")))
}
