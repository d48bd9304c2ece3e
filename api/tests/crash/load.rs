//! The load: clients that send, an auditor that counts, until the server is gone.
//!
//! A client sends its next batch once the last is answered. Now and then it repeats a batch that was acknowledged, as
//! an SDK does that missed the answer: every event of it has to be counted as a duplicate. The auditor asks for the
//! number of events all the time: it lies between what was acknowledged before the question and what was sent before
//! the answer, and never goes back, whatever rolls meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::client::{Answer, Client};
use crate::events::Random;
use crate::ledger::{Batch, Ledger, State};

pub(crate) const CLIENTS: u64 = 6;
const BATCH_EVENTS_MAX: u64 = 24;
const BUSY_WAIT_MS: u64 = 20;
const LOST_WAIT_MS: u64 = 200;

/// Running clients.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Load {
    pub(crate) fn start(client: &Client, ledger: &Arc<Mutex<Ledger>>, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for number in 0..CLIENTS {
            let random = Random::new(seed ^ (number << 32));
            tasks.spawn(send(client.clone(), ledger.clone(), stop.clone(), random));
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
        let repeated = random.one_in(20).then(|| ledger.lock().an_acked_batch(random.next())).flatten();
        let lost = match repeated {
            Some(batch) => repeat(&client, &ledger, batch).await,
            None => {
                let batch = ledger.lock().begin(1 + random.below(BATCH_EVENTS_MAX));
                deliver(&client, &ledger, batch).await
            }
        };
        if lost {
            // The server failed or is gone: do not fill the ledger with what cannot arrive.
            tokio::time::sleep(Duration::from_millis(LOST_WAIT_MS)).await;
        }
    }
}

/// Sends a batch whose fate is open and writes down the answer; true where there was none.
pub(crate) async fn deliver(client: &Client, ledger: &Mutex<Ledger>, batch: Batch) -> bool {
    let answer = client.ingest(lines(ledger, batch)).await;
    let mut ledger = ledger.lock();
    match answer {
        Answer::Acked { accepted, duplicates, rejected } => {
            ledger.answered(batch.first, State::Acked);
            ledger.totals.duplicates_dropped += duplicates;
            if rejected > 0 || accepted + duplicates != batch.count {
                ledger.violation(format!(
                    "batch {} of {} events was answered with {accepted} accepted, {duplicates} duplicates, {rejected} rejected",
                    batch.first, batch.count
                ));
            }
            false
        }
        Answer::Refused(why) => {
            ledger.answered(batch.first, State::Refused);
            ledger.violation(format!("batch {} is sound and was refused: {why}", batch.first));
            true
        }
        Answer::Unknown(_) => {
            ledger.answered(batch.first, State::Unknown);
            true
        }
    }
}

async fn repeat(client: &Client, ledger: &Mutex<Ledger>, batch: Batch) -> bool {
    let answer = client.ingest(lines(ledger, batch)).await;
    match answer {
        Answer::Acked { accepted, duplicates, .. } => {
            let mut ledger = ledger.lock();
            ledger.totals.duplicates_dropped += duplicates;
            if accepted != 0 || duplicates != batch.count {
                ledger.violation(format!(
                    "batch {} of {} events was repeated and {accepted} were accepted, {duplicates} named as duplicates",
                    batch.first, batch.count
                ));
            }
            false
        }
        Answer::Refused(_) | Answer::Unknown(_) => true,
    }
}

fn lines(ledger: &Mutex<Ledger>, batch: Batch) -> String {
    let events = ledger.lock().events.clone();
    let mut body = String::new();
    for number in batch.numbers() {
        body.push_str(&events.line(number));
        body.push('\n');
    }
    body
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
