//! The Python clients of `tests/clients`, run with the packages that `scripts/setup.sh` installs.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Runs a client to its end and returns what it printed.
pub(crate) fn run(client: &str, args: &[&str]) -> String {
    let output = command(client, args).stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{client} {}: {errors}", output.status);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Whether a Python package's command is installed.
pub(crate) fn has(package: &str) -> bool {
    python().with_file_name(package).exists()
}

/// Whether a Python package is installed.
pub(crate) fn has_module(module: &str) -> bool {
    let find = ["-c", &format!("import {module}")];
    Command::new(python()).args(find).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// An S3 server in memory that goes with the test.
pub(crate) struct S3Server {
    child: Child,
    pub(crate) url: String,
}

impl S3Server {
    /// One that honours conditional puts.
    pub(crate) fn start() -> Self {
        Self::spawn(&[])
    }

    /// One that takes a conditional put for a plain one.
    pub(crate) fn start_without_conditions() -> Self {
        Self::spawn(&["--ignore-conditions"])
    }

    fn spawn(args: &[&str]) -> Self {
        let mut child = command("s3_server.py", args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://"), "the S3 server did not start");
        Self { child, url: url.trim().to_owned() }
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn command(client: &str, args: &[&str]) -> Command {
    let python = python();
    assert!(python.exists(), "no Python clients at `{}`: run scripts/setup.sh", python.display());
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(client)).args(args);
    command
}

pub(crate) fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("TEPHRA_PYTHON") {
        return python.into();
    }
    let cache = std::env::var_os("TEPHRA_CACHE").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap()).join(".cache/tephra"));
    cache.join("venv/bin/python")
}
