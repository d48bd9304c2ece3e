//! Collects what one request becomes: drafts turn into events here, with their columns, group and bounds settled.

mod clean;
mod known;

use hashbrown::HashMap;
use tephra_storage::{Event, Kind, Level, Text};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::conventions::Slot;
use crate::draft::{Draft, Names, Shared};
use crate::error::{Error, Result};
use crate::group::{self, Columns, Features, GROUPING_VERSION, KnownFrames, Stack};
use crate::json;
use crate::limits::Receipt;
use crate::text::trim_middle;
use crate::value::Value;
use crate::wire::Fault;

/// What one request became.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// The events to store, in the request's order.
    pub events: Vec<Event>,
    /// What was not taken, in the request's order.
    pub rejected: Vec<Rejected>,
    /// For each of `events` its index in the request: of the record, the line, or the span it came in.
    pub positions: Vec<u32>,
    /// Spans without an exception.
    pub ignored: u64,
    /// How many values and parts of texts were taken out as secrets.
    pub scrubbed: u64,
    /// A hash of the whole request, by which a retry is recognised; `None` if events bring ids of their own.
    pub request_hash: Option<u128>,
    /// The request's size after decompression.
    pub bytes: usize,
}

/// An event that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its index in the request.
    pub index: u32,
    /// Why, naming the byte, line or limit.
    pub reason: String,
}

/// The request under way.
pub(crate) struct Batch<'r> {
    pub(crate) receipt: Receipt<'r>,
    decoded: Decoded,
    unfolded_bytes: usize,
    with_id: bool,
    /// By a hash of the text as it came.
    stacks: HashMap<u128, Stack>,
    /// By the addresses of their texts: the stack as it came, which holds the addresses, and as it is stored.
    cleaned: HashMap<[usize; 2], (Stack, Stack)>,
    pub(crate) known_frames: KnownFrames,
    scratch: String,
}

impl<'r> Batch<'r> {
    /// Starts on a request, if it is not too large.
    pub(crate) fn new(receipt: &Receipt<'r>, body: &[u8]) -> Result<Self> {
        receipt.limits.check_request(body.len())?;
        Ok(Self {
            receipt: *receipt,
            decoded: Decoded { bytes: body.len(), ..Decoded::default() },
            unfolded_bytes: 0,
            with_id: false,
            stacks: HashMap::new(),
            cleaned: HashMap::new(),
            known_frames: KnownFrames::default(),
            scratch: String::new(),
        })
    }

    /// Counts memory against the request's bound.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<()> {
        self.unfolded_bytes = self.unfolded_bytes.saturating_add(bytes);
        let limit = self.receipt.limits.decoded_bytes_max;
        if self.unfolded_bytes > limit {
            return Err(Error::too_large(format!("request unfolds to more than `decoded_bytes_max` of {limit} bytes")));
        }
        Ok(())
    }

    pub(crate) fn ignore(&mut self) {
        self.decoded.ignored += 1;
    }

    pub(crate) fn reject(&mut self, index: u32, reason: impl Into<String>) -> Result<()> {
        let reason = reason.into();
        self.charge(size_of::<Rejected>() + reason.len())?;
        self.decoded.rejected.push(Rejected { index, reason });
        Ok(())
    }

    /// Takes an event, or rejects it if it is too large.
    pub(crate) fn push(&mut self, index: u32, draft: Draft<'_>, shared: &Shared) -> Result<()> {
        self.push_taken(index, draft, shared).map(drop)
    }

    /// Takes an event, or rejects it if it is too large; tells which.
    pub(crate) fn push_taken(&mut self, index: u32, draft: Draft<'_>, shared: &Shared) -> Result<bool> {
        let taken = self.decoded.events.len();
        self.push_draft(index, draft, shared)?;
        Ok(self.decoded.events.len() > taken)
    }

    fn push_draft(&mut self, index: u32, mut draft: Draft<'_>, shared: &Shared) -> Result<()> {
        draft.settle();
        self.clean(&mut draft, shared)?;
        if let Err(reason) = self.receipt.limits.check_attributes(draft.rest.len()) {
            return self.reject(index, reason);
        }
        let (event, bytes) = self.event(draft, shared)?;
        if let Err(reason) = self.receipt.limits.check_event(bytes) {
            return self.reject(index, reason);
        }
        self.charge(size_of::<Event>() + bytes)?;
        self.with_id |= event.event_id.is_some();
        self.decoded.events.push(event);
        self.decoded.positions.push(index);
        Ok(())
    }

    /// The finished batch.
    pub(crate) fn finish(mut self, body: &[u8]) -> Decoded {
        if !self.with_id && !self.decoded.events.is_empty() {
            let seed = self.receipt.project_id.0.cast_unsigned();
            self.decoded.request_hash = Some(xxh3_128_with_seed(body, seed));
        }
        self.decoded
    }

    fn event(&mut self, mut draft: Draft<'_>, shared: &Shared) -> Result<(Event, usize)> {
        let limits = self.receipt.limits;
        let stack = draft.stack.take();
        let received_at = self.receipt.received_at;
        let (timestamp, _) = draft.moment.settle(received_at);
        let spill = draft.tags.len().saturating_sub(limits.tags_max);
        for (name, value) in draft.tags.drain(draft.tags.len() - spill..) {
            draft.rest.push((name, Value::Text(value)));
        }
        if !draft.fingerprint.is_empty() {
            let parts = draft.fingerprint.iter().map(|part| Value::Text(part.clone())).collect();
            draft.keep("fingerprint", Value::List(parts));
        }

        let fallback = |slot: Slot| draft.get(slot).or(shared.get(slot).map(AsRef::as_ref));
        let culprit = draft.get(Slot::Culprit).or(stack.as_ref().and_then(|stack| stack.culprit.as_deref()));
        let mut features = Features {
            exception_type: draft.get(Slot::ExceptionType),
            exception_value: draft.get(Slot::ExceptionValue),
            template: draft.get(Slot::Template),
            message: draft.get(Slot::Message),
            logger: fallback(Slot::Logger),
            stack: stack.as_ref().map(|stack| stack.hashes),
            trace: stack.as_ref().and_then(|stack| stack.text.as_deref()),
            culprit: culprit.or(shared.get(Slot::Culprit).map(AsRef::as_ref)),
            level: None,
            platform: fallback(Slot::Platform),
            environment: fallback(Slot::Environment),
            release: fallback(Slot::Release),
            service: fallback(Slot::Service),
            tags: &[],
        };
        let failed = features.exception_type.is_some() || features.exception_value.is_some() || stack.is_some();
        let level = draft.level.unwrap_or(if failed { Level::Error } else { Level::Info });
        features.level = Some(level.as_str());
        let grouping = &self.receipt.rules.grouping;
        // Only rules and fingerprints ask for tags.
        let asked = !grouping.is_empty() || !draft.fingerprint.is_empty();
        let own = draft.tags.iter().rev().map(|(name, value)| (name.as_ref(), value.as_ref()));
        let asked_tags: Vec<(&str, &str)> = match asked {
            true => own.chain(shared.tags.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))).collect(),
            false => Vec::new(),
        };
        features.tags = &asked_tags;
        let columns = Columns {
            text: stack.as_ref().and_then(|stack| stack.text.as_deref()),
            frames: stack.as_ref().and_then(|stack| stack.frames.as_deref()),
            platform: features.platform,
            sdk: fallback(Slot::SdkName),
        };
        let by_rule = match grouping.reads_frames() {
            true => columns.visit(|thrown| grouping.fingerprint(&features, thrown)),
            false => grouping.fingerprint(&features, &[]),
        };
        let hashes = match by_rule {
            Some(parts) => group::hashes(&features, parts, &mut self.scratch),
            None => group::hashes(&features, &draft.fingerprint, &mut self.scratch),
        };

        let mut bytes = 0;
        let mut text = |slot: Slot| -> Option<Text> {
            let Some(own) = draft.get(slot) else { return shared.get(slot).cloned() };
            let own = match slot {
                Slot::Frames | Slot::FrameVars | Slot::Breadcrumbs | Slot::Contexts | Slot::Request | Slot::Extra => {
                    own.into()
                }
                _ => trim_middle(own, limits.text_bytes_max),
            };
            bytes += own.len();
            Some(own.into())
        };
        let kind = draft.kind.unwrap_or(if failed { Kind::Error } else { Kind::Log });
        let (stack_text, stack_frames, blamed) = stack.map_or((None, None, None), |s| (s.text, s.frames, s.culprit));
        let mut event = Event {
            event_id: draft.event_id,
            timestamp,
            received_at,
            level,
            severity: draft.severity,
            kind,
            platform: text(Slot::Platform),
            logger: text(Slot::Logger),
            message: text(Slot::Message),
            template: text(Slot::Template),
            exception_type: text(Slot::ExceptionType),
            exception_value: text(Slot::ExceptionValue),
            culprit: text(Slot::Culprit).or(blamed),
            handled: draft.handled,
            stack: stack_text,
            frames: stack_frames.or_else(|| text(Slot::Frames)),
            frame_vars: text(Slot::FrameVars),
            breadcrumbs: text(Slot::Breadcrumbs),
            contexts: text(Slot::Contexts),
            request: text(Slot::Request),
            extra: text(Slot::Extra),
            environment: text(Slot::Environment),
            release: text(Slot::Release),
            dist: text(Slot::Dist),
            service: text(Slot::Service),
            server_name: text(Slot::ServerName),
            user_id: text(Slot::UserId),
            user_email: text(Slot::UserEmail),
            user_ip: text(Slot::UserIp),
            session_id: text(Slot::SessionId),
            trace_id: draft.trace_id,
            span_id: draft.span_id,
            sdk_name: text(Slot::SdkName),
            sdk_version: text(Slot::SdkVersion),
            tags: Vec::new(),
            attributes: None,
            group_hash: hashes.in_app,
            group_hash_full: hashes.all,
            grouping_version: GROUPING_VERSION,
        };
        event.tags = tags(&draft, shared);
        bytes += draft.tags.iter().map(|(name, value)| name.len() + value.len() + 32).sum::<usize>();
        bytes += shared.tags.len() * size_of::<(Text, Text)>();
        event.attributes = self.attributes(&draft, shared);
        if !draft.rest.is_empty() {
            bytes += event.attributes.as_ref().map_or(0, |attributes| attributes.len());
        }
        Ok((event, bytes))
    }

    /// The record's own attributes and those it shares, a name once.
    fn attributes(&mut self, draft: &Draft<'_>, shared: &Shared) -> Option<Text> {
        if draft.rest.is_empty() {
            return shared.rest.object.clone();
        }
        let out = &mut self.scratch;
        out.clear();
        out.push('{');
        for (name, value) in &draft.rest {
            json::write_pair(out, name, value);
            out.push(',');
        }
        let own = Names::new(draft.rest.iter().map(|(name, _)| name.as_ref()));
        for (name, pair) in &shared.rest.pairs {
            if !own.contains(name) {
                out.push_str(pair);
                out.push(',');
            }
        }
        out.pop();
        out.push('}');
        Some(out.as_str().into())
    }
}

/// The event's own tags and those it shares, by name, a name once.
fn tags(draft: &Draft<'_>, shared: &Shared) -> Vec<(Text, Text)> {
    if draft.tags.is_empty() {
        return shared.tags.clone();
    }
    let own = draft.tags.iter().rev().map(|(name, value)| (Text::from(name.as_ref()), Text::from(value.as_ref())));
    let mut tags: Vec<(Text, Text)> = own.chain(shared.tags.iter().cloned()).collect();
    tags.sort_by(|(a, _), (b, _)| a.cmp(b));
    tags.dedup_by(|(later, _), (kept, _)| later == kept);
    tags
}

/// A fault in what holds the records together.
pub(crate) fn malformed(fault: Fault) -> Error {
    Error::malformed(format!("request is malformed: {fault}"))
}
