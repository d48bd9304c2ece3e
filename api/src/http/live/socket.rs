//! One socket from its first word to its last.
//!
//! It begins behind its cursor by reading the feed itself, and takes part in the hub's once it has come as far; a pause is the same
//! again. It ends with its client, after two pings without an answer, with the server, or with the caller's right: within five
//! seconds where this server took it, else within `live.check_interval_ms`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use parking_lot::Mutex;
use tephra_storage::{Feed, FeedRead, ProjectId, Store};
use tokio::time::Instant;

use super::Kinds;
use super::cursor::Cursor;
use super::filter::{Filter, is_of, projects_of};
use super::hub::{Member, Membership};
use super::message::{Heard, Said};
use super::queue::{Queue, Text};
use super::render::{self, Rendered};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::Verb;
use crate::server::Peer;
use crate::state::State;

/// However often rights change, one socket's is looked at no more often than this.
const CHECKS_APART: Duration = Duration::from_secs(5);
/// No interval is shorter.
const INTERVAL_MIN: Duration = Duration::from_millis(10);
/// Pings without an answer.
const UNANSWERED_MAX: u32 = 2;
/// A client that takes nothing for so long is gone.
const SEND_MAX: Duration = Duration::from_secs(30);
/// Events that are read at once while it catches up.
const ROWS: usize = 4096;

/// A socket that is to be opened.
pub(super) struct Socket {
    pub(super) state: State,
    pub(super) caller: Caller,
    pub(super) store: Store,
    pub(super) projects: Vec<ProjectId>,
    pub(super) kinds: Kinds,
    pub(super) filter: Filter,
    pub(super) cursor: Option<Cursor>,
    pub(super) _peer: Peer,
}

/// Why a socket ends.
enum End {
    /// The client has gone, or takes nothing.
    Gone,
    /// What the client is told.
    Told(u16, String),
}

type Ends<T> = std::result::Result<T, End>;

impl Socket {
    /// Serves the socket to its end.
    pub(super) async fn run(self, wire: WebSocket) {
        let (sink, stream) = wire.split();
        let feed = self.store.feed();
        let member = Member {
            projects: self.projects.clone(),
            kinds: self.kinds,
            filter: Mutex::new(Arc::new(self.filter.clone())),
            aside: AtomicBool::new(true),
            after: AtomicU64::new(0),
            queue: Queue::default(),
        };
        let (membership, position) = self.state.live.join(member, &feed);
        let node = self.store.node_id().to_owned();
        let now = Cursor::behind(&node, position);
        let mut open = Open { socket: self, feed, node, membership, sink, place: Some(now), paused: false };
        if let Err(End::Told(code, reason)) = open.serve(stream).await {
            let frame = CloseFrame { code, reason: reason.into() };
            // The client may be gone already.
            let _ = tokio::time::timeout(SEND_MAX, open.sink.send(Message::Close(Some(frame)))).await;
        }
    }
}

/// An open socket.
struct Open {
    socket: Socket,
    feed: Feed,
    node: String,
    membership: Membership,
    sink: SplitSink<WebSocket, Message>,
    /// Up to where it has seen the feed, while it reads it by itself.
    place: Option<Cursor>,
    paused: bool,
}

impl Open {
    async fn serve(&mut self, mut stream: SplitStream<WebSocket>) -> Ends<()> {
        self.begin().await?;
        let member = self.membership.member.clone();
        let stopping = self.socket.state.stopping.clone();
        let every = |ms: u64| Duration::from_millis(ms).max(INTERVAL_MIN);
        let settings = self.socket.state.settings.live;
        let (ping, check) = (every(settings.ping_interval_ms), every(settings.check_interval_ms));
        let mut pings = tokio::time::interval_at(Instant::now() + ping, ping);
        pings.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut rights = self.socket.state.access.known.changes();
        let (mut checked, mut check_at) = (Instant::now(), Instant::now() + check);
        let mut unanswered = 0;
        loop {
            let reading = self.place.clone().filter(|_| !self.paused && self.socket.kinds.events);
            tokio::select! {
                () = stopping.cancelled() => {
                    return Err(End::Told(close_code::AWAY, "the server is stopping: come back with your cursor".to_owned()));
                }
                heard = stream.next() => match heard {
                    Some(Ok(Message::Text(text))) => self.hear(&text).await?,
                    Some(Ok(Message::Pong(_))) => unanswered = 0,
                    Some(Ok(Message::Ping(_))) => {}
                    Some(Ok(Message::Binary(_))) => {
                        return Err(End::Told(close_code::UNSUPPORTED, "texts only".to_owned()));
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(End::Gone),
                },
                (texts, lost) = member.queue.take() => {
                    for text in texts {
                        self.say(text).await?;
                    }
                    if !lost.is_nothing() {
                        metrics::counter!("tephra_live_dropped_total").increment(lost.events + lost.issues);
                        self.say(Said::lost(&lost)).await?;
                    }
                }
                read = read(&self.feed, reading.as_ref(), &member), if reading.is_some() => {
                    self.catch_up(read.map_err(|answer| internal(&answer))?).await?;
                }
                _ = pings.tick() => {
                    if unanswered >= UNANSWERED_MAX {
                        return Err(End::Gone);
                    }
                    unanswered += 1;
                    self.send(Message::Ping(Default::default())).await?;
                    self.say(Said::Ping.text()).await?;
                }
                _ = rights.changed() => check_at = check_at.min(checked + CHECKS_APART),
                () = tokio::time::sleep_until(check_at) => {
                    self.still_allowed().await?;
                    (checked, check_at) = (Instant::now(), Instant::now() + check);
                }
            }
        }
    }

    /// Says hello, and where events are missing behind the client's cursor.
    async fn begin(&mut self) -> Ends<()> {
        let Some(given) = self.socket.cursor.take() else {
            let now = self.place.as_ref().map(Cursor::text).unwrap_or_default();
            return self.say(Said::Hello { cursor: &now }.text()).await;
        };
        let text = given.text();
        self.say(Said::Hello { cursor: &text }.text()).await?;
        if given.node == self.node && given.sequence <= self.feed.latest() {
            self.place = Some(given);
            return Ok(());
        }
        // Another node's, or of a data directory that is no more.
        let now = self.place.as_ref().map(Cursor::text).unwrap_or_default();
        self.say(Said::Gap { from: &text, to: &now }.text()).await
    }

    /// Sends what was read, and joins the others where it has come as far.
    async fn catch_up(&mut self, read: FeedRead) -> Ends<()> {
        let Some(place) = self.place.clone() else { return Ok(()) };
        if let Some((_, last)) = read.missed {
            let to = Cursor::behind(&self.node, last).text();
            self.say(Said::Gap { from: &place.text(), to: &to }.text()).await?;
        }
        let node = self.node.clone();
        let filter = self.membership.member.filter.lock().clone();
        for batch in &read.batches {
            let first = place.first_row(batch.sequence);
            let projects = projects_of(&batch.batch);
            let rows = filter.rows(&batch.batch).map_err(|answer| internal(&answer))?;
            let texts: Vec<Text> = {
                let mut rendered = Rendered::new(&batch.batch, &node, batch.sequence);
                let wanted = rows.into_iter().filter(|row| *row as usize >= first);
                let wanted = wanted.filter(|row| is_of(&self.socket.projects, projects.get(*row as usize)));
                wanted.map(|row| rendered.text(row)).collect()
            };
            for text in texts {
                self.say(text).await?;
            }
            self.place = Some(Cursor::behind(&node, batch.sequence));
        }
        self.place = Some(Cursor::behind(&node, read.through));
        if self.socket.state.live.rejoin(&self.membership.member, read.through) {
            self.place = None;
        }
        Ok(())
    }

    async fn hear(&mut self, text: &Utf8Bytes) -> Ends<()> {
        let heard: Heard = match serde_json::from_str(text) {
            Ok(heard) => heard,
            Err(error) => return self.say(Said::Error { message: &error.to_string(), position: None }.text()).await,
        };
        if let Some(query) = heard.query {
            match Filter::new(&query, self.socket.state.clock.now_us()) {
                Ok(filter) => {
                    // What the others' reader has read for it may lack columns that the new search asks for.
                    self.step_aside();
                    *self.membership.member.filter.lock() = Arc::new(filter);
                }
                Err(answer) => {
                    let position = answer.position.map(|position| position.1);
                    self.say(Said::Error { message: &answer.message, position }.text()).await?;
                }
            }
        }
        match heard.pause {
            Some(true) if !self.paused => {
                self.paused = true;
                self.step_aside();
            }
            Some(pause) => self.paused = pause,
            None => {}
        }
        Ok(())
    }

    /// Goes on reading by itself, from where it has come.
    fn step_aside(&mut self) {
        if self.place.is_none() {
            let position = self.socket.state.live.put_aside(&self.membership.member);
            self.place = Some(Cursor::behind(&self.node, position));
        }
    }

    /// Ends the socket where its caller may not see all its projects any more.
    async fn still_allowed(&self) -> Ends<()> {
        let Socket { caller, state, projects, .. } = &self.socket;
        let allowed = match caller.renewed(state).await {
            Ok(caller) => {
                let reached = caller.projects(Verb::EventRead);
                projects.iter().all(|project| reached.contains(project))
            }
            // The database is out of reach for the moment: what was right a moment ago is right.
            Err(answer) if answer.kind == Kind::Busy => true,
            Err(_) => false,
        };
        if allowed {
            Ok(())
        } else {
            Err(End::Told(close_code::POLICY, "you may not follow these events any more".to_owned()))
        }
    }

    async fn say(&mut self, text: Text) -> Ends<()> {
        self.send(Message::Text(Utf8Bytes::from(&*text))).await
    }

    async fn send(&mut self, message: Message) -> Ends<()> {
        match tokio::time::timeout(SEND_MAX, self.sink.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }
}

async fn read(feed: &Feed, place: Option<&Cursor>, member: &Arc<Member>) -> Result<FeedRead> {
    let Some(place) = place else { return std::future::pending().await };
    let mut columns: BTreeSet<usize> = render::columns().iter().copied().collect();
    columns.extend(member.filter.lock().columns());
    let (feed, after) = (feed.clone(), place.whole());
    let columns: Vec<usize> = columns.into_iter().collect();
    let read = tokio::task::spawn_blocking(move || feed.read_after(after, ROWS, &columns)).await;
    Ok(read.map_err(|error| Answer::new(Kind::Internal, error.to_string()))??)
}

fn internal(answer: &Answer) -> End {
    tracing::error!(error = %answer, "could not read the feed for a socket of the live view");
    End::Told(close_code::ERROR, "the feed could not be read".to_owned())
}
