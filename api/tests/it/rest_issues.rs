//! Issues over REST: lists and searches, changes, conflicts, bulk edits, merging and taking apart, comments, history.

use reqwest::Method;
use serde_json::{Value, json};

use crate::crowd::{Crowd, ask, ask_with, error, expect};

/// A time of late, as text.
fn ago(seconds: i64) -> String {
    (chrono::Utc::now() - chrono::TimeDelta::seconds(seconds)).to_rfc3339()
}

/// Three issues: the oldest first.
async fn three() -> (Crowd, Vec<i64>) {
    let crowd = Crowd::gather().await;
    let lines = [
        error("First", json!({ "user_id": "a", "timestamp": ago(40) })),
        error("Second", json!({ "user_id": "a", "environment": "dev", "timestamp": ago(30) })),
        error("Second", json!({ "user_id": "b", "environment": "dev", "timestamp": ago(20) })),
        error("Third", json!({ "user_id": "c", "level": "fatal", "timestamp": ago(10) })),
    ];
    let mut ids = crowd.send(&crowd.server.key, crowd.shop, &lines, 3).await;
    ids.reverse();
    (crowd, ids)
}

fn ids(page: &Value) -> Vec<i64> {
    page["items"].as_array().unwrap().iter().map(|issue| issue["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn lists_are_sorted_searched_and_paged() {
    let (crowd, all) = three().await;
    let server = &crowd.server;
    let list = async |query: &str| expect(server, Method::GET, &format!("/api/v1/issues?{query}"), None, 200).await;
    assert_eq!(ids(&list("").await), [all[2], all[1], all[0]]);
    assert_eq!(ids(&list("sort=events&limit=1").await), [all[1]]);
    for (query, expected) in [
        ("is:unresolved", vec![all[2], all[1], all[0]]),
        ("is:for_review level:fatal", vec![all[2]]),
        ("level:error", vec![all[1], all[0]]),
        ("user.id:b", vec![all[1]]),
        ("exception_type:First", vec![all[0]]),
        ("is:resolved", vec![]),
        ("assigned:none times_seen:>1", vec![all[1]]),
        ("user.id:b is:resolved", vec![]),
    ] {
        assert_eq!(ids(&list(&format!("query={query}")).await), expected, "{query}");
    }
    let found = list("environment=dev").await;
    assert_eq!(ids(&found), [all[1]]);
    let one = &found["items"][0];
    assert_eq!(
        (&one["events"], &one["users"], &one["found"]["events"], &one["found"]["users"]),
        (&json!(2), &json!(2), &json!(2), &json!(2))
    );
    assert_eq!(one["sparkline"].as_array().unwrap().len(), 24);
    assert_eq!(list("sparkline=14d").await["items"][0]["sparkline"].as_array().unwrap().len(), 14);

    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = list(&format!("limit=1{next}")).await;
        seen.extend(ids(&page));
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, [all[2], all[1], all[0]]);
    let foreign = next.replace("&cursor", "sort=events&cursor");
    expect(server, Method::GET, &format!("/api/v1/issues?{foreign}"), None, 400).await;
    let counts = expect(server, Method::GET, "/api/v1/issues/counts", None, 200).await;
    assert_eq!(counts, json!({ "unresolved": 3, "resolved": 0, "archived": 0 }));
}

#[tokio::test]
async fn states_and_assignments_are_changed_and_stale_changes_refused() {
    let (crowd, all) = three().await;
    let server = &crowd.server;
    let path = format!("/api/v1/issues/{}", all[0]);
    let before = ask(server, Some(&server.token), Method::GET, &path, None).await;
    let short = before.body["short_id"].as_str().unwrap();
    for name in [short.to_owned(), short.to_lowercase()] {
        let same = expect(server, Method::GET, &format!("/api/v1/issues/{name}"), None, 200).await;
        assert_eq!(same["id"], all[0], "{name}");
    }
    expect(server, Method::GET, "/api/v1/issues/NOTHING-1", None, 404).await;
    let tag = before.headers["etag"].clone();
    let change = async |body: Value, tag: &str| {
        ask_with(server, Some(&server.token), Method::PATCH, &path, Some(body), &[("if-match", tag)]).await
    };
    let resolved = change(json!({ "state": "resolved", "in_release": "2.0.0" }), &tag).await;
    assert_eq!(
        (resolved.status, &resolved.body["state"], &resolved.body["reason"]),
        (200, &json!("resolved"), &json!("release"))
    );
    let stale = change(json!({ "state": "archived" }), &tag).await;
    assert_eq!((stale.status, &stale.body["kind"]), (409, &json!("conflict")), "{}", stale.text);
    let mate = "member.of.the.project@example.com";
    let assigned = change(json!({ "assigned_to": mate }), &resolved.headers["etag"]).await;
    assert_eq!(assigned.body["assigned_to"]["name"], "member of the project", "{}", assigned.text);
    for body in
        [json!({ "assigned_to": "nobody@example.com" }), json!({ "assigned_to": "member.without.project@example.com" })]
    {
        let reply = ask(server, Some(&server.token), Method::PATCH, &path, Some(body)).await;
        assert_eq!((reply.status, &reply.body["field"]), (400, &json!("assigned_to")), "{}", reply.text);
    }
    let token = &crowd.who("member of the project").token;
    let mine = ask(server, Some(token), Method::GET, "/api/v1/issues?query=assigned:me", None).await;
    assert_eq!(ids(&mine.body), [all[0]]);

    let history = expect(server, Method::GET, &format!("{path}/history"), None, 200).await;
    let what: Vec<_> = history["items"].as_array().unwrap().iter().map(|step| step["what"].as_str().unwrap()).collect();
    assert_eq!(what[..2], ["assigned", "resolved"]);
}

#[tokio::test]
async fn many_are_changed_at_once_or_none() {
    let (crowd, all) = three().await;
    let server = &crowd.server;
    let patch =
        async |body: Value, status: u16| expect(server, Method::PATCH, "/api/v1/issues", Some(body), status).await;
    patch(json!({ "ids": [all[0], 99_999], "change": { "state": "resolved" } }), 404).await;
    patch(json!({ "ids": [all[0]], "query": "", "change": { "state": "resolved" } }), 400).await;
    patch(json!({ "ids": [all[0]], "change": {} }), 400).await;
    let counts = expect(server, Method::GET, "/api/v1/issues/counts", None, 200).await;
    assert_eq!(counts["unresolved"], 3);
    let done = patch(json!({ "ids": [all[0], all[2]], "change": { "state": "resolved" } }), 200).await;
    assert_eq!(done["issues"], json!([all[0].min(all[2]), all[0].max(all[2])]));
    let done = patch(json!({ "query": "user.id:b", "change": { "state": "archived", "until_events": 5 } }), 200).await;
    assert_eq!(done["issues"], json!([all[1]]));
    let counts = expect(server, Method::GET, "/api/v1/issues/counts", None, 200).await;
    assert_eq!(counts, json!({ "unresolved": 0, "resolved": 2, "archived": 1 }));
}

#[tokio::test]
async fn nobody_is_given_issues_of_a_project_that_they_do_not_reach() {
    let (crowd, all) = three().await;
    let server = &crowd.server;
    let lines = [error("Fourth", json!({}))];
    let foreign = crowd.send(&crowd.other_key, crowd.other, &lines, 1).await[0];
    let patch =
        async |body: Value, status: u16| expect(server, Method::PATCH, "/api/v1/issues", Some(body), status).await;
    let to = |name: &str| json!({ "assigned_to": name, "state": "resolved" });
    let team = format!("#{}", crowd.team);
    for name in ["member.of.the.project@example.com", team.as_str()] {
        for which in [json!({ "ids": [all[0], foreign] }), json!({ "query": "" })] {
            let mut body = which.clone();
            body["change"] = to(name);
            let problem = patch(body, 400).await;
            assert_eq!(problem["field"], "change.assigned_to", "{problem}");
        }
    }
    let counts = expect(server, Method::GET, "/api/v1/issues/counts", None, 200).await;
    assert_eq!(counts["unresolved"], 4, "nothing was changed");
    let body = json!({ "ids": [all[0], all[1]], "change": to("member.of.the.project@example.com") });
    assert_eq!(patch(body, 200).await["issues"].as_array().unwrap().len(), 2);
    let body = json!({ "query": "", "change": { "assigned_to": "admin@example.com" } });
    assert_eq!(patch(body, 200).await["issues"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn merged_issues_come_apart_exactly() {
    let (crowd, all) = three().await;
    let server = &crowd.server;
    let figures = async || {
        let page = expect(server, Method::GET, "/api/v1/issues?sort=first_seen&sparkline=none", None, 200).await;
        let figures = |issue: &Value| {
            json!([issue["id"], issue["events"], issue["users"], issue["first_seen"], issue["last_seen"]])
        };
        page["items"].as_array().unwrap().iter().map(figures).collect::<Vec<_>>()
    };
    let before = figures().await;
    let body = json!({ "target": all[0], "sources": [all[1], all[2]] });
    let merged = expect(server, Method::POST, "/api/v1/issues/merge", Some(body), 200).await;
    assert_eq!((&merged["events"], &merged["users"]), (&json!(4), &json!(3)));
    assert_eq!(figures().await.len(), 1);
    let gone = expect(server, Method::GET, &format!("/api/v1/issues/{}", all[1]), None, 200).await;
    assert_eq!(gone["merged_into"], all[0]);
    expect(server, Method::PATCH, &format!("/api/v1/issues/{}", all[1]), Some(json!({ "state": "resolved" })), 409)
        .await;
    let events = expect(server, Method::GET, &format!("/api/v1/issues/{}/events", all[0]), None, 200).await;
    assert_eq!(events["items"].as_array().unwrap().len(), 4);

    expect(server, Method::POST, &format!("/api/v1/issues/{}/unmerge", all[1]), Some(json!({})), 200).await;
    let groups = expect(server, Method::GET, &format!("/api/v1/issues/{}/groups", all[0]), None, 200).await;
    let third = groups["items"].as_array().unwrap().iter().find(|group| group["home_issue"] == all[2]).unwrap();
    let body = json!({ "groups": [third["hash"]] });
    expect(server, Method::POST, &format!("/api/v1/issues/{}/unmerge", all[0]), Some(body), 200).await;
    assert_eq!(figures().await, before);
}

#[tokio::test]
async fn comments_belong_to_their_authors() {
    let (crowd, all) = three().await;
    let server = &crowd.server;
    let path = format!("/api/v1/issues/{}/comments", all[0]);
    let member = &crowd.who("member of the project").token;
    let made = ask(server, Some(member), Method::POST, &path, Some(json!({ "body": "Looks bad" }))).await;
    assert_eq!((made.status, &made.body["author"]["name"]), (201, &json!("member of the project")), "{}", made.text);
    let one = format!("{path}/{}", made.body["id"].as_str().unwrap());
    let edit = json!({ "body": "Looks good" });
    expect(server, Method::PATCH, &one, Some(edit.clone()), 403).await;
    let tag = made.headers["etag"].as_str();
    let edited = ask_with(server, Some(member), Method::PATCH, &one, Some(edit.clone()), &[("if-match", tag)]).await;
    assert_eq!((edited.status, &edited.body["body"]), (200, &json!("Looks good")));
    let stale = ask_with(server, Some(member), Method::PATCH, &one, Some(edit), &[("if-match", tag)]).await;
    assert_eq!(stale.status, 409);
    let other = format!("/api/v1/issues/{}/comments/{}", all[1], made.body["id"].as_str().unwrap());
    expect(server, Method::DELETE, &other, None, 404).await;
    expect(server, Method::DELETE, &one, None, 204).await;
    let left = expect(server, Method::GET, &path, None, 200).await;
    assert_eq!(left["items"], json!([]));
}

#[tokio::test]
async fn releases_ledger_and_storage_tell_what_came() {
    let (crowd, _) = three().await;
    let server = &crowd.server;
    let releases = expect(server, Method::GET, "/api/v1/releases?project=1", None, 200).await;
    assert_eq!((&releases["items"][0]["release"], &releases["items"][0]["events"]), (&json!("1.0.0"), &json!(4)));
    let storage = expect(server, Method::GET, "/api/v1/projects/1/storage", None, 200).await;
    assert_eq!(storage["events"], 4);
    assert!(storage["oldest_event"].as_str().unwrap() < storage["newest_event"].as_str().unwrap(), "{storage}");
    server.roll().await;
    let storage = expect(server, Method::GET, "/api/v1/storage", None, 200).await;
    assert_eq!((&storage["cold"]["events"], &storage["hot"]["events"]), (&json!(4), &json!(0)));
    assert_eq!(
        storage["partitions"].as_array().unwrap().iter().map(|one| one["events"].as_u64().unwrap()).sum::<u64>(),
        4
    );
}
