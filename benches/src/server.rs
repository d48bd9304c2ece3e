//! The server under test as the outside sees it: its addresses, its process, its files, its metrics.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Linux counts the CPU time that it shows to programs in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;
const SAMPLE_INTERVAL: Duration = Duration::from_millis(50);

/// Where the server is.
#[derive(Clone, Debug, clap::Args)]
pub struct ServerArgs {
    /// Data directory of a server on this machine; gives the addresses, the key, the token and the process.
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
    /// Address of the HTTP listener [default: of the data directory, else http://127.0.0.1:8080].
    #[arg(long)]
    pub url: Option<String>,
    /// Address of the gRPC listener [default: of the data directory, else http://127.0.0.1:4317].
    #[arg(long)]
    pub grpc: Option<String>,
    /// Ingest key.
    #[arg(long)]
    pub key: Option<String>,
    /// Read token.
    #[arg(long)]
    pub token: Option<String>,
    /// Where Sentry SDKs send to; its project is what the protocol `sentry` needs.
    #[arg(long)]
    pub dsn: Option<String>,
    /// Process whose CPU and memory are measured.
    #[arg(long)]
    pub pid: Option<u32>,
}

/// What [`ServerArgs`] come to.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) url: String,
    pub(crate) grpc: String,
    pub(crate) key: String,
    pub(crate) token: String,
    /// Where Sentry SDKs send to.
    pub(crate) dsn: String,
    given_pid: Option<u32>,
    http: reqwest::Client,
}

impl Server {
    pub(crate) fn new(args: &ServerArgs) -> anyhow::Result<Self> {
        let env = match &args.data_dir {
            Some(dir) => read_env(&dir.join("first-run.env"))?,
            None => BTreeMap::new(),
        };
        let value = |given: &Option<String>, name: &str, default: &str| {
            given.clone().or_else(|| env.get(name).cloned()).unwrap_or_else(|| default.to_owned())
        };
        Ok(Self {
            url: value(&args.url, "TEPHRA_URL", "http://127.0.0.1:8080").trim_end_matches('/').to_owned(),
            grpc: value(&args.grpc, "TEPHRA_GRPC", "http://127.0.0.1:4317"),
            key: value(&args.key, "TEPHRA_KEY", ""),
            token: value(&args.token, "TEPHRA_TOKEN", ""),
            dsn: value(&args.dsn, "TEPHRA_DSN", ""),
            given_pid: args.pid,
            data_dir: args.data_dir.clone(),
            http: reqwest::Client::builder().no_proxy().build()?,
        })
    }

    /// The process as given, else the one that holds the data directory's lock.
    pub(crate) fn pid(&self) -> Option<u32> {
        let lock = || std::fs::read_to_string(self.data_dir.as_ref()?.join("tephra.lock")).ok()?.trim().parse().ok();
        self.given_pid.or_else(lock).filter(|pid| Path::new(&format!("/proc/{pid}")).exists())
    }

    /// Asks for a roll and waits for it. Returns the answer and how long it took.
    pub(crate) async fn roll(&self) -> anyhow::Result<(String, Duration)> {
        let start = Instant::now();
        let url = format!("{}/api/v1/admin/roll", self.url);
        let answer = self.http.post(url).bearer_auth(&self.token).send().await.context("could not ask for a roll")?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("the server refused to roll: {status}: {text}");
        }
        Ok((text.trim().to_owned(), start.elapsed()))
    }

    /// Asks for a path. Returns the status and the text.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        let answer = request.send().await.with_context(|| format!("could not ask for `{path}`"))?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Runs one statement. Returns the rows as lines of JSON and the time until the last byte.
    pub(crate) async fn sql(&self, sql: &str) -> anyhow::Result<(String, Duration)> {
        let start = Instant::now();
        let request = self.http.post(format!("{}/api/v1/sql", self.url)).bearer_auth(&self.token);
        let request = request.header("accept", "application/x-ndjson").json(&serde_json::json!({ "sql": sql }));
        let answer = request.send().await.context("could not send the query")?;
        let (status, text) = (answer.status(), answer.text().await?);
        let took = start.elapsed();
        if !status.is_success() {
            bail!("the server answered {status} to `{sql}`: {text}");
        }
        Ok((text, took))
    }

    /// Waits until `/readyz` answers 200.
    pub(crate) async fn wait_ready(&self, limit: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        while start.elapsed() < limit {
            let answer = self.http.get(format!("{}/readyz", self.url)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the server at `{}` was not ready within {} s", self.url, limit.as_secs())
    }

    /// All samples of `/metrics`; empty where there are none.
    pub(crate) async fn metrics(&self) -> BTreeMap<String, f64> {
        let request = self.http.get(format!("{}/metrics", self.url)).bearer_auth(&self.token);
        let Ok(answer) = request.send().await else { return BTreeMap::new() };
        let text = answer.text().await.unwrap_or_default();
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        samples.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
    }

    /// Bytes of the files under each name of the data directory; the lake's log apart from its data.
    pub(crate) fn disk(&self) -> BTreeMap<String, u64> {
        let mut sizes = BTreeMap::new();
        let Some(root) = &self.data_dir else { return sizes };
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let (path, Ok(meta)) = (entry.path(), entry.metadata()) else { continue };
                if meta.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(root).unwrap_or(&path);
                let first = name.iter().next().unwrap_or_default().to_string_lossy().into_owned();
                let log = name.iter().any(|part| part == "_delta_log");
                *sizes.entry(if log { format!("{first} (log)") } else { first }).or_insert(0) += meta.len();
            }
        }
        sizes
    }
}

/// Seconds of CPU that a process has used.
pub(crate) fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold blanks; utime and stime are fields 14 and 15 of all, 12 and 13 behind it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some(ticks / TICKS_PER_SECOND)
}

/// A line of `/proc/PID/status` in kB (`VmRSS`, `VmHWM`), as bytes.
pub(crate) fn memory_bytes(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1_024)
}

/// Watches the resident memory of a process until it is dropped.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl MemoryWatch {
    pub(crate) fn start(pid: u32) -> Self {
        let (peak, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (peak_seen, stopped) = (peak.clone(), stop.clone());
        std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                peak_seen.fetch_max(memory_bytes(pid, "VmRSS").unwrap_or(0), Ordering::Relaxed);
                std::thread::sleep(SAMPLE_INTERVAL);
            }
        });
        Self { peak, stop }
    }

    pub(crate) fn peak_bytes(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Waits until a process uses less than a twentieth of a core.
pub(crate) async fn wait_idle(pid: u32, limit: Duration) {
    let start = Instant::now();
    let mut before = cpu_seconds(pid);
    while start.elapsed() < limit {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let now = cpu_seconds(pid);
        match (before, now) {
            (Some(before), Some(now)) if now - before > 0.02 => {}
            _ => return,
        }
        before = now;
    }
}

fn read_env(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("could not read `{}`", path.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    Ok(lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
