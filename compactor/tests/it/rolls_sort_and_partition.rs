//! What a roll leaves in the lake, and that it leaves nothing behind in the hot tier.

use std::fs::File;

use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tephra_compactor::roll;

use crate::support::Fixture;

const ALL: usize = 1 << 30;

fn read(fixture: &Fixture) -> Vec<(String, RecordBatch)> {
    let cold = fixture.store.snapshot();
    let batches = cold.cold().files.iter().map(|file| {
        let path = fixture.directory.path().join("lake/events").join(&file.path);
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
        (file.path.clone(), arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap())
    });
    batches.collect()
}

#[tokio::test]
async fn a_file_is_sorted_by_project_group_and_time_newest_first() {
    let fixture = Fixture::new().await;
    for project in [3, 1, 2] {
        fixture.append(project, (0..50).map(|number| fixture.event(number)).collect()).await;
    }
    let rolled = roll(&fixture.store, ALL).await.unwrap().unwrap();
    assert_eq!((rolled.rows, rolled.files), (150, 1));
    assert_eq!(fixture.store.status().hot_rows, 0);

    let (_, batch) = read(&fixture).remove(0);
    let projects = batch["project_id"].as_primitive::<Int64Type>().values();
    let groups = batch["group_hash"].as_fixed_size_binary();
    let times = batch["timestamp"].as_primitive::<TimestampMicrosecondType>().values();
    let keys: Vec<_> = (0..150).map(|row| (projects[row], groups.value(row).to_vec(), -times[row])).collect();
    assert!(keys.is_sorted());
    for row in 0..150 {
        let message = batch["message"].as_string::<i32>().value(row);
        let number: u64 = message.strip_prefix("message ").unwrap().parse().unwrap();
        assert_eq!(batch["stack"].as_string::<i32>().value(row), format!("stack {}", number % 3));
        assert_eq!(groups.value(row), (number % 5).to_be_bytes());
    }
}

#[tokio::test]
async fn late_events_and_other_days_have_files_of_their_own() {
    let fixture = Fixture::new().await;
    let mut late = fixture.event(1);
    late.timestamp -= 2 * 3_600_000_000;
    fixture.append(1, vec![late, fixture.event(2)]).await;
    fixture.clock.advance_us(86_400_000_000);
    fixture.append(1, vec![fixture.event(3)]).await;
    let rolled = roll(&fixture.store, ALL).await.unwrap().unwrap();
    assert_eq!((rolled.rows, rolled.files), (3, 3));
    let snapshot = fixture.store.snapshot();
    let mut files: Vec<_> =
        snapshot.cold().files.iter().map(|file| (file.day.as_str(), file.late, file.rows)).collect();
    files.sort_unstable();
    assert_eq!(files, [("2026-11-20", false, 1), ("2026-11-20", true, 1), ("2026-11-21", false, 1)]);
}

#[tokio::test]
async fn a_snapshot_keeps_its_hot_events_through_a_roll_and_a_new_one_sees_them_once() {
    let fixture = Fixture::new().await;
    fixture.append(1, (0..10).map(|number| fixture.event(number)).collect()).await;
    let before = fixture.store.snapshot();
    roll(&fixture.store, ALL).await.unwrap();
    fixture.append(1, vec![fixture.event(11)]).await;
    let hot = |snapshot: &tephra_storage::Snapshot| snapshot.hot().iter().map(|s| s.rows()).sum::<usize>();
    assert_eq!((hot(&before), before.cold().rows()), (10, 0));
    assert_eq!(before.hot()[0].read(&[0, 9, 15]).unwrap()[0].num_rows(), 10);
    let after = fixture.store.snapshot();
    assert_eq!((hot(&after), after.cold().rows()), (1, 10));
}

#[tokio::test]
async fn a_restart_finds_the_watermark_and_what_is_above_it() {
    let fixture = Fixture::new().await;
    fixture.append(1, (0..10).map(|number| fixture.event(number)).collect()).await;
    roll(&fixture.store, ALL).await.unwrap();
    fixture.append(1, (10..15).map(|number| fixture.event(number)).collect()).await;
    let before = fixture.store.status();
    let fixture = fixture.reopen().await;
    let after = fixture.store.status();
    assert_eq!((after.hot_rows, after.cold_rows), (5, 10));
    assert_eq!((after.last_sequence, after.watermark), (before.last_sequence, before.watermark));
    let again = fixture.append(1, (8..16).map(|number| fixture.event(number)).collect()).await;
    assert_eq!((again.accepted, again.duplicates), (1, (0..7).collect()), "ids are remembered in both tiers");
}

#[tokio::test]
async fn a_range_larger_than_its_bound_is_rolled_in_several_steps() {
    let fixture = Fixture::new().await;
    for first in 0..20 {
        fixture.append(1, (first * 100..first * 100 + 100).map(|number| fixture.event(number)).collect()).await;
    }
    let mut rolls = 0;
    while roll(&fixture.store, 1).await.unwrap().is_some() {
        rolls += 1;
    }
    assert!(rolls > 1);
    assert_eq!((fixture.store.status().hot_rows, fixture.store.status().cold_rows), (0, 2000));
    assert!(fixture.store.check().await.unwrap().is_sound());
}

#[tokio::test]
async fn a_damaged_file_is_named_by_the_check() {
    let fixture = Fixture::new().await;
    fixture.append(1, vec![fixture.event(1)]).await;
    roll(&fixture.store, ALL).await.unwrap();
    let path = fixture.store.snapshot().cold().files[0].path.clone();
    let on_disk = fixture.directory.path().join("lake/events").join(&path);
    let mut bytes = std::fs::read(&on_disk).unwrap();
    bytes[100] ^= 4;
    std::fs::write(&on_disk, bytes).unwrap();
    let report = fixture.store.check().await.unwrap();
    assert!(!report.is_sound() && report.damaged[0].contains(&path), "{report:?}");
}
