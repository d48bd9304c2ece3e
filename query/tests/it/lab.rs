//! A store with known events, and an engine over it.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, SortOptions, concat_batches, lexsort_to_indices, take_record_batch};
use futures::StreamExt;
use tephra_query::output::{Encoder, Format, Statistics};
use tephra_query::{Engine, Error, Progress, QuerySettings, SqlOptions};
use tephra_storage::schema::{COLUMNS, column_index, hot_schema};
use tephra_storage::{
    Append, Event, FileWriter, Kind, Level, Partition, ProjectId, StorageSettings, Store, TestClock, Text,
};

/// The first event's time.
pub const START_US: i64 = 1_790_000_000_000_000;
pub const SECOND: i64 = 1_000_000;

/// Where the events lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    Hot,
    Cold,
    Mixed,
}

pub struct Lab {
    pub store: Store,
    pub engine: Engine,
    dir: tempfile::TempDir,
}

impl Lab {
    pub async fn empty(settings: QuerySettings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut storage = StorageSettings::new(dir.path());
        storage.hot.disk_reserve_bytes = 0;
        let clock = Arc::new(TestClock::new(START_US + 86_400 * SECOND));
        let store = Store::open(storage, clock).await.unwrap();
        let engine = Engine::new(settings, dir.path().join("spill"), store.clone()).unwrap();
        Self { store, engine, dir }
    }

    /// `count` events of [`event`], rolled as `placed` says.
    pub async fn with(placed: Placed, count: usize) -> Self {
        Self::with_settings(placed, count, settings()).await
    }

    pub async fn with_settings(placed: Placed, count: usize, settings: QuerySettings) -> Self {
        let lab = Self::empty(settings).await;
        let (rolled, hot) = match placed {
            Placed::Hot => (0, count),
            Placed::Cold => (count, 0),
            Placed::Mixed => (count * 2 / 3, count - count * 2 / 3),
        };
        // Two rolls, so that there is more than one file.
        for part in [0..rolled / 2, rolled / 2..rolled] {
            lab.append(part.clone()).await;
            lab.roll().await;
        }
        lab.append(rolled..rolled + hot).await;
        lab
    }

    pub async fn append(&self, numbers: std::ops::Range<usize>) {
        for chunk in numbers.collect::<Vec<_>>().chunks(97) {
            for project in 1..=3 {
                let events: Vec<Event> =
                    chunk.iter().filter(|n| project_of(**n) == project).map(|n| event(*n)).collect();
                self.append_events(project, events).await;
            }
        }
    }

    pub async fn append_events(&self, project: i64, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let append = Append { project_id: ProjectId(project), events, request_hash: None, bytes: 1 };
        self.store.append(append).await.unwrap();
    }

    /// Rolls everything into one file.
    pub async fn roll(&self) {
        let Some(range) = self.store.begin_roll(usize::MAX).await.unwrap() else { return };
        let all: Vec<usize> = (0..COLUMNS.len()).collect();
        let batches: Vec<RecordBatch> =
            range.segments().iter().flat_map(|segment| segment.read(&all).unwrap()).collect();
        let rows = concat_batches(&hot_schema(), &batches).unwrap();
        let sorted = take_record_batch(&rows, &order(&rows)).unwrap();
        let mut writer = FileWriter::new().unwrap();
        writer.write(&sorted).unwrap();
        let file = writer.finish().unwrap();
        let partition = Partition { retention_days: 90, day: "2026-09-21".into(), late: false };
        let placed = range.place(partition, file).await.unwrap();
        range.commit(&[placed]).await.unwrap();
    }

    /// The data directory.
    pub fn path(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub async fn ask(
        &self,
        projects: &[i64],
        sql: &str,
        options: SqlOptions,
    ) -> Result<(Vec<String>, Arc<Progress>), Error> {
        let projects: Vec<ProjectId> = projects.iter().copied().map(ProjectId).collect();
        let mut answer = self.engine.sql(&projects, sql, options).await?;
        let (mut encoder, mut bytes) = Encoder::start(Format::Ndjson, &answer.schema)?;
        while let Some(batch) = answer.stream.next().await {
            let batch = batch?;
            assert_eq!(batch.schema().fields().len(), answer.schema.fields().len());
            bytes.extend(encoder.batch(&batch)?);
        }
        bytes.extend(encoder.finish(false, &Statistics::default())?);
        let rows = String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect();
        Ok((rows, answer.progress.clone()))
    }

    /// The rows as JSON objects.
    pub async fn rows(&self, projects: &[i64], sql: &str) -> Vec<String> {
        match self.ask(projects, sql, SqlOptions::default()).await {
            Ok((rows, _)) => rows,
            Err(error) => panic!("{sql}: {error:?}"),
        }
    }

    pub async fn error(&self, sql: &str) -> Error {
        match self.ask(&[1, 2, 3], sql, SqlOptions::default()).await {
            Ok((rows, _)) => panic!("{sql}: {rows:?}"),
            Err(error) => error,
        }
    }

    /// The text of EXPLAIN ANALYZE.
    pub async fn analyze(&self, projects: &[i64], sql: &str) -> String {
        self.rows(projects, &format!("EXPLAIN ANALYZE {sql}")).await.join("\n").replace("\\n", "\n")
    }
}

pub fn settings() -> QuerySettings {
    QuerySettings { threads: 2, memory_bytes_max: 64 << 20, ..QuerySettings::default() }
}

fn order(rows: &RecordBatch) -> UInt32Array {
    let by = |name: &str, descending: bool| SortColumn {
        values: rows.column(column_index(name)).clone(),
        options: Some(SortOptions { descending, nulls_first: false }),
    };
    lexsort_to_indices(&[by("project_id", false), by("group_hash", false), by("timestamp", true)], None).unwrap()
}

pub fn project_of(n: usize) -> i64 {
    (n % 3) as i64 + 1
}

/// The n-th event: one a second.
pub fn event(n: usize) -> Event {
    let text = |value: String| -> Option<Text> { Some(value.into()) };
    let levels = [Level::Error, Level::Warning, Level::Info, Level::Fatal];
    let mut event = Event {
        event_id: Some(id(n)),
        timestamp: START_US + n as i64 * SECOND,
        received_at: START_US + n as i64 * SECOND + 50_000,
        level: levels[n % 4],
        severity: (!n.is_multiple_of(5)).then_some((n % 24) as i32 + 1),
        kind: if n.is_multiple_of(2) { Kind::Error } else { Kind::Log },
        platform: Some("rust".into()),
        message: text(format!("request {n} failed in module {}", n % 17)),
        exception_type: n.is_multiple_of(2).then(|| format!("Error{}", n % 7).into()),
        exception_value: text(format!("value {n}")),
        handled: n.is_multiple_of(3).then_some(n.is_multiple_of(2)),
        stack: n.is_multiple_of(2).then(|| format!("at parse_header\n  at frame_{}\n  at main", n % 29).into()),
        environment: text(["production", "staging"][n % 2].to_owned()),
        release: text(format!("1.{}.0", n % 5)),
        service: text(format!("svc-{}", n % 11)),
        user_id: (n % 4 != 1).then(|| format!("user-{}", n % 301).into()),
        tags: vec![("customer".into(), format!("c{}", n % 13).into()), ("region".into(), "eu".into())],
        attributes: text(format!("{{\"n\":{n}}}")),
        group_hash: (n % 23) as u64 * 0x0101_0101_0101_0101,
        group_hash_full: n as u64,
        grouping_version: 1,
        ..Event::default()
    };
    if n % 3 != 2 {
        event.trace_id = Some(id(n + 1_000_000));
        event.span_id = Some((n as u64 + 7).to_be_bytes());
    }
    event
}

pub fn id(n: usize) -> [u8; 16] {
    (0xabcd_ef00_0000_0000_0000_0000_0000_0000_u128 + n as u128 + 1).to_be_bytes()
}

pub fn hex_id(n: usize) -> String {
    id(n).iter().map(|byte| format!("{byte:02x}")).collect()
}
