//! People: who they are, how they prove it, what they are in the organisation.
//!
//! Nobody is ever removed: comments and the audit log name people for ever, so one who leaves is disabled. Passwords come
//! here as hashes; what a good one is, is decided where they are typed.

use serde_json::json;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::audit::{self, Actor, Entry};
use super::error::told;
use super::roles::Role;
use super::statement::Statement;
use super::{Meta, Tx, new_id};
use crate::error::{Error, ErrorKind, Result};

/// A person.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The id.
    pub id: String,
    /// In lowercase; by it they log in.
    pub email: String,
    /// What people call them; may be empty.
    pub name: String,
    /// What they are in the organisation.
    pub role: Role,
    /// The hash of the password (PHC text); `None` where they have none: invited, or only by single sign-on.
    pub password: Option<String>,
    /// µs UTC.
    pub password_changed_at_us: Option<i64>,
    /// Whether the password was given to them and is to be changed at the first login.
    pub password_once: bool,
    /// Whether they may not log in.
    pub disabled: bool,
    /// The secret of their second factor, base 32; in force once `totp_since_us` is set.
    pub totp_secret: Option<String>,
    /// Since when there is a second factor, µs UTC.
    pub totp_since_us: Option<i64>,
    /// The last step whose code was used.
    pub totp_step: i64,
    /// µs UTC.
    pub created_at_us: i64,
    /// When they were last here, to the minute or so, µs UTC.
    pub seen_at_us: Option<i64>,
    /// Grows with every change.
    pub version: i64,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}

/// Somebody to be added.
#[derive(Clone, Debug)]
pub struct NewUser<'a> {
    /// As [`User::email`].
    pub email: &'a str,
    /// As [`User::name`].
    pub name: &'a str,
    /// As [`User::role`].
    pub role: Role,
    /// As [`User::password`].
    pub password: Option<&'a str>,
    /// As [`User::password_once`].
    pub password_once: bool,
}

const COLUMNS: &str = "id, email, name, role, password, password_changed_at, password_once, disabled, totp_secret, \
                       totp_since, totp_step, created_at, seen_at, version";

impl User {
    fn read(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get(0)?,
            email: row.try_get(1)?,
            name: row.try_get(2)?,
            role: Role::read(row, 3)?,
            password: row.try_get(4)?,
            password_changed_at_us: row.try_get(5)?,
            password_once: row.try_get::<i64, _>(6)? != 0,
            disabled: row.try_get::<i64, _>(7)? != 0,
            totp_secret: row.try_get(8)?,
            totp_since_us: row.try_get(9)?,
            totp_step: row.try_get(10)?,
            created_at_us: row.try_get(11)?,
            seen_at_us: row.try_get(12)?,
            version: row.try_get(13)?,
        })
    }

    /// Whether a second factor is in force.
    pub fn has_totp(&self) -> bool {
        self.totp_secret.is_some() && self.totp_since_us.is_some()
    }

    fn shown(&self) -> serde_json::Value {
        json!({ "email": self.email, "name": self.name, "role": self.role, "disabled": self.disabled })
    }
}

impl Meta {
    /// Everybody, disabled or not, by email.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn users(&self) -> Result<Vec<User>> {
        let failed = told("could not read the people");
        let mut query = Statement::new("SELECT ");
        query.push(COLUMNS).push(" FROM users ORDER BY email");
        let rows = query.query().fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(User::read).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// One person by id.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn user(&self, id: &str) -> Result<Option<User>> {
        self.user_where(" FROM users WHERE id = ", id).await
    }

    /// One person by email, however its letters are cased.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        self.user_where(" FROM users WHERE email = ", &email.trim().to_lowercase()).await
    }

    /// The person whom an identity provider knows by that subject.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn user_by_identity(&self, issuer: &str, subject: &str) -> Result<Option<User>> {
        let failed = told("could not read the identity");
        let row = sqlx::query("SELECT user_id FROM identities WHERE issuer = $1 AND subject = $2")
            .bind(issuer)
            .bind(subject)
            .fetch_optional(self.pool())
            .await
            .map_err(&failed)?;
        let Some(row) = row else { return Ok(None) };
        let id: String = row.try_get(0).map_err(failed)?;
        self.user(&id).await
    }

    async fn user_where(&self, condition: &'static str, value: &str) -> Result<Option<User>> {
        let failed = told("could not read the person");
        let mut query = Statement::new("SELECT ");
        query.push(COLUMNS).push(condition).bind(value.to_owned());
        let row = query.query().fetch_optional(self.pool()).await.map_err(&failed)?;
        row.as_ref().map(User::read).transpose().map_err(failed)
    }

    /// Hashes of a person's recovery codes that were not used.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn recovery_codes(&self, user_id: &str) -> Result<Vec<String>> {
        let failed = told("could not read the recovery codes");
        let rows = sqlx::query("SELECT hash FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL")
            .bind(user_id)
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        rows.iter().map(|row| row.try_get(0)).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// Notes that somebody was here; nothing is lost where it fails.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn note_seen(&self, user_id: &str) -> Result<()> {
        sqlx::query("UPDATE users SET seen_at = $1 WHERE id = $2")
            .bind(self.now_us())
            .bind(user_id)
            .execute(self.pool())
            .await
            .map_err(told("could not note that somebody was here"))?;
        Ok(())
    }
}

/// Adds somebody.
///
/// # Errors
/// `Invalid` for an email address or name that is none, `Conflict` where the address is taken.
pub async fn create(tx: &mut Tx, actor: &Actor, new: &NewUser<'_>) -> Result<User> {
    let email = clean_email(new.email)?;
    check_name(new.name)?;
    let now = tx.now_us();
    let user = User {
        id: new_id(),
        email,
        name: new.name.trim().to_owned(),
        role: new.role,
        password: new.password.map(str::to_owned),
        password_changed_at_us: new.password.map(|_| now),
        password_once: new.password_once,
        disabled: false,
        totp_secret: None,
        totp_since_us: None,
        totp_step: 0,
        created_at_us: now,
        seen_at_us: None,
        version: 1,
    };
    sqlx::query(
        "INSERT INTO users (id, email, name, role, password, password_changed_at, password_once, disabled, totp_step,
                            created_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, $8, 1)",
    )
    .bind(user.id.as_str())
    .bind(user.email.as_str())
    .bind(user.name.as_str())
    .bind(user.role.as_str())
    .bind(user.password.as_deref())
    .bind(user.password_changed_at_us)
    .bind(i64::from(user.password_once))
    .bind(now)
    .execute(tx.connection())
    .await
    .map_err(told("could not add the person: the email address"))?;
    note(tx, actor, "user.create", &user.id, None, Some(user.shown())).await?;
    Ok(user)
}

/// Changes email, name, role and whether somebody is disabled, where the person still has the version that the caller saw.
/// Whoever is disabled loses all sessions.
///
/// # Errors
/// As [`create`]; `Conflict` also where somebody changed it meanwhile, or where nobody would be left as owner.
pub async fn update(tx: &mut Tx, actor: &Actor, before: &User, after: &User) -> Result<()> {
    let email = clean_email(&after.email)?;
    check_name(&after.name)?;
    let failed = told("could not change the person: the email address");
    let done = sqlx::query(
        "UPDATE users SET email = $1, name = $2, role = $3, disabled = $4, version = version + 1
         WHERE id = $5 AND version = $6",
    )
    .bind(email.as_str())
    .bind(after.name.trim())
    .bind(after.role.as_str())
    .bind(i64::from(after.disabled))
    .bind(before.id.as_str())
    .bind(before.version)
    .execute(tx.connection())
    .await
    .map_err(&failed)?;
    if done.rows_affected() == 0 {
        return Err(Error::new(ErrorKind::Conflict, "the person was changed meanwhile: read it again"));
    }
    let owners = sqlx::query("SELECT COUNT(*) FROM users WHERE role = 'owner' AND disabled = 0")
        .fetch_one(tx.connection())
        .await
        .map_err(&failed)?;
    if owners.try_get::<i64, _>(0).map_err(&failed)? == 0 {
        return Err(Error::new(ErrorKind::Conflict, "nobody would be left as owner: make somebody else one first"));
    }
    if after.disabled && !before.disabled {
        super::sessions::end_all(tx, &before.id, None).await?;
        super::resets::forget(tx, &before.id).await?;
    }
    let verb = match (before.disabled, after.disabled) {
        (false, true) => "user.disable",
        (true, false) => "user.enable",
        _ if before.role != after.role => "user.role",
        _ => "user.update",
    };
    let after = User { email, ..after.clone() };
    note(tx, actor, verb, &before.id, Some(before.shown()), Some(after.shown())).await
}

/// Sets a password by its hash. All sessions but `kept` end, and links by mail that were not used stop working.
///
/// # Errors
/// `NotFound` where there is no such person.
pub async fn set_password(
    tx: &mut Tx,
    actor: &Actor,
    user_id: &str,
    hash: &str,
    once: bool,
    kept: Option<&str>,
) -> Result<()> {
    let now = tx.now_us();
    let done = sqlx::query(
        "UPDATE users SET password = $1, password_changed_at = $2, password_once = $3, version = version + 1 WHERE id = $4",
    )
    .bind(hash)
    .bind(now)
    .bind(i64::from(once))
    .bind(user_id)
    .execute(tx.connection())
    .await
    .map_err(told("could not set the password"))?;
    if done.rows_affected() == 0 {
        return Err(Error::new(ErrorKind::NotFound, "could not set the password: there is no such person"));
    }
    super::sessions::end_all(tx, user_id, kept).await?;
    super::resets::forget(tx, user_id).await?;
    note(tx, actor, "user.password", user_id, None, Some(json!({ "once": once }))).await
}

/// Keeps the same password under a new hash, for parameters that grew. No session ends.
///
/// # Errors
/// As of any statement.
pub async fn rehash(tx: &mut Tx, user_id: &str, before: &str, after: &str) -> Result<()> {
    sqlx::query("UPDATE users SET password = $1 WHERE id = $2 AND password = $3")
        .bind(after)
        .bind(user_id)
        .bind(before)
        .execute(tx.connection())
        .await
        .map_err(told("could not renew the hash of the password"))?;
    Ok(())
}

/// Links an identity of a provider to a person.
///
/// # Errors
/// `Conflict` where it is another's.
pub async fn link_identity(tx: &mut Tx, actor: &Actor, user_id: &str, issuer: &str, subject: &str) -> Result<()> {
    let now = tx.now_us();
    sqlx::query("INSERT INTO identities (issuer, subject, user_id, created_at) VALUES ($1, $2, $3, $4)")
        .bind(issuer)
        .bind(subject)
        .bind(user_id)
        .bind(now)
        .execute(tx.connection())
        .await
        .map_err(told("could not link the identity"))?;
    note(tx, actor, "user.identity", user_id, None, Some(json!({ "issuer": issuer, "subject": subject }))).await
}

pub(super) async fn note(
    tx: &mut Tx,
    actor: &Actor,
    verb: &str,
    id: &str,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
) -> Result<()> {
    audit::write(tx, &Entry { actor, verb, target: ("user", id), project: None, before, after }).await
}

/// An email address in lowercase, if it is one as far as a look can tell.
fn clean_email(email: &str) -> Result<String> {
    let email = email.trim().to_lowercase();
    let fits = email.len() <= 254
        && !email
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"' | ',' | ';' | '\\'))
        && email.rsplit_once('@').is_some_and(|(local, host)| {
            (1..=64).contains(&local.len()) && !local.contains('@') && !host.is_empty() && !host.starts_with(['.', '-'])
        });
    if fits { Ok(email) } else { Err(Error::invalid("`email` is not an email address")) }
}

fn check_name(name: &str) -> Result<()> {
    if name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Error::invalid("`name` is to be at most 100 characters without control characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
