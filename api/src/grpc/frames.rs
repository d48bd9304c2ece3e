//! The frames of gRPC: a flag, a length, a message. What does not fit the bounds is passed over, not kept.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::accept::too_large;
use crate::answer::{Answer, Kind, Result};
use crate::budget::Share;
use crate::state::State;

const HEAD_BYTES: usize = 5;
/// How much of a message is read before its whole length is believed.
const TRUST_BYTES: usize = 1 << 20;
/// What is kept of a message that was passed over: enough for the native protocol's batch id.
const START_BYTES: usize = 16;

/// Reads messages from a request.
pub(super) struct Frames {
    body: Incoming,
    /// What came and was not yet used.
    chunk: Bytes,
    share: Share,
    wire_bytes_max: usize,
    idle: Duration,
}

/// One message.
pub(super) struct Message {
    pub(super) compressed: bool,
    pub(super) body: Bytes,
    /// The memory that `body` holds.
    pub(super) share: Share,
}

/// What came next.
pub(super) enum Read {
    Message(Message),
    /// A message that was passed over; the next one may be fit.
    Refused {
        answer: Answer,
        start: Bytes,
    },
    End,
}

impl Frames {
    pub(super) fn new(state: &State, body: Incoming) -> Self {
        Self {
            body,
            chunk: Bytes::new(),
            share: state.budget.share(),
            wire_bytes_max: state.settings.ingest.wire_bytes_max,
            idle: Duration::from_millis(state.settings.http.idle_ms_max),
        }
    }

    /// The next message. `patient` waits for its first byte as long as the connection lives. After an error nothing more
    /// can be read.
    pub(super) async fn next(&mut self, patient: bool) -> Result<Read> {
        let mut head = [0; HEAD_BYTES];
        let mut filled = 0;
        while filled < HEAD_BYTES {
            if self.chunk.is_empty() && !self.more(patient && filled == 0).await? {
                return if filled == 0 { Ok(Read::End) } else { Err(cut_short()) };
            }
            let take = self.chunk.len().min(HEAD_BYTES - filled);
            self.chunk.copy_to_slice(&mut head[filled..filled + take]);
            filled += take;
        }
        let [flag, length @ ..] = head;
        if flag > 1 {
            return Err(Answer::new(
                Kind::Invalid,
                format!("byte 0 of a message is {flag}, and only 0 and 1 are known"),
            ));
        }
        self.message(flag == 1, u32::from_be_bytes(length) as usize).await
    }

    async fn message(&mut self, compressed: bool, len: usize) -> Result<Read> {
        if len > self.wire_bytes_max {
            return self.pass_over(len, too_large(len, "ingest.wire_bytes_max", self.wire_bytes_max)).await;
        }
        if let Err(answer) = self.share.grow(len) {
            return self.pass_over(len, answer).await;
        }
        let body = if self.chunk.len() >= len {
            // Most messages lie in one frame of the connection, which needs no copy.
            self.chunk.split_to(len)
        } else {
            let mut body = BytesMut::with_capacity(len.min(TRUST_BYTES));
            while body.len() < len {
                if self.chunk.is_empty() && !self.more(false).await? {
                    return Err(cut_short());
                }
                let take = self.chunk.len().min(len - body.len());
                body.extend_from_slice(&self.chunk.split_to(take));
            }
            body.freeze()
        };
        Ok(Read::Message(Message { compressed, body, share: self.share.split() }))
    }

    async fn pass_over(&mut self, len: usize, answer: Answer) -> Result<Read> {
        // Nobody waits for gigabytes: a sender of so much is cut off.
        if len > 4 * self.wire_bytes_max {
            return Err(answer);
        }
        let mut start = BytesMut::new();
        let mut left = len;
        while left > 0 {
            if self.chunk.is_empty() && !self.more(false).await? {
                return Err(answer);
            }
            let part = self.chunk.split_to(self.chunk.len().min(left));
            start.extend_from_slice(&part[..part.len().min(START_BYTES - start.len())]);
            left -= part.len();
        }
        Ok(Read::Refused { answer, start: start.freeze() })
    }

    /// Waits for the next bytes; false at the end.
    async fn more(&mut self, patient: bool) -> Result<bool> {
        loop {
            let frame = if patient {
                self.body.frame().await
            } else {
                tokio::time::timeout(self.idle, self.body.frame()).await.map_err(|_| {
                    Answer::new(Kind::Slow, format!("nothing of the message came for {} s", self.idle.as_secs()))
                })?
            };
            let Some(frame) = frame else { return Ok(false) };
            let frame =
                frame.map_err(|error| Answer::new(Kind::Cancelled, format!("the call ended early: {error}")))?;
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                self.chunk = data;
                return Ok(true);
            }
        }
    }
}

fn cut_short() -> Answer {
    Answer::new(Kind::Invalid, "the last message is cut short")
}

/// The encoding of compressed messages; `identity` is none.
pub(super) fn encoding(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(value) = headers.get("grpc-encoding") else { return Ok(None) };
    match value.to_str().unwrap_or("?").trim() {
        "" | "identity" => Ok(None),
        known @ ("gzip" | "zstd") => Ok(Some(known.to_owned())),
        other => Err(Answer::new(Kind::Unsupported, format!("the encoding `{other}` is not supported"))
            .hint("send `gzip`, `zstd` or `identity`")),
    }
}

impl Message {
    /// What undoes the message's compression.
    pub(super) fn encoding(&self, of_call: Option<&str>) -> Result<Option<String>> {
        match (self.compressed, of_call) {
            (false, _) => Ok(None),
            (true, Some(encoding)) => Ok(Some(encoding.to_owned())),
            (true, None) => {
                Err(Answer::new(Kind::Invalid, "the message is flagged as compressed, and `grpc-encoding` is not set"))
            }
        }
    }
}
