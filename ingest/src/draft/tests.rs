use super::*;

fn text(value: &str) -> Value<'_> {
    Value::Text(value.into())
}

#[test]
fn newer_names_win_in_any_order() {
    for keys in [
        ["deployment.environment", "deployment.environment.name"],
        ["deployment.environment.name", "deployment.environment"],
    ] {
        let mut draft = Draft::default();
        for key in keys {
            draft.put(key.into(), text(key));
        }
        assert_eq!(draft.get(Slot::Environment), Some("deployment.environment.name"));
    }
}

#[test]
fn code_names_make_a_culprit() {
    let mut draft = Draft::default();
    draft.put("code.function".into(), text("run"));
    draft.put("code.namespace".into(), text("app.Worker"));
    draft.settle();
    assert_eq!(draft.get(Slot::Culprit), Some("app.Worker.run"));
    assert!(draft.rest.is_empty());
}

#[test]
fn what_does_not_fit_is_kept() {
    let mut draft = Draft::default();
    draft.put("user.id".into(), Value::List(vec![Value::Int(1)]));
    draft.put("user.email".into(), Value::Int(7));
    draft.put("exception.escaped".into(), text("False"));
    draft.put("fingerprint".into(), text("ab:cd"));
    draft.put("".into(), text("nameless"));
    draft.settle();
    assert_eq!(draft.get(Slot::UserId), None);
    assert_eq!(draft.get(Slot::UserEmail), Some("7"));
    assert_eq!(draft.handled, None);
    let names: Vec<_> = draft.rest.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["user.id", "exception.escaped", "fingerprint", "_"]);
}

#[test]
fn bodies_become_messages() {
    let check = |body: Value<'static>, message: Option<&str>, rest: usize| {
        let mut draft = Draft::default();
        draft.put_body(body);
        assert_eq!((draft.get(Slot::Message), draft.rest.len()), (message, rest));
    };
    let map = |pairs: &[(&'static str, Value<'static>)]| {
        Value::Map(pairs.iter().map(|(name, value)| ((*name).into(), value.clone())).collect())
    };
    check(text("hi"), Some("hi"), 0);
    check(Value::Null, None, 0);
    check(Value::Int(7), Some("7"), 0);
    check(Value::List(vec![Value::Int(7), text("x")]), Some(r#"[7,"x"]"#), 0);
    check(map(&[("msg", text("hi")), ("a", Value::Int(1))]), Some("hi"), 1);
    check(map(&[("a", Value::Int(1))]), Some(r#"{"a":1}"#), 0);
    check(Value::Bytes(b"raw\0"[..].into()), Some("raw\u{fffd}"), 0);
}

#[test]
fn ids_are_read_or_made() {
    assert_eq!(event_id("67e55044-10b1-426f-9247-bb680e5fe0c8")[0], 0x67);
    assert_eq!(event_id("67E5504410B1426F9247BB680E5FE0C8")[0], 0x67);
    assert_eq!(event_id("01ARZ3NDEKTSV4RRFFQ69G5FAV"), event_id("01ARZ3NDEKTSV4RRFFQ69G5FAV"));
    assert_ne!(event_id("a"), event_id("b"));
}
