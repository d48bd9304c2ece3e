//! The headers around every answer, what pages of other origins may do, and what becomes of those who ask too often.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::protocol::{Protocol, samples};
use crate::server::{Server, Setup};

async fn ask(server: &Server, method: Method, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, String) {
    let mut request = server.http.request(method, format!("{}{path}", server.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
}

#[tokio::test]
async fn every_answer_keeps_browsers_safe() {
    let server = Server::start().await;
    for (path, status) in
        [("/livez", 200), ("/metrics", 200), ("/nowhere", 404), ("/api/v1/status", 401), ("/v1/logs", 405)]
    {
        let (answered, headers, _) = ask(&server, Method::GET, path, &[]).await;
        assert_eq!(answered, status, "{path}");
        let header = |name: &str| headers.get(name).unwrap_or_else(|| panic!("{path} has no {name}")).to_str().unwrap();
        assert_eq!(header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin");
        let resource = if path == "/v1/logs" { "cross-origin" } else { "same-origin" };
        assert_eq!(header("cross-origin-resource-policy"), resource, "{path}");
        assert!(header("permissions-policy").contains("camera=()"));
        assert_eq!(header("cache-control"), "no-store");
        assert!(!header("x-request-id").is_empty());
        assert!(!headers.contains_key("strict-transport-security"), "{path} asks for https over http");
    }
}

#[tokio::test]
async fn only_named_origins_use_the_rest_api_and_all_may_send_events() {
    let server = Setup::default().set("http.cors_origins", "https://app.example").start().await;
    let allowed = async |method: Method, path: &str, origin: &str| {
        let asked = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization, content-type"),
        ];
        let (status, headers, _) = ask(&server, method, path, &asked).await;
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let origin = text("access-control-allow-origin");
        (status, origin, text("access-control-allow-credentials"), text("access-control-allow-headers"))
    };
    let some = |text: &str| Some(text.to_owned());
    let names = some("authorization, content-type");
    for path in ["/v1/logs", "/v1/traces", "/api/v1/ingest"] {
        assert_eq!(allowed(Method::OPTIONS, path, "https://any.example").await, (204, some("*"), None, names.clone()));
        assert_eq!(allowed(Method::POST, path, "https://any.example").await.1, some("*"), "{path}");
    }
    let good = allowed(Method::OPTIONS, "/api/v1/sql", "https://app.example").await;
    assert_eq!(good, (204, some("https://app.example"), some("true"), names));
    let answer = allowed(Method::POST, "/api/v1/sql", "https://app.example").await;
    assert_eq!(answer, (401, some("https://app.example"), some("true"), None));
    for origin in ["https://app.example.evil", "http://app.example", "null", "https://app.example:8443"] {
        assert_eq!(allowed(Method::OPTIONS, "/api/v1/sql", origin).await, (405, None, None, None), "{origin}");
        assert_eq!(allowed(Method::POST, "/api/v1/sql", origin).await, (401, None, None, None), "{origin}");
    }
    assert_eq!(allowed(Method::GET, "/livez", "https://app.example").await, (200, None, None, None));
}

#[tokio::test]
async fn who_asks_too_often_without_a_right_is_told_when_to_come_back() {
    let server = Setup::default().set("limit.address_per_second", 1).set("limit.address_burst", 3).start().await;
    let wrong = [("authorization", "Bearer nothing")];
    let mut statuses = Vec::new();
    for number in 0..8 {
        let headers: &[_] = if number % 2 == 0 { &wrong } else { &[] };
        let (status, headers, body) = ask(&server, Method::GET, "/api/v1/status", headers).await;
        if status == 429 {
            let problem: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((&problem["kind"], &problem["status"]), (&"rate_limited".into(), &429.into()), "{problem:#}");
            let seconds: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=8).contains(&seconds), "{seconds}");
        }
        statuses.push(status);
    }
    assert_eq!(statuses[..3], [401; 3], "{statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");

    let right = format!("Bearer {}", server.token);
    assert_eq!(ask(&server, Method::GET, "/api/v1/status", &[("authorization", &right)]).await.0, 200);
    assert_eq!(server.get("/livez").await.0, 200);
    Protocol::Ndjson.send(&server, &samples(1)).await.expect_whole();
}
