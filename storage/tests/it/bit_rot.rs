//! One flipped bit, anywhere: found and named when the store is opened or read, never silently wrong or missing rows.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use tempfile::TempDir;
use tephra_storage::{ErrorKind, Store};

use crate::support::{Failure, Random, append, clock, close, copy_tree, files, read, roll, settings};

const FLIPS: u64 = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Wal,
    Table,
    Commit,
    Checkpoint,
    Parquet,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        let in_log = path.components().any(|part| part.as_os_str() == "_delta_log");
        match path.extension()?.to_str()? {
            "log" => Some(Self::Wal),
            "sst" | "blob" => Some(Self::Table),
            "json" if in_log => Some(Self::Commit),
            "parquet" if in_log => Some(Self::Checkpoint),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// Cold files with a checkpoint behind them, hot batches in tables, hot batches in the log. Returns how many events.
async fn grow(dir: &Path) -> u64 {
    let mut next = 0;
    for session in 0..4 {
        let store = Store::open(settings(dir), clock()).await.unwrap();
        for _ in 0..6 {
            append(&store, next..next + 12).await.unwrap();
            next += 12;
        }
        if session < 3 {
            roll(&store).await.unwrap();
        }
        // Opening writes what the log holds into tables, so the third session's end is in tables and the last in the log.
        for _ in 0..6 {
            append(&store, next..next + 12).await.unwrap();
            next += 12;
        }
        close(store, dir).await;
    }
    next
}

enum Finding {
    Harmless,
    Named(String),
    Quarantined,
}

async fn look(dir: &Path, events: u64) -> Finding {
    let store = match Store::open(settings(dir), clock()).await {
        Ok(store) => store,
        Err(error) => return Finding::Named(error.to_string()),
    };
    let shown = read(&store.snapshot()).await;
    let quarantined = store.status().quarantined;
    close(store, dir).await;
    match shown {
        Err(error) => Finding::Named(chain(&error)),
        Ok(shown) if shown.iter().copied().eq(0..events) => Finding::Harmless,
        Ok(_) if quarantined > 0 => Finding::Quarantined,
        Ok(shown) => panic!("{} of {events} events are shown and nothing was said", shown.len()),
    }
}

fn chain(error: &Failure) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

async fn flips(kind: Kind) {
    let dir = TempDir::new().unwrap();
    let origin = dir.path().join("origin");
    fs::create_dir(&origin).unwrap();
    let events = grow(&origin).await;
    let (mut random, mut found) = (Random(kind as u64), BTreeMap::<&str, u64>::new());
    for number in 0..FLIPS {
        let copy = dir.path().join(format!("copy{number}"));
        copy_tree(&origin, &copy);
        let paths: Vec<_> = files(&copy).into_iter().filter(|path| Kind::of(path) == Some(kind)).collect();
        assert!(!paths.is_empty(), "there is no {kind:?}");
        let path = &paths[random.below(paths.len() as u64) as usize];
        let (byte, bit) = (random.below(fs::metadata(path).unwrap().len()), random.below(8) as u8);
        flip(path, byte, bit);
        eprintln!("{kind:?}: bit {bit} of byte {byte} of `{}`", path.display());
        let word = match look(&copy, events).await {
            Finding::Harmless => "harmless",
            Finding::Quarantined => "quarantined",
            Finding::Named(text) => {
                let names = ["`", ".sst", ".blob", ".log", "commit ", "batch", ".parquet"];
                assert!(names.iter().any(|name| text.contains(name)), "the error names nothing: {text}");
                "named"
            }
        };
        *found.entry(word).or_default() += 1;
        fs::remove_dir_all(&copy).unwrap();
    }
    eprintln!("{kind:?}: {FLIPS} flips: {found:?}");
}

#[tokio::test]
async fn a_flipped_bit_in_the_write_ahead_log_is_found() {
    flips(Kind::Wal).await;
}

#[tokio::test]
async fn a_flipped_bit_in_a_table_or_blob_is_found() {
    flips(Kind::Table).await;
}

#[tokio::test]
async fn a_flipped_bit_in_a_commit_is_found() {
    flips(Kind::Commit).await;
}

#[tokio::test]
async fn the_commit_that_made_the_table_is_named_whichever_of_its_bytes_is_damaged() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(settings(dir.path()), clock()).await.unwrap();
    close(store, dir.path()).await;
    let path =
        files(dir.path()).into_iter().find(|path| path.ends_with("_delta_log/00000000000000000000.json")).unwrap();
    for byte in (0..fs::metadata(&path).unwrap().len()).step_by(41) {
        flip(&path, byte, 1);
        let error = Store::open(settings(dir.path()), clock()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {byte}: {error}");
        assert!(error.to_string().contains("commit 0 of the lake is damaged"), "byte {byte}: {error}");
        flip(&path, byte, 1);
    }
}

#[tokio::test]
async fn a_flipped_bit_in_a_checkpoint_is_found() {
    flips(Kind::Checkpoint).await;
}

#[tokio::test]
async fn a_flipped_bit_in_a_parquet_file_is_found() {
    flips(Kind::Parquet).await;
}

fn flip(path: &Path, byte: u64, bit: u8) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut content = [0];
    file.read_exact_at(&mut content, byte).unwrap();
    content[0] ^= 1 << bit;
    file.write_all_at(&content, byte).unwrap();
}
