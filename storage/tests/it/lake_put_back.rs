//! The lake is put back to an older copy of itself: what it had taken over is gone, and the node says so before it goes on.
//!
//! The hot tier dropped those batches once the lake covered them. Starting on the older lake would forget them in silence
//! and give their numbers' place to others.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tephra_storage::{ErrorKind, Store};

use crate::support::{append, clock, close, copy_tree, files, read, roll, settings};

/// A node whose lake is an older copy; its own lies beside it.
struct PutBack {
    _dir: TempDir,
    data: PathBuf,
    lake: PathBuf,
    newer_lake: PathBuf,
    /// What the older lake covers.
    watermark: u64,
    /// What the node has rolled and dropped.
    rolled: u64,
}

impl PutBack {
    /// Events 0 to 9 are in both lakes, 10 to 19 in the newer one only, 20 to 24 are hot.
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let (data, older_lake, newer_lake) =
            (dir.path().join("data"), dir.path().join("older"), dir.path().join("newer"));
        let lake = data.join("lake");
        let store = Store::open(settings(&data), clock()).await.unwrap();
        append(&store, 0..10).await.unwrap();
        roll(&store).await.unwrap();
        let watermark = store.status().watermark;
        copy_tree(&lake, &older_lake);
        append(&store, 10..20).await.unwrap();
        roll(&store).await.unwrap();
        let rolled = store.status().watermark;
        append(&store, 20..25).await.unwrap();
        close(store, &data).await;
        fs::rename(&lake, &newer_lake).unwrap();
        copy_tree(&older_lake, &lake);
        Self { _dir: dir, data, lake, newer_lake, watermark, rolled }
    }
}

async fn shown(store: &Store) -> Vec<u64> {
    read(&store.snapshot()).await.unwrap().into_iter().collect()
}

fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(dir).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[tokio::test]
async fn a_lake_that_covers_less_than_was_dropped_is_refused_and_nothing_is_deleted() {
    let node = PutBack::new().await;
    assert!(node.watermark < node.rolled);
    let before = contents(&node.lake);
    for _ in 0..2 {
        let error = Store::open(settings(&node.data), clock()).await.err().expect("the node started");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        let text = error.to_string();
        for part in [format!("up to {}", node.watermark), format!("up to {}", node.rolled)] {
            assert!(text.contains(&part), "no `{part}` in: {text}");
        }
        assert!(text.contains("restore it") && text.contains("--accept-data-loss"), "{text}");
        assert!(contents(&node.lake) == before, "the older lake was changed");
    }

    fs::remove_dir_all(&node.lake).unwrap();
    fs::rename(&node.newer_lake, &node.lake).unwrap();
    let store = Store::open(settings(&node.data), clock()).await.unwrap();
    assert!(shown(&store).await.into_iter().eq(0..25), "with its own lake back, the node has everything");
    close(store, &node.data).await;
}

#[tokio::test]
async fn with_the_operators_word_the_node_goes_on_from_there() {
    let node = PutBack::new().await;
    let mut accepting = settings(&node.data);
    accepting.hot.accept_data_loss = true;
    let store = Store::open(accepting, clock()).await.unwrap();
    assert!(shown(&store).await.into_iter().eq((0..10).chain(20..25)));
    append(&store, 25..30).await.unwrap();
    roll(&store).await.unwrap();
    let status = store.status();
    assert_eq!((status.hot_rows, status.cold_rows), (0, 20), "{status:?}");
    assert!(status.watermark > node.rolled, "numbers are not given out twice: {status:?}");
    close(store, &node.data).await;

    let store = Store::open(settings(&node.data), clock()).await.unwrap();
    assert!(shown(&store).await.into_iter().eq((0..10).chain(20..30)), "the next start needs no word");
    close(store, &node.data).await;
}
