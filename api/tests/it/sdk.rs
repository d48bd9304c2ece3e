//! The programs of `tests/sdk` with the real SDKs, which `scripts/setup.sh` installs, and a front that stands between them
//! and the server: it notes what passes, and answers in the server's place where a test wants another answer.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;

use crate::crowd::expect;
use crate::python;
use crate::server::Server;

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// What is before the routes in the DSNs of these tests: servers are known below the root of their host, too.
const PREFIX: &str = "/errors/of";

/// A program with an SDK.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    command: PathBuf,
    args: Vec<String>,
    variables: Vec<(&'static str, PathBuf)>,
}

impl Program {
    /// The SDK for Python, with the package for brotli or without.
    pub(crate) fn python(brotli: bool) -> Option<Self> {
        let packages = cache().join("sdk-python-brotli");
        let missing = !python::has_module("sentry_sdk") || (brotli && !packages.join("brotli.py").exists());
        let variables = if brotli { vec![("PYTHONPATH", packages)] } else { Vec::new() };
        let name = if brotli { "sentry-sdk for Python with brotli" } else { "sentry-sdk for Python" };
        let args = vec![source("python/program.py")];
        installed(!missing, Self { name, command: python::python(), args, variables })
    }

    /// The SDK for Node.js of a major version.
    pub(crate) fn node(version: &'static str) -> Option<Self> {
        let folder = cache().join("sdk-node");
        let program = folder.join("program.mjs");
        let name = match version {
            "7" => "@sentry/node 7",
            "8" => "@sentry/node 8",
            _ => "@sentry/node 11",
        };
        let args = vec![program.display().to_string(), version.to_owned()];
        let there = program.exists() && folder.join(format!("node_modules/sentry-node-{version}")).exists();
        installed(there, Self { name, command: "node".into(), args, variables: Vec::new() })
    }

    /// The SDK for Rust.
    pub(crate) fn rust() -> Option<Self> {
        let command = cache().join("sdk-rust/debug/tephra-sdk-rust");
        installed(command.exists(), Self { name: "the crate sentry", command, args: Vec::new(), variables: Vec::new() })
    }

    /// Runs it to its end; returns what it printed.
    pub(crate) async fn run(&self, args: &[&str]) -> String {
        let mut command = self.command(args);
        let output = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output().unwrap()).await.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {}: {errors}", self.name, output.status);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Starts it, to be told what to do line by line.
    pub(crate) fn drive(&self, dsn: &str) -> Driven {
        let mut command = self.command(&["drive", dsn]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Driven { child, pipes: Some((input, BufReader::new(output))) }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.command);
        command.args(&self.args).args(args);
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        // Nothing of this machine speaks for the program.
        for name in ["SENTRY_DSN", "SENTRY_RELEASE", "SENTRY_ENVIRONMENT", "HTTP_PROXY", "http_proxy"] {
            command.env_remove(name);
        }
        command
    }
}

/// Says where something is not installed, and that the test is not run.
pub(crate) fn installed<T>(there: bool, thing: T) -> Option<T>
where
    T: std::fmt::Debug,
{
    if there {
        return Some(thing);
    }
    println!("skipped: not installed, scripts/setup.sh installs it: {thing:?}");
    None
}

/// Where `scripts/setup.sh` installs.
pub(crate) fn cache() -> PathBuf {
    let cache = std::env::var_os("TEPHRA_CACHE").map(PathBuf::from);
    cache.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap()).join(".cache/tephra"))
}

fn source(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(path).display().to_string()
}

/// A program that waits for its next line; killed when dropped.
pub(crate) struct Driven {
    child: Child,
    pipes: Option<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Driven {
    /// Has a line done; returns what the program printed for it.
    pub(crate) async fn tell(&mut self, line: &str) -> String {
        let (mut input, mut output) = self.pipes.take().unwrap();
        let line = format!("{line}\n");
        let done = tokio::task::spawn_blocking(move || {
            input.write_all(line.as_bytes()).unwrap();
            input.flush().unwrap();
            let mut printed = String::new();
            output.read_line(&mut printed).unwrap();
            (input, output, printed)
        });
        let (input, output, printed) = tokio::time::timeout(DEADLINE, done).await.unwrap().unwrap();
        self.pipes = Some((input, output));
        assert!(!printed.is_empty(), "the program ended");
        printed.trim().to_owned()
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What passed the front.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    pub(crate) path: String,
    pub(crate) encoding: String,
    pub(crate) status: u16,
    /// The types of the envelope's items.
    pub(crate) items: Vec<String>,
}

type Other = (u16, Vec<(&'static str, String)>);

struct Inner {
    server: String,
    http: reqwest::Client,
    other: Mutex<Option<Other>>,
    passed: Mutex<Vec<Passed>>,
}

/// Stands between programs and the server.
#[derive(Clone)]
pub(crate) struct Front {
    inner: Arc<Inner>,
    url: String,
    key: String,
}

impl Front {
    pub(crate) async fn start(server: &Server) -> Self {
        let http = reqwest::Client::new();
        let inner = Inner { server: server.url.clone(), http, other: Mutex::default(), passed: Mutex::default() };
        let inner = Arc::new(inner);
        let router = Router::new().fallback(pass).with_state(inner.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { inner, url, key: server.key.clone() }
    }

    /// Where programs send.
    pub(crate) fn dsn(&self) -> String {
        format!("{}{PREFIX}/1", self.url.replace("://", &format!("://{}@", self.key)))
    }

    /// Answers so, instead of the server, until told otherwise.
    pub(crate) fn answer(&self, status: u16, headers: &[(&'static str, &str)]) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        *self.inner.other.lock().unwrap() = Some((status, headers));
    }

    /// Lets everything through again.
    pub(crate) fn forward(&self) {
        *self.inner.other.lock().unwrap() = None;
    }

    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.inner.passed.lock().unwrap().clone()
    }

    /// How many envelopes with events were answered so.
    pub(crate) fn events(&self, status: u16) -> usize {
        let is_event = |passed: &&Passed| passed.status == status && passed.items.iter().any(|item| item == "event");
        self.passed().iter().filter(is_event).count()
    }
}

async fn pass(State(front): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 64 << 20).await.unwrap();
    let encoding = parts.headers.get("content-encoding").map_or("", |value| value.to_str().unwrap()).to_owned();
    let items = items(&encoding, body.clone());
    let other = front.other.lock().unwrap().clone();
    let response = match other {
        Some((status, headers)) => {
            let mut response = Response::builder().status(status).header("access-control-allow-origin", "*");
            for (name, value) in headers {
                response = response.header(name, value);
            }
            let exposed = "x-sentry-error, x-sentry-rate-limits, retry-after";
            response.header("access-control-expose-headers", exposed).body(Body::from("{}")).unwrap()
        }
        None => {
            let url = format!("{}{}", front.server, parts.uri);
            let mut request = front.http.request(parts.method, url).body(body);
            for (name, value) in &parts.headers {
                if !["host", "content-length", "transfer-encoding", "connection"].contains(&name.as_str()) {
                    request = request.header(name, value);
                }
            }
            let answer = request.send().await.unwrap();
            let mut response = Response::builder().status(answer.status());
            for (name, value) in answer.headers() {
                if !["content-length", "transfer-encoding", "connection"].contains(&name.as_str()) {
                    response = response.header(name, value);
                }
            }
            response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
        }
    };
    let status = response.status().as_u16();
    let passed = Passed { path: parts.uri.path().to_owned(), encoding, status, items };
    front.passed.lock().unwrap().push(passed);
    response
}

/// The types in an envelope, as a reader sees them who trusts it.
fn items(encoding: &str, body: Bytes) -> Vec<String> {
    let Ok(body) = tephra_ingest::inflate(Some(encoding), body, 64 << 20) else { return Vec::new() };
    let text = String::from_utf8_lossy(&body).into_owned();
    let header = |line: &str| serde_json::from_str::<Value>(line).ok()?["type"].as_str().map(str::to_owned);
    // Payloads are lines too, of which some have a type; the types of items are all that is asked for.
    text.lines().skip(1).filter_map(header).collect()
}

/// The rows of these events, hot, and the same once they are cold.
pub(crate) async fn rows_hot_and_cold(server: &Server, ids: &Value, context: &str) -> [Value; 3] {
    let id = |name: &str| ids[name].as_str().unwrap_or_else(|| panic!("{context}: no id of {name}: {ids}")).to_owned();
    let mut found = Vec::new();
    for name in ["exception", "message", "chained"] {
        let rows = server.rows(&format!("SELECT * FROM events WHERE event_id = '{}'", id(name))).await;
        assert_eq!(rows.len(), 1, "{context}: {name}\n{}", server.log());
        found.extend(rows);
    }
    server.roll().await;
    for (name, hot) in ["exception", "message", "chained"].into_iter().zip(&found) {
        let rows = server.rows(&format!("SELECT * FROM events WHERE event_id = '{}'", id(name))).await;
        assert_eq!(rows, std::slice::from_ref(hot), "{context}: {name} changed with the roll");
    }
    found.try_into().unwrap()
}

/// Checks what every SDK sends of the three.
pub(crate) fn check_rows(rows: &[Value; 3], kinds: [&str; 2], context: &str) {
    for row in rows {
        let check = |name: &str, expected: &str| assert_eq!(row[name], expected, "{context}: {name} of {row:#}");
        check("release", "shop@2.7.1");
        check("environment", "production");
        check("user_id", "u-42");
        check("user_email", "ada@example.com");
        assert_eq!(row["tags"]["region"], "eu", "{context}: {row:#}");
        assert!(row["breadcrumbs"].to_string().contains("cart 17 opened"), "{context}: {row:#}");
        assert!(row["sdk_name"].as_str().is_some_and(|name| name.starts_with("sentry.")), "{context}: {row:#}");
    }
    let [exception, message, chained] = rows;
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(text(exception, "kind"), "error", "{context}: {exception:#}");
    assert_eq!(text(exception, "exception_type"), kinds[0], "{context}");
    assert_eq!(text(exception, "exception_value"), "card of order 1009 was declined", "{context}");
    assert_eq!((text(message, "kind"), text(message, "level")), ("message".into(), "warning".into()), "{context}");
    assert_eq!(text(message, "message"), "stock is low", "{context}");
    assert_eq!(text(chained, "exception_type"), kinds[1], "{context}: {chained:#}");
    assert_eq!(text(chained, "exception_value"), "could not check out", "{context}");
    // The cause first, what was thrown last, whatever the order in which the SDK sends them.
    let chain: Value = serde_json::from_str(&text(chained, "frames")).unwrap();
    let values: Vec<_> = chain.as_array().unwrap().iter().map(|one| one["value"].as_str().unwrap()).collect();
    assert_eq!(values, ["card of order 1009 was declined", "could not check out"], "{context}: {chain:#}");
    assert!(!text(chained, "stack").is_empty(), "{context}: {chained:#}");
    assert_ne!(exception["group_hash"], chained["group_hash"], "{context}");
}

/// Whether an event comes to be stored, at once or within the deadline while `again` sends others.
pub(crate) async fn is_stored(server: &Server, id: &str) -> bool {
    server.count(&format!("event_id = '{}'", id.replace('-', ""))).await == 1
}

/// Sends until something is stored again, each time another text: SDKs leave out what they have just sent.
pub(crate) async fn until_stored(server: &Server, mut send: impl AsyncFnMut(String) -> String, context: &str) {
    let deadline = Instant::now() + DEADLINE;
    for number in 0.. {
        let id = send(format!("message {number} in a row")).await;
        if is_stored(server, &id).await {
            return;
        }
        assert!(Instant::now() < deadline, "{context}: nothing is stored any more");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until the ledger has counted what the client dropped for a reason.
pub(crate) async fn until_reported(server: &Server, reason: &str, context: &str) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let ledger = expect(server, Method::GET, "/api/v1/ledger?step=day", None, 200).await;
        if ledger["items"].to_string().contains(reason) {
            return;
        }
        assert!(Instant::now() < deadline, "{context}: no {reason} in {ledger:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
