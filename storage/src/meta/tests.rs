//! One suite for both databases: every test of the metadata store opens it by [`each`].
//!
//! PostgreSQL takes part where `TEPHRA_TEST_POSTGRES_URL` names a server (`scripts/test.sh` starts one); each test gets a
//! schema of its own there, and says so where there is none.

use std::future::Future;
use std::sync::Arc;

use super::audit::AuditFilter;
use super::projects::NewProject;
use super::*;
use crate::clock::TestClock;
use crate::error::ErrorKind;

/// A noon of 2026, µs UTC.
pub(crate) const NOON: i64 = 1_790_000_000_000_000;

/// Runs `test` on an empty store of each database.
pub(crate) async fn each<F: Future<Output = ()>>(test: impl Fn(Meta, Arc<TestClock>) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::new(NOON));
    let meta = Meta::open(&MetaSettings::default(), folder.path(), clock.clone()).await.unwrap();
    test(meta.clone(), clock).await;
    meta.close().await;

    let Ok(server) = std::env::var("TEPHRA_TEST_POSTGRES_URL") else {
        eprintln!("skipped on PostgreSQL: TEPHRA_TEST_POSTGRES_URL is not set");
        return;
    };
    let schema = format!("t{}", new_id());
    let admin = Meta::bare(&server).await;
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).execute(admin.pool()).await.unwrap();
    let join = if server.contains('?') { '&' } else { '?' };
    let url = format!("{server}{join}options=-csearch_path%3D{schema}");
    let clock = Arc::new(TestClock::new(NOON));
    let settings = MetaSettings { url, connections_max: 4, ..MetaSettings::default() };
    let meta = Meta::open(&settings, folder.path(), clock.clone()).await.unwrap();
    test(meta.clone(), clock).await;
    meta.close().await;
    sqlx::query(sqlx::AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).execute(admin.pool()).await.unwrap();
}

impl Meta {
    /// A connection without a schema.
    async fn bare(url: &str) -> Self {
        sqlx::any::install_default_drivers();
        let pool = sqlx::any::AnyPoolOptions::new().max_connections(1).connect(url).await.unwrap();
        Self { pool, backend: Backend::Postgres, clock: Arc::new(TestClock::new(NOON)) }
    }
}

fn shop() -> NewProject {
    NewProject { slug: "shop".to_owned(), name: "Shop".to_owned(), platform: None, retention_days: 90 }
}

#[tokio::test]
async fn a_change_and_its_audit_row_are_one() {
    each(|meta, clock| async move {
        let actor = Actor::shell("root");
        let mut tx = meta.begin().await.unwrap();
        projects::create(&mut tx, &actor, &shop()).await.unwrap();
        drop(tx);
        assert_eq!(meta.projects().await.unwrap(), []);
        assert_eq!(meta.audit(&AuditFilter::default(), 10).await.unwrap(), []);

        clock.advance_us(5);
        let mut tx = meta.begin().await.unwrap();
        let made = projects::create(&mut tx, &actor, &shop()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(meta.projects().await.unwrap(), std::slice::from_ref(&made));
        let rows = meta.audit(&AuditFilter { project: Some(made.id), ..AuditFilter::default() }, 10).await.unwrap();
        assert_eq!((rows.len(), rows[0].id, rows[0].at_us), (1, 1, NOON + 5));
        assert_eq!((rows[0].verb.as_str(), rows[0].actor_name.as_str()), ("project.create", "root"));
        assert_eq!(meta.verify_audit().await.unwrap(), Ok(1));
    })
    .await;
}

#[tokio::test]
async fn the_later_of_two_edits_is_told() {
    each(|meta, _| async move {
        let actor = Actor::system();
        let mut tx = meta.begin().await.unwrap();
        let seen = projects::create(&mut tx, &actor, &shop()).await.unwrap();
        tx.commit().await.unwrap();
        for (name, expected) in [("First", None), ("Second", Some(ErrorKind::Conflict))] {
            let mut tx = meta.begin().await.unwrap();
            let after = projects::Project { name: name.to_owned(), ..seen.clone() };
            let outcome = projects::update(&mut tx, &actor, &seen, &after).await;
            assert_eq!(outcome.as_ref().err().map(crate::Error::kind), expected, "{name}");
            if outcome.is_ok() {
                tx.commit().await.unwrap();
            }
        }
        let now = meta.project(seen.id).await.unwrap().unwrap();
        assert_eq!((now.name.as_str(), now.version), ("First", 2));

        let mut tx = meta.begin().await.unwrap();
        let error = projects::create(&mut tx, &actor, &shop()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        drop(tx);
        let mut tx = meta.begin().await.unwrap();
        projects::delete(&mut tx, &actor, &now).await.unwrap();
        let again = projects::create(&mut tx, &actor, &shop()).await.unwrap();
        tx.commit().await.unwrap();
        assert!(again.id > seen.id);
        assert_eq!(meta.project(seen.id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_changed_row_of_the_audit_log_is_found() {
    each(|meta, _| async move {
        let actor = Actor::shell("root");
        for slug in ["a", "b", "c"] {
            let mut tx = meta.begin().await.unwrap();
            projects::create(&mut tx, &actor, &NewProject { slug: slug.to_owned(), ..shop() }).await.unwrap();
            tx.commit().await.unwrap();
        }
        assert_eq!(meta.verify_audit().await.unwrap(), Ok(3));
        sqlx::query("UPDATE audit SET actor_name = 'nobody' WHERE id = 2").execute(meta.pool()).await.unwrap();
        assert_eq!(meta.verify_audit().await.unwrap(), Err(2));
        sqlx::query("DELETE FROM audit WHERE id = 2").execute(meta.pool()).await.unwrap();
        assert_eq!(meta.verify_audit().await.unwrap(), Err(2));
    })
    .await;
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_refused() {
    each(|meta, _| async move {
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             SELECT 99, description, success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1",
        )
        .execute(meta.pool())
        .await
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        if meta.backend() == Backend::Sqlite {
            // The same file again.
            let row =
                sqlx::query("SELECT file FROM pragma_database_list WHERE name = 'main'").fetch_one(meta.pool()).await;
            let path: String = row.unwrap().get(0);
            let parent = std::path::Path::new(&path).parent().unwrap().to_owned();
            let opened = Meta::open(&MetaSettings::default(), &parent, Arc::new(TestClock::new(NOON))).await;
            let error = opened.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains("99"), "{error}");
        }
        drop(folder);
    })
    .await;
}
