//! The task that empties the outbox: due mails every second, each again after a growing while until it is too old.

use std::time::Duration;

use tephra_storage::meta::Meta;
use tephra_storage::meta::outbox::Mail;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::mailer::{Letter, Mailer};

const POLL: Duration = Duration::from_secs(1);
/// Mails taken at once; as many wait for each other's sending.
const TAKEN_MAX: i64 = 20;
const RETRY_US: i64 = 10_000_000;
const RETRY_US_MAX: i64 = 600_000_000;

/// Empties the outbox.
pub struct Outbox {
    meta: Meta,
    mailer: Mailer,
}

impl Outbox {
    /// Sends by `mailer`.
    pub fn new(meta: Meta, mailer: Mailer) -> Self {
        Self { meta, mailer }
    }

    /// Runs until the server stops; a mail at hand is finished.
    pub async fn run(self, stopping: CancellationToken) {
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if let Err(error) = self.round(&stopping).await {
                tracing::warn!(%error, "could not empty the outbox; trying again");
            }
        }
    }

    async fn round(&self, stopping: &CancellationToken) -> tephra_storage::Result<()> {
        for mail in self.meta.take_mails(TAKEN_MAX, retry_us).await? {
            if stopping.is_cancelled() {
                break;
            }
            let letter = Letter { recipient: &mail.recipient, subject: &mail.subject, body: &mail.body };
            self.note(&mail, self.mailer.send(letter).await).await?;
        }
        Ok(())
    }

    async fn note(&self, mail: &Mail, sent: Result<()>) -> tephra_storage::Result<()> {
        match sent {
            Ok(()) => self.meta.mail_sent(&mail.id).await,
            Err(error @ Error::Send(_)) => {
                tracing::warn!(mail = mail.id, attempts = mail.attempts, %error, "will try again");
                Ok(())
            }
            Err(error) => {
                tracing::error!(mail = mail.id, %error, "a mail is given up");
                self.meta.mail_given_up(&mail.id).await
            }
        }
    }
}

/// How long until the next try.
fn retry_us(attempts: i64) -> i64 {
    (RETRY_US << attempts.saturating_sub(1).clamp(0, 16)).min(RETRY_US_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit() {
        let seconds: Vec<i64> = (1..9).map(|attempts| retry_us(attempts) / 1_000_000).collect();
        assert_eq!(seconds, [10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(retry_us(i64::MAX), RETRY_US_MAX);
    }
}
