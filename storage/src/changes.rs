//! The change feed: every batch of events in the order in which it became durable, pulled by whoever wants to follow.
//!
//! The hot tier is the feed. Consumers read behind a position of their own, from memory where the batches are, else from
//! RocksDB; the appender only tells that there is more, and waits for nobody. A batch that was rolled is dropped once every
//! registered consumer has released it, so that none ever misses one, and a slow one costs disk and nothing else.
//!
//! Consumers named in `HotSettings::consumers` hold everything from the opening of the store on, so that nothing goes
//! between a restart and their first word. Batches in quarantine are passed over.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};
use crate::hot::codec;
use crate::hot::db::Db;
use crate::tiers::{Run, Tiers};

/// The feed of one store. Clones have positions of their own for [`Feed::changed`].
#[derive(Clone)]
pub struct Feed {
    tiers: Arc<Tiers>,
    db: Arc<Db>,
    published: watch::Receiver<u64>,
}

/// One batch of events.
#[derive(Clone, Debug)]
pub struct FeedBatch {
    /// Its sequence number; later batches have greater ones.
    pub sequence: u64,
    /// The columns that were asked for, in the hot form.
    pub batch: RecordBatch,
}

/// What a read found.
#[derive(Clone, Debug)]
pub struct FeedRead {
    /// The batches, in order.
    pub batches: Vec<FeedBatch>,
    /// Everything up to this number was read: where to go on. What was asked for where there is nothing new.
    pub through: u64,
    /// The first and the last number behind the position that are gone.
    pub missed: Option<(u64, u64)>,
}

/// A consumer's right to what it has not released yet.
pub struct Hold {
    tiers: Arc<Tiers>,
    consumer: String,
    keep: bool,
}

impl Feed {
    pub(crate) fn new(tiers: Arc<Tiers>, db: Arc<Db>) -> Self {
        let published = tiers.published();
        Self { tiers, db, published }
    }

    /// The last sequence number that readers see.
    pub fn latest(&self) -> u64 {
        *self.published.borrow()
    }

    /// Batches up to this number can be read no more.
    pub fn dropped(&self) -> u64 {
        self.tiers.dropped()
    }

    /// Waits until there is a batch that this handle has not been told of. Waits for ever once the store is closed.
    pub async fn changed(&mut self) {
        // The other end is held by `tiers`, so it does not go away.
        let _ = self.published.changed().await;
    }

    /// Batches behind number `after`, whole ones, until they hold `rows_max` rows; `projection` are indexes into
    /// [`crate::schema::COLUMNS`]. Blocks where batches are read from RocksDB.
    ///
    /// # Errors
    /// `Internal` where RocksDB cannot be read. A batch that is damaged is passed over, with a line in the log.
    pub fn read_after(&self, after: u64, rows_max: usize, projection: &[usize]) -> Result<FeedRead> {
        let (dropped, runs) = self.tiers.runs_after(after, rows_max);
        let missed = (after < dropped).then_some((after + 1, dropped));
        let mut read = FeedRead { batches: Vec::new(), through: after.max(dropped), missed };
        let mut left = rows_max;
        for run in &runs {
            let whole = match run
                .segment
                .as_ref()
                .map(|segment| segment.batches_after(read.through, projection))
                .transpose()?
            {
                Some(Some(batches)) => read.take(batches, &mut left),
                _ => self.read_stored(run, projection, &mut read, &mut left)?,
            };
            if !whole {
                break;
            }
            read.through = run.last.max(read.through);
        }
        Ok(read)
    }

    /// One batch with all its columns, from RocksDB; `None` where it is gone or damaged. Blocks.
    pub(crate) fn stored_batch(&self, sequence: u64) -> Result<Option<RecordBatch>> {
        match self.db.value(sequence).and_then(|value| value.map(|value| codec::decode(&value)).transpose()) {
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
            read => read,
        }
    }

    /// Registers a consumer that has released everything up to `released`; one that is known keeps what it holds. With `keep` it
    /// goes on holding when the [`Hold`] is dropped, else it is forgotten then.
    pub fn hold(&self, consumer: &str, released: u64, keep: bool) -> Hold {
        self.tiers.release(consumer, released);
        Hold { tiers: self.tiers.clone(), consumer: consumer.to_owned(), keep }
    }

    /// Returns whether the run was read to its end.
    fn read_stored(&self, run: &Run, projection: &[usize], read: &mut FeedRead, left: &mut usize) -> Result<bool> {
        for number in run.first.max(read.through + 1)..=run.last {
            let batch =
                match self.db.value(number).and_then(|value| value.map(|value| codec::decode(&value)).transpose()) {
                    Ok(Some(batch)) => batch,
                    Ok(None) => continue,
                    Err(error) if error.kind() == ErrorKind::Corrupt => {
                        tracing::error!(batch = number, %error, "the change feed passes over a damaged hot batch");
                        continue;
                    }
                    Err(error) => return Err(error),
                };
            let batch = batch.project(projection);
            let batch =
                batch.map_err(|error| Error::caused(ErrorKind::Internal, "could not read the change feed", error))?;
            if !read.take(vec![(number, batch)], left) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl FeedRead {
    /// Returns whether there was room for all.
    fn take(&mut self, batches: Vec<(u64, RecordBatch)>, left: &mut usize) -> bool {
        for (sequence, batch) in batches {
            if *left == 0 {
                return false;
            }
            *left = left.saturating_sub(batch.num_rows());
            self.through = sequence;
            self.batches.push(FeedBatch { sequence, batch });
        }
        true
    }
}

impl Hold {
    /// Lets the batches up to `through` go; never takes back what was released.
    pub fn release_through(&self, through: u64) {
        self.tiers.release(&self.consumer, through);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.keep {
            self.tiers.forget(&self.consumer);
        }
    }
}
