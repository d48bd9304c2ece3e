//! A store with a test clock, and events for it.

use std::sync::Arc;

use tephra_storage::{Append, Appended, Clock, Event, ProjectId, StorageSettings, Store, TestClock};

/// 2026-11-20 12:00 UTC.
pub(crate) const NOON_US: i64 = 1_795_176_000_000_000;

const MEMORY_BYTES_MAX: usize = 64 << 20;

pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) directory: tempfile::TempDir,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::new(NOON_US));
        let store = open(directory.path(), clock.clone(), MEMORY_BYTES_MAX).await;
        Self { store, clock, directory }
    }

    /// As after a restart.
    pub(crate) async fn reopen(self) -> Self {
        self.reopen_within(MEMORY_BYTES_MAX).await
    }

    /// The same with this much room for hot batches in memory.
    pub(crate) async fn reopen_within(self, memory_bytes_max: usize) -> Self {
        let Self { store, clock, directory } = self;
        store.close().await.unwrap();
        drop(store);
        let store = open(directory.path(), clock.clone(), memory_bytes_max).await;
        Self { store, clock, directory }
    }

    pub(crate) async fn append(&self, project: i64, events: Vec<Event>) -> Appended {
        let bytes = events.len() * 100;
        let append = Append { project_id: ProjectId(project), events, request_hash: None, bytes };
        self.store.append(append).await.unwrap()
    }

    pub(crate) fn event(&self, number: u64) -> Event {
        let mut event_id = [7; 16];
        event_id[..8].copy_from_slice(&number.to_be_bytes());
        let now = self.clock.now_us();
        Event {
            event_id: Some(event_id),
            timestamp: now - number as i64,
            received_at: now,
            message: Some(format!("message {number}").into()),
            stack: Some(format!("stack {}", number % 3).into()),
            service: Some("shop".into()),
            group_hash: number % 5,
            tags: vec![("number".into(), number.to_string().into())],
            ..Event::default()
        }
    }
}

async fn open(directory: &std::path::Path, clock: Arc<TestClock>, memory_bytes_max: usize) -> Store {
    let mut settings = StorageSettings::new(directory);
    settings.hot.memory_bytes_max = memory_bytes_max;
    settings.hot.disk_reserve_bytes = 0;
    Store::open(settings, clock).await.unwrap()
}
