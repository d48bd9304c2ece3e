//! `first-run.env`: where the server listens and the first key and token, for scripts and for `tephra sql`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;

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
#[derive(Clone, Debug)]
pub struct FirstRun {
    /// Where the server listens.
    pub urls: Urls,
    /// The key of project 1.
    pub key: Secret,
    /// The token of project 1.
    pub token: Secret,
}

/// Writes the file anew.
pub(super) fn write(data_dir: &Path, first: &FirstRun) -> anyhow::Result<()> {
    let mut text = String::new();
    let secrets = [("TEPHRA_KEY", first.key.show()), ("TEPHRA_TOKEN", first.token.show())];
    for (name, value) in first.urls.lines().into_iter().chain(secrets) {
        let _ = writeln!(text, "{name}={value}");
    }
    put(data_dir, &text)
}

/// Writes the present addresses into a file that is still there; all other lines stay as they are.
pub(super) fn refresh(data_dir: &Path, urls: &Urls) -> anyhow::Result<()> {
    let Some(old) = text(data_dir)? else { return Ok(()) };
    let mut lines: Vec<String> = old.lines().map(str::to_owned).collect();
    for (name, value) in urls.lines() {
        let new = format!("{name}={value}");
        match lines.iter_mut().find(|line| line.split('=').next().map(str::trim) == Some(name)) {
            Some(line) => *line = new,
            None => lines.push(new),
        }
    }
    let new = lines.join("\n") + "\n";
    if new == old { Ok(()) } else { put(data_dir, &new) }
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
        refresh(dir.path(), &urls).unwrap();
        let expected = "# mine\nTEPHRA_URL=http://new\nTEPHRA_KEY=k\nTEPHRA_GRPC=http://grpc\n";
        assert_eq!(text(dir.path()).unwrap().unwrap(), expected);
    }

    #[test]
    fn a_file_that_was_taken_away_stays_away() {
        let dir = tempfile::tempdir().unwrap();
        refresh(dir.path(), &Urls { http: "a".to_owned(), grpc: "b".to_owned() }).unwrap();
        assert!(read(dir.path()).unwrap().is_none());
    }
}
