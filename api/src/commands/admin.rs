//! `tephra admin`: people, projects, keys and tokens from the shell, beside a running server or without one.
//!
//! It works on the metadata itself, as whoever can read the data directory can do so anyway. A running server follows within
//! five seconds. Each change is in the audit log under the name of the shell's user.

mod access;
mod cost;
mod users;

use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use tephra_storage::meta::projects::Project;
use tephra_storage::meta::users::User;
use tephra_storage::meta::{Actor, Meta};
use tephra_storage::{ProjectId, SystemClock};

use crate::cli::SettingsArgs;
use crate::settings::Settings;

#[derive(Debug, Args)]
pub(crate) struct AdminArgs {
    #[command(subcommand)]
    noun: Noun,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// People.
    #[command(subcommand)]
    User(users::UserCommand),
    /// Projects.
    #[command(subcommand)]
    Project(access::ProjectCommand),
    /// Ingest keys.
    #[command(subcommand)]
    Key(access::KeyCommand),
    /// API tokens.
    #[command(subcommand)]
    Token(access::TokenCommand),
    /// Measures what one login costs on this machine.
    Cost,
}

/// The metadata, and who works on it.
struct Desk {
    meta: Meta,
    actor: Actor,
    settings: Settings,
}

/// Does what is asked.
pub(crate) fn run(args: &AdminArgs) -> anyhow::Result<ExitCode> {
    let settings = args.settings.load(Vec::new())?.settings;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let text = runtime.block_on(async {
        if let Noun::Cost = args.noun {
            return cost::measure();
        }
        let desk = Desk::open(settings).await?;
        let done = match &args.noun {
            Noun::User(command) => users::run(&desk, command).await,
            Noun::Project(command) => access::projects(&desk, command).await,
            Noun::Key(command) => access::keys(&desk, command).await,
            Noun::Token(command) => access::tokens(&desk, command).await,
            Noun::Cost => Ok(String::new()),
        };
        desk.meta.close().await;
        done
    })?;
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

impl Desk {
    async fn open(settings: Settings) -> anyhow::Result<Self> {
        let data_dir = settings.data_dir();
        if settings.meta.url.is_empty() && !data_dir.join(tephra_storage::meta::SQLITE_FILE).exists() {
            bail!("there is no metadata in `{}`: name the data directory by `--data-dir`", data_dir.display());
        }
        let meta = Meta::open(&settings.meta, data_dir, Arc::new(SystemClock)).await?;
        if meta.organisation().await?.is_none() {
            bail!("no server has been started here yet: `tephra serve` makes the owner and the first project");
        }
        let name = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
        Ok(Self { meta, actor: Actor::shell(name.as_deref().unwrap_or("shell")), settings })
    }

    async fn user(&self, email: &str) -> anyhow::Result<User> {
        self.meta.user_by_email(email).await?.with_context(|| format!("there is no person `{email}`"))
    }

    async fn project(&self, name: &str) -> anyhow::Result<Project> {
        let id = name.parse().map(ProjectId).ok();
        let mut all = self.meta.projects().await?.into_iter();
        let found = all.find(|project| Some(project.id) == id || project.slug == name);
        found.with_context(|| format!("there is no project `{name}`"))
    }
}

/// Rows under each other, their columns in line.
fn table(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// A time for people.
fn time(us: Option<i64>) -> String {
    let time = us.and_then(chrono::DateTime::from_timestamp_micros);
    time.map_or_else(|| "-".to_owned(), |time| time.format("%Y-%m-%d %H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_in_line() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(table(&[row(["a", "b"]), row(["long", ""])]), "a     b\nlong\n");
    }
}
