//! What the two ends say to each other: JSON texts.

use serde::{Deserialize, Serialize};
use tephra_storage::ProjectId;
use tephra_storage::issues::{IssueChange, What};

use super::queue::{Lost, Text};

/// What the server says; events are written by `render`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Said<'a> {
    Hello {
        cursor: &'a str,
    },
    Issue {
        id: i64,
        project_id: ProjectId,
        #[serde(flatten)]
        what: What,
    },
    Counters {
        seconds: u64,
        projects: &'a [Count],
    },
    Dropped {
        count: u64,
        issues: u64,
        from: Option<&'a str>,
        to: Option<&'a str>,
    },
    Gap {
        from: &'a str,
        to: &'a str,
    },
    Error {
        message: &'a str,
        position: Option<u64>,
    },
    Ping,
}

/// Events of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Count {
    pub(super) project_id: ProjectId,
    pub(super) events: u64,
}

/// What a client says.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Heard {
    pub(super) pause: Option<bool>,
    pub(super) query: Option<String>,
}

impl Said<'_> {
    pub(super) fn text(&self) -> Text {
        // Plain values always have a JSON form.
        serde_json::to_string(self).unwrap_or_default().into()
    }

    pub(super) fn issue(change: &IssueChange) -> Text {
        Said::Issue { id: change.issue_id, project_id: change.project, what: change.what }.text()
    }

    pub(super) fn lost(lost: &Lost) -> Text {
        let (from, to) = lost.between.as_ref().map(|(from, to)| (from.as_str(), to.as_str())).unzip();
        Said::Dropped { count: lost.events, issues: lost.issues, from, to }.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_these_forms() {
        let check = |text: Text, expected: &str| assert_eq!(&*text, expected);
        check(Said::Hello { cursor: "c" }.text(), r#"{"type":"hello","cursor":"c"}"#);
        let change = IssueChange { project: ProjectId(1), issue_id: 7, what: What::Counted { events: 3 } };
        check(Said::issue(&change), r#"{"type":"issue","id":7,"project_id":1,"change":"counted","events":3}"#);
        let lost = Lost { events: 2, issues: 0, between: Some(("a".to_owned(), "b".to_owned())) };
        check(Said::lost(&lost), r#"{"type":"dropped","count":2,"issues":0,"from":"a","to":"b"}"#);
        check(Said::Ping.text(), r#"{"type":"ping"}"#);
        assert_eq!(serde_json::from_str::<Heard>(r#"{"pause":true}"#).unwrap().pause, Some(true));
        assert!(serde_json::from_str::<Heard>(r#"{"halt":true}"#).is_err());
    }
}
