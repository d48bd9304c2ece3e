//! A hot batch rots on the disk of a running server: it is kept aside, counted and shown, and the rest rolls on.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tephra_compactor::roll;
use tephra_storage::ErrorKind;
use tephra_storage::schema::column_index;

use crate::support::Fixture;

const ALL: usize = 1 << 30;
const BATCHES: u64 = 9;
const BATCH_EVENTS: u64 = 200;
/// Of each stored batch, its first bytes.
const MAGIC: &[u8] = b"TPHB";

/// Batches in blob files that are read from there. Eight are joined to one segment where memory has room for that.
async fn on_disk(room: fn(u64) -> u64) -> Fixture {
    let fixture = Fixture::new().await;
    for first in (0..BATCHES).map(|batch| batch * BATCH_EVENTS) {
        let events = (first..first + BATCH_EVENTS).map(|number| fixture.event(number)).collect();
        fixture.append(1, events).await;
    }
    let memory = room(fixture.store.status().hot_bytes);
    // A restart writes what the log holds into blob files.
    fixture.reopen_within(usize::try_from(memory).unwrap()).await
}

/// Flips a bit in the body of a stored batch.
fn damage(fixture: &Fixture, batch: usize) {
    let mut found = Vec::new();
    for path in blobs(&fixture.directory.path().join("hot/rocksdb")) {
        let bytes = fs::read(&path).unwrap();
        let starts = bytes.windows(MAGIC.len()).enumerate().filter(|(_, window)| *window == MAGIC);
        found.extend(starts.map(|(at, _)| (path.clone(), at as u64)));
    }
    assert_eq!(found.len() as u64, BATCHES, "not every batch lies in a blob file: {found:?}");
    let (path, start) = &found[batch];
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, start + 100).unwrap();
    file.write_all_at(&[byte[0] ^ 4], start + 100).unwrap();
}

fn blobs(directory: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut blobs: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "blob")).collect();
    blobs.sort();
    blobs
}

async fn check(room: fn(u64) -> u64, segments: usize) {
    let fixture = on_disk(room).await;
    let before = fixture.store.snapshot();
    assert_eq!(before.hot().len(), segments);
    assert!(!before.hot()[0].is_resident(), "the first segment is in memory");
    damage(&fixture, 2);

    let left = (BATCHES - 1) * BATCH_EVENTS;
    let rolled = roll(&fixture.store, ALL).await.unwrap().unwrap();
    assert_eq!((rolled.rows, rolled.through), (left, BATCHES));
    let status = fixture.store.status();
    assert_eq!((status.quarantined, status.hot_rows, status.cold_rows), (1, 0, left), "{status:?}");
    assert_eq!((status.watermark, status.last_sequence), (BATCHES, BATCHES));

    // Who looked before it was set aside is told, rather than shown the rest as if it were everything.
    let message = column_index("message");
    let errors: Vec<_> = before.hot().iter().filter_map(|segment| segment.read(&[message]).err()).collect();
    assert_eq!(errors.iter().map(|error| error.kind()).collect::<Vec<_>>(), [ErrorKind::Corrupt], "{errors:?}");
    drop(before);
    assert!(fixture.store.drop_rolled().await.unwrap());

    let fixture = fixture.reopen().await;
    let status = fixture.store.status();
    assert_eq!((status.quarantined, status.hot_rows, status.cold_rows), (1, 0, left), "after a restart: {status:?}");
    assert_eq!(status.last_sequence, BATCHES, "its number is used up");
    fixture.append(1, vec![fixture.event(BATCHES * BATCH_EVENTS)]).await;
    assert_eq!(roll(&fixture.store, ALL).await.unwrap().map(|rolled| rolled.rows), Some(1));
}

#[tokio::test]
async fn a_damaged_batch_among_others_of_its_segment_is_set_aside_alone() {
    check(|hot_bytes| hot_bytes * 17 / 18, 2).await;
}

#[tokio::test]
async fn a_damaged_batch_that_is_a_segment_of_its_own_is_set_aside() {
    check(|_| 1, BATCHES as usize).await;
}

#[tokio::test]
async fn a_range_of_which_nothing_is_left_keeps_nobody_waiting() {
    let fixture = on_disk(|_| 1).await;
    (0..BATCHES as usize).for_each(|batch| damage(&fixture, batch));
    let rolled = roll(&fixture.store, ALL).await.unwrap().unwrap();
    assert_eq!((rolled.rows, rolled.files, rolled.through), (0, 0, BATCHES));
    let status = fixture.store.status();
    assert_eq!((status.quarantined, status.hot_rows, status.watermark), (BATCHES, 0, BATCHES), "{status:?}");
}
