//! The counter over a real store: what is appended is counted once, whatever restarts, rolls and copies come in between.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tephra_storage::issues::{CONSUMER, Changes, Counter};
use tephra_storage::meta::issues::{Issue, IssueFilter, IssueSort};
use tephra_storage::meta::projects::{self, NewProject};
use tephra_storage::meta::{Actor, Meta, MetaSettings};
use tephra_storage::{ProjectId, StorageSettings, Store, TestClock};

use crate::support::{append, clock, close, roll, settings};

fn counted(dir: &Path) -> StorageSettings {
    let mut settings = settings(dir);
    settings.hot.consumers = vec![CONSUMER.to_owned()];
    settings
}

async fn open_meta(dir: &Path, clock: Arc<TestClock>) -> Meta {
    std::fs::create_dir_all(dir).unwrap();
    let meta = Meta::open(&MetaSettings::default(), dir, clock).await.unwrap();
    if meta.projects().await.unwrap().is_empty() {
        let mut tx = meta.begin().await.unwrap();
        let new = NewProject { slug: "shop".to_owned(), name: "Shop".to_owned(), platform: None, retention_days: 90 };
        projects::create(&mut tx, &Actor::system(), &new).await.unwrap();
        tx.commit().await.unwrap();
    }
    meta
}

async fn issues(meta: &Meta) -> Vec<Issue> {
    let filter = IssueFilter { projects: vec![ProjectId(1)], ..IssueFilter::default() };
    let mut issues = meta.issues(&filter, IssueSort::Events, None, 1000).await.unwrap().issues;
    issues.sort_by_key(|issue| issue.id);
    issues
}

async fn events(meta: &Meta) -> i64 {
    issues(meta).await.iter().map(|issue| issue.events).sum()
}

/// What must be the same however it was counted: numbers and titles follow the order of counting.
fn figures(issues: &[Issue]) -> Vec<(i64, i64, i64, i64, String)> {
    let figure =
        |issue: &Issue| (issue.events, issue.users, issue.first_seen_us, issue.last_seen_us, issue.level.clone());
    let mut figures: Vec<_> = issues.iter().map(figure).collect();
    figures.sort();
    figures
}

#[tokio::test]
async fn each_event_is_counted_once_across_restarts_and_rolls() {
    let (dir, beside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let meta = open_meta(&beside.path().join("meta"), clock()).await;
    let mut appended = 0;
    for round in 0..6 {
        let store = Store::open(counted(dir.path()), clock()).await.unwrap();
        // An end between the commit and the release: the next process holds everything again.
        let mut counter = Counter::new(meta.clone(), store.clone(), Changes::default());
        append(&store, appended..appended + 50).await.unwrap();
        appended += 50;
        if round % 2 == 0 {
            counter.catch_up().await.unwrap();
        }
        append(&store, appended..appended + 20).await.unwrap();
        appended += 20;
        roll(&store).await.unwrap();
        if round % 3 == 0 {
            counter.catch_up().await.unwrap();
            assert_eq!(events(&meta).await, appended as i64, "round {round}");
            assert!(store.drop_rolled().await.unwrap());
        }
        drop(counter);
        close(store, dir.path()).await;
    }
    let store = Store::open(counted(dir.path()), clock()).await.unwrap();
    let (mut one, mut other) = (
        Counter::new(meta.clone(), store.clone(), Changes::default()),
        Counter::new(meta.clone(), store.clone(), Changes::default()),
    );
    one.catch_up().await.unwrap();
    other.catch_up().await.unwrap();
    append(&store, appended..appended + 9).await.unwrap();
    // Both stand at the same place; the second finds that the first has counted.
    one.catch_up().await.unwrap();
    other.catch_up().await.unwrap();
    assert_eq!(events(&meta).await, appended as i64 + 9);
    assert_eq!(issues(&meta).await.len(), 7);
    drop((one, other));
    close(store, dir.path()).await;
}

#[tokio::test]
async fn a_recount_of_the_lake_gives_what_counting_gave() {
    let (dir, beside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let meta = open_meta(&beside.path().join("meta"), clock()).await;
    let store = Store::open(counted(dir.path()), clock()).await.unwrap();
    let mut counter = Counter::new(meta.clone(), store.clone(), Changes::default());
    for round in 0..3 {
        append(&store, round * 500..round * 500 + 400).await.unwrap();
        counter.catch_up().await.unwrap();
        roll(&store).await.unwrap();
    }
    append(&store, 5000..5100).await.unwrap();
    counter.catch_up().await.unwrap();
    let before = issues(&meta).await;
    assert_eq!(before.iter().map(|issue| issue.events).sum::<i64>(), 1300);
    drop(counter);
    close(store, dir.path()).await;

    // A new database over the same lake: what was dropped is counted from the files, what is hot from the feed.
    let fresh = open_meta(&beside.path().join("fresh"), clock()).await;
    let store = Store::open(counted(dir.path()), clock()).await.unwrap();
    assert!(store.feed().dropped() > 0);
    Counter::new(fresh.clone(), store.clone(), Changes::default()).catch_up().await.unwrap();
    assert_eq!(figures(&issues(&fresh).await), figures(&before));
    // The old database goes on where it was.
    Counter::new(meta.clone(), store.clone(), Changes::default()).catch_up().await.unwrap();
    assert_eq!(issues(&meta).await, before);
    close(store, dir.path()).await;
}

#[tokio::test]
async fn a_database_that_is_away_holds_batches_and_nobody_else() {
    let (dir, beside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let meta = open_meta(&beside.path().join("meta"), clock()).await;
    let store = Store::open(counted(dir.path()), clock()).await.unwrap();
    let mut counter = Counter::new(meta.clone(), store.clone(), Changes::default());
    meta.close().await;
    append(&store, 0..10).await.unwrap();
    assert!(counter.catch_up().await.is_err());
    roll(&store).await.unwrap();
    append(&store, 10..20).await.unwrap();
    assert_eq!(store.status().consumers.get(CONSUMER), Some(&0));
    assert_eq!(store.status().kept_runs, 1);
    let meta = open_meta(&beside.path().join("meta"), clock()).await;
    Counter::new(meta.clone(), store.clone(), Changes::default()).catch_up().await.unwrap();
    assert_eq!(events(&meta).await, 20);
    assert!(store.drop_rolled().await.unwrap());
    drop(counter);
    close(store, dir.path()).await;
}
