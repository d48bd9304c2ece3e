//! How an attachment's object is called: `retention_days=90/project=1/event=EVENT/ID.2026-11-21`.
//!
//! The term and the day of receipt say when it expires, project and event where it is looked for.

use chrono::{DateTime, NaiveDate};
use object_store::path::Path;

use crate::event::ProjectId;

const DAY_US: i64 = 86_400_000_000;

/// The parts of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// How long the files of that term are kept, as their events are.
    pub(super) retention_days: u16,
    pub(super) project: ProjectId,
    pub(super) event: [u8; 16],
    pub(super) id: String,
    /// The day of receipt, in days since 1970.
    pub(super) day: i64,
}

impl Name {
    pub(super) fn path(&self) -> Path {
        let term = Path::from(format!("retention_days={}", self.retention_days));
        let day = DateTime::from_timestamp(self.day * 86_400, 0).unwrap_or_default().format("%Y-%m-%d");
        prefix(&term, self.project, &self.event).join(format!("{}.{day}", self.id))
    }

    /// Reads what [`Name::path`] wrote; `None` for what it did not.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let mut parts = path.split('/');
        let retention_days = parts.next()?.strip_prefix("retention_days=")?.parse().ok()?;
        let project = parts.next()?.strip_prefix("project=")?.parse().ok().map(ProjectId)?;
        let mut event = [0; 16];
        hex::decode_to_slice(parts.next()?.strip_prefix("event=")?, &mut event).ok()?;
        let (id, day) = parts.next()?.split_once('.')?;
        let date = NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()?;
        let day = date.and_hms_opt(0, 0, 0)?.and_utc().timestamp() / 86_400;
        let name = Self { retention_days, project, event, id: id.to_owned(), day };
        (parts.next().is_none() && name.path().as_ref() == path).then_some(name)
    }

    /// The first day, since 1970, on which nothing of that day of receipt is kept any more.
    pub(super) fn ends(&self) -> i64 {
        self.day + i64::from(self.retention_days) + 1
    }
}

/// Where the files of an event lie below a term.
pub(super) fn prefix(term: &Path, project: ProjectId, event: &[u8; 16]) -> Path {
    term.clone().join(format!("project={project}")).join(format!("event={}", hex::encode(event)))
}

/// The day of a moment, in days since 1970.
pub(super) fn days_of(now_us: i64) -> i64 {
    now_us.div_euclid(DAY_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_nothing_else_does() {
        let name =
            Name { retention_days: 90, project: ProjectId(7), event: [0xab; 16], id: "0f".repeat(16), day: 20_413 };
        let path = name.path().to_string();
        assert_eq!(
            path,
            format!("retention_days=90/project=7/event={}/{}.2025-11-21", "ab".repeat(16), "0f".repeat(16))
        );
        assert_eq!(Name::parse(&path), Some(name));
        for other in [
            "",
            "x",
            &path[1..],
            &format!("{path}/x"),
            &path.replace("2025-11-21", "2025-1-21"),
            &path.replace("=7/", "=07/"),
            &path.replace("ab", "AB"),
        ] {
            assert_eq!(Name::parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_whole_term_is_kept() {
        let name = Name { retention_days: 30, project: ProjectId(1), event: [1; 16], id: "a".into(), day: 100 };
        // The last file of day 100 came when day 101 began; its thirty days end when day 131 begins.
        assert_eq!(name.ends(), 131);
    }
}
