//! The queries at hand by their request ids, so that their callers can watch and cancel them.
//!
//! What became of a query stays for a minute after it ended: a client that streamed the rows asks here whether they were all.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use tephra_query::Progress;
use tephra_storage::ProjectId;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::answer::{Answer, Kind, Result};
use crate::http::Problem;

const KEPT: Duration = Duration::from_secs(60);
const KEPT_MAX: usize = 1024;

/// All queries that run or ended a moment ago.
#[derive(Default)]
pub(crate) struct Running(Mutex<HashMap<String, Arc<Query>>>);

/// One query.
pub(crate) struct Query {
    id: String,
    projects: Vec<ProjectId>,
    started: Instant,
    pub(crate) cancelled: CancellationToken,
    progress: OnceLock<Arc<Progress>>,
    ended: OnceLock<Ended>,
}

struct Ended {
    at: Instant,
    outcome: Outcome,
}

/// How a query ended.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) rows: u64,
    pub(crate) truncated: bool,
    pub(crate) failure: Option<Answer>,
}

/// How far a query is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueryProgress)]
pub(crate) struct Report {
    request_id: String,
    /// `running`, `done`, `failed` or `cancelled`.
    state: &'static str,
    took_ms: u64,
    rows_read: u64,
    bytes_read: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    truncated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<Problem>,
}

impl Running {
    /// Enters a query that begins.
    pub(crate) fn begin(&self, id: &str, projects: Vec<ProjectId>) -> Result<Arc<Query>> {
        let query = Arc::new(Query {
            id: id.to_owned(),
            projects,
            started: Instant::now(),
            cancelled: CancellationToken::new(),
            progress: OnceLock::new(),
            ended: OnceLock::new(),
        });
        let mut all = self.0.lock();
        all.retain(|_, query| query.ended.get().is_none_or(|ended| ended.at.elapsed() < KEPT));
        if all.len() >= KEPT_MAX {
            let oldest = all.values().filter(|query| query.ended.get().is_some()).min_by_key(|query| query.started);
            if let Some(id) = oldest.map(|query| query.id.clone()) {
                all.remove(&id);
            }
        }
        if all.contains_key(id) {
            return Err(Answer::new(Kind::Conflict, format!("a query with the request id `{id}` ran a moment ago"))
                .hint("make a new `x-request-id` for each request"));
        }
        all.insert(id.to_owned(), query.clone());
        Ok(query)
    }

    /// A query that somebody with the same projects began.
    pub(crate) fn find(&self, id: &str, projects: &[ProjectId]) -> Result<Arc<Query>> {
        let found = self.0.lock().get(id).filter(|query| query.projects == projects).cloned();
        found.ok_or_else(|| Answer::new(Kind::NotFound, format!("no query with the request id `{id}`")))
    }

    /// Queries that have not ended.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().values().filter(|query| query.ended.get().is_none()).count()
    }
}

impl Query {
    pub(crate) fn watch(&self, progress: Arc<Progress>) {
        let _ = self.progress.set(progress);
    }

    /// Enters how it ended; only the first word counts.
    pub(crate) fn end(&self, outcome: Outcome) {
        let _ = self.ended.set(Ended { at: Instant::now(), outcome });
    }

    pub(crate) fn took_ms(&self) -> u64 {
        let ended = self.ended.get().map_or_else(Instant::now, |ended| ended.at);
        ended.duration_since(self.started).as_millis() as u64
    }

    /// Rows and bytes read so far.
    pub(crate) fn read(&self) -> (u64, u64) {
        self.progress.get().map_or((0, 0), |progress| (progress.rows_read(), progress.bytes_read()))
    }

    pub(crate) fn report(&self) -> Report {
        let ended = self.ended.get().map(|ended| &ended.outcome);
        let (rows_read, bytes_read) = self.read();
        let failure = ended.and_then(|outcome| outcome.failure.as_ref());
        Report {
            request_id: self.id.clone(),
            state: match (ended, failure) {
                (None, _) => "running",
                (Some(_), None) => "done",
                (Some(_), Some(answer)) if answer.kind == Kind::Cancelled => "cancelled",
                (Some(_), Some(_)) => "failed",
            },
            took_ms: self.took_ms(),
            rows_read,
            bytes_read,
            rows: ended.map(|outcome| outcome.rows),
            truncated: ended.map(|outcome| outcome.truncated),
            error: failure.map(|answer| Problem::new(answer, &self.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_seen_by_its_own_projects_only() {
        let running = Running::default();
        let query = running.begin("a", vec![ProjectId(1)]).unwrap();
        assert!(running.begin("a", vec![ProjectId(2)]).is_err_and(|answer| answer.kind == Kind::Conflict));
        assert!(running.find("a", &[ProjectId(2)]).is_err());
        assert_eq!(running.find("a", &[ProjectId(1)]).unwrap().report().state, "running");
        assert_eq!(running.count(), 1);
        query.end(Outcome { rows: 3, truncated: true, failure: None });
        query.end(Outcome { rows: 9, truncated: false, failure: Some(Answer::new(Kind::Cancelled, "x")) });
        let report = running.find("a", &[ProjectId(1)]).unwrap().report();
        assert_eq!((report.state, report.rows, report.truncated), ("done", Some(3), Some(true)));
        assert_eq!(running.count(), 0);
    }

    #[test]
    fn ended_queries_are_bounded() {
        let running = Running::default();
        for number in 0..2 * KEPT_MAX {
            let query = running.begin(&number.to_string(), vec![]).unwrap();
            query.end(Outcome { rows: 0, truncated: false, failure: None });
        }
        assert!(running.0.lock().len() <= KEPT_MAX);
    }
}
