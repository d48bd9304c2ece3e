//! The files that came with events: kept beside them, for as long as they are.

use bytes::Bytes;

use super::Store;
use crate::attachments::{Attachment, Kept, NewAttachment};
use crate::error::Result;
use crate::event::ProjectId;

impl Store {
    /// Keeps files, up to `count_max` for each event; they are durable when it returns. `received_at` is in µs.
    ///
    /// # Errors
    /// `Busy` where the lake cannot be reached or the disk is full: some of them may be kept, and a retry adds none twice.
    pub async fn keep_attachments(
        &self,
        project: ProjectId,
        received_at: i64,
        files: Vec<NewAttachment>,
        count_max: usize,
    ) -> Result<Kept> {
        if self.lake_is_local() {
            self.0.disk.admit()?;
        }
        let (attachments, days) = (self.0.lake.attachments(), self.retention_days());
        let kept = attachments.keep(project, days, received_at, files, count_max).await?;
        metrics::counter!("tephra_attachments_stored_total").increment(kept.stored.into());
        metrics::counter!("tephra_attachments_stored_bytes_total").increment(kept.bytes);
        Ok(kept)
    }

    /// The files of an event, by name; there may be some before the event itself is there.
    ///
    /// # Errors
    /// `Busy` where the lake cannot be reached, `Corrupt` for damage.
    pub async fn attachments(&self, project: ProjectId, event: &[u8; 16]) -> Result<Vec<Attachment>> {
        self.0.lake.attachments().list(project, event).await
    }

    /// One file of an event.
    ///
    /// # Errors
    /// As [`Store::attachments`].
    pub async fn attachment(&self, project: ProjectId, event: &[u8; 16], id: &str) -> Result<Option<Attachment>> {
        self.0.lake.attachments().find(project, event, id).await
    }

    /// The bytes of a file; `None` where it has just expired.
    ///
    /// # Errors
    /// `Busy` where the lake cannot be reached, `Corrupt` where they are not what was kept.
    pub async fn read_attachment(&self, attachment: &Attachment) -> Result<Option<Bytes>> {
        self.0.lake.attachments().read(attachment).await
    }

    /// Deletes files that are past their term. Looks once a day; returns how many.
    ///
    /// # Errors
    /// `Busy` where the lake cannot be reached.
    pub async fn expire_attachments(&self) -> Result<usize> {
        self.0.lake.expire_attachments(self.0.clock.now_us()).await
    }
}
