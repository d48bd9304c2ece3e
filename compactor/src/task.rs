//! When to roll: looks at the store a few times a second, rolls what is due, and rolls at once when asked.
//!
//! What is due is rolled one range at a time: a load that has made the next range due by then must not keep the end of the
//! server, those who ask and the sweep of the lake waiting.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tephra_storage::{Clock, Error, Result, Store};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::plan::{RollSettings, due};
use crate::run::{Rolled, drop_rolled, roll};

const TICK: Duration = Duration::from_millis(250);
/// The longest pause after rolls that failed.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

type Asked = oneshot::Sender<Result<Rolled>>;

/// The background task that rolls.
pub struct Roller {
    settings: RollSettings,
    store: Store,
    clock: Arc<dyn Clock>,
    asked: mpsc::Receiver<Asked>,
    handle: RollHandle,
}

/// Asks the roller to roll now.
#[derive(Clone)]
pub struct RollHandle(mpsc::Sender<Asked>);

impl RollHandle {
    /// Rolls everything that is hot at this moment, and returns once it is in the lake.
    ///
    /// # Errors
    /// What the roll met; `Busy` where the roller is stopping or many others wait already.
    pub async fn roll_now(&self) -> Result<Rolled> {
        let (reply, answer) = oneshot::channel();
        let busy = |what: &str| Error::new(tephra_storage::ErrorKind::Busy, what);
        self.0.try_send(reply).map_err(|_| busy("the roller is stopping, or many rolls wait already"))?;
        answer.await.map_err(|_| busy("the roller stopped before the roll was done"))?
    }
}

impl Roller {
    /// A roller of `store`; nothing happens before `run`.
    pub fn new(settings: RollSettings, store: Store, clock: Arc<dyn Clock>) -> Self {
        let (sender, asked) = mpsc::channel(16);
        Self { settings, store, clock, asked, handle: RollHandle(sender) }
    }

    /// The way to ask for a roll.
    pub fn handle(&self) -> RollHandle {
        self.handle.clone()
    }

    /// Rolls until `shutdown`; the commit at hand is finished.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let tidy_interval = Duration::from_millis(self.settings.tidy_interval_ms);
        let mut backoff = Duration::ZERO;
        let mut tidied = Instant::now();
        let mut more = false;
        loop {
            let pause = if more { Duration::ZERO } else { TICK.max(backoff) };
            let asked = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                asked = self.asked.recv() => asked,
                () = tokio::time::sleep(pause) => None,
            };
            let result = match asked {
                Some(reply) => {
                    let result = self.roll_all().await;
                    let told = result.as_ref().map(|rolled| *rolled).map_err(|e| Error::new(e.kind(), e.to_string()));
                    // Whoever asked may have gone.
                    let _ = reply.send(told);
                    result.map(|_| false)
                }
                None => self.roll_due().await,
            };
            more = matches!(result, Ok(true));
            backoff = self.after(&result, backoff);
            drop_rolled(&self.store).await;
            if result.is_ok() && tidied.elapsed() >= tidy_interval {
                tidied = Instant::now();
                self.tidy().await;
            }
        }
    }

    /// Rolls one range, where one is due. Returns whether there may be another.
    async fn roll_due(&self) -> Result<bool> {
        if due(&self.store.status(), &self.settings, self.clock.now_us()).is_none() {
            return Ok(false);
        }
        let rolled = roll(&self.store, self.range_bytes_max()).await?.is_some();
        if rolled {
            self.checkpoint().await;
        }
        Ok(rolled)
    }

    async fn roll_all(&self) -> Result<Rolled> {
        let last = self.store.status().last_sequence;
        let mut total = Rolled { version: self.store.status().cold_version, ..Rolled::default() };
        while total.through < last {
            let Some(rolled) = roll(&self.store, self.range_bytes_max()).await? else { break };
            total.rows += rolled.rows;
            total.files += rolled.files;
            total.bytes += rolled.bytes;
            (total.version, total.through) = (rolled.version, rolled.through);
            self.checkpoint().await;
        }
        Ok(total)
    }

    /// A range may be somewhat larger than what makes a roll due, so that no crumb is left over.
    fn range_bytes_max(&self) -> usize {
        self.settings.bytes_max.saturating_add(self.settings.bytes_max / 2)
    }

    fn after(&self, result: &Result<bool>, backoff: Duration) -> Duration {
        let Err(error) = result else { return Duration::ZERO };
        metrics::counter!("tephra_roll_failures_total").increment(1);
        let next = (backoff * 2).clamp(Duration::from_millis(500), BACKOFF_MAX);
        tracing::error!(%error, retry_ms = next.as_millis() as u64, "a roll failed: events stay in the hot tier");
        next
    }

    async fn checkpoint(&self) {
        if let Err(error) = self.store.checkpoint().await {
            tracing::warn!(%error, "could not write a checkpoint of the lake's log");
        }
    }

    async fn tidy(&self) {
        if let Err(error) = self.store.refresh().await {
            tracing::warn!(%error, "could not follow the lake's log");
        }
        if let Err(error) = self.store.vacuum().await {
            tracing::warn!(%error, "could not sweep the lake");
        }
        match self.store.expire_attachments().await {
            Ok(0) => {}
            Ok(expired) => tracing::info!(expired, "deleted attachments past their term"),
            Err(error) => tracing::warn!(%error, "could not delete attachments past their term"),
        }
    }
}
