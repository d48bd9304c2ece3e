//! A client that keeps an `AppendStream` open, with several batches on their way at once.
//!
//! Where the stream breaks, what was not answered stays open in the ledger, and another stream begins.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tephra_ingest::native::proto::AppendRequest;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

use crate::events::{Events, Random};
use crate::grpc::{ANSWER_MAX, Grpc, appended};
use crate::ledger::{Batch, Ledger};
use crate::load::{LOST_WAIT_MS, next, note};
use crate::wire;

/// Batches that are sent ahead of their answers.
const WINDOW: usize = 4;

/// Sends until `stop`.
pub(crate) async fn send(grpc: Grpc, ledger: Arc<Mutex<Ledger>>, stop: Arc<AtomicBool>, mut random: Random) {
    while !stop.load(Ordering::SeqCst) {
        if one(&grpc, &ledger, &stop, &mut random).await.is_none() {
            tokio::time::sleep(Duration::from_millis(LOST_WAIT_MS)).await;
        }
    }
}

/// One stream, until `stop` and its last answer; `None` where it broke before.
async fn one(grpc: &Grpc, ledger: &Mutex<Ledger>, stop: &AtomicBool, random: &mut Random) -> Option<()> {
    let (sender, receiver) = mpsc::channel(WINDOW);
    let events = ledger.lock().events.clone();
    let mut window = Window { ledger, events, sender, pending: VecDeque::new() };
    window.fill(stop, random).await?;
    let opened = timeout(ANSWER_MAX, grpc.append_stream(ReceiverStream::new(receiver))).await;
    let mut answers = opened.ok()?.ok()?;
    while let Some((batch, repeated)) = window.pending.pop_front() {
        let answer = timeout(ANSWER_MAX, answers.message()).await.ok()?.ok()??;
        if answer.batch_id != batch.first {
            let found = answer.batch_id;
            ledger.lock().violation(format!("a stream answered batch {found} where {} was due", batch.first));
            return None;
        }
        if note(ledger, &batch, repeated, appended(&answer)) {
            tokio::time::sleep(Duration::from_millis(LOST_WAIT_MS)).await;
        }
        window.fill(stop, random).await?;
    }
    Some(())
}

/// The batches of one stream that wait for their answers, in their order.
struct Window<'a> {
    ledger: &'a Mutex<Ledger>,
    events: Events,
    sender: mpsc::Sender<AppendRequest>,
    pending: VecDeque<(Batch, bool)>,
}

impl Window<'_> {
    /// Sends until enough are on their way; `None` where the stream is gone.
    async fn fill(&mut self, stop: &AtomicBool, random: &mut Random) -> Option<()> {
        while self.pending.len() < WINDOW && !stop.load(Ordering::SeqCst) {
            let (batch, repeated) = next(self.ledger, random);
            self.pending.push_back((batch, repeated));
            self.sender.send(wire::native(&self.events, &batch)).await.ok()?;
        }
        Some(())
    }
}
