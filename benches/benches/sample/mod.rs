//! An event of about 2 KB as an SDK for Python sends it: twelve frames, a request, breadcrumbs, contexts and tags.

#![allow(clippy::unwrap_used, reason = "a benchmark")]

use serde_json::{Value, json};
use tephra_storage::{Event, Text};

pub(crate) fn event(secrets: bool) -> Event {
    let text = |text: &str| Some(Text::from(text));
    let json = |value: Value| Some(Text::from(value.to_string()));
    let frames: Vec<Value> = (0..12)
        .map(|n| json!({"function": format!("handle_{n}"), "module": format!("app.views.part{n}"), "filename": format!("app/views/part{n}.py"), "lineno": n * 7, "in_app": n % 3 > 0}))
        .collect();
    let url =
        if secrets { "https://shop.example.com/cart?token=0a1b2c3d" } else { "https://shop.example.com/cart?page=2" };
    let headers =
        if secrets { json!({"Cookie": "sid=0a1b", "Host": "shop"}) } else { json!({"Accept": "*/*", "Host": "shop"}) };
    Event {
        platform: text("python"),
        message: text("checkout of cart 17 failed after 3 attempts"),
        exception_type: text("TimeoutError"),
        exception_value: text(if secrets {
            "postgres://app:hunter2@db/shop timed out"
        } else {
            "connection to db timed out"
        }),
        frames: json(json!([{"type": "TimeoutError", "frames": frames}])),
        request: json(json!({"method": "POST", "url": url, "headers": headers})),
        breadcrumbs: json(
            json!([{"category": "query", "message": "SELECT * FROM carts"}, {"category": "http", "message": "GET /"}]),
        ),
        contexts: json(json!({"runtime": {"name": "CPython", "version": "3.12.1"}, "os": {"name": "Linux"}})),
        tags: vec![("region".into(), "eu".into()), ("tier".into(), "gold".into())],
        attributes: text(r#"{"http.route":"/cart/{id}","order_id":17}"#),
        ..Event::default()
    }
}

/// How long the texts of an event are.
#[allow(dead_code, reason = "each benchmark uses its part")]
pub(crate) fn bytes(event: &Event) -> usize {
    let texts = [
        &event.message,
        &event.exception_value,
        &event.frames,
        &event.request,
        &event.breadcrumbs,
        &event.contexts,
        &event.attributes,
    ];
    texts.into_iter().flatten().map(|text| text.len()).sum()
}
