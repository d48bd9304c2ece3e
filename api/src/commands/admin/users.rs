//! `tephra admin user`: people.

use std::io::Read;

use anyhow::{Context, bail};
use clap::Subcommand;
use tephra_storage::meta::second_factor;
use tephra_storage::meta::users::{self, NewUser, User};

use super::{Desk, table, time};
use crate::auth::password::{self, Hasher};
use crate::roles::Role;

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Lists everybody.
    List,
    /// Adds somebody, and prints a password that is to be changed at the first login.
    Add {
        email: String,
        /// What people call them.
        #[arg(long, default_value = "")]
        name: String,
        /// `viewer`, `member`, `admin` or `owner`.
        #[arg(long, default_value = "member")]
        role: String,
    },
    /// Gives somebody another role in the organisation.
    Role { email: String, role: String },
    /// Locks somebody out, and ends their sessions.
    Disable { email: String },
    /// Lets somebody in again.
    Enable { email: String },
    /// Gives somebody a new password that is to be changed at the next login, and ends their sessions.
    Password {
        email: String,
        /// Take a password of your own from standard input.
        #[arg(long)]
        stdin: bool,
    },
    /// Removes somebody's second factor.
    ResetTotp { email: String },
}

pub(super) async fn run(desk: &Desk, command: &UserCommand) -> anyhow::Result<String> {
    match command {
        UserCommand::List => list(desk).await,
        UserCommand::Add { email, name, role } => add(desk, email, name, role).await,
        UserCommand::Role { email, role } => {
            let role = parse(role)?;
            change(desk, email, |user| user.role = role).await?;
            Ok(format!("{email} is {role} now\n"))
        }
        UserCommand::Disable { email } => {
            change(desk, email, |user| user.disabled = true).await?;
            Ok(format!("{email} is disabled, and all their sessions ended\n"))
        }
        UserCommand::Enable { email } => {
            change(desk, email, |user| user.disabled = false).await?;
            Ok(format!("{email} may log in again\n"))
        }
        UserCommand::Password { email, stdin } => new_password(desk, email, *stdin).await,
        UserCommand::ResetTotp { email } => {
            let user = desk.user(email).await?;
            let mut tx = desk.meta.begin().await?;
            second_factor::remove(&mut tx, &desk.actor, &user.id).await?;
            tx.commit().await?;
            Ok(format!("{email} logs in without a second factor\n"))
        }
    }
}

async fn list(desk: &Desk) -> anyhow::Result<String> {
    let head = ["EMAIL", "ROLE", "STATE", "SECOND FACTOR", "SEEN", "ID"].map(str::to_owned).to_vec();
    let row = |user: User| {
        let state = match (user.disabled, user.password.is_some()) {
            (true, _) => "disabled",
            (_, false) => "no password",
            _ if user.password_once => "password to be changed",
            _ => "",
        };
        let factor = if user.has_totp() { "yes" } else { "" };
        vec![user.email, user.role.to_string(), state.to_owned(), factor.to_owned(), time(user.seen_at_us), user.id]
    };
    let rows: Vec<Vec<String>> = desk.meta.users().await?.into_iter().map(row).collect();
    Ok(table(&[vec![head], rows].concat()))
}

async fn add(desk: &Desk, email: &str, name: &str, role: &str) -> anyhow::Result<String> {
    let role = parse(role)?;
    let password = password::generate();
    let hash = Hasher::default().hash_now(&password)?;
    let new = NewUser { email, name, role, password: Some(&hash), password_once: true };
    let mut tx = desk.meta.begin().await?;
    let user = users::create(&mut tx, &desk.actor, &new).await?;
    tx.commit().await?;
    Ok(format!("added {} as {role}\npassword: {password}   (to be changed at the first login)\n", user.email))
}

async fn new_password(desk: &Desk, email: &str, stdin: bool) -> anyhow::Result<String> {
    let user = desk.user(email).await?;
    let password = if stdin {
        let mut text = String::new();
        std::io::stdin().take(4096).read_to_string(&mut text).context("could not read standard input")?;
        let text = text.trim_end_matches(['\r', '\n']).to_owned();
        password::check(&text, &user.email, "password")?;
        text
    } else {
        password::generate()
    };
    let hash = Hasher::default().hash_now(&password)?;
    let mut tx = desk.meta.begin().await?;
    users::set_password(&mut tx, &desk.actor, &user.id, &hash, !stdin, None).await?;
    tx.commit().await?;
    if stdin {
        return Ok(format!("{email} has a new password, and all their sessions ended\n"));
    }
    Ok(format!("password: {password}   (to be changed at the next login; all sessions ended)\n"))
}

async fn change(desk: &Desk, email: &str, edit: impl FnOnce(&mut User)) -> anyhow::Result<()> {
    let before = desk.user(email).await?;
    let mut after = before.clone();
    edit(&mut after);
    if after == before {
        bail!("nothing to change: {email} is so already");
    }
    let mut tx = desk.meta.begin().await?;
    users::update(&mut tx, &desk.actor, &before, &after).await?;
    tx.commit().await?;
    Ok(())
}

fn parse(role: &str) -> anyhow::Result<Role> {
    Role::parse(role).with_context(|| format!("`{role}` is no role: viewer, member, admin or owner"))
}
