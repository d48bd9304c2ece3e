//! The files of a request: kept once its events are stored, and before it is answered, so that both are durable by then.
//!
//! Files of events that were not stored are not kept either. A request of which only the files failed is answered 503; sent
//! again, its events are duplicates, and the files that were kept keep their names.

use std::sync::{Arc, OnceLock};

use tephra_ingest::Receipt;
use tephra_ingest::sentry::{Attachment, Category, Policy};
use tephra_storage::meta::ledger::Outcome;
use tephra_storage::{Level, NewAttachment, ProjectId};

use crate::accept::{Accepted, Then};
use crate::answer::{Answer, Result};
use crate::gate::{self, Counts, KeyGate, Verdict};
use crate::settings::AttachmentSettings;
use crate::state::State;

/// What is kept besides events.
pub(super) fn policy(settings: &AttachmentSettings) -> Policy {
    Policy {
        logs_from: Some(Level::Trace),
        attachments: settings.bytes_max > 0,
        attachment_bytes_max: settings.bytes_max,
        attachments_bytes_max: settings.request_bytes_max,
        attachments_max: settings.count_max,
        limited: false,
    }
}

/// The files of one request, put here when it is decoded.
#[derive(Clone)]
pub(super) struct Files {
    came: Arc<OnceLock<Came>>,
    /// By which the request came.
    key: Arc<KeyGate>,
}

struct Came {
    project: ProjectId,
    received_at: i64,
    files: Vec<NewAttachment>,
}

impl Files {
    pub(super) fn new(key: Arc<KeyGate>) -> Self {
        Self { came: Arc::default(), key }
    }

    /// Takes the files that are to be kept.
    pub(super) fn put(&self, receipt: &Receipt<'_>, attachments: Vec<Attachment>) {
        if attachments.is_empty() {
            return;
        }
        let file = |attachment: Attachment| NewAttachment {
            event_id: attachment.event_id,
            name: attachment.filename,
            content_type: attachment.content_type,
            kind: attachment.attachment_type,
            bytes: attachment.bytes,
        };
        let files = attachments.into_iter().map(file).collect();
        let _ = self.came.set(Came { project: receipt.project_id, received_at: receipt.received_at, files });
    }

    /// What keeps them.
    pub(super) fn keep(self, state: &State) -> Then {
        let state = state.clone();
        Box::new(move |accepted: &Accepted| {
            let taken_out = accepted.taken_out.clone();
            Box::pin(async move {
                let Self { came, key } = self;
                let Some(mut came) = Arc::into_inner(came).and_then(OnceLock::into_inner) else {
                    return Ok(Vec::new());
                };
                came.without(&state, &taken_out);
                let gate = state.gate.project(came.project);
                let verdict = gate.decide(&key, &vec![Category::Attachment; came.files.len()], false, came.received_at);
                came.without_refused(&state, &verdict);
                let kept = came.keep(&state).await;
                let stored = kept.as_ref().map_or_else(|_| Counts::default(), |files| counts(*files));
                gate.give_back(&verdict, &stored);
                state.ledger.stored(came.project, &stored, came.received_at);
                kept.map(|_| verdict.limits)
            })
        })
    }
}

impl Came {
    /// Takes out the files of events that were filtered or limited.
    fn without(&mut self, state: &State, taken_out: &[[u8; 16]]) {
        let came = self.files.len();
        self.files.retain(|file| !taken_out.contains(&file.event_id));
        let reason = format!("{}/event_not_stored", Category::Attachment);
        state.ledger.note(self.project, Outcome::Filtered, reason, came - self.files.len(), self.received_at);
    }

    /// Takes out those that the quota keeps out, which are the last.
    fn without_refused(&mut self, state: &State, verdict: &Verdict) {
        self.files.truncate(self.files.len() - verdict.refused.len());
        for (_, reason) in &verdict.refused {
            state.ledger.note(self.project, Outcome::RateLimited, reason.as_str(), 1, self.received_at);
        }
    }

    /// Keeps the rest, and tells how many were not there before.
    async fn keep(&mut self, state: &State) -> Result<u64> {
        let files = std::mem::take(&mut self.files);
        if files.is_empty() {
            return Ok(0);
        }
        let (store, count_max) = (state.core()?.store.clone(), state.settings.attachment.count_max);
        let kept = store.keep_attachments(self.project, self.received_at, files, count_max).await;
        let kept = kept.map_err(|error| Answer::from_append(&error))?;
        let reason = format!("{}/too_many", Category::Attachment);
        state.ledger.note(self.project, Outcome::Rejected, reason, kept.surplus as usize, self.received_at);
        Ok(kept.stored.into())
    }
}

fn counts(files: u64) -> Counts {
    let mut counts = Counts::default();
    gate::place(Category::Attachment).into_iter().for_each(|place| counts[place] = files);
    counts
}
