//! `GET /api/v1/live`: new events, changes of issues and counters over a WebSocket, as they come.
//!
//! One reader follows the change feed for all sockets (`hub`), each socket has a bounded queue and a task that empties it
//! (`socket`). A reader that is too slow loses the newest and is told how many; one that comes back with a cursor reads the feed
//! from there, and is told where batches are gone. Nothing here can hold up an append.

#![allow(unused_qualifications, reason = "utoipa writes them for types of parameters")]

mod cursor;
mod filter;
mod hub;
mod message;
mod queue;
mod render;
mod socket;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, State as Extract};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::rest::{Asks, ProjectNames, QueryOf};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::Verb;
use crate::server::Peer;
use crate::state::State;
use cursor::Cursor;
use filter::Filter;
pub(crate) use hub::Hub;
use socket::Socket;

/// A socket's buffers: most are idle most of the time.
const READ_BYTES: usize = 2 << 10;
const WRITE_BYTES_MAX: usize = 256 << 10;
/// What a client may say at once.
const MESSAGE_BYTES_MAX: usize = 32 << 10;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(live))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LiveQuery {
    /// Which events: a search as everywhere, `level:error environment:prod timeout`.
    query: Option<String>,
    /// Projects parted by commas, by number or slug; all that the caller reaches where it is absent.
    #[param(value_type = Option<String>)]
    project: Option<ProjectNames>,
    /// Where to go on: the last `cursor` that was received. Without it the socket begins with what comes next.
    cursor: Option<String>,
    /// What to tell, parted by commas: `events`, `issues`, `counters`. Events alone where it is absent.
    kinds: Option<String>,
}

/// What a socket tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Kinds {
    events: bool,
    issues: bool,
    counters: bool,
}

impl Kinds {
    fn parse(text: Option<&str>) -> Result<Self> {
        let Some(text) = text else { return Ok(Self { events: true, ..Self::default() }) };
        let mut kinds = Self::default();
        for word in text.split(',').map(str::trim) {
            match word {
                "events" => kinds.events = true,
                "issues" => kinds.issues = true,
                "counters" => kinds.counters = true,
                _ => {
                    let text = format!("`{word}` is not a kind: `events`, `issues` and `counters` are");
                    return Err(Answer::new(Kind::Invalid, text).field("kinds"));
                }
            }
        }
        Ok(kinds)
    }
}

/// Follows events, issues and counters over a WebSocket.
///
/// The server sends JSON texts, told apart by `type`: `hello` (with a `cursor`), `event` (its summary, with a `cursor`), `issue` (its
/// `id` and `change`: `created`, `counted`, `regressed`, `escalated`, `edited`), `counters` (events of the last second by project),
/// `dropped` (how many `events` and `issues` the client was too slow for, `from` and `to` which cursor), `gap` (events behind the
/// given cursor that are not in the feed any more: list them), `error` and `ping`. `counted` is a hint that figures moved, and may be
/// left out where much is counted.
///
/// A client may send `{"pause": true}`, `{"pause": false}` (it goes on where it paused) and `{"query": "…"}`.
#[utoipa::path(
    get, path = "/api/v1/live", operation_id = "followLive", tag = "live",
    params(LiveQuery),
    responses((status = 101, description = "The socket is open."), Asks),
)]
async fn live(
    Extract(state): Extract<State>,
    caller: Caller,
    QueryOf(query): QueryOf<LiveQuery>,
    Extension(peer): Extension<Peer>,
    upgrade: std::result::Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response> {
    let projects = super::rest::projects(&state, &caller, query.project.as_ref(), Verb::EventRead).await?;
    let kinds = Kinds::parse(query.kinds.as_deref())?;
    let filter = Filter::new(query.query.as_deref().unwrap_or_default(), state.clock.now_us())?;
    let cursor = query.cursor.as_deref().map(Cursor::read).transpose()?;
    let store = state.core()?.store.clone();
    let upgrade = upgrade.map_err(|rejection| {
        Answer::new(Kind::Invalid, format!("this is for WebSockets: {rejection}")).hint("send `Upgrade: websocket`")
    })?;
    let socket = Socket { state, caller, store, projects, kinds, filter, cursor, _peer: peer };
    Ok(upgrade
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BYTES_MAX)
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .on_upgrade(|wire| socket.run(wire)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_and_others_refused() {
        assert_eq!(Kinds::parse(None).unwrap(), Kinds { events: true, ..Kinds::default() });
        let both = Kinds { issues: true, counters: true, events: false };
        assert_eq!(Kinds::parse(Some("issues, counters")).unwrap(), both);
        assert_eq!(Kinds::parse(Some("events,all")).unwrap_err().field.as_deref(), Some("kinds"));
    }
}
