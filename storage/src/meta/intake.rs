//! What a project lets in, and how much of it came: its limits, quotas and filters, and the counts that they are held against.
//!
//! Limits are texts here: whoever writes them has read them before. Counts are of events that were stored: per day and category
//! for quotas, by the server that counted them, and per hour for what is usual in a project.
//!
//! Counts are written with the ledger in one transaction, once a second: a crash loses what that second counted.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::audit::{self, Actor, Entry};
use super::error::told;
use super::issues::words;
use super::statement::Statement;
use super::{Meta, Tx};
use crate::error::{Error, ErrorKind, Result};
use crate::event::ProjectId;

/// What is decided for a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntakePart {
    /// How fast events may come.
    Limits,
    /// How many may come in a day and in a month.
    Quotas,
    /// Which are not wanted.
    Filters,
}

words!(IntakePart { Limits "limits", Quotas "quotas", Filters "filters" });

/// One part of what was decided for a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    /// The project.
    pub project: ProjectId,
    /// Which part.
    pub part: IntakePart,
    /// One JSON object.
    pub body: String,
    /// From 1, growing with every change; a part that nobody changed stands at 0.
    pub version: i64,
}

/// Events of a project, day and category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaDay {
    /// The project.
    pub project: ProjectId,
    /// Days since 1970, UTC.
    pub day: i64,
    /// The word of the category.
    pub category: String,
    /// Whether this server counted them.
    pub own: bool,
    /// How many.
    pub events: i64,
}

/// Events that a project stored in an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProjectHour {
    /// The project.
    pub project: ProjectId,
    /// Hours since 1970, UTC.
    pub hour: i64,
    /// How many.
    pub events: i64,
}

const BODY_BYTES_MAX: usize = 256 << 10;

impl Intake {
    fn read(row: &AnyRow) -> sqlx::Result<Self> {
        let part: String = row.try_get(1)?;
        let broken = || sqlx::Error::Decode(format!("`{part}` is no part of an intake").into());
        Ok(Self {
            project: ProjectId(row.try_get(0)?),
            part: IntakePart::parse(&part).ok_or_else(broken)?,
            body: row.try_get(2)?,
            version: row.try_get(3)?,
        })
    }
}

impl Meta {
    /// What was decided for one project, or with `None` for all live ones. What nobody changed is left out.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn intake(&self, project: Option<ProjectId>) -> Result<Vec<Intake>> {
        let failed = told("could not read the limits of projects");
        let mut query = Statement::new("SELECT project_id, part, body, version FROM intake WHERE project_id ");
        match project {
            Some(project) => query.push("= ").bind(project.0),
            None => query.push("IN (SELECT id FROM projects WHERE deleted_at IS NULL)"),
        };
        let rows = query.query().fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(Intake::read).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// What counted to quotas from a day on, told apart by whether the server of that name counted it.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn quota_days(&self, from_day: i64, node_id: &str) -> Result<Vec<QuotaDay>> {
        let failed = told("could not read what counts to quotas");
        let mut query = Statement::new("SELECT project_id, day, category, CAST(CASE WHEN node_id = ");
        query.bind(node_id.to_owned()).push(" THEN 1 ELSE 0 END AS BIGINT), CAST(SUM(events) AS BIGINT)");
        query.push(" FROM quota_days");
        query.push(" WHERE day >= ").bind(from_day).push(" GROUP BY 1, 2, 3, 4");
        let rows = query.query().fetch_all(self.pool()).await.map_err(&failed)?;
        let read = |row: &AnyRow| -> sqlx::Result<QuotaDay> {
            Ok(QuotaDay {
                project: ProjectId(row.try_get(0)?),
                day: row.try_get(1)?,
                category: row.try_get(2)?,
                own: row.try_get::<i64, _>(3)? != 0,
                events: row.try_get(4)?,
            })
        };
        rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// What projects stored in each hour from one on.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn project_hours(&self, from_hour: i64) -> Result<Vec<ProjectHour>> {
        let failed = told("could not read what projects stored");
        let mut query = Statement::new("SELECT project_id, hour, events FROM project_hours WHERE hour >= ");
        query.bind(from_hour);
        let rows = query.query().fetch_all(self.pool()).await.map_err(&failed)?;
        let read = |row: &AnyRow| -> sqlx::Result<ProjectHour> {
            Ok(ProjectHour { project: ProjectId(row.try_get(0)?), hour: row.try_get(1)?, events: row.try_get(2)? })
        };
        rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(failed)
    }
}

/// Decides a part for a project anew, where it still has the version that the caller saw. Returns its new version.
///
/// # Errors
/// `Conflict` where somebody changed it meanwhile, `NotFound` for no such project.
pub async fn put(tx: &mut Tx, actor: &Actor, before: &Intake, body: &serde_json::Value) -> Result<i64> {
    let text = body.to_string();
    if text.len() > BODY_BYTES_MAX {
        return Err(Error::invalid(format!("limits of a project are to have at most {BODY_BYTES_MAX} bytes")));
    }
    let (project, part, version) = (before.project, before.part.as_str(), before.version);
    let query = match version {
        0 => sqlx::query(
            "INSERT INTO intake (project_id, part, body, version) VALUES ($1, $2, $3, 1)
             ON CONFLICT (project_id, part) DO NOTHING",
        )
        .bind(project.0)
        .bind(part)
        .bind(text),
        _ => sqlx::query(
            "UPDATE intake SET body = $1, version = version + 1 WHERE project_id = $2 AND part = $3 AND version = $4",
        )
        .bind(text)
        .bind(project.0)
        .bind(part)
        .bind(version),
    };
    let done = query.execute(tx.connection()).await.map_err(told("could not change the limits of the project"))?;
    if done.rows_affected() == 0 {
        return Err(Error::new(ErrorKind::Conflict, "it was changed meanwhile: read it again"));
    }
    let verb = match before.part {
        IntakePart::Limits => "limits.update",
        IntakePart::Quotas => "quotas.update",
        IntakePart::Filters => "filters.update",
    };
    let target = project.0.to_string();
    let was = (version > 0).then(|| serde_json::from_str(&before.body).unwrap_or_default());
    let (target, after) = (("project", target.as_str()), Some(body.clone()));
    audit::write(tx, &Entry { actor, verb, target, project: Some(project), before: was, after }).await?;
    Ok(version + 1)
}

/// Adds to what counts to quotas, as counted by the server of that name; a day of one project and category adds up.
///
/// # Errors
/// As of any statement.
pub async fn count_days(tx: &mut Tx, node_id: &str, rows: &[(ProjectId, i64, &str, i64)]) -> Result<()> {
    for rows in rows.chunks(200) {
        let mut statement =
            Statement::new("INSERT INTO quota_days (project_id, day, category, node_id, events) VALUES ");
        for (index, (project, day, category, events)) in rows.iter().enumerate() {
            statement.push(if index == 0 { "(" } else { ", (" }).bind(project.0).push(", ").bind(*day).push(", ");
            statement.bind((*category).to_owned()).push(", ").bind(node_id.to_owned()).push(", ").bind(*events);
            statement.push(")");
        }
        statement.push(
            " ON CONFLICT (project_id, day, category, node_id) DO UPDATE SET events = quota_days.events + excluded.events",
        );
        statement.query().execute(tx.connection()).await.map_err(told("could not count events to quotas"))?;
    }
    Ok(())
}

/// Adds to what projects stored; an hour of one project adds up.
///
/// # Errors
/// As of any statement.
pub async fn count_hours(tx: &mut Tx, rows: &[ProjectHour]) -> Result<()> {
    for rows in rows.chunks(300) {
        let mut statement = Statement::new("INSERT INTO project_hours (project_id, hour, events) VALUES ");
        for (index, row) in rows.iter().enumerate() {
            statement.push(if index == 0 { "(" } else { ", (" }).bind(row.project.0).push(", ").bind(row.hour);
            statement.push(", ").bind(row.events).push(")");
        }
        statement.push(" ON CONFLICT (project_id, hour) DO UPDATE SET events = project_hours.events + excluded.events");
        statement.query().execute(tx.connection()).await.map_err(told("could not count what projects stored"))?;
    }
    Ok(())
}

/// Removes counts of before a day and of before an hour.
///
/// # Errors
/// As of any statement.
pub async fn prune(tx: &mut Tx, before_day: i64, before_hour: i64) -> Result<()> {
    for (statement, bound) in [
        ("DELETE FROM quota_days WHERE day < $1", before_day),
        ("DELETE FROM project_hours WHERE hour < $1", before_hour),
    ] {
        let done = sqlx::query(statement).bind(bound).execute(tx.connection()).await;
        done.map_err(told("could not prune what counts to quotas"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::meta::audit::AuditFilter;
    use crate::meta::projects::{self, NewProject};
    use crate::meta::tests::each;

    async fn project(meta: &Meta) -> ProjectId {
        let mut tx = meta.begin().await.unwrap();
        let shop = NewProject { slug: "shop".into(), name: "Shop".into(), platform: None, retention_days: 90 };
        let project = projects::create(&mut tx, &Actor::shell("root"), &shop).await.unwrap().id;
        tx.commit().await.unwrap();
        project
    }

    #[tokio::test]
    async fn the_later_of_two_editors_is_told_and_each_change_is_in_the_audit_log() {
        each(|meta, _| async move {
            let project = project(&meta).await;
            let write = async |part, version, body: serde_json::Value| {
                let before = Intake { project, part, body: "{\"old\":1}".to_owned(), version };
                let mut tx = meta.begin().await?;
                let version = put(&mut tx, &Actor::shell("root"), &before, &body).await?;
                tx.commit().await.map(|()| version)
            };
            assert_eq!(write(IntakePart::Quotas, 0, json!({ "day": {} })).await.unwrap(), 1);
            assert_eq!(write(IntakePart::Quotas, 0, json!({})).await.unwrap_err().kind(), ErrorKind::Conflict);
            assert_eq!(write(IntakePart::Quotas, 1, json!({ "month": {} })).await.unwrap(), 2);
            assert_eq!(write(IntakePart::Quotas, 1, json!({})).await.unwrap_err().kind(), ErrorKind::Conflict);
            assert_eq!(write(IntakePart::Filters, 0, json!({ "localhost": true })).await.unwrap(), 1);
            let mut all = meta.intake(None).await.unwrap();
            all.sort_by_key(|part| part.part.as_str());
            let all: Vec<_> = all.iter().map(|part| (part.part.as_str(), part.version, part.body.as_str())).collect();
            assert_eq!(all, [("filters", 1, "{\"localhost\":true}"), ("quotas", 2, "{\"month\":{}}")]);
            assert_eq!(meta.intake(Some(ProjectId(99))).await.unwrap(), []);
            let filter = AuditFilter { verb: Some("quotas.update".into()), ..AuditFilter::default() };
            assert_eq!(meta.audit(&filter, 9).await.unwrap().len(), 2);
        })
        .await;
    }

    #[tokio::test]
    async fn counts_add_up_and_servers_are_told_apart() {
        each(|meta, _| async move {
            let project = project(&meta).await;
            for node in ["one", "one", "two"] {
                let mut tx = meta.begin().await.unwrap();
                count_days(&mut tx, node, &[(project, 20_000, "error", 3), (project, 19_999, "error", 1)])
                    .await
                    .unwrap();
                count_hours(&mut tx, &[ProjectHour { project, hour: 480_000, events: 4 }]).await.unwrap();
                tx.commit().await.unwrap();
            }
            let mut days = meta.quota_days(20_000, "one").await.unwrap();
            days.sort_by_key(|row| row.events);
            let days: Vec<_> = days.iter().map(|row| (row.category.as_str(), row.own, row.events)).collect();
            assert_eq!(days, [("error", false, 3), ("error", true, 6)]);
            let hours = meta.project_hours(480_000).await.unwrap();
            assert_eq!(hours, [ProjectHour { project, hour: 480_000, events: 12 }]);
            let mut tx = meta.begin().await.unwrap();
            prune(&mut tx, 20_000, 480_001).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(meta.project_hours(0).await.unwrap(), []);
            assert_eq!(meta.quota_days(0, "one").await.unwrap().len(), 2);
        })
        .await;
    }
}
