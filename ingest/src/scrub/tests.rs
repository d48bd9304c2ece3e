use super::*;

fn scrubber(json: &str) -> Scrubber {
    Scrubber::new(&serde_json::from_str(json).unwrap()).unwrap()
}

fn event() -> Event {
    let text = |text: &str| Some(Text::from(text));
    Event {
        message: text("login of bob@x.io with password=hunter2 from 10.0.0.1"),
        request: text(
            r#"{"headers":[["Cookie","a=b"],["Host","x.io"]],"url":"https://x.io/?token=abc","cookies":{"a":"b"}}"#,
        ),
        extra: text(r#"{"nested":{"name":"Ann","api_key":"k"},"count":3,"argv":["run","--token","abc"]}"#),
        user_email: text("bob@x.io"),
        user_ip: text("10.0.0.1"),
        user_id: text("4111111111111111"),
        tags: vec![("plan".into(), "gold".into()), ("secret".into(), "s".into())],
        attributes: text(
            r#"{"order_id":4111111111111111,"number":4111111111111111,"http.request.header.authorization":["Basic x"]}"#,
        ),
        ..Event::default()
    }
}

#[test]
fn defaults_take_out_secrets_and_nothing_else() {
    let mut event = event();
    let scrubbed = Scrubber::default().scrub(&mut event);
    assert_eq!(event.message.as_deref(), Some("login of bob@x.io with password=[scrubbed] from 10.0.0.1"));
    let request = r#"{"headers":[["Cookie","[scrubbed]"],["Host","x.io"]],"url":"https://x.io/?token=[scrubbed]","cookies":{"a":"[scrubbed]"}}"#;
    assert_eq!(event.request.as_deref(), Some(request));
    let extra = r#"{"nested":{"name":"Ann","api_key":"[scrubbed]"},"count":3,"argv":["run","--token","[scrubbed]"]}"#;
    assert_eq!(event.extra.as_deref(), Some(extra));
    assert_eq!(event.tags[1].1.as_ref(), "[scrubbed]");
    let attributes = r#"{"order_id":4111111111111111,"number":"[scrubbed:card]","http.request.header.authorization":["[scrubbed]"]}"#;
    assert_eq!(event.attributes.as_deref(), Some(attributes));
    assert_eq!(event.user_id.as_deref(), Some("4111111111111111"));
    assert_eq!((event.user_email.is_some(), scrubbed.count), (true, 9));
    assert_eq!(Scrubber::default().scrub(&mut event).count, 0, "{:?}", Scrubber::default().explain(&event));
}

#[test]
fn addresses_go_if_asked() {
    let mut event = event();
    scrubber(r#"{"defaults":false,"ips":true,"emails":true}"#).scrub(&mut event);
    let message = "login of [scrubbed:email] with password=hunter2 from [scrubbed:ip]";
    assert_eq!(event.message.as_deref(), Some(message));
    assert_eq!((event.user_email, event.user_ip), (None, None));
}

#[test]
fn projects_have_rules_of_their_own() {
    let mut event = event();
    let rules = r#"{"hash_key":"k","rules":[
        {"path":"request.cookies","action":"keep"},
        {"path":"extra.**.name","action":"remove"},
        {"path":"tags.plan","action":"mask"},
        {"path":"$user_email","action":"hash"},
        {"path":"$message","pattern":"of (\\S+)","action":"mask"},
        {"path":"attributes.number","action":"keep"}]}"#;
    scrubber(rules).scrub(&mut event);
    assert_eq!(event.message.as_deref(), Some("login of ******** with password=[scrubbed] from 10.0.0.1"));
    assert!(event.request.unwrap().contains(r#""cookies":{"a":"b"}"#));
    assert!(event.extra.unwrap().starts_with(r#"{"nested":{"api_key":"[scrubbed]"},"#));
    assert_eq!(event.tags[0].1.as_ref(), "********");
    assert!(event.user_email.unwrap().starts_with("[hash:"));
    assert!(event.attributes.unwrap().contains(r#""number":4111111111111111"#));
}

#[test]
fn a_dry_run_tells_where_and_never_what() {
    let found = Scrubber::default().explain(&event());
    let list: Vec<_> = found.iter().map(|found| (found.path.as_str(), found.rule.as_str(), found.bytes)).collect();
    assert!(list.contains(&("message", "name", 7)), "{list:?}");
    assert!(list.contains(&("extra.nested.api_key", "name", 1)), "{list:?}");
    assert!(list.contains(&("attributes.number", "card", 16)), "{list:?}");
    assert!(list.contains(&("request.headers.0.1", "name", 3)), "{list:?}");
}

#[test]
fn what_is_too_much_is_scrubbed_unread() {
    let many = "password=a1 ".repeat(2_000);
    let mut event = Event { message: Some(many.into()), ..Event::default() };
    Scrubber::default().scrub(&mut event);
    let message = event.message.unwrap();
    assert!(message.ends_with("password=[scrubbed:rest]") && !message.contains("a1"), "{}", message.len());
    let large = "x ".repeat(5 << 20);
    let mut event = Event { message: Some(large.into()), ..Event::default() };
    Scrubber::default().scrub(&mut event);
    assert_eq!(event.message.as_deref(), Some("[scrubbed:unread]"));
}

#[test]
fn json_stays_json() {
    for json in [
        r#"{"\u0070assword":"x"}"#,
        r#"{"url":"https:\/\/u:p@h"}"#,
        r#"{"a":"line\npassword=x1y2z3\n"}"#,
        r#"{"a":"{\"token\":\"abc\"}"}"#,
        r#"["password",null,true,{"password":null,"secret":true,"token":""}]"#,
        r#"{"password":{"a":[1,"b",{"c":2.5}]}}"#,
    ] {
        let mut event = Event { extra: Some(json.into()), ..Event::default() };
        Scrubber::default().scrub(&mut event);
        serde_json::from_str::<serde_json::Value>(&event.extra.unwrap()).unwrap();
    }
    let mut broken = Event { extra: Some("{password: x".into()), ..Event::default() };
    Scrubber::default().scrub(&mut broken);
    assert_eq!(broken.extra.as_deref(), Some("\"[scrubbed:unread]\""));
}

/// Each byte is looked at a bounded number of times: were it not, this would take minutes.
#[test]
fn hostile_texts_are_read_once() {
    for part in [
        "cookie: ",
        "auth=a.",
        "sk-",
        "-eyJ",
        "AKIA",
        "bearer+.",
        "basic+",
        "://",
        "key",
        "\"token\": {",
        "password=\"${",
        "1 ",
        "-----begin ",
        "4111-",
        "token='",
        "secret=",
        "a@",
        "::",
        "x-api-key",
        "xoxb-",
        "SG.",
        "password = [",
    ] {
        let text = part.repeat((64 << 10) / part.len());
        let extra = format!("{{\"a\":{}}}", serde_json::Value::from(text.as_str()));
        let mut event = Event { message: Some(text.into()), extra: Some(extra.into()), ..Event::default() };
        scrubber(r#"{"ips":true,"emails":true}"#).scrub(&mut event);
    }
}
