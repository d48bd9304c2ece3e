//! Schemathesis against a real server: whatever it thinks of, no operation answers 5xx, a status or a content type that the
//! document does not know, or a body of another shape.

use reqwest::Method;
use serde_json::json;

use crate::crowd::{error, expect};
use crate::python;
use crate::server::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_answer_that_is_not_documented() {
    if !python::has("schemathesis") {
        println!("skipped: schemathesis is not installed; scripts/setup.sh installs it");
        return;
    }
    let setup = Setup::default().set("limit.token_per_second", 0).set("limit.address_per_second", 0);
    let server = setup.start().await;
    let lines = [error("Fuzzed", json!({ "event_id": "0123456789abcdef0123456789abcdef" })), error("Other", json!({}))];
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let request = server.http.post(format!("{}/api/v1/ingest", server.url)).bearer_auth(&server.key).body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let comment = json!({ "name": "Seen", "kind": "events", "query": "level:error" });
    expect(&server, Method::POST, "/api/v1/searches", Some(comment), 201).await;

    let (url, token) = (server.url.clone(), server.token.clone());
    let run = move || python::run("schemathesis_run.py", &[&url, &token]);
    let printed = tokio::task::spawn_blocking(run).await.unwrap();
    println!("{printed}");
    assert!(printed.ends_with("schemathesis: ok"), "{printed}\n{}", server.log());
}
