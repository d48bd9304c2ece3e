//! A sender that waits for each answer before it takes the next batch.

use std::sync::Arc;
use std::time::Instant;

use super::channel::{Outcome, Sender};
use super::encode::{Encoder, Scratch};
use super::schedule::{Recorder, Schedule};

const ATTEMPTS_MAX: u32 = 200;

pub(super) async fn run(sender: Sender, schedule: Arc<Schedule>, encoder: Arc<Encoder>) -> Recorder {
    let (mut recorder, mut scratch) = (Recorder::default(), Scratch::default());
    while let Some(mut job) = schedule.take() {
        // A batch is encoded ahead of its time, so that it goes out on time.
        let body = encoder.encode(&job, &mut scratch);
        tokio::time::sleep_until(job.due.into()).await;
        let intended = job.intended.unwrap_or_else(Instant::now);
        loop {
            recorder.wire_bytes += body.len() as u64;
            match sender.send(body.clone(), job.events.end - job.events.start).await {
                Outcome::Stored(counts) => recorder.stored(intended, counts),
                Outcome::Refused(after, reason) if job.refused < ATTEMPTS_MAX => {
                    job.refused += 1;
                    recorder.refused(reason);
                    tokio::time::sleep(after).await;
                    continue;
                }
                Outcome::Refused(_, reason) | Outcome::Failed(reason) => recorder.failed(reason),
            }
            break;
        }
    }
    recorder
}
