//! What people say about an issue. A deleted comment leaves its row without its text.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::audit::{self, Actor, Entry};
use super::error::told;
use super::statement::Statement;
use super::{Meta, Tx, issues, new_id};
use crate::error::{Error, ErrorKind, Result};
use crate::event::ProjectId;

/// A comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Its id; later comments have greater ids.
    pub id: String,
    /// The issue.
    pub issue_id: i64,
    /// The user who wrote it.
    pub user_id: String,
    /// The text.
    pub body: String,
    /// When it was written, µs UTC.
    pub created_at_us: i64,
    /// When it was last changed, µs UTC.
    pub edited_at_us: Option<i64>,
    /// Grows with every change.
    pub version: i64,
}

const COLUMNS: &str = "id, issue_id, user_id, body, created_at, edited_at, version";
const BODY_CHARS_MAX: usize = 20_000;

impl Comment {
    fn read(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get(0)?,
            issue_id: row.try_get(1)?,
            user_id: row.try_get(2)?,
            body: row.try_get(3)?,
            created_at_us: row.try_get(4)?,
            edited_at_us: row.try_get(5)?,
            version: row.try_get(6)?,
        })
    }
}

impl Meta {
    /// The comments on an issue, oldest first, at most `limit`, behind the comment `after` where one is given.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn comments(&self, issue: i64, after: Option<(i64, &str)>, limit: u32) -> Result<Vec<Comment>> {
        let mut statement = Statement::new("SELECT ");
        statement.push(COLUMNS).push(" FROM comments WHERE deleted_at IS NULL AND issue_id = ").bind(issue);
        if let Some((created_at_us, id)) = after {
            statement.push(" AND (created_at, id) > (").bind(created_at_us).push(", ").bind(id.to_owned()).push(")");
        }
        statement.push(" ORDER BY created_at, id LIMIT ").bind(i64::from(limit));
        let failed = told("could not read the comments");
        let rows = statement.query().fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(Comment::read).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// One comment, unless it was deleted.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn comment(&self, id: &str) -> Result<Option<Comment>> {
        let mut statement = Statement::new("SELECT ");
        statement.push(COLUMNS).push(" FROM comments WHERE deleted_at IS NULL AND id = ").bind(id.to_owned());
        let failed = told("could not read the comment");
        let row = statement.query().fetch_optional(self.pool()).await.map_err(&failed)?;
        row.as_ref().map(Comment::read).transpose().map_err(failed)
    }
}

/// Adds a comment by `user`.
///
/// # Errors
/// `NotFound` for no such issue or user, `Invalid` for a text that is empty or over 20,000 characters.
pub async fn create(tx: &mut Tx, actor: &Actor, issue: i64, user: &str, body: &str) -> Result<Comment> {
    check(body)?;
    let project = issues::fetch(tx, issue).await?.project;
    let comment = Comment {
        id: new_id(),
        issue_id: issue,
        user_id: user.to_owned(),
        body: body.to_owned(),
        created_at_us: tx.now_us(),
        edited_at_us: None,
        version: 1,
    };
    sqlx::query(
        "INSERT INTO comments (id, issue_id, user_id, body, created_at, version) VALUES ($1, $2, $3, $4, $5, 1)",
    )
    .bind(comment.id.clone())
    .bind(issue)
    .bind(user.to_owned())
    .bind(body.to_owned())
    .bind(comment.created_at_us)
    .execute(tx.connection())
    .await
    .map_err(told("could not add the comment: its user"))?;
    note(tx, actor, "comment.create", &comment.id, project, (None, Some(body))).await?;
    Ok(comment)
}

/// Changes the text of a comment where it still has the version that the caller saw.
///
/// # Errors
/// `Invalid` as [`create`]; `Conflict` where it was changed or deleted meanwhile.
pub async fn update(tx: &mut Tx, actor: &Actor, before: &Comment, body: &str) -> Result<Comment> {
    check(body)?;
    let project = issues::fetch(tx, before.issue_id).await?.project;
    let now = tx.now_us();
    let done = sqlx::query(
        "UPDATE comments SET body = $1, edited_at = $2, version = version + 1
         WHERE id = $3 AND version = $4 AND deleted_at IS NULL",
    )
    .bind(body.to_owned())
    .bind(now)
    .bind(before.id.clone())
    .bind(before.version)
    .execute(tx.connection())
    .await
    .map_err(told("could not change the comment"))?;
    changed(done.rows_affected())?;
    note(tx, actor, "comment.update", &before.id, project, (Some(&before.body), Some(body))).await?;
    Ok(Comment { body: body.to_owned(), edited_at_us: Some(now), version: before.version + 1, ..before.clone() })
}

/// Deletes a comment where it still has the version that the caller saw.
///
/// # Errors
/// `Conflict` where it was changed or deleted meanwhile.
pub async fn delete(tx: &mut Tx, actor: &Actor, before: &Comment) -> Result<()> {
    let project = issues::fetch(tx, before.issue_id).await?.project;
    let now = tx.now_us();
    let done = sqlx::query(
        "UPDATE comments SET body = '', deleted_at = $1, version = version + 1
         WHERE id = $2 AND version = $3 AND deleted_at IS NULL",
    )
    .bind(now)
    .bind(before.id.clone())
    .bind(before.version)
    .execute(tx.connection())
    .await
    .map_err(told("could not delete the comment"))?;
    changed(done.rows_affected())?;
    note(tx, actor, "comment.delete", &before.id, project, (Some(&before.body), None)).await
}

type Bodies<'a> = (Option<&'a str>, Option<&'a str>);

async fn note(
    tx: &mut Tx,
    actor: &Actor,
    verb: &str,
    id: &str,
    project: ProjectId,
    (before, after): Bodies<'_>,
) -> Result<()> {
    let shown = |body: Option<&str>| body.map(|body| serde_json::json!({ "body": body }));
    let (before, after) = (shown(before), shown(after));
    audit::write(tx, &Entry { actor, verb, target: ("comment", id), project: Some(project), before, after }).await
}

fn changed(rows: u64) -> Result<()> {
    if rows > 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, "the comment was changed or deleted meanwhile: read it again"))
}

fn check(body: &str) -> Result<()> {
    if body.trim().is_empty() || body.chars().count() > BODY_CHARS_MAX || body.contains('\0') {
        return Err(Error::invalid(format!("`body` is to be 1 to {BODY_CHARS_MAX} characters")));
    }
    Ok(())
}
