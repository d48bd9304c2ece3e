//! The one reader of the feed for all sockets: each new batch is read once, and searched once for each different search.
//!
//! Without sockets it reads nothing. What a socket wants goes into its queue while there is room; whether the socket is quick or
//! slow makes no difference to anybody else.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tephra_storage::issues::{IssueChange, What};
use tephra_storage::{Feed, FeedBatch, ProjectId, Store};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use super::Kinds;
use super::filter::{Filter, is_of, projects_of};
use super::message::{Count, Said};
use super::queue::{Queue, Text};
use super::render::{self, Rendered};
use crate::answer::{Answer, Kind, Result};

/// Events that are read at once.
const ROWS: usize = 16_384;
/// Batches of single events are looked at together.
const GATHER: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);
/// Issues of a project of which it is told in one round that they were counted.
const COUNTED_MAX: usize = 100;

/// All open sockets.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    state: Mutex<Inner>,
    joined: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    members: Vec<Arc<Member>>,
    /// Up to where the feed was read for the members.
    position: u64,
    /// Events since the counters were last told.
    counts: BTreeMap<ProjectId, u64>,
}

/// One socket as the hub sees it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) projects: Vec<ProjectId>,
    pub(super) kinds: Kinds,
    pub(super) filter: Mutex<Arc<Filter>>,
    /// No events go to its queue: it is paused, or reads the feed by itself.
    pub(super) aside: AtomicBool,
    /// Batches up to this one it has read by itself.
    pub(super) after: AtomicU64,
    pub(super) queue: Queue,
}

/// A member's place in the hub; leaving it is dropping it.
#[derive(Debug)]
pub(super) struct Membership {
    hub: Arc<Hub>,
    pub(super) member: Arc<Member>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut state = self.hub.state.lock();
        state.members.retain(|member| !Arc::ptr_eq(member, &self.member));
        metrics::gauge!("tephra_live_sockets").set(state.members.len() as f64);
    }
}

impl Hub {
    /// Adds a socket. Returns the batch behind which its queue begins.
    pub(super) fn join(self: &Arc<Self>, member: Member, feed: &Feed) -> (Membership, u64) {
        let member = Arc::new(member);
        let mut state = self.state.lock();
        if state.members.is_empty() {
            state.position = feed.latest().max(state.position);
        }
        state.members.push(member.clone());
        metrics::gauge!("tephra_live_sockets").set(state.members.len() as f64);
        let position = state.position;
        drop(state);
        self.joined.notify_one();
        (Membership { hub: self.clone(), member }, position)
    }

    /// Lets a member that read the feed up to `position` by itself take part, if it has come as far as the others. Returns
    /// whether it has; else it is to read on.
    pub(super) fn rejoin(&self, member: &Member, position: u64) -> bool {
        let state = self.state.lock();
        let caught_up = state.position <= position;
        if caught_up {
            member.after.store(position, Ordering::Relaxed);
            member.aside.store(false, Ordering::Relaxed);
        }
        caught_up
    }

    /// Puts a member aside. Returns the last batch that went to its queue.
    pub(super) fn put_aside(&self, member: &Member) -> u64 {
        let state = self.state.lock();
        member.aside.store(true, Ordering::Relaxed);
        state.position.max(member.after.load(Ordering::Relaxed))
    }

    /// Follows feed and issues until `stop`.
    pub(crate) async fn run(
        self: Arc<Self>,
        store: Store,
        changes: broadcast::Receiver<IssueChange>,
        stop: CancellationToken,
    ) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.follow(&store) => {}
            () = self.tell_issues(changes) => {}
            () = self.tell_counters() => {}
        }
    }

    async fn follow(self: &Arc<Self>, store: &Store) {
        let mut feed = store.feed();
        loop {
            let idle = self.state.lock().members.is_empty();
            if idle {
                self.joined.notified().await;
                continue;
            }
            let (hub, reader, node) = (self.clone(), feed.clone(), store.node_id().to_owned());
            let read = tokio::task::spawn_blocking(move || hub.read(&reader, &node)).await;
            match read.map_err(|error| Answer::new(Kind::Internal, error.to_string())) {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => {
                    feed.changed().await;
                    tokio::time::sleep(GATHER).await;
                }
                Ok(Err(error)) | Err(error) => {
                    tracing::error!(%error, "could not read the feed for the live view");
                    tokio::time::sleep(SECOND).await;
                }
            }
        }
    }

    /// Reads what is next and hands it out. Returns whether there was anything.
    fn read(&self, feed: &Feed, node: &str) -> Result<bool> {
        let (position, members) = {
            let state = self.state.lock();
            (state.position, state.members.clone())
        };
        let mut columns: BTreeSet<usize> = render::columns().iter().copied().collect();
        members.iter().for_each(|member| columns.extend(member.filter.lock().columns()));
        let columns: Vec<usize> = columns.into_iter().collect();
        let read = feed.read_after(position, ROWS, &columns)?;
        for batch in &read.batches {
            // Whoever joins from here on reads this batch by itself, or begins behind it.
            let members = {
                let mut state = self.state.lock();
                if batch.sequence <= state.position {
                    continue;
                }
                state.position = batch.sequence;
                for project in projects_of(&batch.batch) {
                    *state.counts.entry(ProjectId(*project)).or_default() += 1;
                }
                let taking = state.members.iter().filter(|member| !member.aside.load(Ordering::Relaxed));
                let taking = taking.filter(|member| member.after.load(Ordering::Relaxed) < batch.sequence);
                taking.filter(|member| member.kinds.events).cloned().collect::<Vec<_>>()
            };
            hand_out(batch, node, &columns, &members);
        }
        let mut state = self.state.lock();
        state.position = read.through.max(state.position);
        Ok(read.through > position)
    }

    async fn tell_issues(&self, mut changes: broadcast::Receiver<IssueChange>) {
        loop {
            let (mut round, mut missed) = (Vec::new(), 0);
            match changes.recv().await {
                Ok(change) => round.push(change),
                Err(RecvError::Lagged(more)) => missed += more,
                Err(RecvError::Closed) => return,
            }
            tokio::time::sleep(GATHER).await;
            loop {
                match changes.try_recv() {
                    Ok(change) => round.push(change),
                    Err(broadcast::error::TryRecvError::Lagged(more)) => missed += more,
                    Err(_) => break,
                }
            }
            let members = self.state.lock().members.clone();
            if members.iter().any(|member| member.kinds.issues) {
                tell_round(&members, round, missed);
            }
        }
    }

    async fn tell_counters(&self) {
        let mut ticks = tokio::time::interval(SECOND);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut told, mut since) = (false, Instant::now());
        loop {
            ticks.tick().await;
            let (counts, members) = {
                let mut state = self.state.lock();
                (std::mem::take(&mut state.counts), state.members.clone())
            };
            let seconds = since.elapsed().as_secs().max(1);
            since = Instant::now();
            // That it is quiet is told once.
            if counts.is_empty() && !std::mem::replace(&mut told, !counts.is_empty()) {
                continue;
            }
            told = !counts.is_empty();
            for member in members.iter().filter(|member| member.kinds.counters && member.queue.room() > 0) {
                let own = |project: &ProjectId| {
                    counts.get(project).map(|events| Count { project_id: *project, events: *events })
                };
                let projects: Vec<Count> = member.projects.iter().filter_map(own).collect();
                member.queue.push([Said::Counters { seconds, projects: &projects }.text()]);
            }
        }
    }
}

/// Hands a batch to those who want some of it.
fn hand_out(batch: &FeedBatch, node: &str, columns: &[usize], members: &[Arc<Member>]) {
    let mut rendered = Rendered::new(&batch.batch, node, batch.sequence);
    let mut found: HashMap<Arc<str>, Vec<u32>> = HashMap::new();
    let projects = projects_of(&batch.batch);
    for member in members {
        let filter = member.filter.lock().clone();
        // A search that was changed after the batch was read: it holds for the next one.
        if !filter.columns().iter().all(|column| columns.binary_search(column).is_ok()) {
            continue;
        }
        let rows = found.entry(filter.text.clone()).or_insert_with(|| {
            filter.rows(&batch.batch).unwrap_or_else(|error| {
                tracing::error!(%error, search = &*filter.text, "could not search a batch for the live view");
                Vec::new()
            })
        });
        let wanted = rows.iter().copied().filter(|row| is_of(&member.projects, projects.get(*row as usize)));
        deliver(&member.queue, wanted, &mut rendered);
    }
}

fn deliver(queue: &Queue, mut wanted: impl Iterator<Item = u32>, rendered: &mut Rendered<'_>) {
    let room = queue.room();
    let texts: Vec<Text> = wanted.by_ref().take(room).map(|row| rendered.text(row)).collect();
    if !texts.is_empty() {
        queue.push(texts);
    }
    if let Some(first) = wanted.next() {
        let (mut last, mut events) = (first, 1);
        for row in wanted {
            (last, events) = (row, events + 1);
        }
        queue.lose(events, 0, Some((rendered.before(first), rendered.behind(last))));
    }
}

fn tell_round(members: &[Arc<Member>], mut round: Vec<IssueChange>, missed: u64) {
    let weight = |change: &IssueChange| match change.what {
        What::Counted { events } => events,
        _ => i64::MAX,
    };
    round.sort_by_key(|change| std::cmp::Reverse(weight(change)));
    let mut counted: HashMap<ProjectId, usize> = HashMap::new();
    round.retain(|change| {
        let so_far = counted.entry(change.project).or_default();
        *so_far += usize::from(matches!(change.what, What::Counted { .. }));
        !matches!(change.what, What::Counted { .. }) || *so_far <= COUNTED_MAX
    });
    let texts: Vec<(ProjectId, Text)> = round.iter().map(|change| (change.project, Said::issue(change))).collect();
    for member in members.iter().filter(|member| member.kinds.issues) {
        let own: Vec<Text> = texts
            .iter()
            .filter(|(project, _)| member.projects.binary_search(project).is_ok())
            .map(|(_, text)| text.clone())
            .collect();
        let room = member.queue.room().min(own.len());
        let lost = (own.len() - room) as u64 + missed;
        if room > 0 {
            member.queue.push(own.into_iter().take(room));
        }
        if lost > 0 {
            member.queue.lose(0, lost, None);
        }
    }
}
