//! A server of the built binary: started on free ports, waited for, asked, stopped or killed, started again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION};
use serde_json::{Value, json};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_tephra");
const START_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// How a server is to be started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    variables: BTreeMap<String, String>,
    root: Option<String>,
    /// Where it listens; on a free port where unsaid.
    address: Option<String>,
}

impl Setup {
    /// Sets one setting by its name in the settings file: `storage.hot.disk_reserve_bytes`.
    pub(crate) fn set(mut self, name: &str, value: impl ToString) -> Self {
        let variable = format!("TEPHRA_{}", name.replace('.', "_").to_uppercase());
        self.variables.insert(variable, value.to_string());
        self
    }

    /// Lets the server's client trust the certificate of a server with TLS, in PEM form.
    pub(crate) fn trust(mut self, root: &str) -> Self {
        self.root = Some(root.to_owned());
        self
    }

    fn client(&self) -> reqwest::Client {
        let root = self.root.iter().map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()).unwrap());
        let builder = root.fold(reqwest::Client::builder(), reqwest::ClientBuilder::add_root_certificate);
        builder.timeout(Duration::from_secs(60)).build().unwrap()
    }

    pub(crate) async fn start(self) -> Server {
        let folder = Folder::new();
        Server::start_in(folder, self).await
    }

    /// Starts a server in a folder that is there.
    pub(crate) async fn start_in(self, folder: Folder) -> Server {
        Server::start_in(folder, self).await
    }

    /// Starts a server that is expected to give up, and returns what it printed.
    pub(crate) fn refuse(self, data_dir: &Path) -> String {
        let output = wait_with_output(self.command(data_dir).stdout(Stdio::piped()).stderr(Stdio::piped()));
        assert!(!output.status.success(), "the server started: {}", text(&output));
        text(&output)
    }

    fn command(&self, data_dir: &Path) -> Command {
        let mut command = bare_command();
        command
            .args(["serve", "--http", self.address.as_deref().unwrap_or("127.0.0.1:0")])
            .args(["--grpc", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .env("TEPHRA_OTLP_HTTP_ADDRESS", "")
            .envs(&self.variables)
            .stdin(Stdio::null());
        command
    }
}

/// A folder on a real disk that goes with the test, unless the test fails.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: Option<TempDir>,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { dir: Some(TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap()) }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.as_ref().unwrap().path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("kept for a look: {}", self.dir.take().unwrap().keep().display());
        }
    }
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    setup: Setup,
    folder: Option<Folder>,
    pub(crate) url: String,
    pub(crate) grpc: String,
    pub(crate) key: String,
    pub(crate) token: String,
    pub(crate) http: reqwest::Client,
}

impl Server {
    /// A server with all defaults.
    pub(crate) async fn start() -> Self {
        Setup::default().start().await
    }

    async fn start_in(folder: Folder, setup: Setup) -> Self {
        let data_dir = folder.path().join("data");
        forget_addresses(&data_dir);
        let log = File::options().create(true).append(true).open(folder.path().join("log")).unwrap();
        let mut command = setup.command(&data_dir);
        let mut child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let http = setup.client();

        let deadline = Instant::now() + START_DEADLINE;
        let first_run = loop {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the server ended with {status}:\n{}", read_log(folder.path()));
            }
            if let Some(first_run) = read_first_run(&data_dir)
                && let Ok(answer) = http.get(format!("{}/readyz", first_run["TEPHRA_URL"])).send().await
                && answer.status().is_success()
            {
                break first_run;
            }
            assert!(Instant::now() < deadline, "the server is not ready:\n{}", read_log(folder.path()));
            tokio::time::sleep(POLL).await;
        };
        let value = |name: &str| first_run.get(name).unwrap_or_else(|| panic!("`first-run.env` has no {name}")).clone();
        Self {
            url: value("TEPHRA_URL"),
            grpc: value("TEPHRA_GRPC"),
            key: value("TEPHRA_KEY"),
            token: value("TEPHRA_TOKEN"),
            child,
            setup,
            folder: Some(folder),
            http,
        }
    }

    /// What the first start made.
    pub(crate) fn first_run(&self) -> BTreeMap<String, String> {
        read_first_run(&self.data_dir()).unwrap()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.as_ref().unwrap().path().join("data")
    }

    /// Where the events lie in the lake.
    pub(crate) fn table(&self) -> PathBuf {
        self.data_dir().join("lake/events")
    }

    pub(crate) fn log(&self) -> String {
        read_log(self.folder.as_ref().unwrap().path())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as `kill -9` does and starts it again on the same folder.
    pub(crate) async fn kill_and_restart(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.restart().await
    }

    /// Asks it to stop, waits until it has, and starts it again on the same folder.
    pub(crate) async fn stop_and_restart(mut self) -> Self {
        let status = self.stop();
        assert!(status.success(), "stopped with {status}:\n{}", self.log());
        self.restart().await
    }

    pub(crate) async fn restart(mut self) -> Self {
        Self::start_in(self.folder.take().unwrap(), self.setup.clone()).await
    }

    /// Starts it again on the same folder and where it listened, for clients that have not gone.
    pub(crate) async fn restart_there(mut self) -> Self {
        self.setup.address = self.url.strip_prefix("http://").map(str::to_owned);
        self.restart().await
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        signal(self.pid(), "TERM");
        let deadline = Instant::now() + STOP_DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not stop:\n{}", self.log());
            std::thread::sleep(POLL);
        }
    }

    /// Runs another command of the binary against this server.
    pub(crate) fn cli(&self, args: &[&str]) -> Output {
        wait_with_output(self.cli_command(args).stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// The same, not waited for and not heard.
    pub(crate) fn spawn_cli(&self, args: &[&str]) -> Child {
        self.cli_command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn cli_command(&self, args: &[&str]) -> Command {
        let mut command = bare_command();
        command.args(args).env("TEPHRA_URL", &self.url).env("TEPHRA_TOKEN", &self.token).stdin(Stdio::null());
        command
    }

    /// Rolls hot to cold now.
    pub(crate) async fn roll(&self) -> Value {
        let url = format!("{}/api/v1/admin/roll", self.url);
        let answer = self.http.post(url).header(AUTHORIZATION, self.bearer()).send().await.unwrap();
        let (status, body) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status} {body}");
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("not JSON: {body}"))
    }

    /// The answer to a statement, as the service gives it.
    pub(crate) async fn ask(&self, sql: &str, accept: &str) -> reqwest::Response {
        self.ask_as(sql, accept, Some(self.bearer())).await
    }

    pub(crate) async fn ask_as(&self, sql: &str, accept: &str, authorization: Option<String>) -> reqwest::Response {
        let mut request = self.http.post(format!("{}/api/v1/sql", self.url)).header(ACCEPT, accept);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.json(&json!({ "sql": sql })).send().await.unwrap()
    }

    /// The rows of a statement that must succeed.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<Value> {
        let answer = self.ask(sql, "application/x-ndjson").await;
        let (status, body) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{sql}: {status} {body}\n{}", self.log());
        body.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect()
    }

    /// How many events a condition holds for.
    pub(crate) async fn count(&self, condition: &str) -> u64 {
        let rows = self.rows(&format!("SELECT count(*) AS n FROM events WHERE {condition}")).await;
        rows[0]["n"].as_u64().unwrap_or_else(|| panic!("not a number: {rows:?}"))
    }

    /// One page of the service, unauthenticated.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() && self.folder.is_some() {
            let log = self.log();
            let tail = log.char_indices().rev().nth(4000).map_or(0, |(at, _)| at);
            println!("the server's log ends:\n{}", &log[tail..]);
        }
    }
}

/// Runs a command of the binary in a folder of nothing.
pub(crate) fn tephra(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = bare_command();
    command.args(args).envs(variables.iter().copied()).stdin(Stdio::null());
    wait_with_output(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
}

/// Sends a signal by its name: `TERM`, `INT`.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -s {name} {pid}")]).status().unwrap();
    assert!(sent.success());
}

/// All that a command printed.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn bare_command() -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TEPHRA_")) {
        command.env_remove(name);
    }
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

/// The output of a command that ends by itself; one that does not is killed and fails the test.
fn wait_with_output(command: &mut Command) -> Output {
    let child = command.spawn().unwrap();
    let pid = child.id();
    let (ended, wait) = std::sync::mpsc::channel();
    let guard = std::thread::spawn(move || {
        let late = wait.recv_timeout(START_DEADLINE).is_err();
        if late {
            signal(pid, "KILL");
        }
        late
    });
    let output = child.wait_with_output().unwrap();
    let _ = ended.send(());
    assert!(!guard.join().unwrap(), "{command:?} does not end: {}", text(&output));
    output
}

fn read_first_run(data_dir: &Path) -> Option<BTreeMap<String, String>> {
    let text = fs::read_to_string(data_dir.join("first-run.env")).ok()?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let values: BTreeMap<_, _> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (values.contains_key("TEPHRA_URL") && values.contains_key("TEPHRA_GRPC")).then_some(values)
}

/// The ports of the last run may be another server's by now; the next start writes its own.
fn forget_addresses(data_dir: &Path) {
    let path = data_dir.join("first-run.env");
    if let Ok(text) = fs::read_to_string(&path) {
        let kept = text.lines().filter(|line| !line.starts_with("TEPHRA_URL=") && !line.starts_with("TEPHRA_GRPC="));
        fs::write(&path, kept.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }
}

fn read_log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}
