//! A store with a ledger: events whose content follows from their number, appended, rolled, and read back whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray, FixedSizeBinaryArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use bytes::Bytes;
use object_store::ObjectStore;
use object_store::path::Path as ObjectPath;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tephra_storage::schema::{COLUMNS, column_index};
use tephra_storage::{
    Append, Appended, Clock, Event, FileWriter, Kind, Level, Partition, ProjectId, Result, Snapshot, StorageSettings,
    Store, TestClock,
};

/// 2026-01-01T00:00:00Z.
pub(crate) const START_US: i64 = 1_767_225_600_000_000;
const DAY: &str = "2026-01-01";

/// What reading may end with besides rows.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// Settings for small tables whose log is checkpointed and swept all the time.
pub(crate) fn settings(dir: &Path) -> StorageSettings {
    let mut settings = StorageSettings::new(dir);
    settings.hot.disk_reserve_bytes = 0;
    settings.cold.checkpoint_commits = 2;
    settings.cold.vacuum_grace_minutes = 0;
    settings
}

/// A clock that shows the present and stands still.
pub(crate) fn clock() -> Arc<TestClock> {
    Arc::new(TestClock::new(tephra_storage::SystemClock.now_us()))
}

/// The event of a number.
pub(crate) fn event(number: u64) -> Event {
    let mut random = Random(number);
    let mut tags = BTreeMap::new();
    for _ in 0..random.below(3) {
        tags.insert(format!("tag{}", random.below(4)), format!("value {}", random.below(50)));
    }
    let text = |value: String| Some(Arc::from(value));
    Event {
        event_id: Some(id(number)),
        timestamp: START_US + i64::try_from(random.below(3_600_000_000)).unwrap(),
        received_at: START_US + 3_600_000_000,
        level: Level::Error,
        kind: Kind::Error,
        message: text(format!("event {number} failed with {:x}", random.below(u64::MAX))),
        exception_type: text(format!("Error{}", random.below(20))),
        stack: (random.below(4) > 0).then(|| Arc::from(format!("at step {}\nat main", random.below(300)))),
        user_id: (random.below(4) > 0).then(|| Arc::from(format!("user {}", random.below(100)))),
        trace_id: (random.below(2) > 0).then_some([7; 16]),
        tags: tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
        group_hash: number % 7,
        group_hash_full: number % 11,
        grouping_version: 1,
        ..Event::default()
    }
}

fn id(number: u64) -> [u8; 16] {
    (0x0123_4567_89ab_cdef_u128 << 64 | u128::from(number)).to_be_bytes()
}

/// Appends the events of `numbers` as one request.
pub(crate) async fn append(store: &Store, numbers: std::ops::Range<u64>) -> Result<Appended> {
    let bytes = 300 * usize::try_from(numbers.end - numbers.start).unwrap();
    let events = numbers.map(event).collect();
    store.append(Append { project_id: ProjectId(1), events, request_hash: None, bytes }).await
}

/// One full movement: sort, write, put, commit, drop what was rolled, checkpoint, sweep.
pub(crate) async fn roll(store: &Store) -> Result<Option<u64>> {
    let mut version = None;
    if let Some(range) = store.begin_roll(usize::MAX).await? {
        let all: Vec<usize> = (0..COLUMNS.len()).collect();
        let mut writer = FileWriter::new()?;
        for segment in range.segments() {
            for batch in segment.read(&all)? {
                writer.write(&batch)?;
            }
        }
        let partition = Partition { retention_days: 90, day: DAY.into(), late: false };
        let placed = range.place(partition, writer.finish()?).await?;
        version = range.commit(&[placed]).await?;
    }
    store.drop_rolled().await?;
    store.checkpoint().await?;
    store.vacuum().await?;
    Ok(version)
}

/// The numbers of all events that a snapshot shows.
///
/// # Panics
/// If an event is shown twice, or is not what was appended.
pub(crate) async fn read(snapshot: &Snapshot) -> std::result::Result<BTreeSet<u64>, Failure> {
    let mut numbers = BTreeSet::new();
    let all: Vec<usize> = (0..COLUMNS.len()).collect();
    for segment in snapshot.hot() {
        for batch in segment.read(&all)? {
            rows(&batch, &mut numbers);
        }
    }
    for file in &snapshot.cold().files {
        read_file(snapshot.object_store(), &file.path, file.size_bytes, &mut numbers).await?;
    }
    Ok(numbers)
}

/// In two halves, as readers do that know where they have to look.
async fn read_file(
    store: Arc<dyn ObjectStore>,
    path: &str,
    size: u64,
    numbers: &mut BTreeSet<u64>,
) -> std::result::Result<(), Failure> {
    let halves = store.get_ranges(&ObjectPath::from(path), &[0..size / 2, size / 2..size]).await?;
    for batch in ParquetRecordBatchReaderBuilder::try_new(Bytes::from(halves.concat()))?.build()? {
        rows(&batch?, numbers);
    }
    Ok(())
}

fn rows(batch: &RecordBatch, numbers: &mut BTreeSet<u64>) {
    let column = |name: &str| batch.column(column_index(name));
    let text = |name: &str| cast(column(name), &DataType::Utf8).unwrap();
    let ids = column("event_id").as_any().downcast_ref::<FixedSizeBinaryArray>().unwrap();
    let times = column("timestamp").as_primitive::<TimestampMicrosecondType>();
    let names = ["message", "exception_type", "stack", "user_id"];
    let texts = names.map(text);
    let tags = column("tags").as_map();
    for row in 0..batch.num_rows() {
        let number = u128::from_be_bytes(ids.value(row).try_into().unwrap()) as u64;
        assert_eq!(ids.value(row), id(number), "a foreign event");
        assert!(numbers.insert(number), "event {number} is shown twice");
        let expected = event(number);
        assert_eq!(times.value(row), expected.timestamp, "timestamp of event {number}");
        let wanted = [&expected.message, &expected.exception_type, &expected.stack, &expected.user_id];
        for ((name, array), wanted) in names.iter().zip(&texts).zip(wanted) {
            let array = array.as_string::<i32>();
            let found = array.is_valid(row).then(|| array.value(row));
            assert_eq!(found, wanted.as_deref(), "`{name}` of event {number}");
        }
        let entries = tags.value(row);
        let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1).as_string::<i32>());
        let found: Vec<_> = (0..keys.len()).map(|i| (Arc::from(keys.value(i)), Arc::from(values.value(i)))).collect();
        assert_eq!(found, expected.tags, "tags of event {number}");
    }
}

/// Closes the store and waits until it has let its files go: only then can it be opened again.
pub(crate) async fn close(store: Store, dir: &Path) {
    let _ = store.close().await;
    drop(store);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let open = || {
        let files = fs::read_dir("/proc/self/fd").unwrap().flatten();
        files.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|target| target.starts_with(dir))
    };
    while open() {
        assert!(std::time::Instant::now() < deadline, "the store holds its files open");
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

/// The files below a directory that hold anything, sorted.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if fs::metadata(&path).unwrap().len() > 0 {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Copies a directory with everything below it.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
