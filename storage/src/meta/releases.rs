//! The releases that events have named, and which of two is later.
//!
//! Where both are versions (`1.2.3`, `shop@1.2.3+45`), the order of semantic versioning decides; else the one that was first
//! seen later is the later one.

use semver::Version;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::told;
use super::statement::Statement;
use super::{Meta, Tx};
use crate::error::Result;
use crate::event::ProjectId;

/// A release of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The project.
    pub project: ProjectId,
    /// Its name, as events have it.
    pub release: String,
    /// When its first event happened, µs UTC.
    pub first_seen_us: i64,
    /// When its last event happened, µs UTC.
    pub last_seen_us: i64,
    /// How many events named it, of any kind.
    pub events: i64,
}

const COLUMNS: &str = "project_id, release, first_seen, last_seen, events";
/// So many of the newest are asked which has the highest version.
const NEWEST: i64 = 500;

impl Release {
    fn read(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            project: ProjectId(row.try_get(0)?),
            release: row.try_get(1)?,
            first_seen_us: row.try_get(2)?,
            last_seen_us: row.try_get(3)?,
            events: row.try_get(4)?,
        })
    }
}

impl Meta {
    /// The releases of projects, the one first seen last first, at most `limit`, behind the release `after` (its first sight,
    /// project and name) where one is given; `text` is to stand in the name.
    ///
    /// # Errors
    /// As of any statement.
    pub async fn releases(
        &self,
        projects: &[ProjectId],
        text: Option<&str>,
        after: Option<(i64, ProjectId, &str)>,
        limit: u32,
    ) -> Result<Vec<Release>> {
        let mut statement = Statement::new("SELECT ");
        statement
            .push(COLUMNS)
            .push(" FROM releases WHERE project_id IN ")
            .list(projects.iter().map(|project| project.0));
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            let escaped = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
            statement.push(" AND release LIKE ").bind(format!("%{escaped}%")).push(" ESCAPE '!'");
        }
        if let Some((first_seen_us, project, release)) = after {
            statement.push(" AND (first_seen, project_id, release) < (").bind(first_seen_us).push(", ");
            statement.bind(project.0).push(", ").bind(release.to_owned()).push(")");
        }
        statement.push(" ORDER BY first_seen DESC, project_id DESC, release DESC LIMIT ").bind(i64::from(limit));
        let failed = told("could not read the releases");
        let rows = statement.query().fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(Release::read).collect::<sqlx::Result<_>>().map_err(failed)
    }
}

/// The newest release of a project: where the one first seen last is a version, the highest version, else that one.
pub(crate) async fn newest(tx: &mut Tx, project: ProjectId) -> Result<Option<String>> {
    let mut statement = Statement::new("SELECT ");
    statement.push(COLUMNS).push(" FROM releases WHERE project_id = ").bind(project.0);
    statement.push(" ORDER BY first_seen DESC, release DESC LIMIT ").bind(NEWEST);
    let failed = told("could not read the releases");
    let rows = statement.query().fetch_all(tx.connection()).await.map_err(&failed)?;
    let known = rows.iter().map(Release::read).collect::<sqlx::Result<Vec<_>>>().map_err(failed)?;
    let Some(last) = known.first() else { return Ok(None) };
    let highest = known.iter().filter_map(|known| Some((version(&known.release)?, known))).max_by(|a, b| a.0.cmp(&b.0));
    let newest = match (version(&last.release), highest) {
        (Some(_), Some((_, highest))) => highest,
        _ => last,
    };
    Ok(Some(newest.release.clone()))
}

/// When each of some releases was first seen.
pub(crate) async fn first_seen(tx: &mut Tx, project: ProjectId, releases: &[String]) -> Result<Vec<(String, i64)>> {
    let mut statement = Statement::new("SELECT release, first_seen FROM releases WHERE project_id = ");
    statement.bind(project.0).push(" AND release IN ").list(releases.iter().cloned());
    let failed = told("could not read the releases");
    let rows = statement.query().fetch_all(tx.connection()).await.map_err(&failed)?;
    let read = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(failed)
}

/// How a release stands to another: by their versions, else by when they were first seen (`None`: not yet, so it is later).
pub(crate) fn compare(a: (&str, Option<i64>), b: (&str, Option<i64>)) -> std::cmp::Ordering {
    if a.0 == b.0 {
        return std::cmp::Ordering::Equal;
    }
    match (version(a.0), version(b.0)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.1.unwrap_or(i64::MAX).cmp(&b.1.unwrap_or(i64::MAX)),
    }
}

/// The version in a release's name, behind the package's: `shop@1.2.3`, `v1.2`.
fn version(release: &str) -> Option<Version> {
    let text = release.rsplit_once('@').map_or(release, |(_, version)| version);
    let text = text.strip_prefix('v').unwrap_or(text);
    Version::parse(text).ok().or_else(|| {
        // `1.2` and `1.2-rc.1` lack their last number.
        let end = text.find(['-', '+']).unwrap_or(text.len());
        let (numbers, rest) = text.split_at(end);
        let missing = 2usize.checked_sub(numbers.matches('.').count())?;
        Version::parse(&format!("{numbers}{}{rest}", ".0".repeat(missing))).ok()
    })
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::*;

    #[test]
    fn versions_come_before_times() {
        let check = |a: (&str, i64), b: (&str, i64), expected: Ordering| {
            assert_eq!(compare((a.0, Some(a.1)), (b.0, Some(b.1))), expected, "{a:?} {b:?}");
            assert_eq!(compare((b.0, Some(b.1)), (a.0, Some(a.1))), expected.reverse(), "{b:?} {a:?}");
        };
        check(("1.10.0", 1), ("1.9.0", 2), Ordering::Greater);
        check(("shop@1.2.0", 1), ("shop@1.2.0-rc.1", 2), Ordering::Greater);
        check(("v1.3", 1), ("1.2.9", 2), Ordering::Greater);
        check(("1.2", 5), ("1.2", 6), Ordering::Equal);
        check(("f00ba4", 1), ("1.2.3", 2), Ordering::Less);
        check(("f00ba4", 3), ("cafe00", 2), Ordering::Greater);
        assert_eq!(compare(("f00ba4", None), ("cafe00", Some(9))), Ordering::Greater);
    }
}
