//! Limits, quotas, spikes and filters from outside: what is kept out is answered as each protocol's clients understand it, and the
//! ledger says of every event what became of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use tephra_storage::meta::intake::{self, ProjectHour};
use tephra_storage::meta::ledger::{LedgerFilter, Outcome};
use tephra_storage::meta::{Meta, MetaSettings};
use tephra_storage::{ProjectId, SystemClock};
use tokio_stream::StreamExt;

use crate::crowd::{Reply, ask, ask_with, expect};
use crate::native::{AppendRequest, Event, append_stream};
use crate::protocol::{Answer, Protocol, Sample, samples};
use crate::server::{Server, Setup};

const LIMITS: &str = "/api/v1/projects/1/limits";
const QUOTAS: &str = "/api/v1/projects/1/quotas";
const FILTERS: &str = "/api/v1/projects/1/filters";
/// The kind of a refusal of the native protocol that passes.
const REFUSED_BUSY: i32 = 3;

async fn open(data_dir: &Path) -> Meta {
    Meta::open(&MetaSettings::default(), data_dir, Arc::new(SystemClock)).await.unwrap()
}

/// Events by outcome and reason, once the server has stopped.
async fn books(data_dir: &Path) -> BTreeMap<(Outcome, String), i64> {
    let meta = open(data_dir).await;
    let filter = LedgerFilter { projects: vec![ProjectId(1)], ..LedgerFilter::default() };
    let mut books = BTreeMap::new();
    for row in meta.ledger(&filter, 10_000).await.unwrap() {
        *books.entry((row.outcome, row.reason)).or_default() += row.events;
    }
    meta.close().await;
    books
}

fn sum(books: &BTreeMap<(Outcome, String), i64>, wanted: impl Fn(Outcome) -> bool) -> i64 {
    books.iter().filter(|((outcome, _), _)| wanted(*outcome)).map(|(_, events)| events).sum()
}

/// A key with a rate.
async fn key(server: &Server, rate: Value) -> String {
    let new = json!({ "name": "limited", "rate_limit": rate });
    let made = expect(server, Method::POST, "/api/v1/projects/1/keys", Some(new), 201).await;
    assert_eq!(made["rate_limit"], rate, "{made}");
    made["key"].as_str().unwrap().to_owned()
}

fn id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn error(id: &str) -> String {
    let event = json!({ "event_id": id, "exception": { "values": [{ "type": "E", "value": "broke" }] } });
    format!("{{\"type\":\"event\"}}\n{event}\n")
}

fn message(text: &str) -> String {
    format!("{{\"type\":\"event\"}}\n{}\n", json!({ "message": text, "level": "info" }))
}

const SESSION: &str = "{\"type\":\"session\"}\n{\"sid\":\"1\"}\n";
const REPORT: &str = "{\"type\":\"client_report\"}\n\
                      {\"discarded_events\":[{\"reason\":\"ratelimit_backoff\",\"category\":\"error\",\"quantity\":7}]}\n";

async fn sentry(server: &Server, key: &str, items: &[&str]) -> Reply {
    sentry_as(server, key, &id(), items).await
}

async fn sentry_as(server: &Server, key: &str, id: &str, items: &[&str]) -> Reply {
    let body = format!("{{\"event_id\":\"{id}\"}}\n{}", items.concat());
    let url = format!("{}/api/1/envelope/?sentry_version=7&sentry_key={key}", server.url);
    let answer = server.http.post(url).body(body).send().await.unwrap();
    let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
    let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    let body = serde_json::from_str(&text).unwrap_or_default();
    Reply { status, headers, text, body }
}

#[tokio::test]
async fn a_key_over_its_rate_is_told_when_to_come_back_on_every_protocol() {
    let server = Server::start().await;
    for protocol in Protocol::ALL {
        let key = key(&server, json!({ "events": 1, "per": "minute", "burst": 3 })).await;
        let send = |count| protocol.send_raw(&server, protocol.encode(&samples(count)), None, Some(&key));
        send(2).await.expect_whole();
        // Nothing of what may come soon is stored in part, so that all of it is sent again.
        let refused = send(2).await.expect(Answer::RateLimited);
        assert!(refused.text.contains("rate limit of their key"), "{}", refused.text);
        send(1).await.expect_whole();
        send(1).await.expect(Answer::RateLimited);
        // Nothing is inflated or decoded meanwhile, so nobody finds out what it would have been.
        protocol.send_raw(&server, b"no gzip".to_vec(), Some("gzip"), Some(&key)).await.expect(Answer::RateLimited);
        // What is not limited goes on.
        protocol.send(&server, &samples(1)).await.expect_whole();
    }
    assert_eq!(server.count("true").await, 4 * Protocol::ALL.len() as u64);
}

#[tokio::test]
async fn a_stream_over_its_rate_goes_on_and_says_when_to_send_again() {
    let server = Server::start().await;
    let key = key(&server, json!({ "events": 1, "per": "minute", "burst": 2 })).await;
    let batch = |batch_id, count| {
        let event = || Event { message: b"streamed".to_vec(), ..Event::default() };
        AppendRequest { batch_id, events: (0..count).map(|_| event()).collect(), ..AppendRequest::default() }
    };
    let batches = tokio_stream::iter([batch(1, 1), batch(2, 2), batch(3, 1)]);
    let answers = append_stream(&server.grpc, &key, batches).await.unwrap();
    let answers: Vec<_> = answers.map(Result::unwrap).collect().await;
    // Batches of a stream are stored side by side, so that any of them may be the one that is too many.
    assert_eq!(answers.iter().map(|answer| answer.batch_id).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(answers.iter().map(|answer| answer.accepted).sum::<u32>(), 2, "{answers:?}");
    for refusal in answers.iter().filter_map(|answer| answer.refusal.as_ref()) {
        assert!(refusal.kind == REFUSED_BUSY && refusal.retry_after_ms > 1000, "{refusal:?}");
    }
    assert_eq!(server.count("true").await, 2);
}

#[tokio::test]
async fn a_batch_that_never_fits_is_stored_in_part() {
    let server = Server::start().await;
    for protocol in Protocol::ALL {
        let key = key(&server, json!({ "events": 1, "per": "minute", "burst": 3 })).await;
        let outcome = protocol.send_raw(&server, protocol.encode(&samples(5)), None, Some(&key)).await;
        if protocol == Protocol::Ndjson {
            let answer: Value = serde_json::from_str(&outcome.text).unwrap();
            assert_eq!((&answer["accepted"], &answer["rate_limited"]), (&json!(3), &json!([3, 4])), "{answer}");
        } else {
            assert_eq!(outcome.receipt().rejected, 2, "{protocol:?}");
        }
    }
    assert_eq!(server.count("true").await, 3 * Protocol::ALL.len() as u64);
}

#[tokio::test]
async fn a_sentry_sdk_is_told_by_category_and_its_reports_are_never_limited() {
    let mut server = Server::start().await;
    let limited = key(&server, json!({ "events": 1, "per": "minute", "burst": 2 })).await;
    assert_eq!(sentry(&server, &limited, &[&error(&id())]).await.status, 200);
    let duplicate = id();
    assert_eq!(sentry_as(&server, &limited, &duplicate, &[&error(&duplicate)]).await.status, 200);
    let refused = sentry(&server, &limited, &[&error(&id()), SESSION, REPORT]).await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    let header = &refused.headers["x-sentry-rate-limits"];
    let parts: Vec<&str> = header.split(':').collect();
    assert_eq!(&parts[1..], ["error;default;log_item;feedback;security;attachment", "key", "key_rate"], "{header}");
    let seconds: u64 = refused.headers["retry-after"].parse().unwrap();
    assert!((1..=60).contains(&seconds) && parts[0] == refused.headers["retry-after"], "{header}");
    let reported = sentry(&server, &limited, &[REPORT]).await;
    assert_eq!(reported.status, 200, "{}", reported.text);
    // What is never kept is told as before.
    let session = sentry(&server, &limited, &[SESSION]).await;
    assert_eq!(session.status, 200);
    assert!(session.headers["x-sentry-rate-limits"].starts_with("3600:transaction;"), "{:?}", session.headers);

    // A category without room leaves the others of the same envelope alone.
    let rules = json!({ "month": { "default": 1 } });
    expect(&server, Method::PUT, QUOTAS, Some(rules), 200).await;
    assert_eq!(sentry(&server, &server.key, &[&message("one")]).await.status, 200);
    let logs = json!({ "items": [{ "timestamp": 1_790_000_000, "level": "info", "body": "a log" }] });
    let logs = format!("{{\"type\":\"log\",\"item_count\":1}}\n{logs}\n");
    let partly = sentry(&server, &server.key, &[&message("two"), &logs]).await;
    assert_eq!(partly.status, 429, "{}", partly.text);
    assert_eq!(partly.headers["x-sentry-rate-limits"], "300:default:project:monthly_quota");
    assert_eq!(server.count("message = 'a log'").await, 1);
    assert_eq!(server.count("message IN ('one', 'two')").await, 1);

    let store = format!("{}/api/1/store/?sentry_key={limited}", server.url);
    assert_eq!(server.http.post(store).body("{\"message\":\"x\"}").send().await.unwrap().status(), 429);
    assert!(server.stop().success());
    let books = books(&server.data_dir()).await;
    let of = |outcome, reason: &str| books.get(&(outcome, reason.to_owned())).copied().unwrap_or_default();
    assert_eq!(of(Outcome::ClientDropped, "error/ratelimit_backoff"), 14, "{books:?}");
    assert_eq!((of(Outcome::RateLimited, "key_rate"), of(Outcome::RateLimited, "monthly_quota")), (2, 1), "{books:?}");
    assert_eq!(of(Outcome::Filtered, "session/unsupported"), 2, "{books:?}");
}

#[tokio::test]
async fn quotas_hold_over_restarts_to_the_event() {
    let server = Server::start().await;
    let rules = json!({ "month": { "total": 7, "error": 4 }, "day": {} });
    let put = expect(&server, Method::PUT, QUOTAS, Some(rules), 200).await;
    assert_eq!(put["now"]["month"]["quotas"], json!({ "total": 7, "error": 4 }));
    let retried = id();
    for _ in 0..2 {
        assert_eq!(sentry_as(&server, &server.key, &retried, &[&error(&retried)]).await.status, 200);
    }
    assert_eq!(sentry(&server, &server.key, &[&error(&id())]).await.status, 200);
    Protocol::Ndjson.send(&server, &samples(2)).await.expect_whole();

    let server = server.stop_and_restart().await;
    let now = expect(&server, Method::GET, QUOTAS, None, 200).await;
    assert_eq!(now["now"]["month"]["used"]["total"], 4, "a duplicate does not count: {now}");
    for _ in 0..2 {
        assert_eq!(sentry(&server, &server.key, &[&error(&id())]).await.status, 200);
    }
    let refused = sentry(&server, &server.key, &[&error(&id())]).await;
    assert_eq!(refused.headers["x-sentry-rate-limits"], "300:error:project:monthly_quota", "{}", refused.text);
    // The last event of the total, out of a batch of three.
    let outcome = Protocol::Native.send(&server, &samples(3)).await;
    assert_eq!(outcome.receipt().rejected, 2);
    for protocol in Protocol::ALL {
        protocol.send(&server, &samples(1)).await.expect(Answer::RateLimited);
    }
    let now = expect(&server, Method::GET, QUOTAS, None, 200).await;
    assert_eq!(now["now"]["month"]["used_up"], json!(["error", "total"]), "{now}");
    assert_eq!(server.count("true").await, 7);

    // What was read may be written back, and more may come at once.
    let mut rules = now;
    rules["month"] = json!({ "total": 8 });
    expect(&server, Method::PUT, QUOTAS, Some(rules), 200).await;
    assert_eq!(sentry(&server, &server.key, &[&error(&id())]).await.status, 200);
    assert_eq!(sentry(&server, &server.key, &[&error(&id())]).await.status, 429);
}

#[tokio::test]
async fn what_is_filtered_is_answered_as_stored_on_every_protocol() {
    let mut server = Server::start().await;
    let rules = json!({ "messages": ["*noise*"], "releases": ["*-dev"], "localhost": true });
    let put = expect(&server, Method::PUT, FILTERS, Some(rules), 200).await;
    assert_eq!((&put["localhost"], &put["web_crawlers"]), (&json!(true), &json!(false)));
    for protocol in Protocol::ALL {
        let batch = [Sample::new("some noise"), Sample::new("a signal"), Sample::new("NOISE")];
        let outcome = protocol.send(&server, &batch).await;
        if protocol == Protocol::Ndjson {
            let answer: Value = serde_json::from_str(&outcome.text).unwrap();
            assert_eq!((&answer["accepted"], &answer["filtered"]), (&json!(1), &json!(2)), "{answer}");
        }
        outcome.expect_whole();
        protocol.send(&server, &[Sample::new("only noise")]).await.expect_whole();
        protocol.send(&server, &[Sample::broken(), Sample::new("noise")]).await.expect(Answer::Stored);
    }
    let noise = id();
    let answer = sentry_as(&server, &server.key, &noise, &[&message("noise")]).await;
    assert_eq!((answer.status, &answer.body["id"]), (200, &json!(noise)));
    let page = json!({ "message": "x", "request": { "url": "http://localhost:3000/" } });
    let page = format!("{{\"type\":\"event\"}}\n{page}\n");
    assert_eq!(sentry(&server, &server.key, &[&page]).await.status, 200);
    assert_eq!(server.count("true").await, Protocol::ALL.len() as u64);
    assert!(server.stop().success());
    let books = books(&server.data_dir()).await;
    let of = |outcome, reason: &str| books.get(&(outcome, reason.to_owned())).copied().unwrap_or_default();
    let protocols = Protocol::ALL.len() as i64;
    assert_eq!(of(Outcome::Filtered, "messages"), 4 * protocols + 1, "{books:?}");
    assert_eq!((of(Outcome::Filtered, "localhost"), of(Outcome::Stored, "")), (1, protocols), "{books:?}");
    assert_eq!(of(Outcome::Received, ""), 6 * protocols + 2, "{books:?}");
}

#[tokio::test]
async fn a_spike_is_refused_once_something_is_usual_and_may_be_switched_off() {
    let mut server = Setup::default().set("limit.spike_events_per_minute_min", 1).start().await;
    let now = expect(&server, Method::GET, LIMITS, None, 200).await;
    assert_eq!(now["now"]["usual_events_per_hour"], json!(null), "{now}");
    assert!(server.stop().success());
    // A day with six events an hour, some hours ago.
    let meta = open(&server.data_dir()).await;
    let this_hour = meta.now_us().div_euclid(3_600_000_000);
    let hours = (1..=24).map(|ago| ProjectHour { project: ProjectId(1), hour: this_hour - ago, events: 6 });
    let mut tx = meta.begin().await.unwrap();
    intake::count_hours(&mut tx, &hours.collect::<Vec<_>>()).await.unwrap();
    tx.commit().await.unwrap();
    meta.close().await;

    let server = server.restart().await;
    let mut answers = Vec::new();
    for _ in 0..14 {
        answers.push(sentry(&server, &server.key, &[&error(&id())]).await);
    }
    let stored = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(stored, 10, "a minute has at most one");
    let last = answers.last().unwrap();
    assert!(last.headers["x-sentry-rate-limits"].ends_with(":project:spike"), "{:?}", last.headers);
    let now = expect(&server, Method::GET, LIMITS, None, 200).await;
    assert_eq!((&now["now"]["spike"], &now["now"]["window_events_max"]), (&json!(true), &json!(10)), "{now}");
    let off = json!({ "spike_protection": { "enabled": false } });
    let now = expect(&server, Method::PUT, LIMITS, Some(off), 200).await;
    assert_eq!((&now["now"]["spike"], &now["now"]["spike_protection"]), (&json!(false), &json!(false)), "{now}");
    assert_eq!(sentry(&server, &server.key, &[&error(&id())]).await.status, 200);
}

#[tokio::test]
async fn limits_are_edited_with_versions_and_checked() {
    let server = Server::start().await;
    let token = Some(server.token.as_str());
    let first = ask(&server, token, Method::GET, LIMITS, None).await;
    assert_eq!((first.status, &first.body["rate"]), (200, &json!(null)), "{}", first.text);
    let tag = first.headers["etag"].clone();
    let put = |path: &'static str, body: Value, tag: String| {
        let server = &server;
        async move {
            let headers = [("if-match", tag.as_str())];
            ask_with(server, Some(&server.token), Method::PUT, path, Some(body), &headers).await
        }
    };
    let rate = json!({ "events": 100, "per": "second", "burst": 500 });
    let changed = put(LIMITS, json!({ "rate": rate }), tag.clone()).await;
    assert_eq!((changed.status, &changed.body["now"]["rate"]), (200, &rate), "{}", changed.text);
    assert_eq!(put(LIMITS, json!({}), tag).await.status, 409);
    for (path, body, field) in [
        (LIMITS, json!({ "rate": { "events": 1, "per": "hour" } }), "rate.per"),
        (LIMITS, json!({ "rate": { "events": 1, "per": "minute", "burst": 0 } }), "rate.burst"),
        (LIMITS, json!({ "spike_protection": { "multiple": 1 } }), "spike_protection.multiple"),
        (LIMITS, json!({ "speed": 1 }), "speed"),
        (QUOTAS, json!({ "day": { "session": 1 } }), "day.session"),
        (QUOTAS, json!({ "day": { "total": -1 } }), "day.total"),
        (QUOTAS, json!({ "year": {} }), "year"),
        (FILTERS, json!({ "messages": ["ok", "*"] }), "messages[1]"),
        (FILTERS, json!({ "crawlers": true }), "crawlers"),
    ] {
        let reply = put(path, body.clone(), "*".to_owned()).await;
        assert_eq!((reply.status, &reply.body["field"]), (400, &json!(field)), "{body}: {}", reply.text);
    }
    let path = "/api/v1/projects/1/keys";
    let key = expect(&server, Method::GET, path, None, 200).await["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("{path}/{key}");
    let slow = json!({ "rate_limit": { "events": 1, "per": "minute" } });
    let slow = expect(&server, Method::PATCH, &path, Some(slow), 200).await;
    assert_eq!(slow["rate_limit"], json!({ "events": 1, "per": "minute" }));
    Protocol::Ndjson.send(&server, &samples(1)).await.expect_whole();
    Protocol::Ndjson.send(&server, &samples(1)).await.expect(Answer::RateLimited);
    let renamed = expect(&server, Method::PATCH, &path, Some(json!({ "name": "web" })), 200).await;
    assert_eq!(renamed["rate_limit"], json!({ "events": 1, "per": "minute" }));
    let free = expect(&server, Method::PATCH, &path, Some(json!({ "rate_limit": null })), 200).await;
    assert_eq!(free["rate_limit"], json!(null));
    Protocol::Ndjson.send(&server, &samples(1)).await.expect_whole();

    let audit = expect(&server, Method::GET, "/api/v1/audit?verb=limits.update", None, 200).await;
    assert_eq!(audit["items"].as_array().unwrap().len(), 1, "{audit}");
}

/// The next events of a sender.
fn batch(sender: usize, round: usize, before: &[Sample]) -> Vec<Sample> {
    match (sender + round) % 5 {
        0 => vec![Sample::new("a"), Sample::broken(), Sample::new("b")],
        1 => [samples(3), vec![Sample::new("some noise"), Sample::new("noise")]].concat(),
        2 => [before.to_vec(), samples(1)].concat(),
        3 => samples(1),
        _ => samples(6),
    }
}

#[tokio::test]
async fn the_ledger_balances_under_overload_with_limits_and_filters() {
    const QUOTA: u64 = 500;
    let server = Setup::default().set("hot.append_queue_bytes_max", 4000).start().await;
    let slow = key(&server, json!({ "events": 5, "per": "minute" })).await;
    expect(&server, Method::PUT, FILTERS, Some(json!({ "messages": ["*noise"] })), 200).await;
    expect(&server, Method::PUT, QUOTAS, Some(json!({ "month": { "total": QUOTA } })), 200).await;
    let server = Arc::new(server);
    let mut senders = Vec::new();
    for sender in 0..24 {
        let (server, slow) = (server.clone(), slow.clone());
        senders.push(tokio::spawn(async move {
            let mut before = Vec::new();
            for round in 0..20 {
                let key = if (sender + round) % 7 == 0 { &slow } else { &server.key };
                if sender % 6 == 5 {
                    let noise = message("noise");
                    let event = if round % 4 == 0 { noise } else { error(&id()) };
                    sentry(&server, key, &[&event, REPORT]).await;
                    continue;
                }
                let batch = batch(sender, round, &before);
                let protocol = Protocol::ALL[(sender + round) % Protocol::ALL.len()];
                protocol.send_raw(&server, protocol.encode(&batch), None, Some(key)).await;
                before = batch.into_iter().filter(|sample| !sample.broken).take(2).collect();
            }
        }));
    }
    for sender in senders {
        sender.await.unwrap();
    }
    // What was kept for requests that were then too many for the queue is free again: the quota is used to the event.
    let mut left = 200;
    while sentry(&server, &server.key, &[&error(&id())]).await.status != 429 {
        left -= 1;
        assert!(left > 0, "the quota is never used up");
    }
    let stored = server.count("true").await;
    assert_eq!(stored, QUOTA);
    let quotas = expect(&server, Method::GET, QUOTAS, None, 200).await;
    assert_eq!(quotas["now"]["month"]["used"]["total"], stored, "{quotas}");
    let mut server = Arc::into_inner(server).unwrap();
    assert!(server.stop().success());

    let books = books(&server.data_dir()).await;
    let received = sum(&books, |outcome| outcome == Outcome::Received);
    let others = sum(&books, |outcome| !matches!(outcome, Outcome::Received | Outcome::ClientDropped));
    assert_eq!(received, others, "{books:?}");
    assert_eq!(sum(&books, |outcome| outcome == Outcome::Stored), stored as i64, "{books:?}");
    for (outcome, reason) in [
        (Outcome::Duplicate, ""),
        (Outcome::Rejected, "invalid"),
        (Outcome::Rejected, "busy"),
        (Outcome::Filtered, "messages"),
        (Outcome::RateLimited, "key_rate"),
        (Outcome::RateLimited, "monthly_quota"),
        (Outcome::ClientDropped, "error/ratelimit_backoff"),
    ] {
        assert!(books.contains_key(&(outcome, reason.to_owned())), "no {outcome:?} {reason}: {books:?}");
    }
    let meta = open(&server.data_dir()).await;
    let days = meta.quota_days(0, "node-1").await.unwrap();
    assert_eq!(days.iter().map(|row| row.events).sum::<i64>(), stored as i64, "{days:?}");
    meta.close().await;
}
