//! A secret that a cut goes through must not survive in halves: texts of every length around it, in every part of an event.

use prost::Message;
use serde_json::{Value, json};
use tephra_ingest::{GroupRules, Limits, Receipt, Rules, ScrubRules, Scrubber, native, sentry};
use tephra_storage::{Event, ProjectId};

use crate::sample::{NOW, receipt};
use crate::sentry::sender;

const SECRET: &str = "Zq7Xw9Kp3Lm5Rt8Vb2Ny4Jc6Hs1Gd0";
/// So much of it tells something.
const PART: usize = 6;

/// Everything is cut in events of these.
fn tight() -> Limits {
    Limits { event_bytes_max: 40 << 10, text_bytes_max: 1 << 10, stack_bytes_max: 2 << 10, ..Limits::default() }
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    (0..=text.len() - PART).map(move |at| &text[at..at + PART])
}

fn check(event: &Event, secret: &str, what: &str) {
    let shown = format!("{event:?}");
    for part in parts(secret) {
        if let Some(at) = shown.find(part) {
            let from = shown.floor_char_boundary(at.saturating_sub(200));
            let to = shown.ceil_char_boundary((at + 200).min(shown.len()));
            panic!("{what}: `{part}` is left: {}", &shown[from..to]);
        }
    }
}

fn store(event: &Value, limits: &Limits, rules: &Rules) -> Event {
    let receipt = Receipt { project_id: ProjectId(1), received_at: NOW, limits, rules };
    let policy = sentry::Policy::default();
    let mut batch = sentry::store(&receipt, &policy, &sender(), &event.to_string().into()).unwrap();
    assert_eq!(batch.decoded.rejected, []);
    batch.decoded.events.remove(0)
}

/// `words` in every part of an event that may be cut.
fn everywhere(words: &str) -> Value {
    let frame = json!({
        "function": words, "filename": "a.py", "lineno": 1, "in_app": true, "context_line": words,
        "pre_context": [words], "post_context": [words], "vars": { "x": words, "y": [words] }, "odd": words,
    });
    json!({
        "platform": "python", "message": words, "logger": words, "transaction": words,
        "exception": { "values": [
            { "type": "Cause", "value": words, "stacktrace": { "frames": [frame] } },
            { "type": "E", "value": words, "mechanism": { "data": { "a": words } }, "stacktrace": { "frames": [frame] } },
        ] },
        "tags": { "t": words }, "fingerprint": [words], "user": { "id": "7", "note": words },
        "extra": { "a": words, "b": { "c": [words, words] } }, "contexts": { "c": { "d": words } },
        "request": { "url": "/x", "data": words, "headers": { "X-A": words }, "env": { "E": words } },
        "breadcrumbs": [{ "message": words }, { "message": words, "data": { "q": words } }],
        "modules": { "m": words }, "unknown": { "u": words },
    })
}

#[test]
fn no_cut_leaves_half_a_secret_anywhere() {
    let (limits, rules) = (tight(), Rules::standard());
    for before in (0..4_200).step_by(8) {
        let behind = 4_200 - before;
        let words = format!("{} password={SECRET} {}", "x ".repeat(before / 2), "y ".repeat(behind / 2));
        check(&store(&everywhere(&words), &limits, rules), SECRET, &format!("{before} before"));
    }
}

#[test]
fn no_cut_leaves_half_of_what_a_project_hides() {
    let rules = r#"{"hash_key":"k","rules":[{"pattern":"customer <([^>]+)>","action":"mask"}]}"#;
    let rules = Scrubber::new(&serde_json::from_str::<ScrubRules>(rules).unwrap()).unwrap();
    let (limits, rules) = (tight(), Rules::new(rules, GroupRules::default()));
    for before in (0..4_200).step_by(8) {
        let behind = 4_200 - before;
        let words = format!("{} customer <{SECRET}> {}", "x ".repeat(before / 2), "y ".repeat(behind / 2));
        check(&store(&everywhere(&words), &limits, &rules), SECRET, &format!("{before} before"));
    }
}

#[test]
fn names_that_are_cut_still_name_secrets() {
    for length in [100, 150, 199, 260, 300, 600, 2_000] {
        let name = format!("{}_password_{}", "a".repeat(length), "b".repeat(length));
        let many: Value =
            (0..400).map(|n| (format!("k{n}"), json!("z".repeat(40)))).collect::<serde_json::Map<_, _>>().into();
        let event = json!({
            "message": "m", "tags": { &name: SECRET },
            "extra": { &name: SECRET, "many": many }, "contexts": { "c": { &name: SECRET, "many": many } },
            "exception": { "values": [{ "type": "E", "value": "v", "stacktrace": { "frames": [
                { "function": "f", "filename": "a.py", &name: SECRET, "vars": { &name: SECRET, "many": many } },
            ] } }] },
            "unknown": { &name: SECRET, "many": many },
        });
        check(&store(&event, &tight(), Rules::standard()), SECRET, &format!("a name of {}", name.len()));
    }
}

#[test]
fn the_option_before_a_value_is_not_cut_away_alone() {
    for before in 150..260 {
        let mut arguments = vec!["run".to_owned(); before];
        arguments.extend(["--password".to_owned(), SECRET.to_owned()]);
        arguments.extend(vec!["more".to_owned(); 400 - before]);
        let event = json!({ "message": "m", "extra": { "argv": arguments } });
        check(&store(&event, &tight(), Rules::standard()), SECRET, &format!("{before} before"));
    }
}

#[test]
fn a_long_parameter_does_not_leave_half_a_secret_in_the_message() {
    for length in [4_000, 4_090, 4_100, 5_000, 20_000, 300_000] {
        for (template, param) in [
            ("login with password=%s failed", format!("{}{SECRET}{}", "k".repeat(length), "l".repeat(length))),
            (
                "got %s",
                format!("{} password={SECRET} {}", "x ".repeat(length / 2 - 900), "y ".repeat(length / 2 + 900)),
            ),
        ] {
            let event = json!({ "logentry": { "message": template, "params": [param] } });
            let event = store(&event, &Limits::default(), Rules::standard());
            let message = Event { message: event.message, ..Event::default() };
            check(&message, SECRET, &format!("{template} of {length}"));
            assert!(message.message.unwrap().len() <= 64 << 10);
        }
    }
}

#[test]
fn stacks_of_the_native_protocol_are_cut_after_scrubbing() {
    let limits = tight();
    for before in (0..2_400).step_by(8) {
        let text = format!("{} password={SECRET} {}", "x ".repeat(before / 2), "y ".repeat(2_000));
        let frame = native::proto::Frame { function: "f".into(), ..Default::default() };
        let stack = native::proto::Stack { text, frames: vec![frame] };
        let event = native::proto::Event { message: "m".into(), stack: 1, ..Default::default() };
        let request = native::proto::AppendRequest { stacks: vec![stack], events: vec![event], ..Default::default() };
        let batch = native::batch(&receipt(&limits), &request.encode_to_vec().into()).unwrap().decoded;
        check(&batch.events[0], SECRET, &format!("{before} before"));
    }
}

#[test]
fn what_was_hashed_before_a_cut_is_not_hashed_again() {
    let rules = r#"{"defaults":false,"hash_key":"k","rules":[{"path":"extra.id","action":"hash"}]}"#;
    let rules = Scrubber::new(&serde_json::from_str::<ScrubRules>(rules).unwrap()).unwrap();
    let rules = Rules::new(rules, GroupRules::default());
    let hashed = |extra: Value| {
        let event = store(&json!({ "message": "m", "extra": extra }), &tight(), &rules);
        serde_json::from_str::<Value>(&event.extra.unwrap()).unwrap()["id"].clone()
    };
    let alone = hashed(json!({ "id": "customer 7" }));
    assert!(alone.as_str().unwrap().starts_with("[hash:"));
    assert_eq!(hashed(json!({ "id": "customer 7", "large": "x ".repeat(5_000) })), alone);
}
