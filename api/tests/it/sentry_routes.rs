//! The rest of Sentry's routes: with and without the slash at the end, at the root of a host and below it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::crowd::expect;
use crate::python::S3Server;
use crate::sentry::{event, post, until};
use crate::server::{Server, Setup};

const ID: &str = "fc6d8c0c43fc4630ad850ee518f1b9d0";
const OTHER: &str = "0b2f5d1c6d2a4a51a7d34c1b8e11aa02";

/// A form of files.
fn form(files: &[(&str, &str, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (field, name, bytes) in files {
        let head =
            format!("--b0undary\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b0undary--\r\n");
    ("multipart/form-data; boundary=b0undary".to_owned(), body)
}

fn with_files(id: &str, files: &[(&str, &str)]) -> String {
    let items = files.iter().map(|(name, text)| {
        let length = text.len();
        format!("{{\"type\":\"attachment\",\"length\":{length},\"filename\":\"{name}\",\"content_type\":\"text/html\"}}\n{text}\n")
    });
    format!("{}{}", event(id), items.collect::<String>())
}

fn auth(server: &Server) -> String {
    format!("Sentry sentry_key={}, sentry_version=7", server.key)
}

async fn listed(server: &Server, id: &str) -> Vec<(String, u64)> {
    let path = format!("/api/v1/projects/1/events/{id}/attachments");
    let page = expect(server, Method::GET, &path, None, 200).await;
    let file = |one: &Value| (one["name"].as_str().unwrap().to_owned(), one["size"].as_u64().unwrap());
    page["items"].as_array().unwrap().iter().map(file).collect()
}

/// The bytes of a file with the headers that keep a browser from running it.
async fn download(server: &Server, id: &str, number: usize) -> Vec<u8> {
    let path = format!("/api/v1/projects/1/events/{id}/attachments");
    let page = expect(server, Method::GET, &path, None, 200).await;
    let file = page["items"][number]["id"].as_str().unwrap();
    let answer =
        server.http.get(format!("{}{path}/{file}", server.url)).bearer_auth(&server.token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/octet-stream");
    assert_eq!(header("x-content-type-options"), "nosniff");
    let name = page["items"][number]["name"].as_str().unwrap();
    assert!(header("content-disposition").starts_with(&format!("attachment; filename=\"{name}\"")));
    answer.bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn files_are_kept_with_their_event_across_a_crash_on_this_disk() {
    files_are_kept(Setup::default()).await;
}

#[tokio::test]
async fn files_are_kept_with_their_event_across_a_crash_in_s3() {
    let s3 = S3Server::start();
    let setup = Setup::default()
        .set("cold.url", "s3://lake/tephra")
        .set("cold.s3_endpoint", &s3.url)
        .set("cold.s3_access_key_id", "test")
        .set("cold.s3_secret_access_key", "test")
        .set("cold.s3_allow_http", true);
    files_are_kept(setup).await;
}

async fn files_are_kept(setup: Setup) {
    let mut server = setup.start().await;
    let auth = auth(&server);
    let headers = [("x-sentry-auth", &*auth)];
    let body = with_files(ID, &[("page.html", "<script>alert(1)</script>"), ("empty.txt", "")]);
    for _ in 0..2 {
        let reply = post(&server, "/api/1/envelope/", &headers, body.clone()).await;
        assert_eq!((reply.status, &reply.body), (200, &json!({ "id": ID })), "{}", reply.text);
        assert!(!reply.headers.contains_key("x-sentry-rate-limits"), "{:?}", reply.headers);
    }
    // A file may come before its event, and by a route of its own.
    let alone = format!("{{\"event_id\":\"{OTHER}\"}}\n{{\"type\":\"attachment\",\"filename\":\"early.log\"}}\nline");
    assert_eq!(post(&server, "/api/1/envelope/", &headers, alone).await.status, 200);
    let (content_type, form) = form(&[("a", "later.bin", b"\0\r\n--b0und\xff")]);
    let path = format!("/api/1/events/{OTHER}/attachments");
    let with_type = [("x-sentry-auth", &*auth), ("content-type", &*content_type)];
    for slash in ["", "/"] {
        let reply = post(&server, &format!("{path}{slash}"), &with_type, form.clone()).await;
        assert_eq!((reply.status, &reply.body), (201, &json!({ "id": OTHER })), "{}", reply.text);
    }
    for restarts in 0..2 {
        let names = [("empty.txt".to_owned(), 0), ("page.html".to_owned(), 25)];
        assert_eq!(listed(&server, ID).await, names, "after {restarts} restarts");
        assert_eq!(download(&server, ID, 1).await, b"<script>alert(1)</script>");
        let names = [("early.log".to_owned(), 4), ("later.bin".to_owned(), 11)];
        assert_eq!(listed(&server, OTHER).await, names, "after {restarts} restarts");
        assert_eq!(download(&server, OTHER, 1).await, b"\0\r\n--b0und\xff");
        server = server.kill_and_restart().await;
    }
    let unknown = format!("/api/v1/projects/1/events/{}/attachments", ID.replace('f', "e"));
    expect(&server, Method::GET, &unknown, None, 404).await;
    let unknown = format!("/api/v1/projects/1/events/{ID}/attachments/{ID}");
    expect(&server, Method::GET, &unknown, None, 404).await;
}

#[tokio::test]
async fn files_beyond_their_bounds_are_counted_and_those_of_no_event_are_not_kept() {
    let setup = Setup::default()
        .set("attachment.bytes_max", 20)
        .set("attachment.request_bytes_max", 30)
        .set("attachment.count_max", 3);
    let server = setup.start().await;
    let auth = auth(&server);
    let headers = [("x-sentry-auth", &*auth)];
    let sizes =
        [("a", 20), ("b", 21), ("c", 11), ("d", 5), ("e", 5), ("f", 0)].map(|(name, size)| (name, "x".repeat(size)));
    let files: Vec<_> = sizes.iter().map(|(name, text)| (*name, text.as_str())).collect();
    assert_eq!(post(&server, "/api/1/envelope/", &headers, with_files(ID, &files)).await.status, 200);
    // `b` is too large, `c` too large beside `a`, `f` one too many.
    let kept = [("a", 20), ("d", 5), ("e", 5)].map(|(name, size)| (name.to_owned(), size));
    assert_eq!(listed(&server, ID).await, kept);
    // A second request finds no more room at the event.
    assert_eq!(post(&server, "/api/1/envelope/", &headers, with_files(ID, &[("g", "x")])).await.status, 200);
    assert_eq!(listed(&server, ID).await, kept);

    for (id, envelope) in [
        (
            OTHER,
            format!("{{\"event_id\":\"{OTHER}\"}}\n{{\"type\":\"event\"}}\nno JSON\n{{\"type\":\"attachment\"}}\nx"),
        ),
        (
            OTHER,
            format!("{{\"event_id\":\"{OTHER}\"}}\n{{\"type\":\"attachment\"}}\nx\n{{\"type\":\"transaction\"}}\n{{}}"),
        ),
        (
            OTHER,
            format!(
                "{{\"event_id\":\"{OTHER}\"}}\n{{\"type\":\"attachment\"}}\nx\n{{\"type\":\"event\",\"length\":9}}\n{{}}"
            ),
        ),
    ] {
        let status = post(&server, "/api/1/envelope/", &headers, envelope.clone()).await.status;
        assert!(matches!(status, 200 | 400), "{envelope}: {status}");
        let path = format!("/api/v1/projects/1/events/{id}/attachments");
        expect(&server, Method::GET, &path, None, 404).await;
    }
    let ledger = until(&server, "/api/v1/ledger?step=day", |ledger| {
        let reasons = &ledger["items"][0]["reasons"];
        reasons["rejected:attachment/too_many"] == 2 && reasons["rejected:attachment/event_not_stored"] == 2
    });
    let ledger = ledger.await;
    assert_eq!(ledger["items"][0]["reasons"]["rejected:attachment/too_large"], 2, "{ledger:#}");
    assert_eq!(ledger["balanced"], true, "{ledger:#}");
}

#[tokio::test]
async fn crashes_check_ins_and_network_errors_are_answered_as_their_senders_expect() {
    let server = Server::start().await;
    let auth = auth(&server);
    let mut dump = vec![0; 64];
    dump[..4].copy_from_slice(b"MDMP");
    let (content_type, mut form) = form(&[("upload_file_minidump", "crash.dmp", &dump), ("log", "app.log", b"line")]);
    let field = "--b0undary\r\nContent-Disposition: form-data; name=\"sentry[release]\"\r\n\r\nshop@2\r\n";
    form.splice(0..0, field.bytes());
    let headers = [("x-sentry-auth", &*auth), ("content-type", &*content_type)];
    for path in ["/api/1/minidump", "/api/1/minidump/", "/below/api/1/minidump/"] {
        let reply = post(&server, path, &headers, form.clone()).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let id = uuid::Uuid::parse_str(&reply.text).unwrap();
        assert_eq!(reply.text, id.hyphenated().to_string());
        let row = &server.rows(&format!("SELECT * FROM events WHERE event_id = '{}'", id.simple())).await[0];
        assert_eq!(
            (&row["release"], &row["level"], &row["platform"]),
            (&json!("shop@2"), &json!("fatal"), &json!("native"))
        );
        let names = [("app.log".to_owned(), 4), ("crash.dmp".to_owned(), 64)];
        assert_eq!(listed(&server, &id.simple().to_string()).await, names);
        assert_eq!(download(&server, &id.simple().to_string(), 1).await, dump);
    }
    let reply = post(&server, "/api/1/minidump/", &[("x-sentry-auth", &*auth)], dump).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    for (content_type, body) in [("text/plain", "no dump"), (&*content_type, "--b0undary--")] {
        let headers = [("x-sentry-auth", &*auth), ("content-type", content_type)];
        assert_eq!(post(&server, "/api/1/minidump/", &headers, body).await.status, 400, "{body}");
    }
    assert_eq!(server.count("true").await, 4);

    let key = &server.key;
    let reports = json!([{ "type": "network-error" }, { "type": "network-error" }]).to_string();
    for slash in ["", "/"] {
        let path = format!("/api/1/nel{slash}?sentry_key={key}");
        assert_eq!(
            post(&server, &path, &[("content-type", "application/reports+json")], reports.clone()).await.status,
            200
        );
        for path in [format!("cron/nightly/{key}{slash}"), format!("cron/nightly{slash}?sentry_key={key}&status=ok")] {
            let url = format!("/api/1/{path}");
            let reply = post(&server, &url, &[], "{\"status\":\"in_progress\"}").await;
            assert_eq!(reply.status, 202, "{path}: {}", reply.text);
            assert!(reply.headers["x-sentry-rate-limits"].contains("monitor"), "{:?}", reply.headers);
            assert_eq!(server.get(&url).await.0, 202, "{path}");
        }
        assert_eq!(server.get(&format!("/api/1/cron/nightly{slash}")).await.0, 403);
        assert_eq!(server.get(&format!("/api/2/cron/nightly/{key}{slash}")).await.0, 403);
    }
    let ledger = until(&server, "/api/v1/ledger?step=day", |ledger| ledger["total"]["filtered"] == 12).await;
    let reasons = &ledger["items"][0]["reasons"];
    let found = (&reasons["filtered:security/unsupported"], &reasons["filtered:monitor/unsupported"]);
    assert_eq!(found, (&json!(4), &json!(8)), "{ledger:#}");
}

#[tokio::test]
async fn otlp_and_every_other_route_open_by_the_dsn_and_below_any_path() {
    let server = Server::start().await;
    let (auth, bearer) = (auth(&server), format!("Bearer {}", server.key));
    let logs = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [
        { "severityNumber": 17, "body": { "stringValue": "it broke" } },
    ] }] }] });
    let spans = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [{
        "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "pay",
        "startTimeUnixNano": "1", "endTimeUnixNano": "2", "events": [{ "name": "exception", "timeUnixNano": "1", "attributes": [
            { "key": "exception.type", "value": { "stringValue": "E" } } ] }],
    }] }] }] });
    let mut stored = 0;
    for (number, path) in
        ["/api/1/integration/otlp/v1", "/api/1/otlp/v1", "/a/b/api/1/integration/otlp/v1"].into_iter().enumerate()
    {
        for (signal, body) in [("logs", &logs), ("traces", &spans)] {
            for (slash, header) in [("", ("x-sentry-auth", &*auth)), ("/", ("authorization", &*bearer))] {
                let body = body.to_string().replace("it broke", &format!("it broke {number} {slash}"));
                let body = body.replace("0af7", &format!("0a{number}{}", slash.len()));
                let headers = [header, ("content-type", "application/json")];
                let reply = post(&server, &format!("{path}/{signal}{slash}"), &headers, body).await;
                assert_eq!((reply.status, &reply.body), (200, &json!({})), "{path}/{signal}: {}", reply.text);
                stored += 1;
                assert_eq!(server.count("true").await, stored, "{path}/{signal}{slash}");
            }
            let reply = post(&server, &format!("{path}/{signal}"), &[("content-type", "application/json")], "{}").await;
            assert_eq!(reply.status, 401, "{}", reply.text);
        }
    }
    let id = |number: u32| format!("{number:032x}");
    for (number, prefix) in ["", "/errors", "/a/b.c/d-e", "/api"].into_iter().enumerate() {
        let number = number as u32;
        let headers = [("x-sentry-auth", &*auth)];
        for (route, body, at) in [
            ("1/envelope/", event(&id(2 * number + 1)), 1),
            ("1/store/", json!({ "event_id": id(2 * number + 2), "message": "m" }).to_string(), 2),
        ] {
            let reply = post(&server, &format!("{prefix}/api/{route}"), &headers, body).await;
            assert_eq!(
                (reply.status, &reply.body["id"]),
                (200, &json!(id(2 * number + at))),
                "{prefix}: {}",
                reply.text
            );
        }
        for path in [format!("{prefix}/api/1/envelope/"), format!("{prefix}/api/1/store")] {
            for origin in [None, Some("https://shop.example")] {
                let mut request = server.http.request(Method::OPTIONS, format!("{}{path}", server.url));
                if let Some(origin) = origin {
                    request = request.header("origin", origin).header("access-control-request-method", "POST");
                }
                let answer = request.send().await.unwrap();
                let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
                assert_eq!(
                    (answer.status().as_u16(), header("access-control-allow-origin")),
                    (204, "*".to_owned()),
                    "{path}"
                );
                assert!(header("access-control-allow-headers").contains("x-sentry-auth"), "{path}");
            }
        }
    }
    // The oldest SDKs name no project, and nothing but ingest is below a path.
    let legacy = json!({ "event_id": id(99), "message": "m" }).to_string();
    for path in ["/api/store/", "/api/store"] {
        let reply = post(&server, path, &[("x-sentry-auth", &*auth)], legacy.clone()).await;
        assert_eq!((reply.status, &reply.body["id"]), (200, &json!(id(99))), "{}", reply.text);
    }
    assert_eq!(server.get("/errors/api/v1/projects").await.0, 404);
    assert_eq!(server.get("/errors/livez").await.0, 404);
}

#[tokio::test]
async fn what_a_user_tells_of_an_error_is_stored_and_nothing_of_the_address_is_run() {
    let server = Server::start().await;
    let dsn = server.url.replace("://", &format!("://{}@", server.key));
    let evil = "</script><img src=x onerror=alert(1)>\"'";
    let url = |path: &str, event: &str| {
        let mut url = url::Url::parse(&format!("{}{path}", server.url)).unwrap();
        url.query_pairs_mut().append_pair("dsn", &format!("{dsn}/1")).append_pair("eventId", event);
        url.query_pairs_mut().append_pair("title", evil).append_pair("name", evil).append_pair("email", "{{name}}");
        url
    };
    for path in ["/api/embed/error-page/", "/api/embed/error-page", "/below/api/embed/error-page/"] {
        for accept in ["*/*", "text/html,*/*;q=0.8"] {
            let answer = server.http.get(url(path, ID)).header("accept", accept).send().await.unwrap();
            let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
            assert_eq!(
                (answer.status(), header("access-control-allow-origin")),
                (reqwest::StatusCode::OK, "*".to_owned())
            );
            let is_page = header("content-type").starts_with("text/html");
            assert_eq!(is_page, accept != "*/*");
            assert!(!is_page || header("content-security-policy").starts_with("default-src 'none'"));
            let text = answer.text().await.unwrap();
            assert!(!text.contains("<img") && !text.contains("</script"), "{text}");
        }
    }
    let form = [("name", "Ada"), ("email", "ada@example.com"), ("comments", "I clicked <b>here</b>")];
    let answer = server.http.post(url("/api/embed/error-page/", ID)).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    let row = &server.rows("SELECT * FROM events").await[0];
    assert_eq!((&row["kind"], &row["message"]), (&json!("feedback"), &json!("I clicked <b>here</b>")), "{row:#}");
    assert!(row["contexts"].to_string().contains(ID) && row.to_string().contains("ada@example.com"), "{row:#}");
    let missing = [("name", "Ada"), ("email", "ada@example.com")];
    let refused = server.http.post(url("/api/embed/error-page/", ID)).form(&missing).send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert_eq!(server.http.get(url("/api/embed/error-page/", "x")).send().await.unwrap().status(), 400);
    let stranger = format!("{}/api/embed/error-page/?eventId={ID}", server.url);
    assert_eq!(server.http.get(stranger).send().await.unwrap().status(), 403);
    assert_eq!(server.count("true").await, 1);
}
