//! What projects decide for their events: scrubbing and grouping rules over REST, in force at once on every protocol; trying
//! them on what is stored; and what becomes of issues when rules change.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use tephra_ingest::{GroupRules, hashes_of_version};
use tephra_storage::issues::{CONSUMER, Changes, Counter};
use tephra_storage::meta::rules::{self, NewRules, RuleKind};
use tephra_storage::meta::{Actor, Meta, MetaSettings};
use tephra_storage::{Append, Event, Kind, Level, ProjectId, StorageSettings, Store, SystemClock};

use crate::crowd::{Reply, ask, ask_with, expect};
use crate::protocol::{Protocol, Sample};
use crate::sentry::{post, until};
use crate::server::{Server, Setup, text};

const SCRUB: &str = "/api/v1/projects/1/scrub-rules";
const GROUPING: &str = "/api/v1/projects/1/grouping-rules";
const REGROUP: &str = "/api/v1/projects/1/regroup";

async fn send(server: &Server, lines: &[Value]) {
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let request = server.http.post(format!("{}/api/v1/ingest", server.url)).bearer_auth(&server.key).body(body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}

async fn put(server: &Server, path: &str, body: Value, headers: &[(&str, &str)]) -> Reply {
    ask_with(server, Some(&server.token), Method::PUT, path, Some(body), headers).await
}

/// An error of a type, with a stack of its own.
fn error(kind: &str, tags: Value) -> Value {
    json!({
        "level": "error", "exception_type": kind, "exception_value": "it broke", "platform": "python", "tags": tags,
        "stack": format!("Traceback (most recent call last):\n  File \"/srv/app/{kind}.py\", line 20, in pay\n{kind}: it broke"),
    })
}

/// The issues as title, events and number, once there are as many events in them as wanted.
async fn issues(server: &Server, events: i64) -> Vec<(String, i64, i64)> {
    let path = "/api/v1/issues?sort=first_seen&limit=200";
    let total = |page: &Value| items(page).iter().map(|item| item["events"].as_i64().unwrap()).sum::<i64>();
    let page = until(server, path, |page| total(page) >= events).await;
    assert_eq!(total(&page), events, "{page:#}");
    let shape = |item: &Value| {
        let title = item["title"].as_str().unwrap().to_owned();
        (title, item["events"].as_i64().unwrap(), item["id"].as_i64().unwrap())
    };
    let mut issues: Vec<_> = items(&page).iter().map(shape).collect();
    issues.sort_by_key(|issue| issue.2);
    issues
}

fn items(page: &Value) -> Vec<Value> {
    page["items"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn scrubbing_rules_hold_for_the_next_event_of_every_protocol() {
    let server = Server::start().await;
    let before = ask(&server, Some(&server.token), Method::GET, SCRUB, None).await;
    assert_eq!((before.status, &before.body["version"], &before.body["defaults"]), (200, &json!(0), &json!(true)));
    let words = "badge PAT-123456 of 10.1.2.3";
    for protocol in Protocol::ALL {
        protocol.send(&server, &[Sample::new(words)]).await.expect_whole();
    }
    assert_eq!(server.count("message LIKE '%PAT-123456%10.1.2.3%'").await, 5);

    let wanted = json!({ "ips": true, "rules": [
        { "pattern": "PAT-[0-9]{6}", "action": "mask" }, { "path": "tags.customer", "action": "hash" },
    ] });
    let tag = before.headers["etag"].clone();
    let after = put(&server, SCRUB, wanted.clone(), &[("if-match", &tag)]).await;
    assert_eq!((after.status, &after.body["version"], &after.body["hash_key_set"]), (200, &json!(1), &json!(true)));
    assert!(!after.text.contains("\"hash_key\""), "{}", after.text);
    assert_eq!(put(&server, SCRUB, wanted.clone(), &[("if-match", &tag)]).await.status, 409);
    // The same again is no change, and the key stays.
    assert_eq!(put(&server, SCRUB, wanted, &[]).await.body["version"], 1);

    for protocol in Protocol::ALL {
        protocol.send(&server, &[Sample::new(words)]).await.expect_whole();
    }
    let event = json!({ "message": words, "tags": { "customer": "ann" } }).to_string();
    let auth = format!("Sentry sentry_key={}, sentry_version=7", server.key);
    let reply = post(&server, "/api/1/store/", &[("x-sentry-auth", &auth)], event).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(server.count("message LIKE '%PAT-123456%'").await, 5, "those of before");
    assert_eq!(server.count("message = 'badge ******** of [scrubbed:ip]'").await, 6);
    assert_eq!(server.count("tags['customer'] LIKE '[hash:%'").await, 1);

    let audit = expect(&server, Method::GET, "/api/v1/audit?verb=scrub_rules.update", None, 200).await;
    let row = &items(&audit)[0];
    assert_eq!((&row["after"]["ips"], &row["after"]["hash_key_set"]), (&json!(true), &json!(true)));
    assert!(!audit.to_string().contains("\"hash_key\""), "{audit}");
    // They are in force before the first event after a restart.
    let server = server.kill_and_restart().await;
    send(&server, &[json!({ "message": words })]).await;
    assert_eq!(server.count("message LIKE '%PAT-123456%'").await, 5);
}

#[tokio::test]
async fn faults_in_rules_are_pointed_at() {
    let server = Server::start().await;
    for (body, field, place) in [
        (json!({ "rules": [{ "action": "mask" }] }), "rules[0]", None),
        (
            json!({ "rules": [{ "pattern": "a+", "action": "mask" }, { "pattern": "ab[z-a]", "action": "mask" }] }),
            "rules[1].pattern",
            Some((1, 4)),
        ),
        (json!({ "rules": [{ "path": "extra..x", "action": "mask" }] }), "rules[0].path", Some((1, 7))),
        (json!({ "rules": [{ "path": "nowhere.x", "action": "mask" }] }), "rules[0].path", Some((1, 1))),
        (json!({ "rules": [{ "pattern": "a", "action": "burn" }] }), "rules[0].action", None),
        (json!({ "rulez": [] }), "rulez", None),
        (json!({ "hash_key": "" }), "hash_key", None),
    ] {
        let reply = put(&server, SCRUB, body.clone(), &[]).await;
        assert_eq!((reply.status, &reply.body["field"]), (400, &json!(field)), "{body}: {}", reply.text);
        let found = place.map(|_| (reply.body["line"].as_u64().unwrap(), reply.body["column"].as_u64().unwrap()));
        assert_eq!(found, place, "{body}: {}", reply.text);
        assert!(place.is_none() || reply.body["hint"].is_string(), "{}", reply.text);
    }
    let reply = put(&server, GROUPING, json!({ "text": "# ours\ntype:A -> a\n  typ:B -> b" }), &[]).await;
    assert_eq!((reply.status, &reply.body["field"]), (400, &json!("text")), "{}", reply.text);
    assert_eq!((&reply.body["line"], &reply.body["column"]), (&json!(3), &json!(3)), "{}", reply.text);
    assert!(reply.body["hint"].as_str().unwrap().contains("tags.NAME"), "{}", reply.text);
    let trial = json!({ "rules": { "rules": [{ "pattern": "(", "action": "mask" }] } });
    let reply = ask(&server, Some(&server.token), Method::POST, &format!("{SCRUB}/dry-run"), Some(trial)).await;
    assert_eq!((reply.status, &reply.body["field"]), (400, &json!("rules.rules[0].pattern")), "{}", reply.text);
    let reply = ask(&server, Some(&server.token), Method::POST, REGROUP, Some(json!({ "text": "x" }))).await;
    assert_eq!((reply.status, &reply.body["line"]), (400, &json!(1)), "{}", reply.text);
}

#[tokio::test]
async fn rules_are_tried_on_stored_events_hot_and_cold() {
    let server = Server::start().await;
    send(&server, &[json!({ "message": "badge PAT-111111", "extra": { "customer_name": "Ann" } })]).await;
    server.roll().await;
    let lines: Vec<Value> =
        (0..20).map(|n| json!({ "message": format!("badge PAT-2222{n:02}"), "logger": "b" })).collect();
    send(&server, &lines).await;
    send(&server, &[json!({ "message": "nothing here" })]).await;
    let path = format!("{SCRUB}/dry-run");
    let rules = json!({ "rules": [
        { "path": "extra.**.customer_name", "action": "remove" }, { "pattern": "PAT-[0-9]{6}", "action": "mask" },
        { "path": "tags.none", "action": "mask" },
    ] });
    let tried = expect(&server, Method::POST, &path, Some(json!({ "rules": rules })), 200).await;
    assert_eq!((&tried["events"], &tried["events_changed"], &tried["more"]), (&json!(22), &json!(21), &json!(false)));
    let counts: Vec<_> = tried["rules"].as_array().unwrap().iter().map(|rule| &rule["findings"]).collect();
    assert_eq!(counts, [1, 21, 0], "{tried:#}");
    let removed = &tried["rules"][0]["examples"][0];
    assert_eq!((&removed["path"], &removed["before"]), (&json!("extra.customer_name"), &json!("\"Ann\"")), "{tried:#}");
    let masked = &tried["rules"][1]["examples"];
    assert_eq!(masked.as_array().unwrap().len(), 5);
    assert_eq!(masked[0]["after"], "badge ********", "{masked:#}");
    assert_eq!(server.count("message LIKE '%PAT%'").await, 21, "a dry run changes nothing");

    let narrow = json!({ "rules": rules, "query": "logger:b", "limit": 3 });
    let tried = expect(&server, Method::POST, &path, Some(narrow), 200).await;
    assert_eq!((&tried["events"], &tried["more"]), (&json!(3), &json!(true)));
    for wrong in [json!({ "limit": 0 }), json!({ "query": "(" }), json!({ "limit": 10_001 })] {
        expect(&server, Method::POST, &path, Some(wrong), 400).await;
    }
}

#[tokio::test]
async fn a_broken_stored_rule_never_stops_ingest() {
    let server = Server::start().await;
    let meta = Meta::open(&MetaSettings::default(), &server.data_dir(), Arc::new(SystemClock)).await.unwrap();
    let mut tx = meta.begin().await.unwrap();
    let scrub = r#"{"rules":[{"pattern":"(","action":"mask"},{"pattern":"PAT-[0-9]+","action":"mask"}]}"#;
    for (kind, body) in [(RuleKind::Scrub, scrub), (RuleKind::Grouping, "this is no rule")] {
        let new = NewRules { project: ProjectId(1), kind, before: 0, body, shown: (None, Value::Null) };
        rules::put(&mut tx, &Actor::system(), new).await.unwrap();
    }
    tx.commit().await.unwrap();
    meta.close().await;
    let seen = until(&server, SCRUB, |rules| rules["fault"].is_string()).await;
    assert!(seen["fault"].as_str().unwrap().contains("rule 1"), "{seen}");
    assert!(expect(&server, Method::GET, GROUPING, None, 200).await["fault"].is_string());
    send(&server, &[json!({ "message": "password=hunter2 PAT-77", "level": "error" })]).await;
    assert_eq!(server.count("message = 'password=[scrubbed] ********'").await, 1);
    let server = server.kill_and_restart().await;
    send(&server, &[json!({ "message": "password=hunter2 PAT-78", "level": "error" })]).await;
    assert_eq!(server.count("message = 'password=[scrubbed] ********'").await, 2);
}

#[tokio::test]
async fn fingerprint_and_stack_rules_decide_what_belongs_together() {
    let server = Server::start().await;
    let rules = "error.type:Db* -> database-down\ntype:Split -> {{ default }}, {{ tags.tier }}\npath:*/vendor/* -app\n";
    let shown = put(&server, GROUPING, json!({ "text": rules }), &[]).await;
    assert_eq!(
        (shown.status, &shown.body["fingerprint_rules"], &shown.body["stack_rules"]),
        (200, &json!(2), &json!(1))
    );
    let none = json!({});
    let tier = |name: &str| error("Split", json!({ "tier": name }));
    let stack = |vendor: &str| {
        json!({
            "level": "error", "exception_type": "Vendored", "platform": "python",
            "stack": format!("Traceback (most recent call last):\n  File \"/srv/app/shop.py\", line 2, in pay\n  File \"/srv/vendor/{vendor}.py\", line 3, in {vendor}\nVendored: x"),
        })
    };
    send(&server, &[error("DbOne", none.clone()), error("DbTwo", none), tier("gold"), tier("base"), tier("gold")])
        .await;
    send(&server, &[stack("one"), stack("two")]).await;
    let issues = issues(&server, 7).await;
    let mut counts: Vec<i64> = issues.iter().map(|issue| issue.1).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 2, 2], "{issues:?}");
}

#[tokio::test]
async fn changed_rules_split_nothing_silently_and_regroup_does_it_on_demand() {
    let setup = Setup::default().set("limit.token_per_second", 0);
    let server = setup.start().await;
    let tier = |name: &str| error("Split", json!({ "tier": name }));
    let none = || json!({});
    send(
        &server,
        &[tier("gold"), tier("gold"), tier("base"), error("One", none()), error("Two", none()), error("Two", none())],
    )
    .await;
    let first = issues(&server, 6).await;
    assert_eq!(first.len(), 3);
    let id =
        |issues: &[(String, i64, i64)], title: &str| issues.iter().find(|issue| issue.0.starts_with(title)).unwrap().2;
    let (split, one, two) = (id(&first, "Split"), id(&first, "One"), id(&first, "Two"));
    server.roll().await;

    // A dry run of candidate rules over cold events, and over hot ones.
    send(&server, &[tier("base")]).await;
    issues(&server, 7).await;
    let rules = "type:Split -> {{ default }}, {{ tags.tier }}\ntype:One -> same\ntype:Two -> same\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.txt");
    std::fs::write(&file, rules).unwrap();
    let file = file.to_str().unwrap();
    let output = server.cli(&["regroup", "--dry-run", "--project", "1", "--rules", file]);
    let told = text(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("7 events in 3 groups, by the rules given"), "{told}");
    assert!(
        told.contains(&format!("would merge into issue {two} \"Two: it broke\" (3 events)\n    issue {one} ")),
        "{told}"
    );
    assert!(
        told.contains("share one hash and stay together") && told.contains("a new issue, made with the first"),
        "{told}"
    );
    let shown = expect(&server, Method::POST, REGROUP, Some(json!({ "text": rules })), 200).await;
    assert_eq!(
        (&shown["applied"], &shown["events"], &shown["totals"]["new_events_only"]),
        (&json!(false), &json!(7), &json!(1))
    );
    let part = |shown: &Value| shown["new_events_only"][0]["parts"].as_array().unwrap().len();
    assert_eq!(part(&shown), 2, "{shown:#}");
    assert_eq!(issues(&server, 7).await.len(), 3, "a dry run changes nothing");
    assert_eq!(expect(&server, Method::GET, GROUPING, None, 200).await["version"], 0);

    // Rules that are only put: known errors go on in their issues.
    put(&server, GROUPING, json!({ "text": rules }), &[]).await;
    send(&server, &[tier("gold"), tier("base"), error("One", none())]).await;
    let after = issues(&server, 10).await;
    assert_eq!(after.len(), 3, "nothing splits silently: {after:?}");
    assert_eq!(after.iter().find(|issue| issue.2 == split).unwrap().1, 6);
    let history = expect(&server, Method::GET, &format!("/api/v1/issues/{split}/history"), None, 200).await;
    assert!(history.to_string().contains("followed"), "{history}");

    // And now on demand: the merge and the split of what has hashes of its own.
    let output = server.cli(&["regroup", "--project", "1", "--json"]);
    assert!(output.status.success(), "{}", text(&output));
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    let done = &done[0]["regrouping"];
    assert_eq!((&done["applied"], &done["totals"]["merges"]), (&json!(true), &json!(1)), "{done:#}");
    let grouped = issues(&server, 10).await;
    assert!(
        !grouped.iter().any(|issue| issue.2 == one || issue.2 == two) || grouped.iter().any(|issue| issue.1 == 4),
        "{grouped:?}"
    );
    send(&server, &[tier("gold"), tier("base"), tier("silver"), error("One", none()), error("Two", none())]).await;
    let last = issues(&server, 15).await;
    let mut counts: Vec<i64> = last.iter().filter(|issue| issue.0.starts_with("Split")).map(|issue| issue.1).collect();
    counts.sort_unstable();
    assert_eq!(counts.len(), 3, "each tier of its own from now on: {last:?}");
    assert_eq!(counts.iter().sum::<i64>(), 9, "{last:?}");
    let rest: i64 = last.iter().filter(|issue| !issue.0.starts_with("Split")).map(|issue| issue.1).sum();
    assert_eq!((rest, last.len()), (6, 4), "{last:?}");
    let again = server.cli(&["regroup", "--dry-run", "--project", "1"]);
    assert!(
        text(&again).contains("would merge")
            || text(&again).contains("share one hash")
            || text(&again).contains("nothing would change"),
        "{}",
        text(&again)
    );
    let audit = expect(&server, Method::GET, "/api/v1/audit?verb=issues.regroup", None, 200).await;
    assert_eq!(items(&audit).len(), 1, "{audit}");
    let verified = expect(&server, Method::GET, "/api/v1/audit/verify", None, 200).await;
    assert_eq!(verified["intact"], true);
}

/// A data directory of before: events stored and counted by version 1 of the rules. The same errors, sent now, are counted into
/// the same issues, once, also where the server is killed in between.
#[tokio::test]
async fn issues_of_an_older_version_of_the_rules_go_on() {
    let mut server = Server::start().await;
    assert!(server.stop().success());
    let data_dir = server.data_dir();
    let stack = "Traceback (most recent call last):\n  File \"/srv/app/pay.py\", line 20, in pay\n  File \"/srv/app/cart.py\", line 7, in total\nValueError: cart 17";
    let line = |number: usize| {
        json!({
            "level": "error", "platform": "python", "exception_type": "ValueError", "exception_value": format!("cart {number}"),
            "stack": stack,
        })
    };
    {
        let clock = Arc::new(SystemClock);
        let mut settings = StorageSettings::new(&data_dir);
        settings.hot.consumers.push(CONSUMER.to_owned());
        let store = Store::open(settings, clock.clone()).await.unwrap();
        let meta = Meta::open(&MetaSettings::default(), &data_dir, clock).await.unwrap();
        let now = meta.now_us();
        let old = |number: usize| {
            let value = format!("cart {number}");
            let plain = Event {
                timestamp: now - 1_000_000,
                received_at: now - 1_000_000,
                level: Level::Error,
                kind: Kind::Error,
                platform: Some("python".into()),
                exception_type: Some("ValueError".into()),
                exception_value: Some(value.into()),
                stack: Some(stack.into()),
                ..Event::default()
            };
            let hashes = hashes_of_version(1, &plain, &GroupRules::default()).unwrap();
            Event { group_hash: hashes.in_app, group_hash_full: hashes.all, grouping_version: 1, ..plain }
        };
        let events: Vec<Event> = (0..5).map(old).collect();
        let append = Append { project_id: ProjectId(1), events, request_hash: None, bytes: 1000 };
        store.append(append).await.unwrap();
        let mut counter = Counter::new(meta.clone(), store.clone(), Changes::default());
        counter.catch_up().await.unwrap();
        drop(counter);
        store.close().await.unwrap();
        meta.close().await;
    }
    let server = server.restart().await;
    let before = issues(&server, 5).await;
    assert_eq!(before.len(), 1, "{before:?}");
    send(&server, &[line(1), line(2)]).await;
    let server = server.kill_and_restart().await;
    send(&server, &[line(3)]).await;
    let after = issues(&server, 8).await;
    assert_eq!((after.len(), after[0].2), (1, before[0].2), "{after:?}");
    let groups = expect(&server, Method::GET, &format!("/api/v1/issues/{}/groups", after[0].2), None, 200).await;
    assert_eq!(items(&groups).len(), 2, "{groups}");
    let history = expect(&server, Method::GET, &format!("/api/v1/issues/{}/history", after[0].2), None, 200).await;
    assert_eq!(items(&history).iter().filter(|step| step["what"] == "followed").count(), 1, "{history}");
}
