use tephra_storage::ProjectId;

use super::*;
use crate::json::parse;
use crate::limits::{Limits, Receipt};
use crate::rules::Rules;

fn read(json: &str, check: impl FnOnce(Draft<'_>)) {
    let limits = Limits::default();
    let receipt = Receipt {
        project_id: ProjectId(1),
        received_at: 1_760_000_000_000_000,
        limits: &limits,
        rules: Rules::standard(),
    };
    let mut batch = Batch::new(&receipt, b"").unwrap();
    let Value::Map(pairs) = parse(json).unwrap() else { panic!("{json}") };
    check(draft(&mut batch, pairs, &Circumstances::default(), None).unwrap());
}

fn check(json: &str, slot: Slot, expected: Option<&str>) {
    read(json, |draft| assert_eq!(draft.get(slot), expected, "{json}"));
}

#[test]
fn tags_come_in_three_forms() {
    for json in [
        r#"{"tags":{"a":"1","b":2,"c":null}}"#,
        r#"{"tags":[["a","1"],["b",2],["c",null],null,[null,null]]}"#,
        r#"{"tags":[{"key":"a","value":"1"},{"key":"b","value":2}]}"#,
    ] {
        read(json, |draft| {
            assert_eq!(draft.tags, [("a".into(), "1".into()), ("b".into(), "2".into())], "{json}");
            assert!(draft.rest.is_empty(), "{json}: {:?}", draft.rest);
        });
    }
    read(r#"{"tags":"odd"}"#, |draft| assert_eq!(draft.rest, [("tags".into(), Value::Text("odd".into()))]));
}

#[test]
fn levels_are_words_or_numbers() {
    for (json, level, kept) in [
        (r#"{}"#, Level::Error, 0),
        (r#"{"level":"warning"}"#, Level::Warning, 0),
        (r#"{"level":"log"}"#, Level::Info, 0),
        (r#"{"level":30}"#, Level::Warning, 0),
        (r#"{"level":"50"}"#, Level::Error, 1),
        (r#"{"level":"sample"}"#, Level::Error, 1),
        (r#"{"level":null}"#, Level::Error, 0),
    ] {
        read(json, |draft| assert_eq!((draft.level, draft.rest.len()), (Some(level), kept), "{json}"));
    }
}

#[test]
fn exceptions_come_in_three_forms() {
    for json in [
        r#"{"exception":{"values":[{"type":"E","value":"v"}]}}"#,
        r#"{"exception":[null,{"type":"E","value":"v"}]}"#,
        r#"{"exception":{"type":"E","value":"v"}}"#,
        r#"{"sentry.interfaces.Exception":{"values":{"type":"E","value":"v"}}}"#,
        r#"{"exception":{"values":[{"type":"E","value":"v","stacktrace":{"frames":null}}]}}"#,
        r#"{"exception":{"values":[{"type":"E","value":"v","stacktrace":null}]}}"#,
    ] {
        read(json, |draft| {
            assert_eq!(
                (draft.get(Slot::ExceptionType), draft.get(Slot::ExceptionValue)),
                (Some("E"), Some("v")),
                "{json}"
            );
            assert_eq!((draft.kind, draft.stack.is_none()), (Some(Kind::Error), true), "{json}");
        });
    }
    check(r#"{"exception":{"values":null}}"#, Slot::ExceptionType, None);
    check(r#"{"exception":"boom"}"#, Slot::ExceptionValue, Some("boom"));
    check(r#"{"exception":{"values":[{"type":"E","value":7}]}}"#, Slot::ExceptionValue, Some("7"));
}

#[test]
fn the_root_of_a_group_was_thrown() {
    let exception = |kind: &str, id: u32, parent: &str| {
        format!(r#"{{"type":"{kind}","mechanism":{{"exception_id":{id},"parent_id":{parent}}}}}"#)
    };
    let [root, a, b] = [exception("Root", 0, "null"), exception("A", 1, "0"), exception("B", 2, "0")];
    for list in [format!("{b},{a},{root}"), format!("{root},{a},{b}"), format!("{b},{root},{a}")] {
        check(&format!(r#"{{"exception":{{"values":[{list}]}}}}"#), Slot::ExceptionType, Some("Root"));
    }
}

#[test]
fn a_thread_gives_its_frames_where_the_exception_has_none() {
    let thread = |id: u32, flags: &str, function: &str| {
        format!(
            r#"{{"id":{id},{flags}"stacktrace":{{"frames":[{{"function":"{function}","filename":"a.js","lineno":1}}]}}}}"#
        )
    };
    let check = |exception: &str, threads: &[String], expected: Option<&str>| {
        let json = format!(r#"{{"platform":"node",{exception}"threads":{{"values":[{}]}}}}"#, threads.join(","));
        read(&json, |draft| {
            let stack = draft.stack.and_then(|stack| stack.text);
            let found = stack.as_deref().and_then(|text| text.rsplit("at ").next()?.split(' ').next());
            assert_eq!(found, expected, "{json}");
        });
    };
    let [idle, current, crashed] =
        [thread(1, "", "idle"), thread(2, r#""current":true,"#, "current"), thread(3, r#""crashed":true,"#, "crashed")];
    check("", &[idle.clone(), current.clone(), crashed.clone()], Some("crashed"));
    check("", &[idle.clone(), current.clone()], Some("current"));
    check("", std::slice::from_ref(&idle), Some("idle"));
    check("", &[idle.clone(), thread(4, "", "x")], None);
    check(r#""exception":[{"type":"E","thread_id":1}],"#, &[idle.clone(), crashed.clone()], Some("idle"));
    let own =
        r#""exception":[{"type":"E","stacktrace":{"frames":[{"function":"own","filename":"a.js","lineno":1}]}}],"#;
    check(own, &[idle, crashed], Some("own"));
}

#[test]
fn culprits_and_transactions() {
    check(r#"{"transaction":"GET /"}"#, Slot::Culprit, Some("GET /"));
    read(r#"{"transaction":"GET /","culprit":"f"}"#, |draft| {
        assert_eq!(draft.get(Slot::Culprit), Some("f"));
        assert_eq!(draft.rest, [("transaction".into(), Value::Text("GET /".into()))]);
    });
}

#[test]
fn fingerprints_are_texts() {
    for (json, expected) in [
        (r#"{"fingerprint":["a",7,null,""]}"#, &["a", "7"][..]),
        (r#"{"fingerprint":"a"}"#, &["a"]),
        (r#"{"fingerprint":[],"checksum":"c"}"#, &["c"]),
        (r#"{"fingerprint":null}"#, &[]),
    ] {
        read(json, |draft| assert_eq!(draft.fingerprint, expected, "{json}"));
    }
}

#[test]
fn ids_of_the_trace_have_columns() {
    let trace = r#"{"contexts":{"trace":{"trace_id":"CC5D2920126c468987f2d1800ccb674f","span_id":"a201faf4dcf4ff75","op":"x","type":"trace","parent_span_id":null},"os":{},"app":null}}"#;
    read(trace, |draft| {
        assert_eq!(draft.trace_id.map(hex::encode).as_deref(), Some("cc5d2920126c468987f2d1800ccb674f"));
        assert_eq!(draft.span_id.map(hex::encode).as_deref(), Some("a201faf4dcf4ff75"));
        assert_eq!(draft.get(Slot::Contexts), Some(r#"{"trace":{"op":"x"}}"#));
    });
    check(r#"{"contexts":{"trace":{"trace_id":"short"}}}"#, Slot::Contexts, Some(r#"{"trace":{"trace_id":"short"}}"#));
    check(r#"{"contexts":{"trace":{"trace_id":"00000000000000000000000000000000"}}}"#, Slot::ExceptionType, None);
}

#[test]
fn what_has_no_column_is_kept_and_what_is_of_the_wrong_type_too() {
    let json = r#"{"modules":{"a":"1"},"errors":[{"type":"x"}],"_meta":{"a":{}},"odd":[1],"none":null,"empty":{},"release":{"v":1},"sdk":"x","contexts":"c","request":[1],"received":1}"#;
    read(json, |draft| {
        let names: Vec<_> = draft.rest.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(names, ["modules", "errors", "_meta", "odd", "release", "request", "contexts"]);
        assert_eq!(draft.get(Slot::SdkName), Some("x"));
    });
}
