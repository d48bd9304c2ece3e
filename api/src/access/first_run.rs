//! `first-run.env`: where the server listens and what the first start made, for the owner, for scripts and for `tephra sql`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;
use tephra_storage::ProjectId;

use super::dsn;
use super::key::Secret;
use crate::files::write_private;

/// The name of the file in the data directory.
pub const FIRST_RUN_FILE: &str = "first-run.env";

/// Where the server listens, as clients write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    /// The HTTP listener.
    pub http: String,
    /// The gRPC listener.
    pub grpc: String,
}

impl Urls {
    fn lines(&self) -> [(&'static str, &str); 2] {
        [("TEPHRA_URL", &self.http), ("TEPHRA_GRPC", &self.grpc)]
    }
}

/// What the first start made.
#[derive(Clone)]
pub struct FirstRun {
    /// Where the server listens.
    pub urls: Urls,
    /// The address that people use.
    pub public_url: String,
    /// By which the owner logs in.
    pub email: String,
    /// The owner's password, to be changed at the first login.
    pub password: String,
    /// The key of project 1; none where an older one was taken over.
    pub key: Option<Secret>,
    /// The token of the owner; none where an older one was taken over.
    pub token: Option<Secret>,
}

/// The project that the first start makes.
const FIRST_PROJECT: ProjectId = ProjectId(1);

impl FirstRun {
    /// The DSN of project 1.
    pub fn dsn(&self) -> Option<String> {
        self.key.as_ref().map(|key| dsn(&self.public_url, key.show(), FIRST_PROJECT))
    }
}

/// Writes the file anew; keys that an older file names and that were taken over stay in it.
pub(super) fn write(data_dir: &Path, first: &FirstRun) -> anyhow::Result<()> {
    let old = read(data_dir)?.unwrap_or_default();
    let secret = |name: &str, secret: &Option<Secret>| match secret {
        Some(secret) => Some(secret.show().to_owned()),
        None => old.get(name).cloned(),
    };
    let (key, token) = (secret("TEPHRA_KEY", &first.key), secret("TEPHRA_TOKEN", &first.token));
    let dsn = key.as_ref().map(|key| dsn(&first.public_url, key, FIRST_PROJECT));
    let mut text = String::new();
    for (name, value) in first.urls.lines() {
        let _ = writeln!(text, "{name}={value}");
    }
    for (name, value) in [("TEPHRA_KEY", key), ("TEPHRA_TOKEN", token), ("TEPHRA_DSN", dsn)] {
        if let Some(value) = value {
            let _ = writeln!(text, "{name}={value}");
        }
    }
    let _ = writeln!(text, "TEPHRA_EMAIL={}\nTEPHRA_PASSWORD={}", first.email, first.password);
    put(data_dir, &text)
}

/// Writes the present addresses into a file that is still there; all other lines stay as they are.
pub(super) fn refresh(data_dir: &Path, urls: &Urls, public_url: &str) -> anyhow::Result<()> {
    let (Some(old), Some(values)) = (text(data_dir)?, read(data_dir)?) else { return Ok(()) };
    let mut lines: Vec<String> = old.lines().map(str::to_owned).collect();
    let dsn = values.get("TEPHRA_KEY").map(|key| dsn(public_url, key, FIRST_PROJECT));
    for (name, value) in urls.lines().into_iter().chain(dsn.as_deref().map(|dsn| ("TEPHRA_DSN", dsn))) {
        let new = format!("{name}={value}");
        match lines.iter_mut().find(|line| line.split('=').next().map(str::trim) == Some(name)) {
            Some(line) => *line = new,
            None => lines.push(new),
        }
    }
    let new = lines.join("\n") + "\n";
    if new == old { Ok(()) } else { put(data_dir, &new) }
}

/// Takes the file away again: what it says was not made.
pub(super) fn remove(data_dir: &Path) -> anyhow::Result<()> {
    let path = data_dir.join(FIRST_RUN_FILE);
    std::fs::remove_file(&path).with_context(|| format!("could not remove `{}`", path.display()))
}

/// The names and values of the file, if it is there.
pub fn read(data_dir: &Path) -> anyhow::Result<Option<BTreeMap<String, String>>> {
    let Some(text) = text(data_dir)? else { return Ok(None) };
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    Ok(Some(pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()))
}

fn text(data_dir: &Path) -> anyhow::Result<Option<String>> {
    let path = data_dir.join(FIRST_RUN_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not read `{}`", path.display())),
    }
}

fn put(data_dir: &Path, text: &str) -> anyhow::Result<()> {
    let path = data_dir.join(FIRST_RUN_FILE);
    write_private(&path, text.as_bytes()).with_context(|| format!("could not write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_keeps_every_other_line() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "# mine\nTEPHRA_URL=http://old\nTEPHRA_KEY=k\n").unwrap();
        let urls = Urls { http: "http://new".to_owned(), grpc: "http://grpc".to_owned() };
        refresh(dir.path(), &urls, "https://public").unwrap();
        let expected =
            "# mine\nTEPHRA_URL=http://new\nTEPHRA_KEY=k\nTEPHRA_GRPC=http://grpc\nTEPHRA_DSN=https://k@public/1\n";
        assert_eq!(text(dir.path()).unwrap().unwrap(), expected);
    }

    #[test]
    fn a_file_that_was_taken_away_stays_away() {
        let dir = tempfile::tempdir().unwrap();
        refresh(dir.path(), &Urls { http: "a".to_owned(), grpc: "b".to_owned() }, "a").unwrap();
        assert!(read(dir.path()).unwrap().is_none());
    }
}
