//! The releases that events have named, and which of two is later.
//!
//! Where both are versions (`1.2.3`, `shop@1.2.3+45`, `v2026.01.5`, `1.2.3.4`) and not of two packages, the order of semantic
//! versioning decides; else the one that was first seen later is the later one.

use semver::{BuildMetadata, Prerelease};
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
    let rivals = known.iter().filter(|known| comparable(&known.release, &last.release).is_some());
    let highest = rivals.max_by(|a, b| Version::of(&a.release).cmp(&Version::of(&b.release)));
    Ok(Some(highest.unwrap_or(last).release.clone()))
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
    match comparable(a.0, b.0) {
        Some((a, b)) => a.cmp(&b),
        None => a.1.unwrap_or(i64::MAX).cmp(&b.1.unwrap_or(i64::MAX)),
    }
}

/// Both as versions, unless they are of different packages.
fn comparable(a: &str, b: &str) -> Option<(Version, Version)> {
    let packages = (package(a), package(b));
    let same = packages.0.is_empty() || packages.1.is_empty() || packages.0 == packages.1;
    same.then(|| Version::of(a).zip(Version::of(b))).flatten()
}

/// `shop` of `shop@1.2.3`.
fn package(release: &str) -> &str {
    release.rsplit_once('@').map_or("", |(package, _)| package)
}

/// A version as releases are named in the wild: one to four numbers, which may begin with zeros, and what semantic
/// versioning allows behind them. Fields in the order in which they decide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    numbers: [u64; 4],
    pre: Prerelease,
    build: BuildMetadata,
}

impl Version {
    /// The version in a release's name, behind the package's.
    fn of(release: &str) -> Option<Self> {
        let text = release.rsplit_once('@').map_or(release, |(_, version)| version);
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let end = text.find(['-', '+']).unwrap_or(text.len());
        let mut numbers = [0; 4];
        for (index, part) in text[..end].split('.').enumerate() {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            *numbers.get_mut(index)? = part.parse().ok().filter(|_| digits)?;
        }
        let (pre, build) = text[end..].split_once('+').unwrap_or((&text[end..], ""));
        let mut pre = pre.strip_prefix('-').unwrap_or_default();
        if let (Some(commits), 0) = (commits(pre), numbers[3]) {
            (numbers[3], pre) = (commits, "");
        }
        let pre = Prerelease::new(pre).ok()?;
        Some(Self { numbers, pre, build: BuildMetadata::new(build).ok()? })
    }
}

/// `45` of `45-g3f2a1b9`: so many commits behind the version, as `git describe` says.
fn commits(pre: &str) -> Option<u64> {
    let (count, hash) = pre.split_once("-g")?;
    let fits = hash.len() >= 4 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    count.parse().ok().filter(|_| fits)
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
        check(("1.2.3.10", 1), ("1.2.3.9", 2), Ordering::Greater);
        check(("1.2.3.1", 1), ("1.2.3", 2), Ordering::Greater);
        check(("2026.01.15", 1), ("2026.1.9", 2), Ordering::Greater);
        check(("10", 1), ("9", 2), Ordering::Greater);
        check(("app@1.2.3+10", 1), ("app@1.2.3+9", 2), Ordering::Greater);
        check(("1.0.0-rc.10", 1), ("1.0.0-rc.9", 2), Ordering::Greater);
        check(("1.0.0-alpha", 1), ("1.0.0-beta", 2), Ordering::Less);
        check(("v1.2.3-100-g3f2a1b9", 1), ("v1.2.3-45-gabcdef0", 2), Ordering::Greater);
        check(("v1.2.3-1-g3f2a1b9", 1), ("v1.2.3", 2), Ordering::Greater);
        // Two packages have no common order.
        check(("web@1.0.0", 2), ("api@3.0.0", 1), Ordering::Greater);
        check(("web@2.0.0", 1), ("1.9.0", 2), Ordering::Greater);
        for name in ["1.2.3.4.5", "1..2", "1.2-", "release-1.2.3", "1.2.3-01", "+5", "", "v", "99999999999999999999999"]
        {
            let expected = if name == "1.2-" { Some([1, 2, 0, 0]) } else { None };
            assert_eq!(Version::of(name).map(|version| version.numbers), expected, "{name}");
        }
        check(("f00ba4", 1), ("1.2.3", 2), Ordering::Less);
        check(("f00ba4", 3), ("cafe00", 2), Ordering::Greater);
        assert_eq!(compare(("f00ba4", None), ("cafe00", Some(9))), Ordering::Greater);
    }
}
