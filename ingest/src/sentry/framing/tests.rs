use super::*;

/// Each payload with its type's name, or the complaint.
fn cut(body: &str) -> std::result::Result<Vec<(&'static str, String)>, String> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let (_, mut items) = open(&body).map_err(|error| error.message().to_owned())?;
    let mut found = Vec::new();
    while let Some(item) = items.next().map_err(|error| error.message().to_owned())? {
        found.push((item.kind.as_str(), String::from_utf8_lossy(&item.payload).into_owned()));
    }
    Ok(found)
}

fn check(body: &str, expected: &[(&'static str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(kind, payload)| (*kind, (*payload).to_owned())).collect();
    assert_eq!(cut(body), Ok(expected), "{body:?}");
}

fn refuse(body: &str, reason: &str) {
    let complaint = cut(body).unwrap_err();
    assert!(complaint.starts_with("invalid event envelope: ") && complaint.contains(reason), "{body:?}: {complaint}");
}

#[test]
fn cuts_items() {
    check("{}", &[]);
    check("{}\n", &[]);
    check("{}\n\n\n", &[]);
    check(" {\"event_id\":\"1\"} \n", &[]);
    check("{}\n{\"type\":\"event\"}\n{\"a\":1}", &[("event", "{\"a\":1}")]);
    check("{}\n{\"type\":\"event\"}\n{\"a\":1}\n", &[("event", "{\"a\":1}")]);
    check("{}\n{\"type\":\"event\",\"length\":7}\n{\"a\":1}", &[("event", "{\"a\":1}")]);
    check("{}\n{\"type\":\"event\",\"length\":7}\n{\"a\":1}\n", &[("event", "{\"a\":1}")]);
    check("{}\n{\"type\":\"event\",\"length\":\"7\"}\n{\"a\":1}\n", &[("event", "{\"a\":1}")]);
    check("{}\n{\"type\":\"event\",\"length\":null}\n{\"a\":1}\n", &[("event", "{\"a\":1}")]);
    check("{}\n{\"type\":\"event\",\"length\":7.0}\n{\"a\":1}\n", &[("event", "{\"a\":1}")]);
}

#[test]
fn lines_end_with_newlines_only() {
    check("{}\r\n{\"type\":\"attachment\"}\r\nabc\r\n", &[("attachment", "abc\r")]);
    check("{}\n{\"type\":\"attachment\",\"length\":4}\nabc\r\n", &[("attachment", "abc\r")]);
    check("{}\n{\"type\":\"attachment\",\"length\":3}\na\nb\n", &[("attachment", "a\nb")]);
    check("{}\n{\"type\":\"attachment\",\"length\":2}\n\r\n\n", &[("attachment", "\r\n")]);
    refuse("{}\n{\"type\":\"attachment\",\"length\":3}\nabc\r\n", "no newline");
}

#[test]
fn payloads_may_be_empty() {
    check("{}\n{\"type\":\"attachment\"}", &[("attachment", "")]);
    check("{}\n{\"type\":\"attachment\"}\n", &[("attachment", "")]);
    check("{}\n{\"type\":\"attachment\"}\n\n", &[("attachment", "")]);
    check("{}\n{\"type\":\"attachment\",\"length\":0}", &[("attachment", "")]);
    check("{}\n{\"type\":\"attachment\",\"length\":0}\n", &[("attachment", "")]);
    check(
        "{}\n{\"type\":\"attachment\",\"length\":0}\n\n{\"type\":\"session\"}\n{}",
        &[("attachment", ""), ("session", "{}")],
    );
    check("{}\n{\"type\":\"attachment\"}\n\n{\"type\":\"session\"}\n{}", &[("attachment", ""), ("session", "{}")]);
}

#[test]
fn unknown_items_are_cut_like_known_ones() {
    check(
        "{}\n{\"type\":\"teapot\",\"length\":1}\n\n\n{\"type\":\"Event\"}\nx\n\n{\"type\":\"event\"}\n{}",
        &[("unknown", "\n"), ("unknown", "x"), ("event", "{}")],
    );
}

#[test]
fn refuses_what_cannot_be_cut() {
    refuse("", "envelope header at byte 0");
    refuse("\n{}", "envelope header");
    refuse("[]\n", "a list, where an object is needed");
    refuse("{\n}", "envelope header");
    refuse("not json", "envelope header");
    refuse("{}\nnot json", "item header at byte 3");
    refuse("{}\n7", "a number, where an object");
    refuse("{}\n{\"length\":1}\na", "`type` is missing");
    refuse("{}\n{\"type\":3}\na", "`type` is missing");
    refuse("{}\n{\"type\":\"event\",\"length\":8}\n{\"a\":1}", "past the end");
    refuse("{}\n{\"type\":\"event\",\"length\":18446744073709551615}\n{\"a\":1}", "past the end");
    refuse("{}\n{\"type\":\"event\",\"length\":5}\n{\"a\":1}", "no newline follows");
    refuse("{}\n{\"type\":\"event\",\"length\":-1}\n{\"a\":1}", "not a size");
    refuse("{}\n{\"type\":\"event\",\"length\":1.5}\n{\"a\":1}", "not a size");
    refuse("{}\n{\"type\":\"event\"}\n{}\n{\"type\":\"event\"", "item header at byte 23");
    refuse(&format!("{{\"a\":\"{}\"}}", "x".repeat(HEADER_BYTES_MAX)), "longer than");
}

#[test]
fn reads_the_headers() {
    let body = Bytes::from_static(
        br#"{"event_id":"9EC79C33-ec99-42ab-8353-589fcb2e04dc","sent_at":"2024-02-12T09:33:42.5Z","sdk":{"name":"sentry.x","version":"1"},"trace":{"trace_id":"b7de5fbca41646598b14da06cc7a198e","release":"r","environment":"e","public_key":"k"}}"#,
    );
    let (headers, _) = open(&body).unwrap();
    let expected = Headers {
        event_id: Some(0x9ec7_9c33_ec99_42ab_8353_589f_cb2e_04dc_u128.to_be_bytes()),
        sent_at: Some(1_707_730_422_500_000),
        client: Some("sentry.x/1".into()),
        trace_id: Some(0xb7de_5fbc_a416_4659_8b14_da06_cc7a_198e_u128.to_be_bytes()),
    };
    assert_eq!(headers, expected);
    for odd in [r#"{"event_id":7,"sent_at":"soon","sdk":[],"trace":null}"#, r#"{"event_id":"xyz","sent_at":null}"#] {
        assert_eq!(open(&Bytes::from(odd)).unwrap().0, Headers::default(), "{odd}");
    }
}

#[test]
fn reads_item_headers_without_copying_payloads() {
    let body = Bytes::from_static(
        b"{}\n{\"type\":\"attachment\",\"length\":2,\"filename\":\"a.txt\",\"content_type\":\"text/plain\",\"attachment_type\":\"event.minidump\"}\nhi\n{\"type\":\"log\",\"item_count\":3}\n{}",
    );
    let (_, mut items) = open(&body).unwrap();
    let item = items.next().unwrap().unwrap();
    assert_eq!(item.filename.as_deref(), Some("a.txt"));
    assert_eq!(item.content_type.as_deref(), Some("text/plain"));
    assert_eq!(item.attachment_type.as_deref(), Some("event.minidump"));
    assert!(body.as_ptr_range().contains(&item.payload.as_ptr()));
    assert_eq!(items.next().unwrap().unwrap().quantity, 3);
    assert!(items.next().unwrap().is_none());
}
