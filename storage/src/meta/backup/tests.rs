use sqlx::Row;

use super::super::{Meta, MetaSettings};
use super::*;
use crate::clock::TestClock;

struct Machine {
    dir: tempfile::TempDir,
    settings: StorageSettings,
}

impl Machine {
    /// A machine of its own on a lake that others use too.
    fn on(lake: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = StorageSettings::new(dir.path());
        settings.cold.url = url::Url::from_directory_path(lake).unwrap().into();
        Self { dir, settings }
    }

    fn copies(&self) -> Copies {
        Copies::open(&self.settings).unwrap()
    }

    async fn meta(&self, clock: &Arc<TestClock>) -> Meta {
        Meta::open(&MetaSettings::default(), self.dir.path(), clock.clone()).await.unwrap()
    }
}

async fn counted(meta: &Meta) -> Vec<(String, i64)> {
    let rows = sqlx::query("SELECT node_id, sequence FROM counted ORDER BY node_id").fetch_all(meta.pool()).await;
    rows.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn count(meta: &Meta, node_id: &str, sequence: i64) {
    let text = "INSERT INTO counted VALUES ($1, $2) ON CONFLICT (node_id) DO UPDATE SET sequence = $2";
    sqlx::query(text).bind(node_id.to_owned()).bind(sequence).execute(meta.pool()).await.unwrap();
}

fn clock() -> Arc<TestClock> {
    Arc::new(TestClock::new(1_795_269_600_000_000))
}

#[tokio::test]
async fn an_empty_machine_gets_the_newest_good_copy() {
    let (lake, clock) = (tempfile::tempdir().unwrap(), clock());
    let old = Machine::on(lake.path());
    let meta = old.meta(&clock).await;
    let copies = old.copies();
    for sequence in [10, 20, 30] {
        clock.advance_us(600_000_000);
        count(&meta, "node-1", sequence).await;
        count(&meta, "other", 99).await;
        assert!(copies.take(&meta).await.unwrap().is_some());
        assert!(copies.take(&meta).await.unwrap().is_none(), "nothing changed since");
    }
    let taken = copies.list().await.unwrap();
    assert_eq!(taken.len(), 3);
    assert!(!old.dir.path().join(SCRATCH_FILE).exists());

    // The newest one is damaged, the one before it cut short.
    let path = |copy: &Copy| lake.path().join("meta").join(copy.to_string());
    let mut bytes = std::fs::read(path(&taken[0])).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path(&taken[0]), &bytes).unwrap();
    let new = Machine::on(lake.path());
    let restored = new.copies().restore("node-1").await.unwrap();
    assert_eq!((&restored.copy, &restored.damaged[0].0), (&taken[1], &taken[0]));
    let meta = new.meta(&clock).await;
    assert_eq!(counted(&meta).await, [("other".to_owned(), 99)]);
    let names: Vec<_> = std::fs::read_dir(new.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().contains("restoring")), "{names:?}");

    let again = new.copies().restore("node-1").await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn what_is_not_there_or_not_sound_is_told() {
    let lake = tempfile::tempdir().unwrap();
    let new = Machine::on(lake.path());
    assert_eq!(new.copies().restore("node-1").await.unwrap_err().kind(), ErrorKind::NotFound);
    let nonsense = zstd::stream::encode_all(&b"no database at all, though of the right digest"[..], 3).unwrap();
    let copy = Copy::new(1, Sha256::digest(&nonsense).into());
    std::fs::create_dir_all(lake.path().join("meta")).unwrap();
    std::fs::write(lake.path().join("meta").join(copy.to_string()), nonsense).unwrap();
    let error = new.copies().restore("node-1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(!new.dir.path().join(super::super::open::SQLITE_FILE).exists());
}
