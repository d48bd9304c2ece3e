//! Which events fall into one group: tables of messages and of stack traces of eight platforms, and what must not matter.

use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use tephra_ingest::sentry::{self, Policy, Sender};
use tephra_ingest::{
    GROUPING_VERSION, GroupRules, Limits, Receipt, Rules, hashes_of_version, native, ndjson, parametrised,
};
use tephra_storage::{Event, ProjectId};

mod traces;
mod wild;

use traces::{Pair, Verdict};

/// A line of the table, and what it becomes on the line below.
const MESSAGES: &str = include_str!("grouping/messages.txt");

fn event_by(line: &Value, rules: &Rules) -> Event {
    let limits = Limits::default();
    let receipt = Receipt { project_id: ProjectId(1), received_at: 1_760_000_000_000_000, limits: &limits, rules };
    let mut decoded = ndjson::lines(&receipt, &Bytes::from(line.to_string())).unwrap();
    assert_eq!(decoded.rejected, []);
    decoded.events.pop().unwrap()
}

fn event(line: &Value) -> Event {
    event_by(line, Rules::standard())
}

fn thrown(kind: &str, stack: &str) -> Event {
    event(&json!({"exception_type": kind, "exception_value": "x", "stack": stack}))
}

#[test]
fn messages_without_their_parameters() {
    let lines: Vec<_> = MESSAGES.lines().collect();
    let table: Vec<_> = lines.chunks(2).map(|pair| (pair[0], pair[1])).collect();
    assert!(table.len() >= 140, "{}", table.len());
    let wrong: String = table
        .iter()
        .filter(|(input, expected)| parametrised(input) != *expected)
        .map(|(input, expected)| {
            format!("\n  input    {input}\n  expected {expected}\n  found    {}", parametrised(input))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_is_parametrised_stays_so() {
    for input in MESSAGES.lines().step_by(2) {
        let once = parametrised(input);
        let hash = |message: &str| event(&json!({"message": message})).group_hash;
        assert_eq!(hash(input), hash(input));
        assert!(!once.contains("  "), "{once}");
    }
}

/// All pairs of traces.
fn pairs() -> impl Iterator<Item = &'static Pair> {
    traces::PAIRS.iter().chain(wild::PAIRS)
}

#[test]
fn stack_traces_of_eight_platforms() {
    assert!(pairs().count() >= 150, "{}", pairs().count());
    let mut wrong = String::new();
    for Pair { name, a, b, verdict } in pairs() {
        let (first, second) = (thrown("E", a), thrown("E", b));
        let found = match (first.group_hash == second.group_hash, first.group_hash_full == second.group_hash_full) {
            (true, true) => Verdict::Same,
            (true, false) => Verdict::SameOwn,
            (false, _) => Verdict::Other,
        };
        if found != *verdict {
            wrong.push_str(&format!("\n{name}: expected {verdict:?}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The text of a trace and the frames of an SDK for the same error.
#[test]
fn text_and_frames_fall_into_one_group() {
    for (text, frames, style) in traces::STRUCTURED.iter().chain(wild::STRUCTURED) {
        let by_text = thrown("E", text);
        let frames: Value = serde_json::from_str(frames).unwrap();
        let by_frames = native_event(&frames);
        assert_eq!(by_text.group_hash, by_frames.group_hash, "{style}");
    }
}

/// The event of the native protocol for one exception `E` with these frames, oldest call first.
fn native_event(frames: &Value) -> Event {
    use native::proto::{AppendRequest, Event as Sent, Frame, Stack};
    use prost::Message;
    let text = |frame: &Value, name: &str| frame[name].as_str().unwrap_or_default().to_owned();
    let frames = frames.as_array().unwrap().iter().map(|frame| Frame {
        function: text(frame, "function"),
        module: text(frame, "module"),
        filename: text(frame, "filename"),
        abs_path: text(frame, "abs_path"),
        in_app: frame["in_app"].as_bool(),
        ..Frame::default()
    });
    let stack = Stack { frames: frames.collect(), ..Stack::default() };
    let sent = Sent { exception_type: "E".into(), exception_value: "x".into(), stack: 1, ..Sent::default() };
    let request = AppendRequest { stacks: vec![stack], events: vec![sent], ..AppendRequest::default() };
    let limits = Limits::default();
    let (project_id, received_at) = (ProjectId(1), 1_760_000_000_000_000);
    let receipt = Receipt { project_id, received_at, limits: &limits, rules: Rules::standard() };
    native::batch(&receipt, &request.encode_to_vec().into()).unwrap().decoded.events.pop().unwrap()
}

/// The event of a body of Sentry's.
fn by_sentry(body: &str) -> Event {
    let limits = Limits::default();
    let (project_id, received_at) = (ProjectId(1), 1_760_000_000_000_000);
    let receipt = Receipt { project_id, received_at, limits: &limits, rules: Rules::standard() };
    let batch = sentry::store(&receipt, &Policy::default(), &Sender::default(), &Bytes::from(body.to_owned())).unwrap();
    batch.decoded.events.into_iter().next().unwrap()
}

/// By the columns that are stored, the hashes are the same again.
#[test]
fn stored_events_group_as_they_came() {
    let mut events: Vec<Event> = pairs().flat_map(|pair| [thrown("a.b.E", pair.a), thrown("E", pair.b)]).collect();
    events.extend(MESSAGES.lines().map(|message| event(&json!({"message": message}))));
    let structured = traces::STRUCTURED.iter().chain(wild::STRUCTURED);
    events.extend(structured.map(|(_, frames, _)| native_event(&serde_json::from_str(frames).unwrap())));
    events.push(event(&json!({"message": "m 1", "fingerprint": ["a", "{{ default }}", "{{ message }}"]})));
    events.push(event(&json!({"stack": "no frame at 0x12\nat all"})));
    events.push(event(&json!({"logger": "app.db"})));
    for event in &events {
        let again = hashes_of_version(GROUPING_VERSION, event, &GroupRules::default()).unwrap();
        assert_eq!((again.in_app, again.all), (event.group_hash, event.group_hash_full), "{event:?}");
        assert!(hashes_of_version(1, event, &GroupRules::default()).is_some());
    }
    assert_eq!(hashes_of_version(3, &events[0], &GroupRules::default()), None);
}

/// Sentry's samples as a stack of the native protocol: no two of them are alike but those that are.
#[test]
fn samples_keep_apart() {
    let Some(corpus) = std::env::var_os("TEPHRA_CORPUS") else { return };
    let mut groups: std::collections::HashMap<u64, Vec<String>> = std::collections::HashMap::new();
    let mut count = 0;
    for entry in std::fs::read_dir(Path::new(&corpus).join("event-samples/sentry")).unwrap().flatten() {
        let Ok(sample) = serde_json::from_slice::<Value>(&std::fs::read(entry.path()).unwrap()) else { continue };
        let Some(thrown) = sample["exception"]["values"].as_array().and_then(|values| values.last()) else { continue };
        let Some(frames) = thrown["stacktrace"]["frames"].as_array().filter(|frames| !frames.is_empty()) else {
            continue;
        };
        let moved: Vec<Value> = frames
            .iter()
            .map(|frame| {
                let mut frame = frame.clone();
                frame["lineno"] = json!(4_242);
                frame["instruction_addr"] = json!("0x1234");
                frame
            })
            .collect();
        let event = native_event(&json!(frames));
        assert_eq!(event.group_hash, native_event(&json!(moved)).group_hash);
        count += 1;
        groups.entry(event.group_hash).or_default().push(entry.file_name().to_string_lossy().into_owned());
    }
    let largest = groups.values().max_by_key(|names| names.len()).unwrap();
    assert!(count > 50 && groups.len() * 10 > count * 7, "{} groups of {count} samples, {largest:?}", groups.len());
}

/// Sentry's samples through Sentry's door: their columns give the hashes again, without which no dry run could be believed.
#[test]
fn stored_samples_group_as_they_came() {
    let Some(corpus) = std::env::var_os("TEPHRA_CORPUS") else { return };
    let limits = Limits::default();
    let (project_id, received_at) = (ProjectId(1), 1_760_000_000_000_000);
    let receipt = Receipt { project_id, received_at, limits: &limits, rules: Rules::standard() };
    let mut wrong = Vec::new();
    let mut count = 0;
    for folder in ["sentry", "bugsink", "glitchtip"] {
        for entry in std::fs::read_dir(Path::new(&corpus).join("event-samples").join(folder)).unwrap().flatten() {
            let body = Bytes::from(std::fs::read(entry.path()).unwrap());
            let Ok(batch) = sentry::store(&receipt, &Policy::default(), &Sender::default(), &body) else { continue };
            for event in &batch.decoded.events {
                count += 1;
                let again = hashes_of_version(GROUPING_VERSION, event, &GroupRules::default()).unwrap();
                if (again.in_app, again.all) != (event.group_hash, event.group_hash_full) {
                    wrong.push((entry.file_name(), event.platform.clone()));
                }
            }
        }
    }
    assert!(count > 50 && wrong.is_empty(), "{} of {count}: {wrong:?}", wrong.len());
}

#[test]
fn projects_make_fingerprints() {
    let rules = |text: &str| Rules::new(Default::default(), GroupRules::parse(text).unwrap());
    let by = |text: &str, line: Value| event_by(&line, &rules(text)).group_hash;
    let java = "E: x\n\tat com.acme.Orders.pay(Orders.java:1)\n\tat org.lib.Pool.run(Pool.java:2)";
    let one = json!({"exception_type": "a.DbDown", "exception_value": "x 1", "stack": java, "tags": {"tier": "gold"}});
    let other =
        json!({"exception_type": "a.DbDown", "exception_value": "y", "level": "warning", "tags": {"tier": "base"}});
    assert_ne!(by("", one.clone()), by("", other.clone()));
    assert_eq!(by("type:*DbDown -> db", one.clone()), by("type:*DbDown -> db", other.clone()));
    let tiers = "type:*dbdown -> db, {{ tags.tier }}";
    assert_ne!(by(tiers, one.clone()), by(tiers, other.clone()));
    assert_eq!(by("type:Nothing -> db", one.clone()), by("", one.clone()));
    assert_eq!(by("function:com.acme.* -> orders", one.clone()), by("value:x* -> orders", one.clone()));
    assert_ne!(by("function:com.acme.nothing* -> orders", one.clone()), by("value:x* -> orders", one.clone()));
    // The frames that count.
    let moved = json!({"exception_type": "a.DbDown", "exception_value": "x 1", "stack": java.replace("org.lib.Pool", "org.lib.Queue")});
    assert_ne!(by("", one.clone()), by("", moved.clone()));
    assert_eq!(by("function:org.lib.* -app", one.clone()), by("function:org.lib.* -app", moved.clone()));
    assert_eq!(by("function:org.lib.* -group", one.clone()), by("function:org.lib.* -group", moved.clone()));
    let stored = event_by(&one, &rules("function:org.lib.* -group"));
    let again = hashes_of_version(2, &stored, &GroupRules::parse("function:org.lib.* -group").unwrap()).unwrap();
    assert_eq!((again.in_app, again.all), (stored.group_hash, stored.group_hash_full));
}

#[test]
fn a_secret_splits_no_group() {
    let hash = |secret: &str| event(&json!({"message": format!("login with password={secret}")})).group_hash;
    assert_eq!(hash("hunter2"), hash("correcthorse99"));
    let stack = |secret: &str| thrown("E", &format!("E\n    at f (https://x.io/a/b.js?token={secret}:1:2)")).group_hash;
    assert_eq!(stack("abc1"), stack("zzz2"));
}

proptest! {
    #[test]
    fn lines_and_addresses_never_matter(pair in 0..traces::PAIRS.len() + wild::PAIRS.len(), line in 1u32..100_000, address in 0x1000u64..0xffff_ffff) {
        let trace = pairs().nth(pair).unwrap().a;
        let moved = moved(trace, line, address);
        let (a, b) = (thrown("E", trace), thrown("E", &moved));
        prop_assert_eq!((a.group_hash, a.group_hash_full), (b.group_hash, b.group_hash_full), "{}\n{}", trace, moved);
    }

    #[test]
    fn other_fields_never_matter(seed in any::<u64>(), tags in proptest::collection::vec(("[a-z]{1,8}", "[a-z0-9]{0,8}"), 0..6)) {
        let base = json!({"exception_type": "E", "exception_value": "v", "stack": traces::PAIRS[0].a, "message": "m"});
        let mut fields: Vec<(String, Value)> = base.as_object().unwrap().clone().into_iter().collect();
        let extra = tags.iter().map(|(name, value)| (format!("x.{name}"), json!(value)));
        fields.extend(extra.chain([("service".to_owned(), json!("s")), ("user_id".to_owned(), json!("u")), ("count".to_owned(), json!(seed))]));
        let turn = (seed % fields.len() as u64) as usize;
        fields.rotate_left(turn);
        let text: Vec<String> = fields.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
        let limits = Limits::default();
        let receipt = Receipt { project_id: ProjectId(1), received_at: 1, limits: &limits, rules: Rules::standard() };
        let line = format!("{{{}}}", text.join(","));
        let decoded = ndjson::lines(&receipt, &Bytes::from(line)).unwrap();
        prop_assert_eq!(decoded.events[0].group_hash, event(&base).group_hash);
    }

    /// The same for what SDKs of Sentry send: lines, columns, addresses, source, variables, and whatever else an event has.
    #[test]
    fn what_varies_in_an_sdks_event_never_matters(
        which in 0..traces::STRUCTURED.len() + wild::STRUCTURED.len(),
        line in 1u32..100_000,
        address in 0x1000u64..0xffff_ffff,
        turn in any::<usize>(),
        word in "[a-z]{1,12}",
    ) {
        let (_, frames, _) = traces::STRUCTURED.iter().chain(wild::STRUCTURED).nth(which).unwrap();
        let frames: Vec<Value> = serde_json::from_str(frames).unwrap();
        let plain = json!({"exception": {"values": [{"type": "E", "value": "x", "stacktrace": {"frames": frames}}]}});
        let moved: Vec<Value> = frames.iter().zip(0..).map(|(frame, index)| {
            let mut fields: Vec<(String, Value)> = frame.as_object().unwrap().clone().into_iter().collect();
            fields.extend([
                ("lineno".to_owned(), json!(line + index)),
                ("colno".to_owned(), json!(line % 97)),
                ("instruction_addr".to_owned(), json!(format!("{address:#x}"))),
                ("context_line".to_owned(), json!(word)),
                ("vars".to_owned(), json!({ &word: address })),
            ]);
            let turn = turn % fields.len();
            fields.rotate_left(turn);
            Value::Object(fields.into_iter().collect())
        }).collect();
        let mut fields = [
            ("exception", json!({"values": [{"value": "x", "thread_id": line, "stacktrace": {"frames": moved}, "type": "E"}]})),
            ("tags", json!({ &word: "1" })),
            ("user", json!({ "id": address })),
            ("extra", json!({ &word: [line] })),
            ("breadcrumbs", json!([{ "message": word, "level": "error" }])),
            ("contexts", json!({ "os": { "name": word } })),
            ("release", json!(format!("{word}@1.{line}"))),
            ("server_name", json!(word)),
        ];
        let turn = turn % fields.len();
        fields.rotate_left(turn);
        let text: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let (one, other) = (by_sentry(&plain.to_string()), by_sentry(&format!("{{{}}}", text.join(","))));
        prop_assert_eq!((one.group_hash, one.group_hash_full), (other.group_hash, other.group_hash_full), "{}", text.join(","));
    }

    #[test]
    fn any_text_is_taken(text in "\\PC{0,200}", trace in "(\\PC{0,40}\n){0,6}") {
        let once = parametrised(&text);
        prop_assert!(once.len() <= 6 * text.len() + 16);
        let event = event(&json!({"exception_type": text, "stack": trace, "message": text}));
        let again = hashes_of_version(2, &event, &GroupRules::default()).unwrap();
        prop_assert_eq!((again.in_app, again.all), (event.group_hash, event.group_hash_full));
        let _ = GroupRules::parse(&text);
        let _ = GroupRules::parse(&format!("type:{text} -> {text}"));
    }
}

/// The trace with other line numbers and addresses.
fn moved(trace: &str, line: u32, address: u64) -> String {
    let mut out = String::new();
    let mut rest = trace;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let before = &rest[..at];
        out.push_str(before);
        rest = &rest[at..];
        let hex = rest.strip_prefix("0x");
        let length = match hex {
            Some(digits) => 2 + digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len()),
            None => rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()),
        };
        let number = &rest[..length];
        let is_line = before.ends_with(", line ")
            || before.ends_with(":line ")
            || ([".py:", ".js:", ".ts:", ".java:", ".kt:", ".go:", ".rs:", ".rb:", ".cs:", ".php("]
                .iter()
                .any(|end| before.ends_with(end)));
        if hex.is_some() {
            out.push_str(&format!("0x{address:x}"));
        } else if is_line {
            out.push_str(&line.to_string());
        } else {
            out.push_str(number);
        }
        rest = &rest[length..];
    }
    out + rest
}
