//! A socket of the live view ends with what let it open: its token, its person, their session, their role; and with a client that
//! answers no ping.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::crowd::{Crowd, expect};
use crate::person::Person;
use crate::server::{Server, Setup};

const DEADLINE: Duration = Duration::from_secs(30);

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens one with a header, and waits until it is said hello to.
    async fn open(server: &Server, query: &str, header: (&'static str, String)) -> Self {
        let url = format!("{}/api/v1/live{query}", server.url.replacen("http", "ws", 1));
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert(header.0, header.1.parse().unwrap());
        let mut socket = Self(connect_async(request).await.unwrap().0);
        assert_eq!(socket.next().await.unwrap()["type"], "hello");
        socket
    }

    async fn by_token(server: &Server, query: &str, token: &str) -> Self {
        Self::open(server, query, ("authorization", format!("Bearer {token}"))).await
    }

    /// The next text; `None` where the server ended the socket for want of a right.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let message = tokio::time::timeout(DEADLINE, self.0.next()).await.expect("the socket does not end");
            match message.expect("it ended without a word").unwrap() {
                Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
                Message::Close(Some(frame)) => {
                    assert_eq!(frame.code, CloseCode::Policy, "{frame:?}");
                    return None;
                }
                Message::Close(None) => panic!("it ended without a reason"),
                _ => {}
            }
        }
    }

    /// Waits until the server ends it.
    async fn ends(mut self) {
        while self.next().await.is_some() {}
    }

    /// Sees that it lives: a question that is wrong is answered.
    async fn lives(&mut self) {
        self.0.send(Message::text(json!({ "query": "level:(" }).to_string())).await.unwrap();
        while self.next().await.expect("it ended")["type"] != "error" {}
    }
}

#[tokio::test]
async fn with_its_token() {
    let crowd = Crowd::gather().await;
    let server = &crowd.server;
    let new = json!({ "name": "live" });
    let made = expect(server, Method::POST, "/api/v1/tokens", Some(new), 201).await;
    let (id, text) = (made["token"]["id"].as_str().unwrap(), made["text"].as_str().unwrap());
    let socket = Socket::by_token(server, "", text).await;
    let mut other = Socket::by_token(server, "", &server.token).await;
    expect(server, Method::DELETE, &format!("/api/v1/tokens/{id}"), None, 204).await;
    socket.ends().await;
    other.lives().await;
}

#[tokio::test]
async fn with_its_person_and_their_role() {
    let crowd = Crowd::gather().await;
    let server = &crowd.server;
    let (member, viewer) = (crowd.who("member of the project"), crowd.who("viewer of the project"));
    let disabled = Socket::by_token(server, "?project=1", &member.token).await;
    let mut left = Socket::by_token(server, "?project=1", &viewer.token).await;
    let change = json!({ "disabled": true });
    expect(server, Method::PATCH, &format!("/api/v1/users/{}", member.user), Some(change), 200).await;
    disabled.ends().await;
    left.lives().await;
    let path = format!("/api/v1/projects/1/members/users/{}", viewer.user);
    expect(server, Method::DELETE, &path, None, 204).await;
    left.ends().await;
}

#[tokio::test]
async fn with_its_session_which_the_audit_log_tells() {
    let server = Server::start().await;
    let mut owner = Person::owner(&server).await;
    let socket = Socket::open(&server, "", ("cookie", owner.cookie.clone().unwrap())).await;
    assert_eq!(owner.post("/api/v1/logout", &json!({})).await.0, StatusCode::NO_CONTENT);
    socket.ends().await;
    let audit = expect(&server, Method::GET, "/api/v1/audit", None, 200).await;
    let rows = audit["items"].as_array().unwrap();
    let row = rows.iter().find(|row| row["verb"] == "login.end").unwrap_or_else(|| panic!("no row: {audit}"));
    assert_eq!((&row["actor_kind"], &row["target_kind"]), (&json!("user"), &json!("user")), "{row}");
    assert!(row["before"]["session"].is_string(), "{row}");
}

/// What another server or the shell changes is seen at the next look.
#[tokio::test]
async fn with_a_right_that_is_taken_elsewhere() {
    let server = Setup::default().set("live.check_interval_ms", 50).start().await;
    let socket = Socket::by_token(&server, "", &server.token).await;
    let data_dir = server.data_dir();
    let args = ["admin", "token", "revoke", &server.token[7..15], "--data-dir", data_dir.to_str().unwrap()];
    let output = server.cli(&args);
    assert!(output.status.success(), "{}", crate::server::text(&output));
    socket.ends().await;
}

#[tokio::test]
async fn with_a_client_that_answers_no_ping() {
    let server = Setup::default().set("live.ping_interval_ms", 100).start().await;
    let mut well = Socket::by_token(&server, "", &server.token).await;
    // Who answers stays, however many pings there are.
    let well = tokio::spawn(async move {
        let mut pings = 0;
        while pings < 5 {
            pings += usize::from(well.next().await.expect("it ended")["type"] == "ping");
        }
    });
    let address = server.url.strip_prefix("http://").unwrap();
    let mut mute = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /api/v1/live HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.token
    );
    mute.write_all(request.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    tokio::time::timeout(DEADLINE, mute.read_to_end(&mut said)).await.expect("the socket does not end").unwrap();
    assert!(said.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&said));
    // Two pings, each with a text that scripts of browsers can see.
    assert_eq!(said.windows(15).filter(|text| text == b"{\"type\":\"ping\"}").count(), 2);
    well.await.unwrap();
}
