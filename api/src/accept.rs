//! The one way in: every protocol hands its bytes and its decoder here, and gets back what became of each event.
//!
//! Small requests are decoded where they stand; large ones on a thread that may block, one per core, so that a batch of
//! megabytes does not hold up a thousand single events.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use tephra_ingest::{Decoded, Receipt, Rejected, Rules};
use tephra_storage::{Append, ProjectId, Store};
use tokio::runtime::Handle;

use crate::answer::{Answer, Kind, Result};
use crate::budget::Share;
use crate::meters::{self, Protocol};
use crate::state::State;

/// Requests up to this size are decoded on the task's own thread.
const SMALL_BYTES: usize = 16 << 10;

/// A decoder of `tephra_ingest`, or a closure around one.
pub(crate) trait Decoder:
    FnOnce(&Receipt<'_>, &Bytes) -> tephra_ingest::Result<Decoded> + Send + 'static
{
}

impl<F: FnOnce(&Receipt<'_>, &Bytes) -> tephra_ingest::Result<Decoded> + Send + 'static> Decoder for F {}

/// One request as it came.
pub(crate) struct Incoming {
    pub(crate) protocol: Protocol,
    pub(crate) project_id: ProjectId,
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
}

/// Decodes a request and stores its events; they are durable when this returns. An error means that none was stored.
pub(crate) async fn accept(state: &State, incoming: Incoming, decoder: impl Decoder) -> Result<Accepted> {
    let (protocol, bytes) = (incoming.protocol, incoming.body.len());
    let result = decode_and_append(state, incoming, decoder).await;
    match &result {
        Ok(accepted) => meters::accepted(protocol, bytes, accepted),
        Err(answer) => meters::refused(protocol, bytes, answer.kind),
    }
    result
}

async fn decode_and_append(state: &State, incoming: Incoming, decoder: impl Decoder) -> Result<Accepted> {
    let (project_id, received_at) = (incoming.project_id, state.clock.now_us());
    let unread = |answer: &Answer| state.ledger.refused(project_id, answer, received_at);
    let store = state.core().inspect_err(unread)?.store.clone();
    let (decoded, share) = decode_apart(state, incoming, decoder).await.inspect_err(unread)?;
    meters::ignored(decoded.ignored);
    let Decoded { events, rejected, positions, request_hash, bytes, .. } = decoded;
    let entry = state.ledger.enter(project_id, events.len() + rejected.len(), received_at);
    let books = state.clone();
    let append = Append { project_id, events, request_hash, bytes };
    let rest = async move {
        let result = store_events(&store, append, rejected, &positions).await;
        drop(share);
        books.ledger.settle(entry, &result);
        result
    };
    ToItsEnd(Some(Box::pin(rest))).await
}

async fn store_events(store: &Store, append: Append, rejected: Vec<Rejected>, positions: &[u32]) -> Result<Accepted> {
    if append.events.is_empty() {
        return Ok(Accepted { rejected, ..Accepted::default() });
    }
    let appended = store.append(append).await.map_err(|error| Answer::from_append(&error))?;
    let position = |index: &u32| positions.get(*index as usize).copied().unwrap_or(*index);
    let duplicates = appended.duplicates.iter().map(position).collect();
    Ok(Accepted { accepted: appended.accepted, duplicates, rejected })
}

async fn decode_apart(state: &State, incoming: Incoming, decoder: impl Decoder) -> Result<(Decoded, Share)> {
    if incoming.body.len() <= SMALL_BYTES && incoming.encoding.is_none() {
        return decode(state, incoming, decoder);
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

fn decode(state: &State, incoming: Incoming, decoder: impl Decoder) -> Result<(Decoded, Share)> {
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
    let receipt = Receipt { project_id, received_at: state.clock.now_us(), limits, rules: Rules::standard() };
    Ok((decoder(&receipt, &body)?, share))
}

/// The answer to a request of `size` bytes or more where a limit allows `max`.
pub(crate) fn too_large(size: usize, limit: &str, max: usize) -> Answer {
    Answer::new(Kind::TooLarge, format!("the request has {size} bytes or more, and `{limit}` allows {max}"))
        .hint("send smaller batches")
}
