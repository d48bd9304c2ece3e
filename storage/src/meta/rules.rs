//! What projects decide for their events as they come: what is scrubbed, and what belongs together. Every version is kept.
//!
//! Here they are texts: whoever writes them has read them before. Old versions of the grouping rules are needed, because the
//! counter finds by them the issue that the new hash of a known error goes on with (`crate::issues`).

use sqlx::Row;
use sqlx::any::AnyRow;

use super::audit::{self, Actor, Entry};
use super::error::told;
use super::issues::words;
use super::statement::Statement;
use super::{Meta, Tx};
use crate::error::{Error, ErrorKind, Result};
use crate::event::ProjectId;

/// What rules are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleKind {
    /// What is taken out before anything is stored.
    Scrub,
    /// Which events are alike.
    Grouping,
}

words!(RuleKind { Scrub "scrub", Grouping "grouping" });

/// One version of a project's rules.
#[derive(Clone, PartialEq, Eq)]
pub struct ProjectRules {
    /// The project.
    pub project: ProjectId,
    /// What they are about.
    pub kind: RuleKind,
    /// From 1; a project without rules of its own stands at 0.
    pub version: i64,
    /// The rules as they are written. May hold the key of hashes, so it is never logged.
    pub body: String,
    /// When they came into force, µs UTC.
    pub changed_at_us: i64,
    /// The name of who made them.
    pub changed_by: String,
}

impl std::fmt::Debug for ProjectRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { project, kind, version, .. } = self;
        f.debug_struct("ProjectRules").field("project", project).field("kind", kind).field("version", version).finish()
    }
}

/// A version of a project's rules that is to come into force.
#[derive(Debug)]
pub struct NewRules<'a> {
    /// The project.
    pub project: ProjectId,
    /// What they are about.
    pub kind: RuleKind,
    /// The version that they take the place of; 0 where there was none.
    pub before: i64,
    /// The rules as they are written.
    pub body: &'a str,
    /// What the audit log shows of the former and of the new ones; never a secret.
    pub shown: (Option<serde_json::Value>, serde_json::Value),
}

const COLUMNS: &str = "project_id, kind, version, body, changed_at, changed_by";
/// Only the newest of each project and kind.
const NEWEST: &str = " WHERE version = (SELECT MAX(r.version) FROM project_rules r
    WHERE r.project_id = project_rules.project_id AND r.kind = project_rules.kind)";
const BODY_BYTES_MAX: usize = 1 << 20;

impl ProjectRules {
    fn read(row: &AnyRow) -> sqlx::Result<Self> {
        let kind: String = row.try_get(1)?;
        let broken = || sqlx::Error::Decode(format!("`{kind}` is no kind of rules").into());
        Ok(Self {
            project: ProjectId(row.try_get(0)?),
            kind: RuleKind::parse(&kind).ok_or_else(broken)?,
            version: row.try_get(2)?,
            body: row.try_get(3)?,
            changed_at_us: row.try_get(4)?,
            changed_by: row.try_get(5)?,
        })
    }
}

impl Meta {
    /// The rules in force of one kind; `None` where the project made none.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn rules(&self, project: ProjectId, kind: RuleKind) -> Result<Option<ProjectRules>> {
        Ok(self.rules_history(project, kind, 1).await?.pop())
    }

    /// The newest versions of one kind, the newest first, at most `limit`.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn rules_history(&self, project: ProjectId, kind: RuleKind, limit: u32) -> Result<Vec<ProjectRules>> {
        let mut statement = Statement::new("SELECT ");
        statement.push(COLUMNS).push(" FROM project_rules WHERE project_id = ").bind(project.0);
        statement.push(" AND kind = ").bind(kind.as_str()).push(" ORDER BY version DESC LIMIT ").bind(i64::from(limit));
        let failed = told("could not read the rules of the project");
        let rows = statement.query().fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(ProjectRules::read).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// The rules in force of all live projects.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn all_rules(&self) -> Result<Vec<ProjectRules>> {
        let mut statement = Statement::new("SELECT ");
        statement.push(COLUMNS).push(" FROM project_rules").push(NEWEST);
        statement
            .push(" AND project_id IN (SELECT id FROM projects WHERE deleted_at IS NULL) ORDER BY project_id, kind");
        let failed = told("could not read the rules of projects");
        let rows = statement.query().fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(ProjectRules::read).collect::<sqlx::Result<_>>().map_err(failed)
    }
}

/// Puts rules into force. Returns their version.
///
/// # Errors
/// `Conflict` where somebody changed them meanwhile, `NotFound` for no such project.
pub async fn put(tx: &mut Tx, actor: &Actor, new: NewRules<'_>) -> Result<i64> {
    let NewRules { project, kind, before, body, shown } = new;
    if body.len() > BODY_BYTES_MAX || body.contains('\0') {
        return Err(Error::invalid(format!("rules are to have at most {BODY_BYTES_MAX} bytes, and no NUL")));
    }
    let failed = told("could not change the rules of the project");
    let newest = "SELECT COALESCE(MAX(version), 0) FROM project_rules WHERE project_id = $1 AND kind = $2";
    let row = sqlx::query(newest).bind(project.0).bind(kind.as_str());
    let newest: i64 = row.fetch_one(tx.connection()).await.and_then(|row| row.try_get(0)).map_err(&failed)?;
    if newest != before {
        return Err(Error::new(ErrorKind::Conflict, "the rules were changed meanwhile: read them again"));
    }
    let now = tx.now_us();
    sqlx::query(
        "INSERT INTO project_rules (project_id, kind, version, body, changed_at, changed_by)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(project.0)
    .bind(kind.as_str())
    .bind(before + 1)
    .bind(body.to_owned())
    .bind(now)
    .bind(actor.name.clone())
    .execute(tx.connection())
    .await
    .map_err(&failed)?;
    let verb = match kind {
        RuleKind::Scrub => "scrub_rules.update",
        RuleKind::Grouping => "grouping_rules.update",
    };
    let (target, (was, is)) = (project.0.to_string(), shown);
    let entry =
        Entry { actor, verb, target: ("project", &target), project: Some(project), before: was, after: Some(is) };
    audit::write(tx, &entry).await?;
    Ok(before + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::meta::audit::AuditFilter;
    use crate::meta::projects::{self, NewProject};
    use crate::meta::tests::each;

    #[tokio::test]
    async fn each_version_is_kept_and_two_editors_do_not_overwrite_each_other() {
        each(|meta, _| async move {
            let actor = Actor::shell("root");
            let mut tx = meta.begin().await.unwrap();
            let shop = NewProject { slug: "shop".into(), name: "Shop".into(), platform: None, retention_days: 90 };
            let project = projects::create(&mut tx, &actor, &shop).await.unwrap().id;
            tx.commit().await.unwrap();
            assert_eq!(meta.rules(project, RuleKind::Scrub).await.unwrap(), None);

            let write = async |kind, before, body: &'static str| {
                let mut tx = meta.begin().await?;
                let shown = (None, json!({ "rules": body }));
                let version = put(&mut tx, &actor, NewRules { project, kind, before, body, shown }).await?;
                tx.commit().await.map(|()| version)
            };
            assert_eq!(write(RuleKind::Grouping, 0, "a").await.unwrap(), 1);
            assert_eq!(write(RuleKind::Grouping, 1, "b").await.unwrap(), 2);
            assert_eq!(write(RuleKind::Grouping, 1, "c").await.unwrap_err().kind(), ErrorKind::Conflict);
            assert_eq!(write(RuleKind::Scrub, 0, "{}").await.unwrap(), 1);
            let kept = meta.rules_history(project, RuleKind::Grouping, 9).await.unwrap();
            assert_eq!(kept.iter().map(|rules| rules.body.as_str()).collect::<Vec<_>>(), ["b", "a"]);
            let all = meta.all_rules().await.unwrap();
            let all: Vec<_> = all.iter().map(|rules| (rules.kind, rules.version, rules.body.as_str())).collect();
            assert_eq!(all, [(RuleKind::Grouping, 2, "b"), (RuleKind::Scrub, 1, "{}")]);
            let filter = AuditFilter { verb: Some("grouping_rules.update".into()), ..AuditFilter::default() };
            assert_eq!(meta.audit(&filter, 9).await.unwrap().len(), 2);
        })
        .await;
    }
}
