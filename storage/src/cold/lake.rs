//! The table `events` in its object store: opened, followed, added to, kept short.
//!
//! One lock orders everything that changes what this process knows of the log. Readers never take it: they hold
//! versions.

use std::collections::HashMap;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deltalake_core::DeltaTable;
use deltalake_core::kernel::{Action, DataType, MapType, PrimitiveType, StructField};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::checkpoints;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::Mutex;

use crate::attachments::Attachments;
use crate::cold::catalog::{Catalog, ColdVersion, write_add};
use crate::cold::commit::{self, Outcome};
use crate::cold::place::Place;
use crate::cold::verified::Verified;
use crate::cold::writer::{FORMAT, NewFile};
use crate::cold::{probe, vacuum};
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint;
use crate::schema::{COLUMNS, ColumnKind};
use crate::settings::ColdSettings;

const PROPERTY_FORMAT: &str = "tephra.format";
/// After this long without a look at the log, it is loaded anew rather than followed: it may have been cleaned up.
const STALE: Duration = Duration::from_secs(3600);

/// Where a file goes: what it is partitioned by, and whether its events came late.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// How long its events are kept.
    pub retention_days: u16,
    /// The UTC day of receipt, `YYYY-MM-DD`.
    pub day: String,
    /// Whether its events were more than an hour old when they arrived.
    pub late: bool,
}

/// A file that lies in the object store and that no commit names yet.
#[derive(Clone, Debug)]
pub struct PlacedFile {
    partition: Partition,
    path: String,
    file: NewFile,
}

/// The open table.
pub(crate) struct Lake {
    log: LogStoreRef,
    files: Arc<Verified>,
    store: Arc<dyn ObjectStore>,
    directory: Option<PathBuf>,
    attachments: Attachments,
    app_id: String,
    settings: ColdSettings,
    state: Mutex<State>,
    opened: Instant,
}

struct State {
    catalog: Catalog,
    followed: Instant,
    checkpointed: u64,
}

impl Lake {
    /// Whether the files lie in a directory of this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.directory.is_some()
    }

    /// Opens the table, or makes it.
    pub(crate) async fn open(data_dir: &FsPath, node_id: &str, settings: ColdSettings) -> Result<Self> {
        let place = Place::open(data_dir, &settings)?;
        Self::open_at(place, node_id, settings).await
    }

    pub(crate) async fn open_at(place: Place, node_id: &str, settings: ColdSettings) -> Result<Self> {
        probe::conditional_puts(place.table.as_ref()).await?;
        let log = default_logstore(place.table.clone(), place.root.clone(), &place.url, &StorageConfig::default());
        let files = Arc::new(Verified::new(place.table.clone()));
        let state = State { catalog: Catalog::default(), followed: Instant::now(), checkpointed: 0 };
        let lake = Self {
            log,
            files,
            store: place.table,
            directory: place.directory,
            attachments: Attachments::new(place.attachments, place.attachments_directory),
            app_id: format!("tephra/{node_id}"),
            settings,
            state: Mutex::new(state),
            opened: Instant::now(),
        };
        if !lake.log.is_delta_table_location().await.map_err(|error| unreadable("look for the table", error))? {
            lake.create().await?;
        }
        lake.load(&mut *lake.state.lock().await).await?;
        Ok(lake)
    }

    async fn create(&self) -> Result<()> {
        let text = |value: String| Some(value);
        let made = CreateBuilder::new()
            .with_log_store(self.log.clone())
            .with_table_name("events")
            .with_columns(delta_columns())
            .with_partition_columns(["retention_days", "day"])
            .with_raise_if_key_not_exists(false)
            .with_configuration(HashMap::from([
                ("delta.dataSkippingStatsColumns".to_owned(), text("timestamp,received_at,project_id".into())),
                (
                    "delta.logRetentionDuration".into(),
                    text(format!("interval {} hours", self.settings.log_retention_hours)),
                ),
                ("delta.enableExpiredLogCleanup".into(), text("false".into())),
                (PROPERTY_FORMAT.into(), text(FORMAT.into())),
            ]))
            .await;
        match made {
            Ok(_) => vacuum::seal_first_commit(&self.log, self.store.as_ref()).await,
            // Another node may have made it at the same moment.
            Err(error) => match self.log.is_delta_table_location().await {
                Ok(true) => Ok(()),
                _ => Err(unreadable("make the table", error)),
            },
        }
    }

    /// Loads the newest version from scratch.
    async fn load(&self, state: &mut State) -> Result<()> {
        let checkpointed = vacuum::verify_log(&self.log, self.store.as_ref()).await?;
        let table = self.table().await?;
        let snapshot = table.snapshot().map_err(|error| unreadable("load the table", error))?;
        let format = snapshot.metadata().configuration().get(PROPERTY_FORMAT).cloned().unwrap_or_default();
        if format != FORMAT {
            return Err(Error::invalid(format!(
                "the lake is of format `{format}`; this program reads format `{FORMAT}`"
            )));
        }
        let mut catalog = Catalog::default();
        for file in snapshot.log_data().iter() {
            #[expect(deprecated, reason = "the only way to a file's tags")]
            catalog.add(&file.add_action())?;
        }
        catalog.version = snapshot.version();
        let watermark = snapshot
            .transaction_version(self.log.as_ref(), self.app_id.as_str())
            .await
            .map_err(|error| unreadable("read the watermark", error))?;
        if let Some(watermark) = watermark {
            catalog.watermarks.insert(self.app_id.clone(), u64::try_from(watermark).unwrap_or(0));
        }
        state.checkpointed = checkpointed;
        catalog.files.values().for_each(|file| self.files.expect(&file.path, &file.digests));
        state.catalog = catalog;
        state.followed = Instant::now();
        Ok(())
    }

    async fn table(&self) -> Result<DeltaTable> {
        let mut table = DeltaTable::new(self.log.clone());
        table.load().await.map_err(|error| unreadable("load the table", error))?;
        Ok(table)
    }

    /// Follows the log to its end.
    pub(crate) async fn refresh(&self) -> Result<Arc<ColdVersion>> {
        let mut state = self.state.lock().await;
        if state.followed.elapsed() > STALE {
            self.load(&mut state).await?;
        }
        loop {
            let next = state.catalog.version + 1;
            let entry = self.log.read_commit_entry(next).await.map_err(|error| unreadable("follow the log", error))?;
            let Some(entry) = entry else { break };
            let actions = commit::decode(next, &entry)?;
            self.apply(&mut state.catalog, next, &actions)?;
        }
        state.followed = Instant::now();
        Ok(state.catalog.freeze())
    }

    fn apply(&self, catalog: &mut Catalog, version: u64, actions: &[Action]) -> Result<()> {
        for path in catalog.apply(version, actions)? {
            self.files.forget(&path);
        }
        for action in actions {
            if let Action::Add(add) = action
                && let Some(file) = catalog.files.get(&add.path)
            {
                self.files.expect(&file.path, &file.digests);
            }
        }
        Ok(())
    }

    /// Puts a file where a commit may name it.
    pub(crate) async fn place(&self, partition: Partition, through: u64, file: NewFile) -> Result<PlacedFile> {
        let Partition { retention_days, day, .. } = &partition;
        let node = self.app_id.rsplit('/').next().unwrap_or_default();
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let path = format!("retention_days={retention_days}/day={day}/roll-{node}-{through:020}-{unique}.parquet");
        failpoint::hit("roll.before_put")?;
        self.store
            .put(&Path::from(path.as_str()), file.bytes.clone().into())
            .await
            .map_err(|error| Error::caused(ErrorKind::Busy, format!("could not write `{path}` to the lake"), error))?;
        failpoint::hit("roll.after_put")?;
        Ok(PlacedFile { partition, path, file })
    }

    /// Adds placed files in one commit that says: everything from `first` up to `through` is in the lake.
    ///
    /// # Errors
    /// `Busy` where the outcome is unknown: the files may be live and must stay.
    pub(crate) async fn commit(
        &self,
        files: &[PlacedFile],
        first: u64,
        through: u64,
        now_us: i64,
    ) -> Result<(Outcome, Arc<ColdVersion>)> {
        let actions = files
            .iter()
            .map(|PlacedFile { partition, path, file }| {
                let Partition { day, retention_days, late } = partition;
                Action::Add(write_add(path, day, *retention_days, *late, file, now_us))
            })
            .collect();
        let bytes = commit::encode(actions, &self.app_id, through)?;
        let mut state = self.state.lock().await;
        if state.followed.elapsed() > STALE {
            self.load(&mut state).await?;
        }
        let State { catalog, followed, .. } = &mut *state;
        // An attempt whose outcome nobody learned may have been read from the log since.
        let covered = catalog.watermarks.get(&self.app_id).is_some_and(|watermark| *watermark >= first);
        if covered && !failpoint::planted("commit_without_txn_check") {
            return Ok((Outcome::Lost(catalog.version), catalog.freeze()));
        }
        let mut next = catalog.clone();
        let outcome = commit::commit(&self.log, catalog.version, &bytes, &self.app_id, |version, actions| {
            self.apply(&mut next, version, actions)
        })
        .await;
        // What was read of the log holds whatever became of our own commit.
        *catalog = next;
        *followed = Instant::now();
        Ok((outcome?, catalog.freeze()))
    }

    /// The last sequence number that the lake covers for this node.
    pub(crate) fn watermark(&self, version: &ColdVersion) -> u64 {
        version.watermarks.get(&self.app_id).copied().unwrap_or(0)
    }

    /// The files that came with events.
    pub(crate) fn attachments(&self) -> &Attachments {
        &self.attachments
    }

    /// Where readers read files.
    pub(crate) fn files(&self) -> Arc<dyn ObjectStore> {
        self.files.clone()
    }

    /// The files as they lie in the store, unchecked.
    pub(crate) fn unverified_files(&self) -> &dyn ObjectStore {
        self.store.as_ref()
    }

    /// Writes a checkpoint where enough commits have come since the last, and lets expired log entries go.
    pub(crate) async fn checkpoint(&self, now_us: i64) -> Result<bool> {
        let mut state = self.state.lock().await;
        if state.catalog.version < state.checkpointed + self.settings.checkpoint_commits.max(1) {
            return Ok(false);
        }
        failpoint::hit("checkpoint.before")?;
        let table = self.table().await?;
        let version = table.snapshot().map_err(|error| unreadable("load the table", error))?.version();
        let failed = |error| unreadable("write a checkpoint", error);
        checkpoints::create_checkpoint(&table, None).await.map_err(failed)?;
        vacuum::seal_checkpoint(self.store.as_ref(), version).await?;
        failpoint::hit("checkpoint.after")?;
        let retention_ms = i64::try_from(self.settings.log_retention_hours * 3_600_000).unwrap_or(i64::MAX);
        let cutoff_ms = (now_us / 1000).saturating_sub(retention_ms);
        let cleaned = checkpoints::cleanup_expired_logs_for(version, self.log.as_ref(), cutoff_ms, None)
            .await
            .map_err(|error| unreadable("clean the log up", error))?;
        state.checkpointed = version;
        tracing::info!(version, cleaned, "wrote a checkpoint of the lake's log");
        Ok(true)
    }

    /// Deletes attachments that are past their term. Returns how many.
    pub(crate) async fn expire_attachments(&self, now_us: i64) -> Result<usize> {
        self.attachments.expire(now_us, self.oldest_kept_ms(now_us)).await
    }

    fn grace(&self) -> Duration {
        Duration::from_secs(self.settings.vacuum_grace_minutes * 60)
    }

    /// What nobody names and was written before goes.
    fn oldest_kept_ms(&self, now_us: i64) -> i64 {
        now_us / 1000 - i64::try_from(self.grace().as_millis()).unwrap_or(i64::MAX)
    }

    /// Deletes files that no version names, finished or not, and that are older than the grace. Returns how many.
    pub(crate) async fn vacuum(&self, now_us: i64) -> Result<usize> {
        if self.opened.elapsed() < self.grace() {
            return Ok(0);
        }
        let oldest_kept_ms = self.oldest_kept_ms(now_us);
        let live = self.refresh().await?;
        let unnamed = vacuum::unnamed(&self.store, &live, oldest_kept_ms).await?;
        let unfinished = match &self.directory {
            Some(directory) => vacuum::unfinished(directory.clone(), oldest_kept_ms).await?,
            None => 0,
        };
        Ok(unnamed + unfinished)
    }
}

fn unreadable(what: &str, error: deltalake_core::DeltaTableError) -> Error {
    let text = error.to_string();
    let kind = match &error {
        deltalake_core::DeltaTableError::ObjectStore { .. } => ErrorKind::Busy,
        _ if text.contains("object store") || text.contains("Object store") => ErrorKind::Busy,
        _ => ErrorKind::Corrupt,
    };
    Error::caused(kind, format!("could not {what} `events` of the lake"), error)
}

/// The table's columns as Delta's.
fn delta_columns() -> Vec<StructField> {
    let primitive = |kind: ColumnKind| match kind {
        ColumnKind::Int64 => DataType::Primitive(PrimitiveType::Long),
        ColumnKind::Int32 => DataType::Primitive(PrimitiveType::Integer),
        ColumnKind::Bool => DataType::Primitive(PrimitiveType::Boolean),
        ColumnKind::Time => DataType::Primitive(PrimitiveType::Timestamp),
        ColumnKind::Id(_) => DataType::Primitive(PrimitiveType::Binary),
        ColumnKind::Word | ColumnKind::Stack | ColumnKind::Text => DataType::Primitive(PrimitiveType::String),
        ColumnKind::Tags => {
            let text = || DataType::Primitive(PrimitiveType::String);
            DataType::Map(Box::new(MapType::new(text(), text(), true)))
        }
    };
    let partitions = [
        StructField::new("retention_days", DataType::Primitive(PrimitiveType::Integer), true),
        StructField::new("day", DataType::Primitive(PrimitiveType::Date), true),
    ];
    // Nullable throughout: readers that fill columns in must be able to.
    let columns = COLUMNS.iter().map(|column| StructField::new(column.name, primitive(column.kind), true));
    columns.chain(partitions).collect()
}
