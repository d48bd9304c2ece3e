//! Events over REST: pages while events arrive, one event and those beside it, what is wrong with a request.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::crowd::{ask, expect};
use crate::server::Server;

async fn send(server: &Server, lines: &[Value]) {
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let request = server.http.post(format!("{}/api/v1/ingest", server.url)).bearer_auth(&server.key).body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

fn event(number: u64) -> Value {
    let time = format!("2026-01-01T00:{:02}:{:02}Z", number / 60, number % 60);
    json!({ "event_id": format!("{number:032x}"), "timestamp": time, "level": "error", "exception_type": "Paged",
        "exception_value": "x", "message": format!("number {number}"), "tags": { "odd": (number % 2).to_string() } })
}

#[tokio::test]
async fn pages_show_each_event_once_while_others_arrive_and_roll() {
    let server = Server::start().await;
    send(&server, &(0..50).map(event).collect::<Vec<_>>()).await;
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let after = cursor.as_ref().map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
        let path = format!("/api/v1/projects/1/events?limit=7&columns=message{after}");
        let page = expect(&server, Method::GET, &path, None, 200).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|row| row["event_id"].as_str().unwrap().to_owned()));
        // Some come before and some behind what was shown; half way all is rolled.
        let next = seen.len() as u64;
        send(&server, &[event(1_000 + next), event(2_000 + next)]).await;
        if seen.len() == 28 {
            server.roll().await;
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    let distinct: BTreeSet<_> = seen.iter().cloned().collect();
    assert_eq!(distinct.len(), seen.len(), "an event was shown twice");
    let first: BTreeSet<_> = (0..50).map(|number| format!("{number:032x}")).collect();
    assert!(distinct.is_superset(&first), "an event was passed over");
}

#[tokio::test]
async fn one_event_comes_whole_with_those_beside_it() {
    let server = Server::start().await;
    send(&server, &(0..3).map(event).collect::<Vec<_>>()).await;
    let id = |number: u64| format!("{number:032x}");
    let path = format!("/api/v1/projects/1/events/{}", id(1));
    let found = expect(&server, Method::GET, &path, None, 200).await;
    assert_eq!((&found["message"], &found["tags"]["odd"]), (&json!("number 1"), &json!("1")));
    assert_eq!(found["timestamp"], "2026-01-01T00:00:01.000000Z");
    let beside = expect(&server, Method::GET, &format!("{path}/neighbours"), None, 200).await;
    assert_eq!(beside, json!({ "older": id(0), "newer": id(2) }));
    let beside = expect(&server, Method::GET, &format!("{path}/neighbours?query=odd:1"), None, 200).await;
    assert_eq!(beside, json!({ "older": null, "newer": null }));
    for unknown in ["00000000000000000000000000000009", "nothing"] {
        expect(&server, Method::GET, &format!("/api/v1/projects/1/events/{unknown}"), None, 404).await;
    }
}

#[tokio::test]
async fn facets_and_histograms_count_what_a_search_finds() {
    let server = Server::start().await;
    send(&server, &(0..9).map(event).collect::<Vec<_>>()).await;
    let tags = expect(&server, Method::GET, "/api/v1/projects/1/facets", None, 200).await;
    assert_eq!(tags["tags"], json!([{ "key": "odd", "events": 9 }]));
    let values = expect(&server, Method::GET, "/api/v1/projects/1/facets/odd", None, 200).await;
    assert_eq!(values["values"], json!([{ "value": "0", "events": 5 }, { "value": "1", "events": 4 }]));
    assert_eq!((&values["events"], &values["distinct"]), (&json!(9), &json!(2)));
    let range = "from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:10Z&bucket_seconds=5";
    let path = format!("/api/v1/projects/1/histogram?{range}&query=odd:1");
    let histogram = expect(&server, Method::GET, &path, None, 200).await;
    assert_eq!((&histogram["events"], &histogram["bucket_seconds"]), (&json!([2, 2]), &json!(5)));
    let histogram =
        expect(&server, Method::GET, &format!("/api/v1/projects/1/histogram?{range}&by=odd"), None, 200).await;
    assert_eq!(histogram["series"][0], json!({ "value": "0", "events": [3, 2] }));
}

#[tokio::test]
async fn what_is_wrong_names_the_field() {
    let server = Server::start().await;
    for (query, field) in [
        ("query=(", "query"),
        ("query=is:resolved", "query"),
        ("from=yesterday", "from"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("quary=x", "quary"),
        ("order=sideways", "order"),
    ] {
        let path = format!("/api/v1/projects/1/events?{query}");
        let reply = ask(&server, Some(&server.token), Method::GET, &path, None).await;
        assert_eq!((reply.status, &reply.body["field"]), (400, &json!(field)), "{query}: {}", reply.text);
        assert_eq!(reply.headers["content-type"], "application/problem+json");
    }
    let reply = ask(&server, Some(&server.token), Method::GET, "/api/v1/projects/1/events?cursor=nonsense", None).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
}
