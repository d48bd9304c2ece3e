//! `tephra admin` beside a running server: what it changes holds there within five seconds.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;

use crate::person::{PASSWORD, Person};
use crate::server::{Server, Setup, tephra, text};

/// Runs `tephra admin` on the server's data directory.
pub(crate) fn admin(server: &Server, args: &[&str]) -> String {
    let data_dir = server.data_dir();
    let all = [&["admin"], args, &["--data-dir", data_dir.to_str().unwrap()]].concat();
    let output = server.cli(&all);
    assert!(output.status.success(), "{args:?}: {}", text(&output));
    text(&output)
}

/// What stands behind a word of the output.
fn after<'a>(output: &'a str, word: &str) -> &'a str {
    let rest = output.split(word).nth(1).unwrap_or_else(|| panic!("no `{word}` in {output}"));
    rest.split_whitespace().next().unwrap()
}

#[tokio::test]
async fn people_are_added_changed_and_locked_out_from_the_shell() {
    let server = Server::start().await;
    let output = admin(&server, &["user", "add", "ada@example.com", "--role", "viewer"]);
    let password = after(&output, "password:").to_owned();
    let mut ada = Person::new(&server);
    assert_eq!(ada.log_in("ada@example.com", &password).await.0, StatusCode::OK);
    let change = json!({ "current": password, "password": PASSWORD });
    assert_eq!(ada.post("/api/v1/me/password", &change).await.0, StatusCode::NO_CONTENT);

    admin(&server, &["user", "role", "ada@example.com", "admin"]);
    let list = admin(&server, &["user", "list"]);
    assert!(list.contains("ada@example.com") && list.contains("owner@localhost"), "{list}");
    admin(&server, &["user", "disable", "ada@example.com"]);
    until(async || ada.clone().get("/api/v1/me").await.0 == StatusCode::UNAUTHORIZED).await;
    assert_eq!(Person::new(&server).log_in("ada@example.com", PASSWORD).await.0, StatusCode::UNAUTHORIZED);
    admin(&server, &["user", "enable", "ada@example.com"]);
    let output = admin(&server, &["user", "password", "ada@example.com"]);
    let password = after(&output, "password:").to_owned();
    assert_eq!(Person::new(&server).log_in("ada@example.com", &password).await.0, StatusCode::OK);

    let mut owner = Person::owner(&server).await;
    let (status, audit) = owner.get("/api/v1/audit?verb=user.disable").await;
    if status == StatusCode::OK {
        assert_eq!(
            audit["items"][0]["actor"]["kind"].as_str().or(audit["items"][0]["actor_kind"].as_str()),
            Some("shell")
        );
    }
}

#[tokio::test]
async fn projects_keys_and_tokens_are_made_and_revoked_from_the_shell() {
    let server = Server::start().await;
    assert!(admin(&server, &["project", "add", "shop"]).contains("project 2"));
    assert!(admin(&server, &["project", "list"]).contains("shop"));
    let output = admin(&server, &["key", "add", "shop", "web"]);
    let key = after(&output, "key:").to_owned();
    assert!(after(&output, "DSN:").contains(&key));
    let ingest = async |key: &str| {
        let request = server.http.post(format!("{}/api/v1/ingest", server.url)).bearer_auth(key);
        request.body("{\"message\":\"hello\"}\n").send().await.unwrap().status()
    };
    until(async || ingest(&key).await == StatusCode::OK).await;
    admin(&server, &["key", "revoke", &key[7..15]]);
    until(async || ingest(&key).await == StatusCode::UNAUTHORIZED).await;

    let args = ["token", "add", "ci", "--user", "owner@localhost", "--projects", "shop", "--verbs", "event:read"];
    let output = admin(&server, &args);
    let token = after(&output, "token:").to_owned();
    let status = async |path: &str| {
        server.http.get(format!("{}{path}", server.url)).bearer_auth(&token).send().await.unwrap().status()
    };
    assert_eq!(status("/api/v1/me").await, StatusCode::OK);
    assert_eq!(status("/api/v1/projects/shop/keys").await, StatusCode::FORBIDDEN);
    assert_eq!(status("/api/v1/projects/1/keys").await, StatusCode::NOT_FOUND);
    assert!(admin(&server, &["token", "list"]).contains("event:read"));
    admin(&server, &["token", "revoke", &token[7..15]]);
    until(async || status("/api/v1/me").await == StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let server = Setup::default().start().await;
    let data_dir = server.data_dir();
    let check = |args: &[&str], expected: &str| {
        let all = [&["admin"], args, &["--data-dir", data_dir.to_str().unwrap()]].concat();
        let output = server.cli(&all);
        assert!(!output.status.success() && text(&output).contains(expected), "{args:?}: {}", text(&output));
    };
    check(&["user", "role", "nobody@example.com", "admin"], "there is no person");
    check(&["user", "role", "owner@localhost", "king"], "is no role");
    check(&["user", "role", "owner@localhost", "viewer"], "nobody would be left as owner");
    check(&["user", "add", "nobody"], "not an email address");
    check(&["key", "add", "nowhere", "web"], "there is no project");
    check(&["token", "add", "ci", "--user", "owner@localhost", "--verbs", "fly"], "is no verb");
    let output = tephra(&["admin", "user", "list", "--data-dir", "nowhere"], &[]);
    assert!(text(&output).contains("there is no metadata"), "{}", text(&output));
    let output = tephra(&["admin", "cost"], &[]);
    assert!(text(&output).contains("argon2id, 47104 KiB"), "{}", text(&output));
}

/// Waits for what must come within some seconds.
async fn until(holds: impl AsyncFn() -> bool) {
    for _ in 0..1000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it does not come");
}
