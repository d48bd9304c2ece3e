//! A sender that keeps several batches under way on one `AppendStream`.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::channel::{AppendResponse, Outcome, Rpc, outcome};
use super::encode::{Encoder, Scratch};
use super::schedule::{Job, Recorder, Schedule};

const ATTEMPTS_MAX: u32 = 200;
const RECONNECT_AFTER: Duration = Duration::from_millis(200);

pub(super) async fn run(rpc: Rpc, schedule: Arc<Schedule>, encoder: Arc<Encoder>, in_flight: usize) -> Recorder {
    let mut window = Window {
        schedule,
        encoder,
        in_flight,
        recorder: Recorder::default(),
        scratch: Scratch::default(),
        waiting: VecDeque::new(),
        pending: HashMap::new(),
    };
    while window.is_open() {
        let (requests, receiver) = mpsc::channel(in_flight);
        // The first batches go ahead of the stream: a server may answer with headers only when it has something to read.
        window.fill(&requests).await;
        let answers = match rpc.stream(ReceiverStream::new(receiver)).await {
            Ok(answers) => answers,
            Err(status) => {
                window.lost(&outcome(&status)).await;
                continue;
            }
        };
        if let Err(broken) = window.serve(&requests, answers).await {
            window.lost(&broken).await;
        }
    }
    window.recorder
}

/// The batches of one stream that wait to go out, and those that wait for their answer.
struct Window {
    schedule: Arc<Schedule>,
    encoder: Arc<Encoder>,
    in_flight: usize,
    recorder: Recorder,
    scratch: Scratch,
    waiting: VecDeque<Job>,
    pending: HashMap<u64, Job>,
}

impl Window {
    /// Whether there is anything left to send or to hear of.
    fn is_open(&mut self) -> bool {
        if self.waiting.is_empty() && self.pending.is_empty() {
            self.waiting.extend(self.schedule.take());
        }
        !(self.waiting.is_empty() && self.pending.is_empty())
    }

    /// Sends what is due and fits. Returns when the next batch is due.
    async fn fill(&mut self, requests: &mpsc::Sender<Bytes>) -> Option<Instant> {
        while self.pending.len() < self.in_flight {
            if self.waiting.is_empty() {
                self.waiting.extend(self.schedule.take());
            }
            let mut job = self.waiting.pop_front()?;
            if job.due > Instant::now() {
                let due = job.due;
                self.waiting.push_front(job);
                return Some(due);
            }
            let body = self.encoder.encode(&job, &mut self.scratch);
            self.recorder.wire_bytes += body.len() as u64;
            job.intended.get_or_insert_with(Instant::now);
            self.pending.insert(job.batch, job);
            // A stream that is gone shows at its answers.
            if requests.send(body).await.is_err() {
                return None;
            }
        }
        None
    }

    /// Until everything is answered, or the stream breaks.
    async fn serve(
        &mut self,
        requests: &mpsc::Sender<Bytes>,
        mut answers: tonic::Streaming<AppendResponse>,
    ) -> Result<(), Outcome> {
        loop {
            let due = self.fill(requests).await;
            if !self.is_open() {
                return Ok(());
            }
            let wake = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into());
            tokio::select! {
                answer = answers.message() => match answer {
                    Ok(Some(answer)) => self.answered(&answer),
                    Ok(None) => return Err(Outcome::Refused(RECONNECT_AFTER, "the server ended the stream".to_owned())),
                    Err(status) => return Err(outcome(&status)),
                },
                () = wake, if due.is_some() => {}
            }
        }
    }

    fn answered(&mut self, answer: &AppendResponse) {
        let Some(mut job) = self.pending.remove(&answer.batch_id) else {
            return self.recorder.failed(format!("an answer for batch {}, which was not sent", answer.batch_id));
        };
        let intended = job.intended.unwrap_or(job.due);
        match answer.outcome() {
            Outcome::Stored(counts) => self.recorder.stored(intended, counts),
            Outcome::Refused(after, reason) if job.refused < ATTEMPTS_MAX => {
                job.refused += 1;
                job.due = Instant::now() + after;
                self.recorder.refused(reason);
                self.waiting.push_front(job);
            }
            Outcome::Refused(_, reason) | Outcome::Failed(reason) => self.recorder.failed(reason),
        }
    }

    /// The stream broke: what was not answered goes out again, or is given up where that cannot help.
    async fn lost(&mut self, broken: &Outcome) {
        for (_, mut job) in self.pending.drain() {
            job.refused += 1;
            match broken {
                Outcome::Refused(_, reason) if job.refused < ATTEMPTS_MAX => {
                    self.recorder.refused(reason.clone());
                    self.waiting.push_front(job);
                }
                Outcome::Refused(_, reason) | Outcome::Failed(reason) => self.recorder.failed(reason.clone()),
                Outcome::Stored(_) => {}
            }
        }
        tokio::time::sleep(RECONNECT_AFTER).await;
    }
}
