//! `IngestService/AppendStream`: batches in, an answer to each in order, several on their way at once.
//!
//! While earlier batches are being synced the next ones are read and decoded, up to a window; beyond it nothing is read, and
//! the connection's flow control makes the sender wait. A refused batch gets its answer and the stream goes on.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, StreamExt};
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use prost::Message as _;
use tephra_ingest::native::{AppendResponse, Refusal};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::frames::{Frames, Message, Read};
use super::reply::{self, Body};
use super::unary::{BatchId, appended};
use crate::accept::{Incoming, accept};
use crate::access::Pass;
use crate::answer::{Answer, Kind, Result};
use crate::meters::{self, Protocol};
use crate::state::State;

/// Begins a stream.
pub(super) fn serve(state: &State, pass: Pass, encoding: Option<Arc<str>>, frames: Frames) -> Response<Body> {
    let (sender, batches) = mpsc::channel(1);
    let stream = AppendStream {
        state: state.clone(),
        pass,
        encoding,
        batches,
        _reader: AbortOnDropHandle::new(tokio::spawn(read(frames, sender))),
        pending: FuturesOrdered::new(),
        end: None,
    };
    let frames = futures::stream::unfold(Some(stream), |stream| async { stream?.next().await });
    reply::of(StreamBody::new(frames).boxed_unsync())
}

async fn read(mut frames: Frames, batches: mpsc::Sender<Result<Read>>) {
    loop {
        let read = frames.next(true).await;
        let last = matches!(read, Ok(Read::End) | Err(_));
        if batches.send(read).await.is_err() || last {
            return;
        }
    }
}

struct AppendStream {
    state: State,
    pass: Pass,
    encoding: Option<Arc<str>>,
    batches: mpsc::Receiver<Result<Read>>,
    _reader: AbortOnDropHandle<()>,
    pending: FuturesOrdered<BoxFuture<'static, AppendResponse>>,
    /// The status to end with, once nothing more is read.
    end: Option<Result<()>>,
}

type Sent = std::result::Result<Frame<Bytes>, Infallible>;

impl AppendStream {
    /// The next part of the answer, and what is left to do.
    async fn next(mut self) -> Option<(Sent, Option<Self>)> {
        let window = self.state.settings.grpc.stream_batches_max.max(1);
        loop {
            if self.pending.is_empty()
                && let Some(end) = &self.end
            {
                let trailers = end.as_ref().map_or_else(reply::trailers, |()| reply::success());
                return Some((Ok(Frame::trailers(trailers)), None));
            }
            let reading = self.end.is_none() && self.pending.len() < window;
            tokio::select! {
                Some(answer) = self.pending.next(), if !self.pending.is_empty() => {
                    let frame = reply::frame(&answer.encode_to_vec());
                    return Some((Ok(Frame::data(frame)), Some(self)));
                }
                read = self.batches.recv(), if reading => self.take(read),
                () = self.state.stopping.cancelled(), if self.end.is_none() => {
                    self.end = Some(Err(Answer::new(Kind::Busy, "the server is stopping")));
                }
            }
        }
    }

    fn take(&mut self, read: Option<Result<Read>>) {
        match read {
            Some(Ok(Read::Message(message))) => {
                let (state, pass) = (self.state.clone(), self.pass.clone());
                let encoding = self.encoding.clone();
                self.pending.push_back(Box::pin(append(state, pass, encoding, message)));
            }
            Some(Ok(Read::Refused { answer, start })) => {
                meters::refused(Protocol::AppendStream, 0, answer.kind);
                self.state.ledger.refused(self.pass.project, &answer, self.state.clock.now_us());
                let id = BatchId::default();
                id.note(&start);
                self.pending.push_back(Box::pin(async move { refused(id.get(), &answer) }));
            }
            Some(Ok(Read::End)) | None => self.end = Some(Ok(())),
            Some(Err(answer)) => self.end = Some(Err(answer)),
        }
    }
}

async fn append(state: State, pass: Pass, encoding: Option<Arc<str>>, message: Message) -> AppendResponse {
    let Pass { project: project_id, key } = pass;
    let id = BatchId::default();
    let encoding = match message.encoding(encoding.as_deref()) {
        Ok(encoding) => encoding,
        Err(answer) => {
            state.ledger.refused(project_id, &answer, state.clock.now_us());
            return refused(0, &answer);
        }
    };
    // Known even where the decoder is never reached.
    if encoding.is_none() {
        id.note(&message.body);
    }
    let (protocol, body, share) = (Protocol::AppendStream, message.body, message.share);
    let incoming = Incoming { protocol, project_id, key, encoding, body, share };
    match accept(&state, incoming, id.decoder()).await {
        Ok(accepted) => appended(id.get(), accepted),
        Err(answer) => refused(id.get(), &answer),
    }
}

fn refused(batch_id: u64, answer: &Answer) -> AppendResponse {
    let refusal = Refusal {
        kind: answer.kind.refusal() as i32,
        reason: answer.message.clone(),
        retry_after_ms: answer.retry_after.map_or(0, |after| after.as_millis() as u32),
    };
    AppendResponse { batch_id, refusal: Some(refusal), ..AppendResponse::default() }
}
