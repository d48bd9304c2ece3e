//! The answer to a statement: batches that are made on the engine's threads and taken by the caller.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use futures::{FutureExt, Stream};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio::time::Sleep;

use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;

/// A running query. Dropping it, or its stream, cancels the query.
#[derive(Debug)]
pub struct Answer {
    /// The columns, in the table form.
    pub schema: SchemaRef,
    /// The rows.
    pub stream: AnswerStream,
    /// How far it is; [`Progress::truncated`] tells at the end whether rows were cut off.
    pub progress: Arc<Progress>,
}

/// Batches, or one error as the last item.
#[derive(Debug)]
pub struct AnswerStream {
    batches: Receiver<Result<RecordBatch>>,
    task: Running,
    deadline: Pin<Box<Sleep>>,
    time_ms_max: u64,
    progress: Arc<Progress>,
    outcome: Option<&'static str>,
}

impl AnswerStream {
    pub(crate) fn new(
        batches: Receiver<Result<RecordBatch>>,
        task: Running,
        deadline: Pin<Box<Sleep>>,
        time_ms_max: u64,
        progress: Arc<Progress>,
    ) -> Self {
        Self { batches, task, deadline, time_ms_max, progress, outcome: None }
    }

    fn end(&mut self, outcome: &'static str) {
        if self.outcome.is_none() {
            self.outcome = Some(outcome);
            record(outcome, &self.progress);
        }
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<RecordBatch>>> {
        self.end(error.kind.as_str());
        self.batches.close();
        self.task.0.abort();
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for AnswerStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.outcome.is_some() {
            return Poll::Ready(None);
        }
        match this.batches.poll_recv(context) {
            Poll::Ready(Some(Ok(batch))) => Poll::Ready(Some(Ok(batch))),
            Poll::Ready(Some(Err(error))) => this.fail(error),
            // The sender is gone: at the end of the rows, or because the task broke.
            Poll::Ready(None) => match ready!(this.task.0.poll_unpin(context)) {
                Ok(()) => {
                    this.end("ok");
                    Poll::Ready(None)
                }
                Err(broken) => this.fail(Error::new(ErrorKind::Internal, format!("the query broke: {broken}"))),
            },
            Poll::Pending => {
                ready!(this.deadline.poll_unpin(context));
                this.fail(timeout(this.time_ms_max))
            }
        }
    }
}

impl Drop for AnswerStream {
    fn drop(&mut self) {
        self.end("cancelled");
    }
}

/// A task that ends with the handle.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(crate) fn timeout(time_ms_max: u64) -> Error {
    Error::new(ErrorKind::Timeout, format!("the query took longer than {time_ms_max} ms"))
        .with_hint("filter by time or project, or ask for more time")
}

/// Counts a query that has ended.
pub(crate) fn record(outcome: &'static str, progress: &Progress) {
    metrics::histogram!("tephra_query_seconds").record(progress.elapsed().as_secs_f64());
    metrics::counter!("tephra_queries_total", "outcome" => outcome).increment(1);
    metrics::counter!("tephra_query_rows_read_total").increment(progress.rows_read());
    metrics::counter!("tephra_query_bytes_read_total").increment(progress.bytes_read());
}
