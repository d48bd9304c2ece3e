//! What a query leaves unread, pinned by the metrics of EXPLAIN ANALYZE.

use crate::lab::{Lab, hex_id, settings};

/// Twelve files of 250 events, one hour behind the other in time.
async fn twelve_files() -> Lab {
    let lab = Lab::empty(settings()).await;
    for file in 0..12 {
        lab.append(file * 250..(file + 1) * 250).await;
        lab.roll().await;
    }
    lab
}

/// The numbers of `name=A total → B matched` or of `name=A`.
fn metric(plan: &str, name: &str) -> Vec<u64> {
    let Some((_, after)) = plan.split_once(&format!("{name}=")) else { panic!("no {name} in {plan}") };
    let text = after.split([',', ']']).next().unwrap();
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    numbers.map(|part| part.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_events_come_from_few_files() {
    let lab = twelve_files().await;
    let sql = "SELECT timestamp, message FROM events ORDER BY timestamp DESC LIMIT 20";
    let plan = lab.analyze(&[1, 2, 3], sql).await;
    let files = metric(&plan, "files_ranges_pruned_statistics");
    assert!(files[0] == 12 && files[1] <= 3, "{files:?} in {plan}");
    // With one of several projects, and with hot events before them.
    lab.append(3_000..3_100).await;
    let plan = lab.analyze(&[2], sql).await;
    assert!(plan.contains("HotExec") && plan.contains("TenantExec"), "{plan}");
    let files = metric(&plan, "files_ranges_pruned_statistics");
    assert!(files[0] == 12 && files[1] <= 3, "{files:?} in {plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn time_and_project_leave_out_files() {
    let lab = twelve_files().await;
    let sql = "SELECT count(*) FROM events WHERE message LIKE '%1%' \
        AND timestamp >= TIMESTAMP '2026-09-21T14:25:00Z' AND timestamp < TIMESTAMP '2026-09-21T14:26:00Z'";
    let plan = lab.analyze(&[1, 2, 3], sql).await;
    assert!(metric(&plan, "files_ranges_pruned_statistics")[0] <= 2, "{plan}");
    let plan = lab.analyze(&[1, 2, 3], "SELECT count(*) FROM events WHERE project_id = 77").await;
    assert!(!plan.contains("DataSourceExec: file_groups"), "{plan}");
    let plan = lab.analyze(&[77], "SELECT count(*) FROM events").await;
    assert!(!plan.contains("file_groups"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_asks_the_bloom_filters() {
    let lab = twelve_files().await;
    let sql = format!("SELECT message FROM events WHERE event_id = '{}'", hex_id(1_300).to_uppercase());
    let plan = lab.analyze(&[1, 2, 3], &sql).await;
    let groups = metric(&plan, "row_groups_pruned_bloom_filter");
    assert!(groups[0] == 12 && groups[1] == 1, "{groups:?} in {plan}");
    assert!(metric(&plan, "output_rows")[0] == 1, "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn counting_needs_no_rows() {
    let lab = twelve_files().await;
    lab.append(3_000..3_100).await;
    let plan = lab.analyze(&[1, 2, 3], "SELECT count(*), max(timestamp) FROM events").await;
    assert!(plan.contains("PlaceholderRowExec") && !plan.contains("HotExec"), "{plan}");
    let plan = lab.analyze(&[1], "SELECT count(*) FROM events").await;
    assert!(plan.contains("TenantExec"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_segments_are_left_out_by_time() {
    let lab = Lab::empty(settings()).await;
    lab.append(0..3_000).await;
    let sql = "SELECT message FROM events ORDER BY timestamp DESC LIMIT 5";
    let plan = lab.analyze(&[1, 2, 3], sql).await;
    assert!(metric(&plan, "segments_pruned")[0] > 5, "{plan}");
}
