//! Projects, saved searches, the audit log and the document over REST: versions, conflicts, pages, exports.

use reqwest::Method;
use serde_json::json;

use crate::crowd::{ask, ask_with, expect};
use crate::server::Server;

#[tokio::test]
async fn a_change_of_what_was_changed_meanwhile_is_a_conflict_and_nothing_is_half_done() {
    let server = Server::start().await;
    let new = json!({ "slug": "web", "name": "Web", "platform": "javascript", "retention_days": 30 });
    let made = ask(&server, Some(&server.token), Method::POST, "/api/v1/projects", Some(new)).await;
    assert_eq!((made.status, &made.body["slug"]), (201, &json!("web")), "{}", made.text);
    let tag = made.headers["etag"].clone();

    let update = |tag: String, body| {
        let server = &server;
        async move {
            let headers = [("if-match", tag.as_str())];
            ask_with(server, Some(&server.token), Method::PATCH, "/api/v1/projects/web", Some(body), &headers).await
        }
    };
    let first = update(tag.clone(), json!({ "name": "Website", "platform": null })).await;
    assert_eq!((first.status, &first.body["name"], &first.body["platform"]), (200, &json!("Website"), &json!(null)));
    let second = update(tag, json!({ "name": "Shop", "retention_days": 365 })).await;
    assert_eq!((second.status, &second.body["kind"]), (409, &json!("conflict")), "{}", second.text);
    let now = expect(&server, Method::GET, "/api/v1/projects/web", None, 200).await;
    assert_eq!((&now["name"], &now["retention_days"]), (&json!("Website"), &json!(30)));
    assert_eq!(update(first.headers["etag"].clone(), json!({ "slug": "default!" })).await.status, 400);

    let known = first.headers["etag"].clone();
    let headers = [("if-none-match", known.as_str())];
    let again = ask_with(&server, Some(&server.token), Method::GET, "/api/v1/projects/web", None, &headers).await;
    assert_eq!((again.status, again.text.as_str(), &again.headers["etag"]), (304, "", &known));

    let taken = json!({ "slug": "web", "name": "Another" });
    expect(&server, Method::POST, "/api/v1/projects", Some(taken.clone()), 409).await;
    expect(&server, Method::DELETE, "/api/v1/projects/web", None, 204).await;
    expect(&server, Method::GET, "/api/v1/projects/web", None, 404).await;
    expect(&server, Method::POST, "/api/v1/projects", Some(taken), 201).await;
}

#[tokio::test]
async fn bodies_are_read_strictly() {
    let server = Server::start().await;
    let post = |body: &'static str, content_type: &'static str| {
        let request = server.http.post(format!("{}/api/v1/projects", server.url)).bearer_auth(&server.token);
        request.header("content-type", content_type).body(body).send()
    };
    for (body, content_type, status, field) in [
        (r#"{"slug": "a", "colour": "red"}"#, "application/json", 400, json!("colour")),
        (r#"{"slug": 7}"#, "application/json", 400, json!("slug")),
        ("{}", "application/json", 400, json!("slug")),
        ("{", "application/json", 400, json!(null)),
        ("slug=a", "application/x-www-form-urlencoded", 415, json!(null)),
    ] {
        let answer = post(body, content_type).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{body}");
        let problem: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(problem["field"], field, "{body}: {problem}");
    }
    let large = "x".repeat((1 << 20) + 1);
    let request = server.http.post(format!("{}/api/v1/projects", server.url)).bearer_auth(&server.token);
    let answer = request.header("content-type", "application/json").body(large).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 413);
}

#[tokio::test]
async fn searches_are_kept_and_checked() {
    let server = Server::start().await;
    let wrong = json!({ "name": "x", "kind": "events", "query": "(" });
    let reply = ask(&server, Some(&server.token), Method::POST, "/api/v1/searches", Some(wrong)).await;
    assert_eq!((reply.status, &reply.body["field"]), (400, &json!("query")), "{}", reply.text);
    let lonely = json!({ "name": "x", "kind": "sql", "query": "SELECT 1", "shared": true });
    expect(&server, Method::POST, "/api/v1/searches", Some(lonely), 400).await;
    let mine = json!({ "name": "Mine", "kind": "issues", "query": "is:unresolved assigned:me" });
    let saved = expect(&server, Method::POST, "/api/v1/searches", Some(mine), 201).await;
    assert_eq!((&saved["own"], &saved["project_id"]), (&json!(true), &json!(null)));
    let path = format!("/api/v1/searches/{}", saved["id"].as_str().unwrap());
    let renamed = expect(&server, Method::PATCH, &path, Some(json!({ "name": "Ours" })), 200).await;
    assert_eq!((&renamed["name"], &renamed["query"]), (&json!("Ours"), &saved["query"]));
    expect(&server, Method::DELETE, &path, None, 204).await;
    expect(&server, Method::GET, &path, None, 404).await;
}

#[tokio::test]
async fn the_audit_log_tells_of_changes_page_by_page_and_whole() {
    let server = Server::start().await;
    for number in 0..5 {
        let new = json!({ "slug": format!("p-{number}") });
        expect(&server, Method::POST, "/api/v1/projects", Some(new), 201).await;
    }
    let path = "/api/v1/audit?verb=project.create&target_kind=project&limit=2";
    let (mut ids, mut next) = (Vec::new(), String::new());
    loop {
        let page = expect(&server, Method::GET, &format!("{path}{next}"), None, 200).await;
        ids.extend(page["items"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()));
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert!(ids.len() >= 5 && ids.is_sorted_by(|a, b| a > b), "{ids:?}");
    let page = expect(&server, Method::GET, &format!("{path}&limit=1").replacen("&limit=2", "", 1), None, 200).await;
    assert_eq!(page["items"][0]["after"]["slug"], "p-4");
    assert_eq!(page["items"][0]["address"], "127.0.0.1");

    let verified = expect(&server, Method::GET, "/api/v1/audit/verify", None, 200).await;
    assert_eq!(verified["intact"], true);
    let lines = ask(&server, Some(&server.token), Method::GET, "/api/v1/audit/export", None).await;
    assert_eq!(lines.text.lines().count() as u64, verified["rows"].as_u64().unwrap());
    let headers = [("accept", "text/csv")];
    let csv = ask_with(&server, Some(&server.token), Method::GET, "/api/v1/audit/export", None, &headers).await;
    assert!(
        csv.text.starts_with("id,at,actor_kind") && csv.headers["content-type"].starts_with("text/csv"),
        "{}",
        csv.text
    );
    let headers = [("accept", "image/png")];
    let image = ask_with(&server, Some(&server.token), Method::GET, "/api/v1/audit/export", None, &headers).await;
    assert_eq!(image.status, 415);
}

#[tokio::test]
async fn the_document_is_browsable_without_the_internet() {
    let server = Server::start().await;
    let document = ask(&server, None, Method::GET, "/api/openapi.json", None).await;
    assert_eq!((document.status, &document.body["openapi"]), (200, &json!("3.1.0")));
    let tag = document.headers["etag"].clone();
    let headers = [("if-none-match", tag.as_str())];
    assert_eq!(ask_with(&server, None, Method::GET, "/api/openapi.json", None, &headers).await.status, 304);
    for (path, content_type) in [
        ("/api/docs", "text/html"),
        ("/api/docs/", "text/html"),
        ("/api/docs/start.js", "text/javascript"),
        ("/api/docs/swagger-ui-bundle.js", "text/javascript"),
        ("/api/docs/swagger-ui.css", "text/css"),
    ] {
        let reply = ask(&server, None, Method::GET, path, None).await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.headers["content-type"].starts_with(content_type), "{path}");
        let policy = &reply.headers["content-security-policy"];
        assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe-eval"), "{policy}");
    }
    assert_eq!(ask(&server, None, Method::GET, "/api/docs/../../Cargo.toml", None).await.status, 404);
}
