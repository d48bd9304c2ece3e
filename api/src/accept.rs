//! The one way in: every protocol hands its bytes and its decoder here, and gets back what became of each event.
//!
//! Small requests are decoded where they stand; large ones on a thread that may block, one per core, so that a batch of
//! megabytes does not hold up a thousand single events.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use tephra_ingest::sentry::Category;
use tephra_ingest::{FilterReason, Receipt, Rejected, Rules};
use tephra_storage::meta::ledger::Outcome;
use tephra_storage::{Append, ProjectId, Store};
use tokio::runtime::Handle;

use crate::answer::{Answer, Kind, Result};
use crate::budget::Share;
use crate::gate::{self, Counts, KeyGate, Limit, Reason};
use crate::meters::{self, Protocol};
use crate::sift::{Brought, Sifted};
use crate::state::State;

/// Requests up to this size, inflated, are decoded on the task's own thread.
const SMALL_BYTES: usize = 16 << 10;

/// A decoder of `tephra_ingest`, or a closure around one.
pub(crate) trait Decoder: Send + 'static {
    fn decode(self, receipt: &Receipt<'_>, body: &Bytes) -> tephra_ingest::Result<Brought>;
}

impl<F, B> Decoder for F
where
    F: FnOnce(&Receipt<'_>, &Bytes) -> tephra_ingest::Result<B> + Send + 'static,
    B: Into<Brought>,
{
    fn decode(self, receipt: &Receipt<'_>, body: &Bytes) -> tephra_ingest::Result<Brought> {
        self(receipt, body).map(Into::into)
    }
}

/// One request as it came.
pub(crate) struct Incoming {
    pub(crate) protocol: Protocol,
    pub(crate) project_id: ProjectId,
    /// The key that let it in.
    pub(crate) key: Arc<KeyGate>,
    /// The content encoding, where the transport has not undone it.
    pub(crate) encoding: Option<String>,
    pub(crate) body: Bytes,
    /// The memory that `body` holds.
    pub(crate) share: Share,
}

/// What became of a request. Indexes count the request's events from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) accepted: u32,
    pub(crate) duplicates: Vec<u32>,
    pub(crate) rejected: Vec<Rejected>,
    /// What the project does not want, and why.
    pub(crate) filtered: Vec<(u32, FilterReason)>,
    /// What limits kept out, and why.
    pub(crate) limited: Vec<(u32, Reason)>,
    /// The limits that were met.
    pub(crate) limits: Vec<Limit>,
    /// The ids of events that were filtered or limited.
    pub(crate) taken_out: Vec<[u8; 16]>,
    /// What was stored, by category.
    pub(crate) stored: Counts,
}

impl Accepted {
    /// The answer where limits kept everything out that might have been stored, so that it is right to send it again.
    fn refusal(&self) -> Option<Answer> {
        let nothing = self.accepted == 0 && self.duplicates.is_empty() && !self.limited.is_empty();
        nothing.then(|| gate::answer(self.limits.clone()))
    }
}

/// What is done once the events of a request are stored, before its answer: beside whoever waits for that, and with the
/// request's memory still held. It may meet limits of its own; its failure is the answer.
pub(crate) type Then = Box<dyn FnOnce(&Accepted) -> BoxFuture<'static, Result<Vec<Limit>>> + Send>;

/// Decodes a request and stores its events; they are durable when this returns. An error means that none was stored.
pub(crate) async fn accept(state: &State, incoming: Incoming, decoder: impl Decoder) -> Result<Accepted> {
    accept_then(state, incoming, decoder, None).await
}

/// The same with more to do. An error may then also mean that the events were stored, and what was left to do failed.
pub(crate) async fn accept_then(
    state: &State,
    incoming: Incoming,
    decoder: impl Decoder,
    then: Option<Then>,
) -> Result<Accepted> {
    let (protocol, bytes) = (incoming.protocol, incoming.body.len());
    let result = decode_and_append(state, incoming, decoder, then).await;
    let refusal = result.as_ref().ok().and_then(Accepted::refusal);
    match &result {
        Ok(accepted) => {
            let outcome = refusal.as_ref().map_or("ok", |answer| answer.kind.word());
            meters::accepted(protocol, bytes, accepted, outcome);
        }
        Err(answer) => meters::refused(protocol, bytes, answer.kind),
    }
    match refusal {
        // Sentry's answers tell more.
        Some(answer) if !protocol.is_sentry() => Err(answer),
        _ => result,
    }
}

/// Why nothing of a request may come in, whatever it holds: known before it is inflated and decoded.
pub(crate) fn closed(state: &State, incoming: &Incoming, categories: &[Category], now_us: i64) -> Option<Limit> {
    state.gate.project(incoming.project_id).closed(&incoming.key, categories, now_us)
}

async fn decode_and_append(
    state: &State,
    incoming: Incoming,
    decoder: impl Decoder,
    then: Option<Then>,
) -> Result<Accepted> {
    let (project_id, received_at) = (incoming.project_id, state.clock.now_us());
    let unread = |answer: &Answer| state.ledger.refused(project_id, answer, received_at);
    let store = state.core().inspect_err(unread)?.store.clone();
    let (protocol, key) = (incoming.protocol, incoming.key.clone());
    if let Some(limit) = protocol.brings().and_then(|brings| closed(state, &incoming, brings, received_at)) {
        state.ledger.note(project_id, Outcome::RateLimited, limit.reason.as_str(), 1, received_at);
        meters::limited(protocol, limit.reason, 1);
        return Err(gate::answer(vec![limit]));
    }
    let (mut sifted, share) = decode_apart(state, incoming, decoder).await.inspect_err(unread)?;
    meters::ignored(sifted.ignored);
    let entry = state.ledger.enter(project_id, sifted.len(), received_at);
    let gate = state.gate.project(project_id);
    let verdict = gate.decide(&key, &sifted.categories, !protocol.is_sentry(), received_at);
    sifted.limit(&verdict.refused);
    let books = state.clone();
    let rest = async move {
        let mut result = store_events(&store, project_id, sifted).await;
        let stored = result.as_ref().map_or_else(|_| Counts::default(), |accepted| accepted.stored);
        gate.give_back(&verdict, &stored);
        if let Ok(accepted) = &mut result {
            accepted.limits = verdict.limits;
        }
        books.ledger.settle(entry, &result);
        let result = match (result, then) {
            (Ok(mut accepted), Some(then)) => then(&accepted).await.map(|limits| {
                accepted.limits.extend(limits);
                accepted
            }),
            (result, _) => result,
        };
        drop(share);
        result
    };
    ToItsEnd(Some(Box::pin(rest))).await
}

async fn store_events(store: &Store, project_id: ProjectId, mut sifted: Sifted) -> Result<Accepted> {
    let events = std::mem::take(&mut sifted.events);
    let (mut accepted, mut duplicates, mut stored) = (0, Vec::new(), Counts::default());
    if !events.is_empty() {
        let append = Append { project_id, events, request_hash: sifted.request_hash, bytes: sifted.bytes };
        let appended = store.append(append).await.map_err(|error| Answer::from_append(&error))?;
        stored = Sifted::counts(&sifted.categories, &appended.duplicates);
        duplicates = appended.duplicates.iter().map(|index| sifted.position(*index as usize)).collect();
        accepted = appended.accepted;
    }
    let Sifted { rejected, filtered, limited, taken_out, .. } = sifted;
    Ok(Accepted { accepted, duplicates, rejected, filtered, limited, limits: Vec::new(), taken_out, stored })
}

async fn decode_apart(state: &State, mut incoming: Incoming, decoder: impl Decoder) -> Result<(Sifted, Share)> {
    if incoming.body.len() <= SMALL_BYTES {
        // What turns out to be large is inflated again, elsewhere.
        let encoding = incoming.encoding.as_deref();
        if let Ok(small) = tephra_ingest::inflate(encoding, incoming.body.clone(), SMALL_BYTES) {
            incoming.share.grow(if encoding.is_some() { small.len() } else { 0 })?;
            (incoming.body, incoming.encoding) = (small, None);
            return decode(state, incoming, decoder);
        }
    }
    let permit = state.decoders.acquire().await.map_err(|_| Answer::new(Kind::Busy, "the server is stopping"))?;
    let task = state.clone();
    let done = tokio::task::spawn_blocking(move || decode(&task, incoming, decoder)).await;
    drop(permit);
    done.map_err(|error| {
        tracing::error!(%error, "a decoder panicked");
        Answer::new(Kind::Internal, "the request could not be decoded")
    })?
}

/// Work that goes on where nobody waits for it any more: events whose client has gone are stored or not all the same, and the
/// ledger is to know which.
struct ToItsEnd(Option<BoxFuture<'static, Result<Accepted>>>);

impl Future for ToItsEnd {
    type Output = Result<Accepted>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.0 else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl Drop for ToItsEnd {
    fn drop(&mut self) {
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

/// Undoes a content encoding on a thread that may block, for those who must look into a body before they know whose it is.
pub(crate) async fn inflate_apart(
    state: &State,
    encoding: String,
    body: Bytes,
    mut share: Share,
) -> Result<(Bytes, Share)> {
    let permit = state.decoders.acquire().await.map_err(|_| Answer::new(Kind::Busy, "the server is stopping"))?;
    let limit = state.settings.ingest.limits.request_bytes_max;
    let inflate = move || {
        let inflated = tephra_ingest::inflate(Some(&encoding), body, limit)?;
        share.grow(inflated.len())?;
        Ok((inflated, share))
    };
    let done = tokio::task::spawn_blocking(inflate).await;
    drop(permit);
    done.map_err(|error| {
        tracing::error!(%error, "inflating panicked");
        Answer::new(Kind::Internal, "the request could not be inflated")
    })?
}

fn decode(state: &State, incoming: Incoming, decoder: impl Decoder) -> Result<(Sifted, Share)> {
    let limits = &state.settings.ingest.limits;
    let Incoming { project_id, encoding, body, mut share, .. } = incoming;
    let body = match encoding.as_deref() {
        None => body,
        Some(encoding) => {
            let inflated = tephra_ingest::inflate(Some(encoding), body, limits.request_bytes_max)?;
            share.grow(inflated.len())?;
            inflated
        }
    };
    if body.len() > limits.request_bytes_max {
        return Err(too_large(body.len(), "ingest.request_bytes_max", limits.request_bytes_max));
    }
    let rules = state.rules.of(project_id);
    let rules = rules.as_deref().unwrap_or_else(|| Rules::standard());
    let receipt = Receipt { project_id, received_at: state.clock.now_us(), limits, rules };
    let brought = decoder.decode(&receipt, &body)?;
    Ok((Sifted::new(brought, &state.gate.project(project_id).filters()), share))
}

/// The answer to a request of `size` bytes or more where a limit allows `max`.
pub(crate) fn too_large(size: usize, limit: &str, max: usize) -> Answer {
    Answer::new(Kind::TooLarge, format!("the request has {size} bytes or more, and `{limit}` allows {max}"))
        .hint("send smaller batches")
}
