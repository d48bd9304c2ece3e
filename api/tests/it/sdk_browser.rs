//! Sentry's SDK for browsers in a real one, headless: from a page of another origin, after refusals, and from the browser's
//! own database once the server is back.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Mutex, mpsc};

use crate::sdk::{DEADLINE, Front, cache, check_rows, installed, is_stored, rows_hot_and_cold, until_stored};
use crate::server::{Server, Setup, signal};

const LIMITED_S: u64 = 4;

#[derive(Debug)]
struct Browser {
    command: PathBuf,
    bundle: PathBuf,
}

impl Browser {
    fn find() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).map(|folder| folder.join("chromium")).find(|file| file.exists());
        let bundle = cache().join("sdk-browser");
        let there = found.is_some() && bundle.join("page.js").exists();
        installed(there, Self { command: found.unwrap_or_default(), bundle })
    }

    /// Opens the page in a profile; `offline` keeps what it cannot send.
    fn open(&self, page: &Page, profile: &TempDir, dsn: &str, offline: bool) -> Opened {
        let mut url = url::Url::parse(&page.url).unwrap();
        url.query_pairs_mut().append_pair("dsn", dsn);
        if offline {
            url.query_pairs_mut().append_pair("offline", "");
        }
        let mut command = Command::new(&self.command);
        command
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url.as_str())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Opened(command.spawn().unwrap())
    }
}

/// A browser; closed when dropped.
struct Opened(Child);

impl Opened {
    /// Closes it as its user does, so that it writes down what it knows.
    async fn close(mut self) {
        signal(self.0.id(), "TERM");
        let deadline = Instant::now() + DEADLINE;
        while self.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the browser does not close");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The server of the page, which asks it what to do.
struct Page {
    url: String,
    lines: mpsc::Sender<String>,
    told: Mutex<mpsc::Receiver<String>>,
}

struct Ends {
    lines: Mutex<mpsc::Receiver<String>>,
    told: mpsc::Sender<String>,
    bundle: PathBuf,
}

impl Page {
    async fn serve(browser: &Browser) -> Self {
        let (lines, taken) = mpsc::channel(1);
        let (told, heard) = mpsc::channel(1);
        let ends = Arc::new(Ends { lines: Mutex::new(taken), told, bundle: browser.bundle.clone() });
        let file = |name: &'static str, content_type: &'static str| {
            get(move |State(ends): State<Arc<Ends>>| async move {
                ([("content-type", content_type)], std::fs::read(ends.bundle.join(name)).unwrap())
            })
        };
        let router = Router::new()
            .route("/", file("index.html", "text/html"))
            .route("/page.js", file("page.js", "text/javascript"))
            .route("/next", get(next))
            .route("/told", post(hear))
            .with_state(ends);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, lines, told: Mutex::new(heard) }
    }

    /// Has a line done by the page; returns what came of it.
    async fn tell(&self, line: &str) -> String {
        let mut told = self.told.lock().await;
        self.lines.send(line.to_owned()).await.unwrap();
        let told = tokio::time::timeout(DEADLINE, told.recv()).await.unwrap_or_else(|_| panic!("{line}: no word"));
        let told = told.unwrap();
        assert!(!told.starts_with("failed"), "{line}: {told}");
        told
    }
}

async fn next(State(ends): State<Arc<Ends>>) -> impl IntoResponse {
    ends.lines.lock().await.recv().await.unwrap_or_default()
}

async fn hear(State(ends): State<Arc<Ends>>, told: String) {
    let _ = ends.told.send(told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_needs_nothing_but_the_dsn() {
    let Some(browser) = Browser::find() else { return };
    let server = Server::start().await;
    let (page, profile) = (Page::serve(&browser).await, TempDir::new().unwrap());
    // To the server itself, whose headers a browser must be content with.
    let dsn = format!("{}/below/1", server.url.replace("://", &format!("://{}@", server.key)));
    let _open = browser.open(&page, &profile, &dsn, false);
    let ids: Value = serde_json::from_str(&page.tell("send").await).unwrap();
    let rows = rows_hot_and_cold(&server, &ids, "@sentry/browser").await;
    check_rows(&rows, ["TypeError", "Error"], "@sentry/browser");
    let requests = server.get("/metrics").await.1;
    assert!(!requests.contains("method=\"OPTIONS\",route=\"/api/{project}/envelope/\""), "{requests}");
    for row in &rows {
        assert_eq!(row["platform"], "javascript", "{row:#}");
        assert!(row["request"].to_string().contains(&page.url), "{row:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_tells_what_happened_in_the_dialog_of_the_sdk() {
    let Some(browser) = Browser::find() else { return };
    let server = Server::start().await;
    let (page, profile) = (Page::serve(&browser).await, TempDir::new().unwrap());
    let dsn = format!("{}/below/1", server.url.replace("://", &format!("://{}@", server.key)));
    let _open = browser.open(&page, &profile, &dsn, false);
    let id = page.tell("message before").await;
    assert_eq!(page.tell(&format!("report {id}")).await, "Ada <b> true");
    let rows = server.rows("SELECT message, contexts, user_email FROM events WHERE kind = 'feedback'").await;
    assert_eq!(rows.len(), 1, "{rows:#?}\n{}", server.log());
    assert_eq!(rows[0]["message"], "I clicked <b>here</b>", "{rows:#?}");
    assert!(rows[0]["contexts"].to_string().contains(&id), "{rows:#?}");
    assert!(rows[0].to_string().contains("ada@example.com"), "{rows:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_goes_on_after_refusals() {
    let Some(browser) = Browser::find() else { return };
    let server = Setup::default().set("ingest.wire_bytes_max", 100_000).start().await;
    let front = Front::start(&server).await;
    let (page, profile) = (Page::serve(&browser).await, TempDir::new().unwrap());
    let _open = browser.open(&page, &profile, &front.dsn(), false);
    let id = page.tell("message before").await;
    assert!(is_stored(&server, &id).await, "{:?}\n{}", front.passed(), server.log());

    let id = page.tell("large").await;
    assert_eq!(front.events(413), 1, "{:?}", front.passed());
    assert!(!is_stored(&server, &id).await);
    until_stored(&server, async |line: String| page.tell(&line).await, "413").await;

    front.answer(503, &[("retry-after", "1")]);
    page.tell("message into 503").await;
    assert!(front.events(503) > 0, "{:?}", front.passed());
    front.forward();
    until_stored(&server, async |line: String| page.tell(&line).await, "503").await;

    let (after, limits) = (LIMITED_S.to_string(), format!("{LIMITED_S}:error;default:key:quota"));
    front.answer(429, &[("retry-after", &after), ("x-sentry-rate-limits", &limits)]);
    page.tell("message into 429").await;
    assert_eq!(front.events(429), 1, "{:?}", front.passed());
    front.forward();
    let sent = front.events(200);
    page.tell("message within the limit").await;
    assert_eq!(front.events(200), sent, "the page does not keep to the limit");
    until_stored(&server, async |line: String| page.tell(&line).await, "429").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_kept_while_the_server_was_away_arrives_with_its_own_times() {
    let Some(browser) = Browser::find() else { return };
    let mut server = Server::start().await;
    let dsn = format!("{}/1", server.url.replace("://", &format!("://{}@", server.key)));
    let profile = TempDir::new().unwrap();

    let page = Page::serve(&browser).await;
    let origin = page.url.clone();
    let open = browser.open(&page, &profile, &dsn, true);
    let id = page.tell("message while it is there").await;
    assert!(is_stored(&server, &id).await, "{}", server.log());
    server.stop();
    let mut kept = Vec::new();
    for number in 0..3 {
        kept.push(page.tell(&format!("message {number} while it is away")).await);
    }
    let deadline = Instant::now() + DEADLINE;
    while page.tell("kept").await.parse::<u32>().unwrap() < 3 {
        assert!(Instant::now() < deadline, "the browser keeps nothing");
    }
    open.close().await;

    let server = server.restart_there().await;
    let before = server.rows("SELECT now() AS now").await[0]["now"].as_str().unwrap().to_owned();
    let _open = browser.open(&page, &profile, &dsn, true);
    assert_eq!(page.url, origin);
    until_stored(&server, async |line: String| page.tell(&line).await, "back").await;
    let deadline = Instant::now() + DEADLINE;
    let mut asked = 0;
    for id in &kept {
        while !is_stored(&server, id).await {
            assert!(Instant::now() < deadline, "{id} of {kept:?} does not come\n{}", server.log());
            // A page that sends all the time fills the SDK's buffer, and what it takes out of its database then is lost.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            asked += 1;
            if asked % 30 == 0 {
                page.tell(&format!("message {asked} to wake it")).await;
            }
        }
    }
    let rows =
        server.rows("SELECT timestamp FROM events WHERE message LIKE '%while it is away' ORDER BY message").await;
    let times: Vec<_> = rows.iter().map(|row| row["timestamp"].as_str().unwrap()).collect();
    assert_eq!(times.len(), 3);
    assert!(times.is_sorted() && times[2] < before.as_str(), "{times:?} and then {before}");
}
