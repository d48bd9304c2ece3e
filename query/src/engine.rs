//! Plans and runs statements on threads of their own, within limits.
//!
//! Queries never run on the threads that serve ingest: a task of the engine's runtime plans the statement, then drives
//! the plan and passes batches over a short channel, so a slow reader holds its query back and nobody else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use tephra_storage::{ProjectId, Store};
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{sleep_until, timeout};

use crate::answer::{self, Answer, AnswerStream, Running};
use crate::cold::{ColdReader, LAKE_URL};
use crate::error::{Error, ErrorKind, Result};
use crate::gate;
use crate::lists::{Kept, State};
use crate::progress::Progress;
use crate::reader::LakeFiles;
use crate::scope::Scope;
use crate::session::{self, Built, Question, Session, TABLES, Template};
use crate::settings::{QuerySettings, SqlOptions};
use crate::warm;

/// Batches that wait for the caller.
const CHANNEL_BATCHES: usize = 4;
/// What a walk over all of history may take.
const LONG_MS_MAX: u64 = 12 * 3_600_000;
/// Consumers of memory that an error of the pool names.
const CONSUMERS_SHOWN: usize = 3;

/// The query engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    settings: QuerySettings,
    store: Store,
    template: Template,
    reader: ColdReader,
    turns: Arc<Semaphore>,
    kept: Kept,
    threads: OwnRuntime,
}

impl Engine {
    /// An engine over `store` that spills into `spill_dir`, where it removes what an earlier process left.
    ///
    /// # Errors
    /// `Internal` where the threads, the directory or the object store cannot be had.
    pub fn new(settings: QuerySettings, spill_dir: impl Into<PathBuf>, store: Store) -> Result<Self> {
        let threads = match settings.threads {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            threads => threads,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("tephra-query")
            .thread_stack_size(256 << 20) // plans nest as deeply as statements do; only what is touched takes memory
            .enable_all()
            .build()
            .map_err(|error| broken("could not start the threads of queries", &error))?;

        let environment = environment(&settings, &spill_dir.into(), &store)?;
        let reader = ColdReader {
            files: Arc::new(LakeFiles::new(
                store.snapshot().object_store(),
                environment.cache_manager.get_file_metadata_cache(),
            )),
            threads,
        };
        let template = Template::new(environment, threads).map_err(|error| session::explain(&error))?;
        let turns = Arc::new(Semaphore::new(settings.concurrent_max));
        let threads = OwnRuntime(Some(runtime));
        let kept = Kept::new(settings.answer_cache_bytes);
        Ok(Self(Arc::new(Inner { settings, store, template, reader, turns, kept, threads })))
    }

    /// Reads the footers of the newest files and checks the digests of local ones ahead of the first query, on the engine's
    /// own threads. What fails here fails again, and is told, when a query needs it.
    pub fn warm(&self) {
        let inner = self.0.clone();
        // Nothing is lost where the engine is stopping.
        let _ = self.0.threads.spawn(async move { warm::run(&inner.store, &inner.reader).await });
    }

    /// Plans and starts one read-only statement over the events of `projects`; batches come in the table form.
    ///
    /// # Errors
    /// `Invalid` with position and hint for a statement that is wrong or not a question, `Busy` when no turn comes
    /// within `queue_ms_max`, `Timeout` and `ResourcesExhausted` when planning alone passes a limit.
    pub async fn sql(&self, projects: &[ProjectId], sql: &str, options: SqlOptions) -> Result<Answer> {
        let rows_max = options.rows_max.unwrap_or(u64::MAX).min(self.0.settings.rows_max);
        let question = || gate::parse(sql, self.0.settings.sql_bytes_max, &TABLES).map(Question::Sql);
        let time_ms_max = options.time_ms_max.unwrap_or(u64::MAX).min(self.0.settings.time_ms_max);
        self.recorded(projects, question, rows_max, time_ms_max).await
    }

    /// Answers of lists that were asked for before.
    pub(crate) fn kept(&self) -> &Kept {
        &self.0.kept
    }

    /// The state of both tiers at this moment.
    pub(crate) fn state(&self) -> State {
        State::of(&self.0.store.snapshot())
    }

    /// The same for a plan that `make` builds over the scan of `events`. It bounds its rows itself.
    pub(crate) async fn built(&self, projects: &[ProjectId], make: Built) -> Result<Answer> {
        self.recorded(projects, || Ok(Question::Built(make)), u64::MAX, self.0.settings.time_ms_max).await
    }

    /// The same for a plan over all of history, which may take hours.
    pub(crate) async fn built_long(&self, projects: &[ProjectId], make: Built) -> Result<Answer> {
        self.recorded(projects, || Ok(Question::Built(make)), u64::MAX, LONG_MS_MAX).await
    }

    /// Runs `work`, which takes a while, on the engine's threads.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, done) = oneshot::channel();
        let _task = Running(self.0.threads.spawn(async move {
            let _ = sender.send(work()); // nobody waits: the query was cancelled
        })?);
        done.await.map_err(|_| Error::new(ErrorKind::Internal, "making the answer broke"))?
    }

    async fn recorded(
        &self,
        projects: &[ProjectId],
        question: impl FnOnce() -> Result<Question>,
        rows_max: u64,
        time_ms_max: u64,
    ) -> Result<Answer> {
        let progress = Arc::new(Progress::new(Instant::now()));
        let answer = match question() {
            Ok(question) => self.start(projects, question, rows_max, time_ms_max, progress.clone()).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &answer {
            answer::record(error.kind.as_str(), &progress);
        }
        answer
    }

    async fn start(
        &self,
        projects: &[ProjectId],
        question: Question,
        rows_max: u64,
        time_ms_max: u64,
        progress: Arc<Progress>,
    ) -> Result<Answer> {
        let inner = &self.0;
        let deadline = tokio::time::Instant::now() + Duration::from_millis(time_ms_max);

        let turn = self.turn().await?;
        let snapshot = Arc::new(inner.store.snapshot());
        let session = inner
            .template
            .session(snapshot, Scope::new(projects), inner.reader.clone())
            .map_err(|error| session::explain(&error))?;

        let (planned, schema) = oneshot::channel();
        let (sender, batches) = mpsc::channel(CHANNEL_BATCHES);
        let job = Job { session, progress: progress.clone(), rows_max, _turn: turn };
        let mut task = Running(inner.threads.spawn(async move {
            match job.plan(question, planned).await {
                Some(rows) => job.drive(rows, sender).await,
                None => drop(sender),
            }
        })?);
        let schema = tokio::select! {
            schema = schema => match schema {
                Ok(schema) => schema?,
                Err(_) => {
                    let broken = (&mut task.0).await.err().map(|error| error.to_string()).unwrap_or_default();
                    return Err(Error::new(ErrorKind::Internal, format!("planning the query broke: {broken}")));
                }
            },
            () = sleep_until(deadline) => return Err(answer::timeout(time_ms_max)),
        };
        let deadline = Box::pin(sleep_until(deadline));
        let stream = AnswerStream::new(batches, task, deadline, time_ms_max, progress.clone());
        Ok(Answer { schema, stream, progress })
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        let settings = &self.0.settings;
        let wait = Duration::from_millis(settings.queue_ms_max);
        match timeout(wait, self.0.turns.clone().acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => {
                let (count, wait) = (settings.concurrent_max, settings.queue_ms_max);
                let message = format!("{count} queries are running, and none ended within {wait} ms");
                Err(Error::new(ErrorKind::Busy, message).with_hint("try again later"))
            }
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

/// One statement on the engine's threads.
struct Job {
    session: Session,
    progress: Arc<Progress>,
    rows_max: u64,
    _turn: OwnedSemaphorePermit,
}

type Rows = datafusion::execution::SendableRecordBatchStream;

impl Job {
    async fn plan(&self, question: Question, planned: oneshot::Sender<Result<SchemaRef>>) -> Option<Rows> {
        let rows = match self.session.plan(question).await {
            Ok(plan) => {
                self.progress.planned(plan.clone());
                execute_stream(plan, self.session.task())
            }
            Err(error) => Err(error),
        };
        match rows {
            Ok(rows) => planned.send(Ok(rows.schema())).is_ok().then_some(rows),
            Err(error) => {
                let _ = planned.send(Err(session::explain(&error))); // nobody waits: the query was cancelled
                None
            }
        }
    }

    async fn drive(&self, mut rows: Rows, sender: mpsc::Sender<Result<RecordBatch>>) {
        let mut left = self.rows_max;
        while let Some(batch) = rows.next().await {
            let item = match batch {
                Ok(batch) if batch.num_rows() == 0 => continue,
                Ok(batch) if batch.num_rows() as u64 > left => {
                    self.progress.cut();
                    if left == 0 {
                        return;
                    }
                    Ok(batch.slice(0, left as usize))
                }
                Ok(batch) => Ok(batch),
                Err(error) => Err(session::explain(&error)),
            };
            let ends = item.is_err() || self.progress.truncated();
            if let Ok(batch) = &item {
                left -= batch.num_rows() as u64;
                self.progress.returned(batch.num_rows());
            }
            if sender.send(item).await.is_err() || ends {
                return;
            }
        }
    }
}

/// The runtime of queries; it stops without waiting, also from inside another runtime.
struct OwnRuntime(Option<Runtime>);

impl OwnRuntime {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Result<tokio::task::JoinHandle<()>> {
        let runtime = self.0.as_ref().ok_or_else(|| Error::new(ErrorKind::Busy, "the engine is stopping"))?;
        Ok(runtime.spawn(future))
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn environment(settings: &QuerySettings, spill_dir: &Path, store: &Store) -> Result<Arc<RuntimeEnv>> {
    clear(spill_dir).map_err(|error| broken(&format!("could not clear `{}`", spill_dir.display()), &error))?;
    let shown = std::num::NonZeroUsize::new(CONSUMERS_SHOWN).unwrap_or(std::num::NonZeroUsize::MIN);
    let pool = TrackConsumersPool::new(FairSpillPool::new(settings.memory_bytes_max), shown);
    let environment = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_temp_file_path(spill_dir)
        .with_max_temp_directory_size(settings.spill_bytes_max)
        .with_metadata_cache_limit(settings.metadata_cache_bytes)
        .build_arc()
        .map_err(|error| session::explain(&error))?;
    let lake = datafusion::execution::object_store::ObjectStoreUrl::parse(LAKE_URL);
    let lake = lake.map_err(|error| session::explain(&error))?;
    environment.register_object_store(lake.as_ref(), store.snapshot().object_store());
    Ok(environment)
}

/// Removes the temporary directories that a killed process could not remove.
fn clear(spill_dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(spill_dir)?;
    for entry in std::fs::read_dir(spill_dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("datafusion-") {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn broken(what: &str, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("{what}: {error}"))
}
