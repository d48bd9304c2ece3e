//! The list of keys and tokens as Tephra kept it in `access.json` before there were people: read once and taken over.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use tephra_storage::ProjectId;

use super::key::KeyKind;

/// The name of the list in the data directory.
pub(super) const LIST_FILE: &str = "access.json";

#[derive(Debug, Deserialize)]
pub(super) struct List {
    pub(super) entries: Vec<Entry>,
}

/// One key or token; of its text only the hash was kept.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) kind: KeyKind,
    pub(super) projects: Vec<ProjectId>,
    /// SHA-256 in hexadecimal.
    pub(super) hash: String,
}

impl List {
    /// Reads the file, if there is one.
    pub(super) fn read(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = data_dir.join(LIST_FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("could not read `{}`", path.display())),
        };
        let list = serde_json::from_slice(&text);
        list.map(Some).with_context(|| format!("could not understand `{}`", path.display()))
    }
}
