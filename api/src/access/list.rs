//! The list of projects, keys and tokens: one small JSON file, replaced as a whole.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tephra_storage::ProjectId;

use super::key::{KeyKind, Secret, hash};
use crate::files::write_private;

/// The form of the file that this version writes.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct List {
    version: u32,
    projects: Vec<Project>,
    pub(super) entries: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Project {
    id: ProjectId,
    name: String,
}

/// One key or token; of its text only the hash is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) kind: KeyKind,
    pub(super) projects: Vec<ProjectId>,
    /// SHA-256 in hexadecimal.
    pub(super) hash: String,
    created_at: chrono::DateTime<chrono::Utc>,
}

impl List {
    /// Project 1, `default`, with the given key and token.
    pub(super) fn first(key: &Secret, token: &Secret) -> Self {
        let id = ProjectId(1);
        let entry = |secret: &Secret, kind| Entry {
            id: secret.id().to_owned(),
            kind,
            projects: vec![id],
            hash: hex::encode(hash(secret.show())),
            created_at: chrono::Utc::now(),
        };
        Self {
            version: VERSION,
            projects: vec![Project { id, name: "default".to_owned() }],
            entries: vec![entry(key, KeyKind::Ingest), entry(token, KeyKind::Token)],
        }
    }

    /// Reads the file, if there is one.
    pub(super) fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("could not read `{}`", path.display())),
        };
        let list: Self =
            serde_json::from_slice(&text).with_context(|| format!("could not understand `{}`", path.display()))?;
        if list.version > VERSION {
            bail!("`{}` is of version {}, and this Tephra knows up to {VERSION}", path.display(), list.version);
        }
        Ok(Some(list))
    }

    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        write_private(path, &serde_json::to_vec_pretty(self)?)?;
        Ok(())
    }
}
