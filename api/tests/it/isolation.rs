//! What belongs to a project is not there for those who do not reach it: its ids are tried on every route, in searches and
//! in SQL, by somebody who has every right in another project.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::crowd::{Crowd, ask, ask_with, error, expect};

const SECRET: &str = "the-other-tenant";
const EVENT: &str = "fedcba9876543210fedcba9876543210";

/// Two projects with events, and somebody who owns the first and knows nothing of the second.
async fn two_tenants() -> (Crowd, String, i64) {
    let crowd = Crowd::gather().await;
    crowd.send(&crowd.server.key, crowd.shop, &[error("Mine", json!({}))], 1).await;
    let line = error(
        "Theirs",
        json!({ "event_id": EVENT, "message": SECRET, "exception_value": SECRET, "release": SECRET,
        "environment": SECRET, "user_id": SECRET, "tags": { SECRET: SECRET } }),
    );
    let issue = crowd.send(&crowd.other_key, crowd.other, &[line], 1).await[0];
    let token = crowd.who("viewer who owns the project").token.clone();
    (crowd, token, issue)
}

#[tokio::test]
async fn ids_of_another_project_are_not_found_on_any_route() {
    let (crowd, token, issue) = two_tenants().await;
    let server = &crowd.server;
    let path = format!("/api/v1/issues/{issue}/comments");
    let comment = expect(server, Method::POST, &path, Some(json!({ "body": SECRET })), 201).await;
    let search = json!({ "name": SECRET, "kind": "events", "query": "", "project": "other", "shared": true });
    let search = expect(server, Method::POST, "/api/v1/searches", Some(search), 201).await;
    let keys = expect(server, Method::GET, &format!("/api/v1/projects/{}/keys", crowd.other), None, 200).await;
    let value = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned();
    let ingest_key = value(&keys["items"][0]["id"]);
    let parts = BTreeMap::from([
        ("issue", issue.to_string()),
        ("event", EVENT.to_owned()),
        ("comment", value(&comment["id"])),
        ("search", value(&search["id"])),
        ("user", crowd.who("admin").user.clone()),
        ("team", crowd.team.clone()),
        ("key", "level".to_owned()),
    ]);
    let bodies = BTreeMap::from([
        ("giveProjectRole", json!({ "role": "viewer" })),
        ("giveProjectTeamRole", json!({ "role": "viewer" })),
        ("createKey", json!({ "name": "x" })),
        ("putGroupingRules", json!({ "text": "" })),
        ("createComment", json!({ "body": "x" })),
        ("updateComment", json!({ "body": "x" })),
    ]);
    let document = expect(server, Method::GET, "/api/openapi.json", None, 200).await;
    let mut tried = 0;
    for (template, item) in document["paths"].as_object().unwrap() {
        let of_project = ["{project}", "{issue}", "{search}"].iter().any(|part| template.contains(part));
        if !of_project || !template.starts_with("/api/v1/") {
            continue;
        }
        for name in [crowd.other.to_string(), "other".to_owned()] {
            for (method, operation) in item.as_object().unwrap() {
                let mut path = template.replace("{project}", &name);
                for (part, value) in &parts {
                    let value = if *part == "key" && template.contains("/keys/") { &ingest_key } else { value };
                    path = path.replace(&format!("{{{part}}}"), value);
                }
                let id = operation["operationId"].as_str().unwrap();
                let body = operation.get("requestBody").map(|_| bodies.get(id).cloned().unwrap_or(json!({})));
                let method: Method = method.to_uppercase().parse().unwrap();
                let reply = ask(server, Some(&token), method.clone(), &path, body).await;
                assert_eq!(reply.status, 404, "{method} {path}: {}", reply.text);
                assert!(!reply.text.contains(SECRET), "{method} {path}: {}", reply.text);
                tried += 1;
            }
        }
    }
    assert!(tried > 40, "only {tried} routes were tried");
    assert_eq!(expect(server, Method::GET, &format!("/api/v1/issues/{issue}"), None, 200).await["state"], "unresolved");
}

#[tokio::test]
async fn lists_searches_and_sql_hold_nothing_of_another_project() {
    let (crowd, token, issue) = two_tenants().await;
    let (server, other) = (&crowd.server, crowd.other);
    let from = "2020-01-01T00:00:00Z";
    for path in [
        "/api/v1/projects".to_owned(),
        "/api/v1/events".to_owned(),
        format!("/api/v1/events?query=project_id:{other}"),
        format!("/api/v1/events?query={SECRET}"),
        format!("/api/v1/events?query=project_id:{other}%20OR%20level:error"),
        "/api/v1/issues".to_owned(),
        format!("/api/v1/issues?query=issue:{issue}"),
        format!("/api/v1/issues?query={SECRET}"),
        format!("/api/v1/issues?environment={SECRET}"),
        format!("/api/v1/issues/counts?environment={SECRET}"),
        "/api/v1/releases".to_owned(),
        format!("/api/v1/ledger?from={from}"),
        "/api/v1/searches".to_owned(),
        "/api/v1/projects/1/facets".to_owned(),
        "/api/v1/projects/1/facets/environment".to_owned(),
        format!("/api/v1/projects/1/facets/project_id?query=project_id:{other}"),
        format!("/api/v1/projects/1/histogram?by=environment&from={from}&bucket_seconds=31622400"),
        "/api/v1/audit?project=1".to_owned(),
    ] {
        let reply = ask(server, Some(&token), Method::GET, &path, None).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        assert!(!reply.text.contains(SECRET), "{path}: {}", reply.text);
        for item in reply.body["items"].as_array().into_iter().flatten() {
            assert_ne!(item["project_id"], other, "{path}: {item}");
        }
    }
    for path in [
        format!("/api/v1/events?project={other}"),
        format!("/api/v1/events?project=1,{other}"),
        "/api/v1/issues?project=other".to_owned(),
        format!("/api/v1/releases?project={other}"),
        format!("/api/v1/ledger?project={other}"),
        format!("/api/v1/audit?project={other}"),
    ] {
        let reply = ask(server, Some(&token), Method::GET, &path, None).await;
        assert_eq!((reply.status, &reply.body["field"]), (404, &json!("project")), "{path}: {}", reply.text);
    }
    for (condition, count) in [
        ("true", 1),
        ("project_id <> 1", 0),
        ("true OR project_id > 0", 1),
        ("event_id = 'fedcba9876543210fedcba9876543210'", 0),
        ("environment = 'the-other-tenant'", 0),
    ] {
        let body = json!({ "sql": format!("SELECT count(*) AS n FROM events WHERE {condition}") });
        let reply = ask(server, Some(&token), Method::POST, "/api/v1/sql", Some(body)).await;
        assert_eq!((reply.status, &reply.body["rows"][0]["n"]), (200, &json!(count)), "{condition}: {}", reply.text);
    }
}

#[tokio::test]
async fn changes_reach_nothing_of_another_project() {
    let (crowd, token, issue) = two_tenants().await;
    let (server, mine) = (&crowd.server, 1);
    for (path, method, body) in [
        ("/api/v1/issues", Method::PATCH, json!({ "ids": [issue], "change": { "state": "resolved" } })),
        ("/api/v1/issues", Method::PATCH, json!({ "ids": [mine, issue], "change": { "state": "resolved" } })),
        (
            "/api/v1/issues",
            Method::PATCH,
            json!({ "query": "", "project": ["other"], "change": { "state": "resolved" } }),
        ),
        ("/api/v1/issues/merge", Method::POST, json!({ "target": mine, "sources": [issue] })),
        ("/api/v1/issues/merge", Method::POST, json!({ "target": issue, "sources": [mine] })),
        ("/api/v1/searches", Method::POST, json!({ "name": "x", "kind": "events", "query": "", "project": "other" })),
    ] {
        let reply = ask(server, Some(&token), method, path, Some(body.clone())).await;
        assert_eq!(reply.status, 404, "{body}: {}", reply.text);
    }
    let all = json!({ "query": "", "change": { "state": "archived" } });
    let reply = ask(server, Some(&token), Method::PATCH, "/api/v1/issues", Some(all)).await;
    assert_eq!((reply.status, &reply.body["issues"]), (200, &json!([mine])), "{}", reply.text);
    assert_eq!(expect(server, Method::GET, &format!("/api/v1/issues/{issue}"), None, 200).await["state"], "unresolved");

    let confined = crowd.who("owner's token for the other project").token.clone();
    for path in ["/api/v1/users", "/api/v1/audit", "/api/v1/storage", "/api/v1/tokens?all=true", "/api/v1/teams"] {
        let reply = ask_with(server, Some(&confined), Method::GET, path, None, &[]).await;
        assert_eq!(reply.status, 403, "{path}: {}", reply.text);
    }
}
