//! `tephra admin project`, `key` and `token`.

use anyhow::Context;
use clap::Subcommand;
use tephra_storage::ProjectId;
use tephra_storage::meta::keys::{self, HASHED, IngestKey};
use tephra_storage::meta::projects::{self, NewProject};
use tephra_storage::meta::tokens::{self, NewToken, Token};

use super::{Desk, table, time};
use crate::access::{KeyKind, Secret, dsn, hash};
use crate::roles::Verb;

const DAY_US: i64 = 86_400_000_000;

#[derive(Debug, Subcommand)]
pub(super) enum ProjectCommand {
    /// Lists all projects.
    List,
    /// Makes a project, and prints its number.
    Add {
        /// Lowercase letters, digits and hyphens.
        slug: String,
        /// What people call it [default: the slug].
        #[arg(long)]
        name: Option<String>,
        /// The language or runtime.
        #[arg(long)]
        platform: Option<String>,
        /// How long events are kept: 30, 90 or 365.
        #[arg(long, default_value_t = 90)]
        retention_days: i64,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Lists the keys of a project.
    List {
        /// Its number or slug.
        project: String,
    },
    /// Makes a key of a project, and prints it with its DSN.
    Add {
        /// The project's number or slug.
        project: String,
        /// What people call the key.
        name: String,
    },
    /// Revokes a key for ever.
    Revoke {
        /// The key's id: the eight letters behind `teph_k_`.
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Lists all tokens.
    List,
    /// Makes a token of somebody, and prints it.
    Add {
        /// What people call the token.
        name: String,
        /// Whose rights it has, by email.
        #[arg(long)]
        user: String,
        /// Confines it to projects, by number or slug.
        #[arg(long, value_delimiter = ',')]
        projects: Vec<String>,
        /// Confines it to verbs, as `event:read,issue:read`; docs/ROLES.md has all.
        #[arg(long, value_delimiter = ',')]
        verbs: Vec<String>,
        /// After so many days it ends.
        #[arg(long, value_name = "DAYS")]
        expires_days: Option<u32>,
    },
    /// Revokes a token for ever.
    Revoke {
        /// The token's id: the eight letters behind `teph_t_`.
        id: String,
    },
}

pub(super) async fn projects(desk: &Desk, command: &ProjectCommand) -> anyhow::Result<String> {
    match command {
        ProjectCommand::List => {
            let head = ["ID", "SLUG", "NAME", "PLATFORM", "RETENTION"].map(str::to_owned).to_vec();
            let row = |it: projects::Project| {
                let platform = it.platform.unwrap_or_default();
                vec![it.id.to_string(), it.slug, it.name, platform, format!("{} days", it.retention_days)]
            };
            let rows: Vec<_> = desk.meta.projects().await?.into_iter().map(row).collect();
            Ok(table(&[vec![head], rows].concat()))
        }
        ProjectCommand::Add { slug, name, platform, retention_days } => {
            let new = NewProject {
                slug: slug.clone(),
                name: name.clone().unwrap_or_else(|| slug.clone()),
                platform: platform.clone(),
                retention_days: *retention_days,
            };
            let mut tx = desk.meta.begin().await?;
            let project = projects::create(&mut tx, &desk.actor, &new).await?;
            tx.commit().await?;
            Ok(format!("made the project {} ({slug})\n", project.id))
        }
    }
}

pub(super) async fn keys(desk: &Desk, command: &KeyCommand) -> anyhow::Result<String> {
    match command {
        KeyCommand::List { project } => {
            let project = desk.project(project).await?;
            let head = ["ID", "NAME", "STATE", "USED", "KEY"].map(str::to_owned).to_vec();
            let row = |key: IngestKey| {
                let state = if key.disabled_at_us.is_some() { "disabled" } else { "" };
                let text = if key.secret.starts_with(HASHED) { "(not known)".to_owned() } else { key.secret };
                vec![key.id, key.name, state.to_owned(), time(key.used_at_us), text]
            };
            let rows: Vec<_> = desk.meta.keys(Some(project.id)).await?.into_iter().map(row).collect();
            Ok(table(&[vec![head], rows].concat()))
        }
        KeyCommand::Add { project, name } => {
            let project = desk.project(project).await?;
            let secret = Secret::make(KeyKind::Ingest);
            let mut tx = desk.meta.begin().await?;
            keys::create(&mut tx, &desk.actor, project.id, name, secret.id(), secret.show()).await?;
            tx.commit().await?;
            let url = desk.settings.public_url();
            let url = if url.is_empty() { "http://127.0.0.1:8080" } else { url };
            Ok(format!("key: {}\nDSN: {}\n", secret.show(), dsn(url, secret.show(), project.id)))
        }
        KeyCommand::Revoke { id } => {
            let key = desk.meta.key(id).await?.with_context(|| format!("there is no key `{id}`"))?;
            let mut tx = desk.meta.begin().await?;
            keys::revoke(&mut tx, &desk.actor, &key).await?;
            tx.commit().await?;
            Ok(format!("revoked the key `{id}` ({})\n", key.name))
        }
    }
}

pub(super) async fn tokens(desk: &Desk, command: &TokenCommand) -> anyhow::Result<String> {
    match command {
        TokenCommand::List => {
            let head = ["ID", "NAME", "OWNER", "PROJECTS", "VERBS", "EXPIRES", "USED"].map(str::to_owned).to_vec();
            let users = desk.meta.users().await?;
            let row = |token: Token| {
                let owner = users.iter().find(|user| user.id == token.user_id);
                let projects = token.projects.map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>());
                let all = |list: Option<Vec<String>>| list.map_or_else(|| "all".to_owned(), |list| list.join(","));
                vec![
                    token.id,
                    token.name,
                    owner.map_or_else(|| "-".to_owned(), |user| user.email.clone()),
                    all(projects),
                    all(token.verbs),
                    time(token.expires_at_us),
                    time(token.used_at_us),
                ]
            };
            let rows: Vec<_> = desk.meta.tokens(None).await?.into_iter().map(row).collect();
            Ok(table(&[vec![head], rows].concat()))
        }
        TokenCommand::Add { name, user, projects, verbs, expires_days } => {
            let owner = desk.user(user).await?;
            let mut numbers: Vec<ProjectId> = Vec::new();
            for project in projects {
                numbers.push(desk.project(project).await?.id);
            }
            let words = verbs.iter().map(|word| {
                Verb::parse(word).map(Verb::as_str).with_context(|| format!("`{word}` is no verb: see docs/ROLES.md"))
            });
            let words = words.collect::<anyhow::Result<Vec<&str>>>()?;
            let secret = Secret::make(KeyKind::Token);
            let new = NewToken {
                id: secret.id(),
                user_id: &owner.id,
                name,
                hash: &hex::encode(hash(secret.show())),
                projects: Some(numbers.as_slice()).filter(|list| !list.is_empty()),
                verbs: Some(words.as_slice()).filter(|list| !list.is_empty()),
                expires_at_us: expires_days.map(|days| desk.meta.now_us() + i64::from(days) * DAY_US),
            };
            let mut tx = desk.meta.begin().await?;
            tokens::create(&mut tx, &desk.actor, &new).await?;
            tx.commit().await?;
            Ok(format!("token: {}   (shown this once)\n", secret.show()))
        }
        TokenCommand::Revoke { id } => {
            let token = desk.meta.token(id).await?.with_context(|| format!("there is no token `{id}`"))?;
            let mut tx = desk.meta.begin().await?;
            tokens::revoke(&mut tx, &desk.actor, &token).await?;
            tx.commit().await?;
            Ok(format!("revoked the token `{id}` ({})\n", token.name))
        }
    }
}
