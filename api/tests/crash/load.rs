//! The load: clients that send, an auditor that counts, until the server is gone.
//!
//! Some clients send their next batch once the last is answered, over NDJSON or OTLP; others keep an `AppendStream` full
//! (`stream.rs`). Now and then one repeats a batch that was acknowledged, as an SDK does that missed the answer: every
//! event of it has to be counted as a duplicate, also where it came another way. The auditor asks for the number of events
//! all the time: it lies between what was acknowledged before the question and what was sent before the answer, and never
//! goes back, whatever rolls meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::client::{Answer, Client, Way};
use crate::events::Random;
use crate::ledger::{Batch, Ledger, State};
use crate::stream;

/// Clients whose requests are answered one by one.
const CALLERS: u64 = 4;
/// Clients that keep a stream open.
const STREAMS: u64 = 2;
const BATCH_EVENTS_MAX: u64 = 24;
const BUSY_WAIT_MS: u64 = 20;
/// After an answer that was none: do not fill the ledger with what cannot arrive.
pub(crate) const LOST_WAIT_MS: u64 = 200;

/// Running clients.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Load {
    pub(crate) fn start(client: &Client, ledger: &Arc<Mutex<Ledger>>, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for number in 0..CALLERS + STREAMS {
            let random = Random::new(seed ^ (number << 32));
            if number < CALLERS {
                tasks.spawn(send(client.clone(), ledger.clone(), stop.clone(), random));
            } else {
                tasks.spawn(stream::send(client.grpc.clone(), ledger.clone(), stop.clone(), random));
            }
        }
        tasks.spawn(audit(client.clone(), ledger.clone(), stop.clone()));
        Self { stop, tasks }
    }

    /// Lets each client take its last answer from a live server.
    pub(crate) async fn drain(self) {
        self.finish().await;
    }

    /// Tells the clients that the server is gone, and waits until each has written down its last answer.
    pub(crate) async fn finish(mut self) {
        self.stop.store(true, Ordering::SeqCst);
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn send(client: Client, ledger: Arc<Mutex<Ledger>>, stop: Arc<AtomicBool>, mut random: Random) {
    while !stop.load(Ordering::SeqCst) {
        let (batch, repeated) = next(&ledger, &mut random);
        let way = Way::ALL[random.below(Way::ALL.len() as u64) as usize];
        let answer = answer(&client, way, &ledger, &batch).await;
        if note(&ledger, &batch, repeated, answer) {
            tokio::time::sleep(Duration::from_millis(LOST_WAIT_MS)).await;
        }
    }
}

/// What a client sends next, and whether it was acknowledged before.
pub(crate) fn next(ledger: &Mutex<Ledger>, random: &mut Random) -> (Batch, bool) {
    let mut ledger = ledger.lock();
    let repeated = random.one_in(20).then(|| ledger.an_acked_batch(random.next())).flatten();
    match repeated {
        Some(batch) => (batch, true),
        None => (ledger.begin(1 + random.below(BATCH_EVENTS_MAX)), false),
    }
}

/// Sends a batch whose fate is open and writes down the answer; true where there was none.
pub(crate) async fn deliver(client: &Client, way: Way, ledger: &Mutex<Ledger>, batch: &Batch) -> bool {
    let answer = answer(client, way, ledger, batch).await;
    note(ledger, batch, false, answer)
}

async fn answer(client: &Client, way: Way, ledger: &Mutex<Ledger>, batch: &Batch) -> Answer {
    let events = ledger.lock().events.clone();
    client.send(way, &events, batch).await
}

/// Writes down the answer to a batch, which was `repeated` where it had been acknowledged; true where there was none.
pub(crate) fn note(ledger: &Mutex<Ledger>, batch: &Batch, repeated: bool, answer: Answer) -> bool {
    let mut ledger = ledger.lock();
    let name = format!("batch {} of {} events", batch.first, batch.count);
    match answer {
        Answer::Acked { counts, rejected } => {
            ledger.answered(batch.first, State::Acked);
            if rejected > 0 {
                ledger.violation(format!("{name} is sound and {rejected} of them were rejected"));
            }
            let Some((accepted, duplicates)) = counts else { return false };
            ledger.totals.duplicates_dropped += duplicates;
            if repeated && (accepted, duplicates) != (0, batch.count) {
                ledger.violation(format!(
                    "{name} was repeated and {accepted} were accepted, {duplicates} named as duplicates"
                ));
            }
            if !repeated && accepted + duplicates + rejected != batch.count {
                ledger.violation(format!("{name} was answered with {accepted} accepted, {duplicates} duplicates"));
            }
            false
        }
        Answer::Refused(why) if !repeated => {
            ledger.answered(batch.first, State::Refused);
            ledger.violation(format!("{name} is sound and was refused: {why}"));
            true
        }
        Answer::Unknown(_) if !repeated => {
            ledger.answered(batch.first, State::Unknown);
            true
        }
        Answer::Refused(_) | Answer::Unknown(_) => true,
    }
}

async fn audit(client: Client, ledger: Arc<Mutex<Ledger>>, stop: Arc<AtomicBool>) {
    let mut last = 0;
    while !stop.load(Ordering::SeqCst) {
        let floor = ledger.lock().acked().max(last);
        match client.number("SELECT count(*) AS n FROM events").await {
            Ok(count) => {
                let mut ledger = ledger.lock();
                ledger.totals.audits += 1;
                let ceiling = ledger.sent();
                if count < floor || count > ceiling {
                    ledger.violation(format!("a query counted {count} events, not between {floor} and {ceiling}"));
                }
                last = count;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(BUSY_WAIT_MS)).await,
        }
    }
}
