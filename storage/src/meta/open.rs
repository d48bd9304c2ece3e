//! Opens the metadata store and brings its schema up to date.
//!
//! Each migration is one transaction that also notes its number; a crash leaves it done or not begun. A schema of a newer
//! program is refused rather than guessed at.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Executor, SqlSafeStr};

use super::error::told;
use super::{Backend, Meta};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};

/// The file in the data directory.
pub const SQLITE_FILE: &str = "meta.sqlite";

const MIGRATIONS: [(&str, &str); 4] = [
    ("first", include_str!("../../migrations/0001_first.sql")),
    ("rules", include_str!("../../migrations/0002_rules.sql")),
    ("intake", include_str!("../../migrations/0003_intake.sql")),
    ("issue order", include_str!("../../migrations/0004_issue_order.sql")),
];

/// Where the metadata lies.
#[derive(Clone)]
pub struct MetaSettings {
    /// `postgres://user:password@host/database`; empty for SQLite in the data directory.
    pub url: String,
    /// Connections held at most; 0 for the default of 4 (SQLite) or 10 (PostgreSQL).
    pub connections_max: u32,
    /// How often SQLite is copied to the lake, where it changed; 0 for only when the server stops.
    pub copy_interval_ms: u64,
}

impl Default for MetaSettings {
    fn default() -> Self {
        Self { url: String::new(), connections_max: 0, copy_interval_ms: 600_000 }
    }
}

impl std::fmt::Debug for MetaSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("MetaSettings").field("url_is_set", &!self.url.is_empty()).finish_non_exhaustive()
    }
}

impl Meta {
    /// Opens the store in `data_dir` or at the URL, and brings its schema up to date.
    ///
    /// # Errors
    /// `Invalid` for a URL of another kind or a schema of a newer program, `Busy` where the database is out of reach,
    /// `Internal` where a migration fails.
    pub async fn open(settings: &MetaSettings, data_dir: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        install_drivers();
        let (backend, url) = address(settings, data_dir)?;
        let connections = match (settings.connections_max, backend) {
            (0, Backend::Sqlite) => 4,
            (0, Backend::Postgres) => 10,
            (given, _) => given,
        };
        let pool = AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(10))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if backend == Backend::Sqlite {
                        connection.execute(SQLITE_PRAGMAS).await?;
                    }
                    Ok(())
                })
            })
            .connect(&url)
            .await
            .map_err(told("could not open the metadata database"))?;
        migrator().run(&pool).await.map_err(explain)?;
        Ok(Self { pool, backend, clock })
    }
}

/// WAL lets readers go on beside the one writer; FULL makes each commit durable before it is answered.
const SQLITE_PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
    PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192;";

/// Lets connections be made to both databases.
pub(super) fn install_drivers() {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(sqlx::any::install_default_drivers);
}

/// The address of a file, which is made where it is not there.
pub(super) fn sqlite_url(file: &Path) -> Result<String> {
    let path = std::path::absolute(file)
        .map_err(|error| Error::caused(ErrorKind::Internal, "could not name the metadata file", error))?;
    let mut url = url::Url::parse("sqlite:///").map_err(|_| Error::internal("could not name the metadata file"))?;
    url.set_path(&path.to_string_lossy());
    url.set_query(Some("mode=rwc"));
    Ok(url.into())
}

fn address(settings: &MetaSettings, data_dir: &Path) -> Result<(Backend, String)> {
    if settings.url.is_empty() {
        let file = data_dir.join(SQLITE_FILE);
        make_private(&file)?;
        return Ok((Backend::Sqlite, sqlite_url(&file)?));
    }
    if settings.url.starts_with("postgres://") || settings.url.starts_with("postgresql://") {
        return Ok((Backend::Postgres, settings.url.clone()));
    }
    Err(Error::invalid("`meta.url` is to begin with `postgres://`; leave it empty for SQLite in the data directory"))
}

/// Makes the file where it is absent, for its owner only: it holds hashes and secrets. SQLite gives its other files the same
/// mode.
fn make_private(file: &Path) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(file);
    made.map(drop).map_err(|error| Error::caused(ErrorKind::Internal, "could not make the metadata file", error))
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.iter().zip(1..).map(|((name, sql), version)| {
        Migration::new(version, Cow::Borrowed(*name), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

fn explain(error: MigrateError) -> Error {
    match error {
        MigrateError::VersionMissing(version) => Error::invalid(format!(
            "the metadata database has schema version {version}, which this program does not know: \
             use the newer program that wrote it"
        )),
        MigrateError::VersionMismatch(version) => {
            Error::corrupt(format!("migration {version} of the metadata database is not the one this program knows"))
        }
        error => Error::caused(ErrorKind::Internal, "could not bring the metadata database up to date", error),
    }
}
