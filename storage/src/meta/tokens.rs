//! API tokens: the rights of a person, or fewer, for a program.
//!
//! A token is shown once and kept as its SHA-256, which suffices for 190 bits of chance. It reaches what its owner reaches
//! at the time of asking, less whatever its own lists leave out, so that it never outlives a right of its owner.

use serde_json::json;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::audit::{self, Actor, Entry};
use super::error::told;
use super::statement::Statement;
use super::{Meta, Tx};
use crate::error::{Error, Result};
use crate::event::ProjectId;

/// A token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The part of its text that may be logged.
    pub id: String,
    /// Whose rights it has.
    pub user_id: String,
    /// What people call it.
    pub name: String,
    /// SHA-256 of its text, hexadecimal.
    pub hash: String,
    /// To what it is confined; `None` is all that the owner reaches.
    pub projects: Option<Vec<ProjectId>>,
    /// What it may do, in words such as `event:read`; `None` is all that the owner may.
    pub verbs: Option<Vec<String>>,
    /// µs UTC.
    pub created_at_us: i64,
    /// The email or name of who made it.
    pub created_by: String,
    /// µs UTC.
    pub expires_at_us: Option<i64>,
    /// µs UTC.
    pub revoked_at_us: Option<i64>,
    /// When it was last used, to the minute or so, µs UTC.
    pub used_at_us: Option<i64>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("id", &self.id).field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// A token that is to be made.
#[derive(Clone, Debug)]
pub struct NewToken<'a> {
    /// As [`Token::id`].
    pub id: &'a str,
    /// As [`Token::user_id`].
    pub user_id: &'a str,
    /// As [`Token::name`].
    pub name: &'a str,
    /// As [`Token::hash`].
    pub hash: &'a str,
    /// As [`Token::projects`].
    pub projects: Option<&'a [ProjectId]>,
    /// As [`Token::verbs`].
    pub verbs: Option<&'a [&'a str]>,
    /// As [`Token::expires_at_us`].
    pub expires_at_us: Option<i64>,
}

const COLUMNS: &str = "id, COALESCE(user_id, ''), name, hash, projects, verbs, created_at, created_by, expires_at, \
                       revoked_at, used_at";
const ALL: &str = "*";

impl Token {
    fn read(row: &AnyRow) -> sqlx::Result<Self> {
        let (projects, verbs): (String, String) = (row.try_get(4)?, row.try_get(5)?);
        let number = |word: &str| word.parse().map(ProjectId).map_err(|error| sqlx::Error::Decode(Box::new(error)));
        Ok(Self {
            id: row.try_get(0)?,
            user_id: row.try_get(1)?,
            name: row.try_get(2)?,
            hash: row.try_get(3)?,
            projects: match projects.as_str() {
                ALL => None,
                list => Some(list.split_ascii_whitespace().map(number).collect::<sqlx::Result<_>>()?),
            },
            verbs: match verbs.as_str() {
                ALL => None,
                list => Some(list.split_ascii_whitespace().map(str::to_owned).collect()),
            },
            created_at_us: row.try_get(6)?,
            created_by: row.try_get(7)?,
            expires_at_us: row.try_get(8)?,
            revoked_at_us: row.try_get(9)?,
            used_at_us: row.try_get(10)?,
        })
    }

    fn shown(&self) -> serde_json::Value {
        json!({
            "name": self.name, "user": self.user_id, "projects": self.projects, "verbs": self.verbs,
            "expires_at_us": self.expires_at_us,
        })
    }
}

impl Meta {
    /// The tokens that are not revoked: of a person, or of everybody.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn tokens(&self, user_id: Option<&str>) -> Result<Vec<Token>> {
        let failed = told("could not read the tokens");
        let mut query = Statement::new("SELECT ");
        query.push(COLUMNS).push(" FROM tokens WHERE revoked_at IS NULL");
        if let Some(user_id) = user_id {
            query.push(" AND user_id = ").bind(user_id.to_owned());
        }
        query.push(" ORDER BY created_at, id");
        let rows = query.query().fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(Token::read).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// One token by id, unless it is revoked.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn token(&self, id: &str) -> Result<Option<Token>> {
        let failed = told("could not read the token");
        let mut query = Statement::new("SELECT ");
        query.push(COLUMNS).push(" FROM tokens WHERE revoked_at IS NULL AND id = ").bind(id.to_owned());
        let row = query.query().fetch_optional(self.pool()).await.map_err(&failed)?;
        row.as_ref().map(Token::read).transpose().map_err(failed)
    }
}

/// Makes a token.
///
/// # Errors
/// `Invalid` for a name that is not allowed or a term that is over.
pub async fn create(tx: &mut Tx, actor: &Actor, new: &NewToken<'_>) -> Result<Token> {
    let now = tx.now_us();
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Error::invalid("`name` is to be 1 to 100 characters without control characters"));
    }
    if new.expires_at_us.is_some_and(|at| at <= now) {
        return Err(Error::invalid("`expires_at` is over already"));
    }
    let token = Token {
        id: new.id.to_owned(),
        user_id: new.user_id.to_owned(),
        name: name.to_owned(),
        hash: new.hash.to_owned(),
        projects: new.projects.map(<[_]>::to_vec),
        verbs: new.verbs.map(|verbs| verbs.iter().map(|verb| (*verb).to_owned()).collect()),
        created_at_us: now,
        created_by: actor.name.clone(),
        expires_at_us: new.expires_at_us,
        revoked_at_us: None,
        used_at_us: None,
    };
    let list = |words: Option<Vec<String>>| words.map_or_else(|| ALL.to_owned(), |words| words.join(" "));
    let projects = token.projects.as_ref().map(|list| list.iter().map(ToString::to_string).collect());
    sqlx::query(
        "INSERT INTO tokens (id, user_id, name, hash, projects, verbs, created_at, created_by, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(token.id.as_str())
    .bind(token.user_id.as_str())
    .bind(token.name.as_str())
    .bind(token.hash.as_str())
    .bind(list(projects))
    .bind(list(token.verbs.clone()))
    .bind(now)
    .bind(token.created_by.as_str())
    .bind(token.expires_at_us)
    .execute(tx.connection())
    .await
    .map_err(told("could not make the token"))?;
    note(tx, actor, "token.create", &token.id, None, Some(token.shown())).await?;
    Ok(token)
}

/// Revokes a token for ever. Doing it twice changes nothing.
///
/// # Errors
/// As of any statement.
pub async fn revoke(tx: &mut Tx, actor: &Actor, token: &Token) -> Result<()> {
    let now = tx.now_us();
    let done = sqlx::query("UPDATE tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
        .bind(now)
        .bind(token.id.as_str())
        .execute(tx.connection())
        .await
        .map_err(told("could not revoke the token"))?;
    if done.rows_affected() == 0 {
        return Ok(());
    }
    note(tx, actor, "token.revoke", &token.id, Some(token.shown()), None).await
}

type Shown = Option<serde_json::Value>;

async fn note(tx: &mut Tx, actor: &Actor, verb: &str, id: &str, before: Shown, after: Shown) -> Result<()> {
    audit::write(tx, &Entry { actor, verb, target: ("token", id), project: None, before, after }).await
}
