//! The live view with a real WebSocket client: as they come, without gaps behind a cursor, and honest about what was lost.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::protocol::{Protocol, Sample};
use crate::server::Server;

const DEADLINE: Duration = Duration::from_secs(30);

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(server: &Server, query: &str) -> Self {
        Self(try_open(server, query, &server.token).await.unwrap())
    }

    /// The next message but pings and counters.
    async fn next(&mut self) -> Value {
        loop {
            let message =
                tokio::time::timeout(DEADLINE, self.0.next()).await.expect("no message in time").unwrap().unwrap();
            let Message::Text(text) = message else { continue };
            let value: Value = serde_json::from_str(&text).unwrap();
            if value["type"] != "ping" {
                return value;
            }
        }
    }

    /// The next message of a type; those before it are passed over.
    async fn of_type(&mut self, wanted: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == wanted {
                return message;
            }
        }
    }

    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }
}

async fn try_open(
    server: &Server,
    query: &str,
    token: &str,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, tungstenite::Error> {
    let url = format!("{}/api/v1/live{query}", server.url.replacen("http", "ws", 1));
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    connect_async(request).await.map(|(socket, _)| socket)
}

async fn send(server: &Server, messages: &[&str]) {
    let samples: Vec<Sample> = messages.iter().map(Sample::new).collect();
    Protocol::Native.send(server, &samples).await.expect_whole();
}

#[tokio::test]
async fn events_come_as_they_are_stored_and_behind_a_cursor_none_is_missing() {
    let server = Server::start().await;
    send(&server, &["before"]).await;
    let mut socket = Socket::open(&server, "?query=wanted").await;
    let hello = socket.next().await;
    assert_eq!(hello["type"], "hello");
    send(&server, &["wanted one", "other", "wanted two"]).await;
    let first = socket.next().await;
    assert_eq!((first["type"].as_str(), first["message"].as_str()), (Some("event"), Some("wanted one")));
    assert_eq!((first["project_id"].as_i64(), first["level"].as_str()), (Some(1), Some("error")));
    drop(socket);

    send(&server, &["wanted three"]).await;
    server.roll().await;
    send(&server, &["other", "wanted four"]).await;
    let cursor = first["cursor"].as_str().unwrap();
    let mut socket = Socket::open(&server, &format!("?query=wanted&cursor={cursor}")).await;
    assert_eq!(socket.next().await["type"], "hello");
    let mut last = Value::Null;
    for message in ["wanted two", "wanted three", "wanted four"] {
        last = socket.next().await;
        assert_eq!(last["message"], message, "{last}");
    }
    send(&server, &["wanted five"]).await;
    assert_eq!(socket.next().await["message"], "wanted five");

    // The same behind a restart.
    let server = server.kill_and_restart().await;
    send(&server, &["wanted six"]).await;
    let cursor = last["cursor"].as_str().unwrap();
    let mut socket = Socket::open(&server, &format!("?query=wanted&cursor={cursor}")).await;
    socket.of_type("hello").await;
    for message in ["wanted five", "wanted six"] {
        assert_eq!(socket.next().await["message"], message);
    }
}

#[tokio::test]
async fn a_pause_loses_nothing_and_a_search_can_be_changed() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server, "").await;
    socket.of_type("hello").await;
    socket.say(json!({ "pause": true })).await;
    socket.say(json!({ "query": "level:(" })).await;
    assert_eq!(socket.next().await["type"], "error");
    send(&server, &["one", "two"]).await;
    socket.say(json!({ "query": "two" })).await;
    socket.say(json!({ "pause": false })).await;
    assert_eq!(socket.next().await["message"], "two");
    send(&server, &["one", "two again"]).await;
    assert_eq!(socket.next().await["message"], "two again");
    socket.say(json!({ "halt": true })).await;
    assert_eq!(socket.next().await["type"], "error");
}

#[tokio::test]
async fn issues_and_counters_are_told() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server, "?kinds=issues,counters").await;
    socket.of_type("hello").await;
    let url = format!("{}/api/v1/ingest", server.url);
    let line = json!({ "level": "error", "message": "it broke" }).to_string();
    let request = server.http.post(url).bearer_auth(&server.key).header("content-type", "application/x-ndjson");
    assert!(request.body(line).send().await.unwrap().status().is_success());
    let (mut issue, mut counters) = (None, None);
    while issue.is_none() || counters.is_none() {
        let message = socket.next().await;
        match message["type"].as_str() {
            Some("issue") => issue = Some(message),
            Some("counters") => counters = Some(message),
            _ => panic!("{message}"),
        }
    }
    assert_eq!(issue.unwrap()["change"], "created");
    assert_eq!(counters.unwrap()["projects"], json!([{ "project_id": 1, "events": 1 }]));
}

#[tokio::test]
async fn a_slow_reader_is_told_how_many_it_has_lost() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server, "").await;
    socket.of_type("hello").await;
    let (batches, size) = (40, 1000);
    for batch in 0..batches {
        let samples: Vec<Sample> =
            (0..size).map(|number| Sample::new(format!("{batch}.{number} {}", "x".repeat(400)))).collect();
        Protocol::Native.send(&server, &samples).await.expect_whole();
    }
    let (mut received, mut dropped) = (0, 0);
    while received + dropped < batches * size {
        let message = socket.next().await;
        match message["type"].as_str() {
            Some("event") => received += 1,
            Some("dropped") => {
                assert!(message["from"].is_string() && message["to"].is_string(), "{message}");
                dropped += message["count"].as_u64().unwrap();
            }
            _ => panic!("{message}"),
        }
    }
    assert_eq!(received + dropped, batches * size);
    assert!(dropped > 0);
    send(&server, &["after"]).await;
    assert_eq!(socket.of_type("event").await["message"], "after");
}

#[tokio::test]
async fn strangers_and_faults_are_refused_before_the_socket_opens() {
    let server = Server::start().await;
    let status = async |query: &str, token: &str| match try_open(&server, query, token).await {
        Err(tungstenite::Error::Http(answer)) => answer.status().as_u16(),
        other => panic!("{query}: {other:?}"),
    };
    assert_eq!(status("", "teph_t_nothing").await, 401);
    assert_eq!(status("", &server.key).await, 403);
    assert_eq!(status("?project=99", &server.token).await, 404);
    assert_eq!(status("?query=level:(", &server.token).await, 400);
    assert_eq!(status("?kinds=all", &server.token).await, 400);
    assert_eq!(status("?cursor=%20", &server.token).await, 400);
    let url = format!("{}/api/v1/live", server.url);
    let plain = server.http.get(url).bearer_auth(&server.token).send().await.unwrap();
    assert_eq!(plain.status().as_u16(), 400);
}

#[tokio::test]
async fn a_place_that_is_not_in_the_feed_is_told_as_a_gap() {
    let server = Server::start().await;
    for place in ["another:3:4294967295", "node-1:999:4294967295"] {
        let mut socket = Socket::open(&server, &format!("?cursor={}", URL_SAFE_NO_PAD.encode(place))).await;
        socket.of_type("hello").await;
        assert_eq!(socket.next().await["type"], "gap");
        send(&server, &["on it goes"]).await;
        assert_eq!(socket.next().await["message"], "on it goes");
    }
}
