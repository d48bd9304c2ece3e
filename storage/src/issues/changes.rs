//! Tells who listens that an issue changed: the live view, and alerts.
//!
//! What is told is told after its commit. A listener that is too slow loses the oldest and learns how many; one that must not
//! lose any reads the history.

use serde::Serialize;
use tokio::sync::broadcast;

use crate::event::ProjectId;
use crate::meta::issues::{Issue, State};

/// Changes that wait for a slow listener.
const WAITING: usize = 4096;

/// An issue that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IssueChange {
    /// Its project.
    #[serde(rename = "project_id")]
    pub project: ProjectId,
    /// The issue.
    pub issue_id: i64,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened to an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum What {
    /// It was first seen, with so many events.
    Created {
        /// How many events it began with.
        events: i64,
    },
    /// It was seen again.
    Counted {
        /// How many events came.
        events: i64,
    },
    /// It came back after it was resolved.
    Regressed,
    /// It came back after it was archived, or has more events in an hour than its past week lets one expect.
    Escalated,
    /// Somebody changed, merged or unmerged it.
    Edited {
        /// Its state now.
        state: State,
    },
}

/// The way to tell, and to listen. Clones are the same.
#[derive(Clone, Debug)]
pub struct Changes(broadcast::Sender<IssueChange>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(WAITING))
    }
}

impl Changes {
    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<IssueChange> {
        self.0.subscribe()
    }

    /// Tells that somebody changed an issue; to be called after the commit.
    pub fn edited(&self, issue: &Issue) {
        let what = What::Edited { state: issue.state };
        self.publish([IssueChange { project: issue.project, issue_id: issue.id, what }]);
    }

    pub(super) fn publish(&self, changes: impl IntoIterator<Item = IssueChange>) {
        for change in changes {
            // An error only says that nobody listens.
            let _ = self.0.send(change);
        }
    }
}
