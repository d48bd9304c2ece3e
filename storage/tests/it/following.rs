//! The counter over a real store when rules change: new hashes of known errors go on in their issues, exactly once, whatever
//! restarts, rolls and recounts come in between.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tephra_storage::issues::{CONSUMER, Changes, Counter, Era, Past};
use tephra_storage::meta::issues::{Issue, IssueFilter, IssueSort};
use tephra_storage::meta::projects::{self, NewProject};
use tephra_storage::meta::{Actor, Meta, MetaSettings};
use tephra_storage::{Append, Event, ProjectId, StorageSettings, Store, TestClock};

use crate::support::{clock, close, event, roll, settings};

/// Version 2 counts from a thousand on, and tells what version 1 called one hash apart by its user.
fn former(eras: &[Era], events: &[Event]) -> Vec<Vec<u64>> {
    let of = |event: &Event, era: &Era| if era.version == 1 { event.group_hash % 1_000 % 7 } else { event.group_hash };
    events.iter().map(|event| eras.iter().map(|era| of(event, era)).collect()).collect()
}

const PAST: Past = Past { version: 2, hashes: former };

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

/// Appends events as version 1 or 2 hashes them.
async fn append(store: &Store, numbers: std::ops::Range<u64>, version: i32) {
    let events = numbers.map(|number| {
        let plain = event(number);
        let group_hash = if version == 1 { plain.group_hash } else { 1_000 + number % 21 };
        Event { group_hash, grouping_version: version, ..plain }
    });
    let append = Append { project_id: ProjectId(1), events: events.collect(), request_hash: None, bytes: 0 };
    store.append(append).await.unwrap();
}

async fn issues(meta: &Meta) -> Vec<Issue> {
    let filter = IssueFilter { projects: vec![ProjectId(1)], ..IssueFilter::default() };
    meta.issues(&filter, IssueSort::Events, None, 1000).await.unwrap().issues
}

fn total(issues: &[Issue]) -> i64 {
    issues.iter().map(|issue| issue.events).sum()
}

#[tokio::test]
async fn a_new_version_of_the_rules_makes_no_new_issues() {
    let (dir, beside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let meta = open_meta(&beside.path().join("meta"), clock()).await;
    let store = Store::open(counted(dir.path()), clock()).await.unwrap();
    let mut counter = Counter::new(meta.clone(), store.clone(), Changes::default());
    append(&store, 0..70, 1).await;
    counter.catch_up().await.unwrap();
    assert_eq!(issues(&meta).await.len(), 7);
    // Some of the old version wait to be counted while the new program starts, between two of the new one.
    append(&store, 70..100, 1).await;
    drop(counter);
    close(store, dir.path()).await;

    let mut appended = 100;
    for round in 0..4 {
        let store = Store::open(counted(dir.path()), clock()).await.unwrap();
        let mut counter = Counter::new(meta.clone(), store.clone(), Changes::default()).following(PAST);
        append(&store, appended..appended + 21, 2).await;
        appended += 21;
        if round % 2 == 0 {
            counter.catch_up().await.unwrap();
        }
        // What is rolled and not counted yet is held for the counter.
        roll(&store).await.unwrap();
        append(&store, appended..appended + 5, 2).await;
        appended += 5;
        if round > 0 {
            counter.catch_up().await.unwrap();
            let issues = issues(&meta).await;
            assert_eq!((issues.len(), total(&issues)), (7, appended as i64), "round {round}");
        }
        // An end between the commit and the release.
        drop(counter);
        close(store, dir.path()).await;
    }
    let groups: Vec<i64> = issues(&meta).await.iter().map(|issue| issue.id).collect();
    assert_eq!(meta.groups_of(&groups).await.unwrap().len(), 7 + 21);
}

#[tokio::test]
async fn without_a_past_to_follow_each_hash_is_an_issue() {
    let (dir, beside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let meta = open_meta(&beside.path().join("meta"), clock()).await;
    let store = Store::open(counted(dir.path()), clock()).await.unwrap();
    let mut counter = Counter::new(meta.clone(), store.clone(), Changes::default()).following(PAST);
    append(&store, 0..42, 2).await;
    counter.catch_up().await.unwrap();
    assert_eq!(issues(&meta).await.len(), 21);
}

#[tokio::test]
async fn counting_the_lake_anew_follows_as_well() {
    let (dir, beside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = Store::open(counted(dir.path()), clock()).await.unwrap();
    let meta = open_meta(&beside.path().join("first"), clock()).await;
    let mut counter = Counter::new(meta, store.clone(), Changes::default()).following(PAST);
    append(&store, 0..70, 1).await;
    append(&store, 70..140, 2).await;
    roll(&store).await.unwrap();
    append(&store, 140..161, 2).await;
    roll(&store).await.unwrap();
    counter.catch_up().await.unwrap();
    assert!(store.drop_rolled().await.unwrap());

    // Another database has never counted, and the hot batches are gone.
    let meta = open_meta(&beside.path().join("second"), clock()).await;
    let mut counter = Counter::new(meta.clone(), store.clone(), Changes::default()).following(PAST);
    counter.catch_up().await.unwrap();
    let issues = issues(&meta).await;
    assert_eq!((issues.len(), total(&issues)), (7, 161));
}
