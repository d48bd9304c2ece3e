//! A request under way: each item goes where the table of types sends it, and everything else is counted.

use std::net::IpAddr;

use bytes::Bytes;
use tephra_storage::{Kind, Level};
use xxhash_rust::xxh3::{xxh3_128, xxh3_128_with_seed};

use super::event::{self, Circumstances};
use super::framing::{Headers, Item};
use super::item::{Action, Category, ItemType};
use super::log::{self, Container};
use super::multipart::Part;
use super::{Attachment, Policy, Sender, SentryBatch, auth, crash, payload, report, security};
use crate::batch::Batch;
use crate::conventions::Slot;
use crate::draft::{Draft, Shared, event_id};
use crate::error::{Error, Result};
use crate::limits::Receipt;
use crate::normalize::Cutter;
use crate::value::{Pairs, Value};

/// A sender's clock that differs less than this is right: the rest is the way of the request.
const DRIFT_MIN_US: i64 = 10_000_000;

/// Client reports of one envelope; SDKs send one.
const REPORTS_MAX: u32 = 16;

/// An event as it came may be so many times as large as one that is stored: trimming makes it fit.
const UNTRIMMED: usize = 4;

/// One request on its way to a [`SentryBatch`].
pub(super) struct Reading<'r> {
    batch: Batch<'r>,
    policy: &'r Policy,
    sender: Sender<'r>,
    headers: Headers,
    drift: i64,
    out: SentryBatch,
    shared: Shared,
    index: u32,
    reports: u32,
    envelope_id_used: bool,
    /// Files, until it is known whose they are.
    files: Vec<Item>,
    file_bytes: usize,
    /// Whether something came that files may belong to and that is not stored.
    owner_dropped: bool,
}

impl<'r> Reading<'r> {
    pub(super) fn new(receipt: &Receipt<'r>, policy: &'r Policy, sender: &Sender<'r>, body: &Bytes) -> Result<Self> {
        Ok(Self {
            batch: Batch::new(receipt, body)?,
            policy,
            sender: *sender,
            headers: Headers::default(),
            drift: 0,
            out: SentryBatch::default(),
            shared: Shared::default(),
            index: 0,
            reports: 0,
            envelope_id_used: false,
            files: Vec::new(),
            file_bytes: 0,
            owner_dropped: false,
        })
    }

    /// Takes what the envelope says for all its items.
    pub(super) fn open(&mut self, headers: Headers) {
        let drift = headers.sent_at.map_or(0, |sent_at| self.batch.receipt.received_at.saturating_sub(sent_at));
        self.drift = if drift.saturating_abs() < DRIFT_MIN_US { 0 } else { drift };
        self.out.event_id = headers.event_id;
        self.headers = headers;
    }

    pub(super) fn take(&mut self, item: Item) -> Result<()> {
        match item.kind.action() {
            Action::Count => {
                self.owner_dropped |= matches!(item.kind, ItemType::Transaction | ItemType::ReplayEvent);
                self.count(item.kind.category(), "unsupported", item.quantity);
            }
            Action::Report => self.take_report(&item.payload),
            Action::Store if self.policy.limited => self.count(item.kind.category(), "rate_limited", item.quantity),
            Action::Store => match item.kind {
                ItemType::Attachment => self.take_attachment(item),
                ItemType::Log => self.take_logs(&item)?,
                ItemType::UserReport => self.take_user_report(&item.payload)?,
                ItemType::Feedback => self.take_json(&item, Some(Kind::Feedback))?,
                _ => self.take_json(&item, None)?,
            },
        }
        self.index = self.index.saturating_add(1);
        Ok(())
    }

    /// Takes the one event of a request without an envelope, whose faults are the request's.
    pub(super) fn take_event(&mut self, json: &[u8]) -> Result<()> {
        self.check_size(json.len())?;
        let text = payload::text(json);
        match payload::object(&text, self.batch.receipt.limits) {
            Ok(pairs) => self.put_event(pairs, json, None),
            Err(reason) => Err(Error::malformed(format!("invalid event: {reason}"))),
        }
    }

    /// Takes security reports, whose faults are the request's.
    pub(super) fn take_security(&mut self, body: &[u8]) -> Result<()> {
        self.check_size(body.len())?;
        let limits = self.batch.receipt.limits;
        let text = payload::text(body);
        let invalid = |reason| Error::malformed(format!("invalid security report: {reason}"));
        let value = payload::value(&text, limits).map_err(invalid)?;
        let room = (limits.event_bytes_max / 16, Cutter::new(&self.batch.receipt.rules.scrubber));
        let (drafts, others) = security::drafts(value, self.sender.user_agent, room).map_err(invalid)?;
        self.count(Category::Security, "unsupported", others);
        let query = self.sender.query.unwrap_or_default();
        for (index, mut draft) in drafts.into_iter().enumerate() {
            for pair in query.trim_start_matches('?').split('&') {
                match pair.split_once('=') {
                    Some(("sentry_release", release)) => draft.set(Slot::Release, auth::percent_decoded(release)),
                    Some(("sentry_environment", name)) => draft.set(Slot::Environment, auth::percent_decoded(name)),
                    _ => {}
                }
            }
            if let Some(address) = self.sender.address {
                draft.set(Slot::UserIp, address.to_canonical().to_string().into());
            }
            self.index = u32::try_from(index).unwrap_or(u32::MAX);
            draft.event_id = Some(self.made_id(body, index as u64));
            self.push(draft, Some(Category::Security))?;
        }
        Ok(())
    }

    /// Takes a crash: the event that the form and the dump make, the dump, and the other files of the form.
    pub(super) fn take_crash(&mut self, mut parts: Vec<Part>, dump: Part) -> Result<()> {
        let fields: usize = parts.iter().filter(|part| part.filename.is_none()).map(|part| part.bytes.len()).sum();
        self.check_size(fields)?;
        let event = crash::event(&parts, &dump.bytes, self.batch.receipt.limits);
        self.put_event(event, &dump.bytes, None)?;
        let Some(id) = self.out.event_id else { return Ok(()) };
        parts.retain(|part| part.filename.is_some());
        self.take_file(dump.bytes.len(), || Attachment::of_part(id, dump, Some("event.minidump")));
        for part in parts {
            self.take_file(part.bytes.len(), || Attachment::of_part(id, part, None));
        }
        Ok(())
    }

    /// Takes the files of a form for an event that is elsewhere.
    pub(super) fn take_files(&mut self, event_id: [u8; 16], parts: Vec<Part>) {
        self.out.event_id = Some(event_id);
        for part in parts.into_iter().filter(|part| part.filename.is_some()) {
            self.take_file(part.bytes.len(), || Attachment::of_part(event_id, part, None));
        }
    }

    pub(super) fn finish(self, body: &[u8]) -> SentryBatch {
        let Self { batch, headers, mut out, files, owner_dropped, .. } = self;
        for item in files {
            match headers.event_id.or(out.event_id) {
                Some(id) => out.attachments.push(Attachment::of_item(id, item)),
                None => out.count(Category::Attachment, "missing_event_id", 1),
            }
        }
        out.decoded = batch.finish(body);
        if owner_dropped || !out.decoded.rejected.is_empty() {
            let events = &out.decoded.events;
            let came = out.attachments.len();
            out.attachments.retain(|file| events.iter().any(|event| event.event_id == Some(file.event_id)));
            out.count(Category::Attachment, "event_not_stored", (came - out.attachments.len()) as u64);
        }
        out
    }

    fn count(&mut self, category: Category, reason: &'static str, quantity: u64) {
        self.out.count(category, reason, quantity);
    }

    /// An event as it came is bounded, so that reading it is.
    fn check_size(&self, bytes: usize) -> Result<()> {
        let limit = self.batch.receipt.limits.event_bytes_max.saturating_mul(UNTRIMMED);
        if bytes > limit {
            return Err(Error::too_large(format!(
                "event of {bytes} bytes exceeds {UNTRIMMED} times `event_bytes_max`"
            )));
        }
        Ok(())
    }

    /// Takes an event or a feedback; one that is no JSON is refused alone.
    fn take_json(&mut self, item: &Item, fallback: Option<Kind>) -> Result<()> {
        self.check_size(item.payload.len())?;
        let text = payload::text(&item.payload);
        match payload::object(&text, self.batch.receipt.limits) {
            Ok(pairs) => self.put_event(pairs, &item.payload, fallback),
            Err(reason) => self.batch.reject(self.index, format!("invalid {}: {reason}", item.kind.as_str())),
        }
    }

    fn put_event(&mut self, pairs: Pairs<'_>, json: &[u8], fallback: Option<Kind>) -> Result<()> {
        let is_transaction =
            |(name, value): &(_, Value<'_>)| name == "type" && *value == Value::Text("transaction".into());
        if pairs.iter().any(is_transaction) {
            self.owner_dropped = true;
            self.count(Category::Transaction, "unsupported", 1);
            return Ok(());
        }
        let circumstances = Circumstances {
            client_address: self.sender.address,
            drift: self.drift,
            event_id: if self.envelope_id_used { None } else { self.headers.event_id },
        };
        let mut draft = event::draft(&mut self.batch, pairs, &circumstances, fallback)?;
        let id = draft.event_id.unwrap_or_else(|| self.made_id(json, self.index.into()));
        if self.envelope_id_used && self.out.event_id == Some(id) {
            self.count(Category::Error, "duplicate_item", 1);
            return Ok(());
        }
        draft.event_id = Some(id);
        draft.trace_id = draft.trace_id.or(self.headers.trace_id);
        self.put_sdk(&mut draft);
        self.envelope_id_used = true;
        self.out.event_id = self.out.event_id.or(Some(id));
        self.push(draft, None)
    }

    /// The SDK of the envelope, where its item names none.
    fn put_sdk(&self, draft: &mut Draft<'_>) {
        let Some((name, version)) = self.headers.client.as_deref().and_then(|client| client.split_once('/')) else {
            return;
        };
        if draft.get(Slot::SdkName).is_none() {
            draft.set(Slot::SdkName, name.to_owned().into());
            if draft.get(Slot::SdkVersion).is_none() {
                draft.set(Slot::SdkVersion, version.to_owned().into());
            }
        }
    }

    /// An id for what came without one: the same bytes a second time are another event.
    fn made_id(&self, bytes: &[u8], number: u64) -> [u8; 16] {
        let seed = self.batch.receipt.received_at.cast_unsigned().wrapping_add(number);
        xxh3_128_with_seed(bytes, seed).to_be_bytes()
    }

    /// Hands a draft over; its category is that of the event it becomes.
    fn push(&mut self, draft: Draft<'_>, category: Option<Category>) -> Result<()> {
        let category = category.unwrap_or(match draft.kind {
            Some(Kind::Feedback) => Category::Feedback,
            Some(Kind::Log) => Category::LogItem,
            Some(Kind::Error) => Category::Error,
            Some(Kind::Message) | None => Category::Default,
        });
        if self.batch.push_taken(self.index, draft, &self.shared)? {
            self.out.categories.push(category);
        }
        Ok(())
    }

    fn take_logs(&mut self, item: &Item) -> Result<()> {
        let Some(least) = self.policy.logs_from else {
            self.count(Category::LogItem, "disabled", item.quantity);
            return Ok(());
        };
        let text = payload::text(&item.payload);
        let container = match payload::object(&text, self.batch.receipt.limits) {
            Ok(pairs) => Container::new(pairs),
            Err(reason) => return self.batch.reject(self.index, format!("invalid logs: {reason}")),
        };
        let address: Option<IpAddr> = self.sender.address.filter(|_| container.infers_ip);
        for record in container.items {
            let Value::Map(record) = record else {
                self.count(Category::LogItem, "malformed", 1);
                continue;
            };
            let mut draft = log::draft(record, self.drift, address);
            if draft.level.unwrap_or(Level::Info) < least {
                self.count(Category::LogItem, "filtered_level", 1);
                continue;
            }
            self.put_sdk(&mut draft);
            self.push(draft, None)?;
        }
        Ok(())
    }

    /// Takes `{event_id, name, email, comments}`, the form of feedback before it was an event.
    fn take_user_report(&mut self, json: &[u8]) -> Result<()> {
        self.check_size(json.len())?;
        let text = payload::text(json);
        let pairs = match payload::object(&text, self.batch.receipt.limits) {
            Ok(pairs) => pairs,
            Err(reason) => return self.batch.reject(self.index, format!("invalid user report: {reason}")),
        };
        let mut feedback = Pairs::new();
        for (name, value) in pairs {
            let name = match name.as_ref() {
                "comments" => "message".into(),
                "email" => "contact_email".into(),
                "event_id" => "associated_event_id".into(),
                _ => name,
            };
            feedback.push((name, value));
        }
        let contexts = Value::Map(vec![("feedback".into(), Value::Map(feedback))]);
        let level = Value::Text("info".into());
        let event = vec![("contexts".into(), contexts), ("level".into(), level)];
        // A report may share its envelope with the event it is about, whose id it must not take.
        let circumstances = Circumstances { client_address: self.sender.address, ..Circumstances::default() };
        let mut draft = event::draft(&mut self.batch, event, &circumstances, Some(Kind::Feedback))?;
        // The same words about the same event are a retry.
        draft.event_id = Some(event_id(&format!("user_report/{:032x}", xxh3_128(json))));
        self.put_sdk(&mut draft);
        self.push(draft, None)
    }

    fn take_report(&mut self, json: &[u8]) {
        self.reports += 1;
        let text = payload::text(json);
        match payload::object(&text, self.batch.receipt.limits) {
            Ok(pairs) if self.reports <= REPORTS_MAX => report::add(pairs, &mut self.out.client_reports),
            Ok(_) => self.count(Category::Internal, "too_many", 1),
            Err(_) => self.count(Category::Internal, "malformed", 1),
        }
    }

    /// Takes a file of an envelope, whose event may stand behind it.
    fn take_attachment(&mut self, item: Item) {
        if self.has_room_for(item.payload.len()) {
            self.files.push(item);
        }
    }

    fn take_file(&mut self, bytes: usize, file: impl FnOnce() -> Attachment) {
        if self.has_room_for(bytes) {
            self.out.attachments.push(file());
        }
    }

    /// Whether a file may be kept; counts it where it may not.
    fn has_room_for(&mut self, bytes: usize) -> bool {
        let policy = self.policy;
        let all = self.file_bytes.saturating_add(bytes);
        let reason = if !policy.attachments {
            "disabled"
        } else if bytes > policy.attachment_bytes_max || all > policy.attachments_bytes_max {
            "too_large"
        } else if self.files.len() + self.out.attachments.len() >= policy.attachments_max {
            "too_many"
        } else {
            self.file_bytes = all;
            return true;
        };
        self.count(Category::Attachment, reason, 1);
        false
    }
}
