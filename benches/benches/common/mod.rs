//! What the benchmarks of the store share: a store in a directory of its own, and events to put into it.

#![allow(dead_code, clippy::unwrap_used, reason = "each benchmark uses its part")]

use std::sync::Arc;

use bytes::Bytes;
use tephra_bench::generate::{DataSet, NativeEncoder, NativeScratch, Settings, Size};
use tephra_ingest::{Limits, Receipt, Rules, native};
use tephra_storage::{Append, Clock, ProjectId, StorageSettings, Store, SystemClock};
use tokio::runtime::Runtime;

/// Makes appends, each event new.
pub(crate) struct Source {
    encoder: NativeEncoder,
    data: Arc<DataSet>,
    scratch: NativeScratch,
    next: u64,
}

impl Source {
    pub(crate) fn new() -> Self {
        let base_us = SystemClock.now_us();
        let settings = Settings { events: 100_000_000, size: Size::Small, seed: 1, days: 7, base_us };
        let data = Arc::new(DataSet::new(settings));
        Self { encoder: NativeEncoder::new(&data), data, scratch: NativeScratch::default(), next: 0 }
    }

    /// The next append, decoded.
    pub(crate) fn append(&mut self, events: u64) -> Append {
        let draws: Vec<_> = (self.next..self.next + events).map(|index| self.data.draw(index)).collect();
        self.next += events;
        let mut body = Vec::new();
        self.encoder.encode(0, &draws, &mut self.scratch, &mut body);
        let limits = Limits::default();
        let (project_id, received_at) = (ProjectId(1), SystemClock.now_us());
        let receipt = Receipt { project_id, received_at, limits: &limits, rules: Rules::standard() };
        let decoded = native::batch(&receipt, &Bytes::from(body)).unwrap().decoded;
        assert_eq!(decoded.events.len() as u64, events);
        Append { project_id, events: decoded.events, request_hash: decoded.request_hash, bytes: decoded.bytes }
    }
}

/// A store in a new directory beside the build's files, which lie on a disk where `/tmp` may not.
pub(crate) fn open(runtime: &Runtime) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = runtime.block_on(Store::open(StorageSettings::new(dir.path()), Arc::new(SystemClock))).unwrap();
    (dir, store)
}
