//! The one writer of the hot tier: takes whatever requests wait, writes them as one batch, syncs once, answers all.
//!
//! While one group syncs, the next one gathers (natural group commit), so a thousand single-event requests cost one
//! fsync and an idle server adds no delay.
//!
//! Order is everything here: ids and events in one atomic write, the sync, publication to readers, the answers. A crash
//! before the sync loses only what nobody was told; a crash after it loses only answers, and the retry is recognised by
//! its ids. After a failed write nothing is acknowledged: a full disk is tried again, any other failure closes the
//! store until it is reopened, because a failed sync says nothing about what reached the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hashbrown::HashSet;
use parking_lot::Mutex;
use rocksdb::WriteBatch;

use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint;
use crate::hot::codec;
use crate::hot::columns::Columns;
use crate::hot::db::{BATCHES, Db, META_SKIPPED};
use crate::hot::dedup::{Dedup, REQUEST_WINDOW_S, event_key, request_key};
use crate::hot::queue::{Appended, Gather, Pending, Queue};
use crate::hot::segment::HotSegment;
use crate::tiers::Tiers;

/// How long the appender sleeps where nothing arrives.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the next group gathers while many clients send at once, unless as many requests as the last one had are there
/// before: a sync costs as much for one event as for a hundred.
const GATHER: Duration = Duration::from_millis(2);
/// So many requests in the last group are many clients.
const GATHER_REQUESTS: usize = 4;

/// The writer; `run` is its thread.
pub(crate) struct Appender {
    pub(crate) db: Arc<Db>,
    pub(crate) tiers: Arc<Tiers>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) dedup: Arc<Dedup>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) health: Arc<Health>,
    pub(crate) group_bytes_max: usize,
    /// The last sequence number that was given out.
    pub(crate) sequence: u64,
    /// Numbers given out to groups whose write failed: told to recovery with the next write.
    pub(crate) skipped: Vec<u64>,
}

/// What the appender tells the rest of the store.
#[derive(Default)]
pub(crate) struct Health {
    /// The last sequence number that was acknowledged.
    pub(crate) acknowledged: AtomicU64,
    /// Why the store is closed for writing, once it is.
    pub(crate) closed: Mutex<Option<String>>,
}

impl Appender {
    /// Writes groups until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let mut forgotten = Instant::now();
        let mut gather = None;
        while let Some(group) = self.queue.take(self.group_bytes_max, PATIENCE, gather) {
            let requests = group.len();
            if !group.is_empty() {
                self.group(group);
            }
            gather = (requests >= GATHER_REQUESTS).then(|| Gather { until: Instant::now() + GATHER, requests });
            if forgotten.elapsed() >= PATIENCE {
                self.dedup.forget(&self.db, self.now_s());
                forgotten = Instant::now();
            }
        }
    }

    fn group(&mut self, group: Vec<Pending>) {
        metrics::histogram!("tephra_append_group_requests").record(group.len() as f64);
        match self.write(&group) {
            Ok(answers) => group.into_iter().zip(answers).for_each(|(pending, answer)| {
                // A request whose client has gone needs no answer.
                let _ = pending.reply.send(Ok(answer));
            }),
            Err(error) => {
                metrics::counter!("tephra_append_failures_total").increment(1);
                tracing::error!(%error, requests = group.len(), "could not write a group of appends");
                for pending in group {
                    let _ = pending.reply.send(Err(Error::new(error.kind(), error.to_string())));
                }
            }
        }
    }

    fn write(&mut self, group: &[Pending]) -> Result<Vec<Appended>> {
        if let Some(reason) = self.health.closed.lock().clone() {
            return Err(Error::busy(reason));
        }
        let now_s = self.now_s();
        let (mut batch, mut answers) = (WriteBatch::default(), Vec::with_capacity(group.len()));
        let rows = group.iter().map(|pending| pending.append.events.len()).sum();
        let mut columns = Columns::new(rows);
        let mut known = HashSet::new();
        for pending in group {
            answers.push(self.lay_down(pending, now_s, &mut known, &mut columns, &mut batch)?);
        }
        let requests = u32::try_from(group.len()).unwrap_or(u32::MAX);
        answers.iter_mut().for_each(|answer| answer.group_requests = requests);
        if columns.rows() == 0 {
            return Ok(answers);
        }

        let rows = columns.rows();
        let record_batch = columns.finish()?;
        let value = codec::encode(&record_batch)?;
        self.sequence += 1;
        let sequence = self.sequence;
        batch.put_cf(self.db.family(BATCHES), sequence.to_be_bytes(), &value);
        for skipped in &self.skipped {
            batch.put([META_SKIPPED, &skipped.to_be_bytes()].concat(), []);
        }
        self.skipped.push(sequence);
        failpoint::hit("append.before_write")?;
        let began = Instant::now();
        self.db.write(batch).map_err(|error| self.failed(error))?;
        metrics::histogram!("tephra_append_sync_seconds").record(began.elapsed().as_secs_f64());
        self.skipped.clear();
        // From here on the group is durable: an error below must not be told as a refusal.
        self.durable("append.after_write")?;
        let segment = HotSegment::new(self.db.clone(), sequence, record_batch, &self.tiers.stacks())
            .map_err(|error| self.close(&error.to_string()))?;
        self.durable("append.after_sync")?;
        self.tiers.publish(segment).map_err(|error| self.close(&error.to_string()))?;
        self.health.acknowledged.store(sequence, Ordering::Release);
        self.durable("append.after_publish")?;

        metrics::histogram!("tephra_append_group_events").record(rows as f64);
        metrics::counter!("tephra_append_events_total").increment(rows as u64);
        metrics::counter!("tephra_append_bytes_total").increment(value.len() as u64);
        answers.iter_mut().for_each(|answer| answer.sequence = sequence);
        Ok(answers)
    }

    /// Adds one request's new events to the columns and their ids to the write.
    fn lay_down(
        &self,
        pending: &Pending,
        now_s: u32,
        known: &mut HashSet<[u8; 16]>,
        columns: &mut Columns,
        batch: &mut WriteBatch,
    ) -> Result<Appended> {
        let append = &pending.append;
        let mut answer = Appended { accepted: 0, duplicates: Vec::new(), group_requests: 0, sequence: 0 };
        if let Some(hash) = append.request_hash {
            let key = request_key(append.project_id, hash);
            if self.dedup.seen(&self.db, &[(key, REQUEST_WINDOW_S)], now_s, known)?[0] {
                answer.duplicates = (0..append.events.len() as u32).collect();
                return Ok(answer);
            }
            Dedup::remember(&self.db, batch, &key, now_s);
        }
        let with_ids: Vec<(usize, [u8; 16])> = append
            .events
            .iter()
            .enumerate()
            .filter_map(|(index, event)| event.event_id.map(|id| (index, event_key(append.project_id, &id))))
            .collect();
        let keys: Vec<_> = with_ids.iter().map(|(_, key)| (*key, self.dedup.window_s())).collect();
        let seen = self.dedup.seen(&self.db, &keys, now_s, known)?;
        for ((index, key), seen) in with_ids.iter().zip(seen) {
            if seen {
                answer.duplicates.push(*index as u32);
            } else {
                Dedup::remember(&self.db, batch, key, now_s);
            }
        }
        let mut duplicates = answer.duplicates.iter().copied().peekable();
        for (index, event) in append.events.iter().enumerate() {
            if duplicates.next_if_eq(&(index as u32)).is_some() {
                continue;
            }
            let event_id = event.event_id.unwrap_or_else(|| *uuid::Uuid::now_v7().as_bytes());
            columns.push(append.project_id, &event_id, event)?;
            answer.accepted += 1;
        }
        Ok(answer)
    }

    /// What a failed write means for the store.
    fn failed(&self, error: rocksdb::Error) -> Error {
        let text = error.to_string();
        if text.contains("No space left") || text.contains("NoSpace") || text.contains("ENOSPC") {
            return Error::busy(format!("the disk of the hot tier is full: {text}"));
        }
        self.close(&text)
    }

    fn close(&self, reason: &str) -> Error {
        let reason = format!("the hot tier is closed for writing until a restart: {reason}");
        tracing::error!(reason, "closed the hot tier for writing");
        self.health.closed.lock().get_or_insert_with(|| reason.clone());
        Error::new(ErrorKind::Busy, reason)
    }

    fn durable(&self, point: &str) -> Result<()> {
        failpoint::hit(point).map_err(|error| self.close(&error.to_string()))
    }

    fn now_s(&self) -> u32 {
        u32::try_from(self.clock.now_us() / 1_000_000).unwrap_or(0)
    }
}
