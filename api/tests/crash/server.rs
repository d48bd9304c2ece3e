//! The server under test: the real binary as a child process, on a data directory that outlives it.

use std::fs::{self, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::client::Client;
use crate::sys;

/// How long a start may take, recovery included, in a debug build on a busy machine.
const START_MS_MAX: u64 = 60_000;
const POLL_MS: u64 = 10;

/// What the environment of the child says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    /// Points to arm, as `TEPHRA_FAILPOINTS` takes them.
    pub(crate) failpoints: String,
    /// No roll happens by itself.
    pub(crate) never_roll: bool,
}

/// A child process.
pub(crate) struct Server {
    child: Child,
    url: String,
    grpc: String,
    data_dir: PathBuf,
    log: PathBuf,
}

/// How a start ended.
pub(crate) enum Started {
    /// It answers.
    Ready(Client),
    /// It ended by itself.
    Exited(ExitStatus),
}

impl Server {
    /// Starts the binary on `data_dir`; what it prints is appended to `log`.
    pub(crate) fn spawn(data_dir: &Path, log: &Path, setup: &Setup) -> Result<Self> {
        let output = OpenOptions::new().create(true).append(true).open(log)?;
        let (http, grpc) = (free_address()?, free_address()?);
        let mut command = Command::new(env!("CARGO_BIN_EXE_tephra"));
        command
            .args(["serve", "--data-dir"])
            .arg(data_dir)
            .args(["--http", &http, "--grpc", &grpc])
            .env("RUST_BACKTRACE", "0") // the end of the log is for what went wrong
            .env("TEPHRA_FAILPOINTS", &setup.failpoints)
            .env("TEPHRA_HOT_DISK_RESERVE_BYTES", "1048576")
            .env("TEPHRA_LIVE_KEEP_MS", "0") // so that rounds drop what they rolled
            .env("TEPHRA_COLD_CHECKPOINT_COMMITS", "4")
            .env("TEPHRA_COLD_VACUUM_GRACE_MINUTES", "0")
            .env("TEPHRA_QUERY_ROWS_MAX", "100000000")
            .env("TEPHRA_QUERY_TIME_MS_MAX", "120000")
            .env("TEPHRA_OTLP_HTTP_ADDRESS", "")
            .env("TEPHRA_ROLL_BYTES_MAX", "4194304")
            .env("TEPHRA_ROLL_TIDY_INTERVAL_MS", "250")
            .env("TEPHRA_ROLL_AGE_MS_MAX", if setup.never_roll { "3600000" } else { "300" })
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = command.spawn().context("could not start the server")?;
        let (url, grpc) = (format!("http://{http}"), format!("http://{grpc}"));
        Ok(Self { child, url, grpc, data_dir: data_dir.to_owned(), log: log.to_owned() })
    }

    /// Waits until the server answers or ends.
    pub(crate) async fn started(&mut self) -> Result<Started> {
        let deadline = Instant::now() + Duration::from_millis(START_MS_MAX);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Started::Exited(status));
            }
            if Client::is_ready(&self.url).await {
                let secrets = fs::read_to_string(self.data_dir.join("first-run.env"))
                    .context("the server is ready and has not written `first-run.env`")?;
                return Ok(Started::Ready(Client::new(&self.url, &self.grpc, &secrets)?));
            }
            if Instant::now() > deadline {
                bail!("the server did not become ready within {START_MS_MAX} ms; its log ends:\n{}", self.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
        }
    }

    /// Waits until the server answers; ending instead is an error.
    pub(crate) async fn ready(&mut self) -> Result<Client> {
        match self.started().await? {
            Started::Ready(client) => Ok(client),
            Started::Exited(status) => {
                bail!("the server ended at its start with {status}; its log ends:\n{}", self.log_tail())
            }
        }
    }

    /// `kill -9`, then waits until the process is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Whether it has ended by itself.
    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        sys::signal(self.child.id(), libc::SIGTERM)?;
        let deadline = Instant::now() + Duration::from_millis(START_MS_MAX);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("the server stopped with {status}; its log ends:\n{}", self.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
        }
        bail!("the server did not stop within {START_MS_MAX} ms of SIGTERM")
    }

    /// Stops all its threads where they are, and waits until each is stopped or waiting for the disk.
    ///
    /// A file system that goes down under a running process may report success for a sync whose bytes are then lost.
    pub(crate) fn freeze(&self) -> Result<()> {
        sys::signal(self.child.id(), libc::SIGSTOP)?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            let mut states = Vec::new();
            for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
                let stat = fs::read_to_string(task?.path().join("stat")).unwrap_or_default();
                states.push(stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).unwrap_or('?'));
            }
            if states.iter().all(|state| matches!(state, 'T' | 'D')) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        bail!("the server's threads did not stop within 10 s of SIGSTOP")
    }

    /// The end of what it printed.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&log[log.len().saturating_sub(4000)..]).into_owned();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
