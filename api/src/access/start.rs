//! The first start: it makes the organisation, its owner, a project with a key, and a token of the owner.
//!
//! What it makes is shown once, in `first-run.env`, before it is committed: a crash between the two starts over with new
//! ones, and nobody is locked out. A data directory of before there were people keeps its key and token.

use anyhow::Context;
use tephra_storage::meta::keys::{self, HASHED};
use tephra_storage::meta::projects::{self, NewProject};
use tephra_storage::meta::tokens::{self, NewToken};
use tephra_storage::meta::users::{self, NewUser};
use tephra_storage::meta::{Actor, Meta, Tx, organisation};
use tephra_storage::{ErrorKind, ProjectId};

use super::first_run::{self, FirstRun, Urls};
use super::key::{KeyKind, Secret, hash};
use super::old::List;
use crate::auth::password::{self, Hasher};
use crate::roles::Role;
use crate::settings::Settings;

/// Days for which the first project keeps events.
const RETENTION_DAYS: i64 = 90;

/// Sees to it that there is an owner. Returns what was made, where something was.
pub(super) async fn prepare(meta: &Meta, settings: &Settings, urls: &Urls) -> anyhow::Result<Option<FirstRun>> {
    let data_dir = settings.data_dir();
    if meta.organisation().await?.is_some() {
        // The server works without the file, which only tells others where it is.
        if let Err(error) = first_run::refresh(data_dir, urls, settings.public_url()) {
            tracing::warn!(
                error = format!("{error:#}"),
                "the addresses in `{}` stay as they are",
                first_run::FIRST_RUN_FILE
            );
        }
        return Ok(None);
    }
    let old = List::read(data_dir)?;
    let (key, token) = match &old {
        Some(_) => (None, None),
        None => (Some(Secret::make(KeyKind::Ingest)), Some(Secret::make(KeyKind::Token))),
    };
    let first = FirstRun {
        urls: urls.clone(),
        public_url: settings.public_url().to_owned(),
        email: settings.owner.email.clone(),
        password: password::generate(),
        key,
        token,
    };
    let hashed = Hasher::default().hash(first.password.clone()).await.context("could not hash the owner's password")?;
    first_run::write(data_dir, &first)?;
    match make(meta, &first, &hashed, old.as_ref()).await {
        Ok(()) => Ok(Some(first)),
        // Another server on the same database was first; what it made is in its own data directory.
        Err(error) if error.kind() == ErrorKind::Conflict && meta.organisation().await?.is_some() => {
            first_run::remove(data_dir)?;
            Ok(None)
        }
        Err(error) => Err(error).context("could not make the first project"),
    }
}

async fn make(meta: &Meta, first: &FirstRun, password: &str, old: Option<&List>) -> tephra_storage::Result<()> {
    let actor = Actor::system();
    let mut tx = meta.begin().await?;
    organisation::create(&mut tx, "Tephra").await?;
    let owner =
        NewUser { email: &first.email, name: "", role: Role::Owner, password: Some(password), password_once: true };
    let owner = users::create(&mut tx, &actor, &owner).await?;
    let project = NewProject {
        slug: "default".to_owned(),
        name: "Default".to_owned(),
        platform: None,
        retention_days: RETENTION_DAYS,
    };
    let project = projects::create(&mut tx, &actor, &project).await?;
    if let Some(key) = &first.key {
        keys::create(&mut tx, &actor, project.id, "first", key.id(), key.show()).await?;
    }
    if let Some(token) = &first.token {
        let hash = hex::encode(hash(token.show()));
        token_of(&mut tx, &actor, &owner.id, token.id(), &hash).await?;
    }
    for entry in old.map_or(&[][..], |list| &list.entries) {
        match entry.kind {
            KeyKind::Ingest if entry.projects.first() == Some(&project.id) => {
                let secret = format!("{HASHED}{}", entry.hash);
                keys::create(&mut tx, &actor, project.id, "first", &entry.id, &secret).await?;
            }
            // There was one project, and no right in it that a token did not have.
            KeyKind::Token => token_of(&mut tx, &actor, &owner.id, &entry.id, &entry.hash).await?,
            KeyKind::Ingest => {
                tracing::warn!(key = entry.id, projects = ?entry.projects, "a key of no project is left out")
            }
        }
    }
    debug_assert!(project.id == ProjectId(1), "the first project is number 1");
    tx.commit().await
}

async fn token_of(tx: &mut Tx, actor: &Actor, user_id: &str, id: &str, hash: &str) -> tephra_storage::Result<()> {
    let new = NewToken { id, user_id, name: "first", hash, projects: None, verbs: None, expires_at_us: None };
    tokens::create(tx, actor, &new).await.map(drop)
}
