//! What every request handler shares.
//!
//! The listeners answer from the first moment on; the store may still be recovering then, and requests that need it are
//! told to come back.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tephra_compactor::RollHandle;
use tephra_query::Engine;
use tephra_storage::issues::Changes;
use tephra_storage::meta::Meta;
use tephra_storage::{Clock, Store};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::answer::{Answer, Kind, Result};
use crate::auth::Auth;
use crate::budget::Budget;
use crate::gate::Gate;
use crate::http::limit::Limits;
use crate::http::live::Hub;
use crate::ledger::Ledger;
use crate::meters::Meters;
use crate::rules::RuleBook;
use crate::running::Running;
use crate::settings::Settings;

/// Shared by all connections of a server.
#[derive(Clone)]
pub(crate) struct State(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) access: Access,
    pub(crate) auth: Auth,
    pub(crate) budget: Budget,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) meta: Meta,
    pub(crate) meters: Meters,
    pub(crate) running: Running,
    pub(crate) limits: Limits,
    /// What is scrubbed in each project, and what belongs together.
    pub(crate) rules: RuleBook,
    /// One walk over a project's history at a time.
    pub(crate) regrouping: Semaphore,
    /// What may come in.
    pub(crate) gate: Gate,
    /// What became of events.
    pub(crate) ledger: Ledger,
    /// All sockets of the live view.
    pub(crate) live: Arc<Hub>,
    /// Tells that issues changed.
    pub(crate) issue_changes: Changes,
    /// One permit per core for decoding large requests, which would hold up everybody else on the tasks' own threads.
    pub(crate) decoders: Semaphore,
    pub(crate) started: Instant,
    /// Cancelled when the server begins to stop.
    pub(crate) stopping: CancellationToken,
    core: OnceLock<Core>,
}

/// What there is once the store is open.
#[derive(Clone)]
pub(crate) struct Core {
    pub(crate) store: Store,
    pub(crate) engine: Engine,
    pub(crate) roll: RollHandle,
}

impl std::ops::Deref for State {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl State {
    pub(crate) fn new(
        settings: Settings,
        (access, auth): (Access, Auth),
        meta: Meta,
        clock: Arc<dyn Clock>,
        meters: Meters,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self(Arc::new(Inner {
            budget: Budget::new(settings.ingest.memory_bytes_max),
            access,
            auth,
            clock,
            meta,
            meters,
            running: Running::default(),
            limits: Limits::new(&settings.limit),
            rules: RuleBook::default(),
            regrouping: Semaphore::new(1),
            gate: Gate::new(&settings),
            ledger: Ledger::default(),
            live: Arc::default(),
            issue_changes: Changes::default(),
            settings,
            decoders: Semaphore::new(cores),
            started: Instant::now(),
            stopping: CancellationToken::new(),
            core: OnceLock::new(),
        }))
    }
}

impl Inner {
    /// Lets requests through.
    pub(crate) fn open(&self, core: Core) {
        let _ = self.core.set(core);
    }

    /// The open store and its engine.
    pub(crate) fn core(&self) -> Result<&Core> {
        if self.stopping.is_cancelled() {
            return Err(Answer::new(Kind::Busy, "the server is stopping"));
        }
        self.core.get().ok_or_else(|| Answer::new(Kind::Busy, "the server is starting: the store is being recovered"))
    }

    /// The same while the server stops, for status and metrics.
    pub(crate) fn core_if_open(&self) -> Option<&Core> {
        self.core.get()
    }
}
