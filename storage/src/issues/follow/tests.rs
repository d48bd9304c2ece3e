//! Which issue a new hash goes on with, on both databases.

use super::super::apply::{Applied, Mode, Positions, apply, position};
use super::super::changes::{IssueChange, What};
use super::super::escalate::Forecasts;
use super::super::fold::projection;
use super::*;
use crate::event::{Kind, Level};
use crate::hot::columns::Columns;
use crate::meta::issues::{IssueEdit, Reason, ResolveIn, State, edit};
use crate::meta::merge;
use crate::meta::projects::{self, NewProject};
use crate::meta::regroup::{Census, Example, Plan, Tally};
use crate::meta::rules::{self, NewRules};
use crate::meta::tests::{NOON, each};

const PROJECT: ProjectId = ProjectId(1);

async fn with_project(meta: &Meta) {
    let mut tx = meta.begin().await.unwrap();
    let new = NewProject { slug: "shop".to_owned(), name: "Shop".to_owned(), platform: None, retention_days: 90 };
    projects::create(&mut tx, &Actor::system(), &new).await.unwrap();
    tx.commit().await.unwrap();
}

fn event(hash: u64, version: i32, at: i64) -> Event {
    Event {
        timestamp: at,
        received_at: at,
        level: Level::Error,
        kind: Kind::Error,
        exception_type: Some("ValueError".into()),
        exception_value: Some(format!("bad {hash}").into()),
        user_id: Some((at % 7).to_string().into()),
        group_hash: hash,
        grouping_version: version,
        ..Event::default()
    }
}

/// Counts events as the batch behind the last one, with the former hashes of some groups.
async fn count(meta: &Meta, events: &[Event], former: &[(u64, &[u64])]) -> Vec<IssueChange> {
    let from = position(meta, "n").await.unwrap().unwrap_or(0);
    let positions = Positions { from: Some(from), through: vec![("n".to_owned(), from + 1)] };
    match apply(meta, &positions, &fold(events, former), Mode::Add, &mut Forecasts::default()).await.unwrap() {
        Applied::Done(changes) => changes,
        Applied::Elsewhere(stands) => panic!("stands at {stands}"),
    }
}

fn fold(events: &[Event], former: &[(u64, &[u64])]) -> Fold {
    let mut columns = Columns::new(events.len());
    for (number, event) in events.iter().enumerate() {
        columns.push(PROJECT, &(number as u128).to_be_bytes(), event).unwrap();
    }
    let mut fold = Fold::default();
    fold.add(&columns.finish().unwrap().project(projection()).unwrap()).unwrap();
    fold.former = former.iter().map(|(hash, former)| ((PROJECT, *hash), former.to_vec())).collect();
    fold
}

async fn issue_of(meta: &Meta, hash: u64) -> i64 {
    meta.issues_of(PROJECT, &[hash]).await.unwrap()[0].1
}

#[tokio::test]
async fn the_issue_of_a_known_error_goes_on_under_its_new_hash() {
    each(|meta, clock| async move {
        with_project(&meta).await;
        count(&meta, &[event(5, 1, NOON), event(6, 1, NOON)], &[]).await;
        let old = issue_of(&meta, 5).await;
        let mut tx = meta.begin().await.unwrap();
        let resolve = [IssueEdit::Resolve(ResolveIn::Now)];
        edit(&mut tx, &Actor::shell("root"), old, None, &resolve).await.unwrap();
        tx.commit().await.unwrap();
        clock.advance_us(10);

        let events = [event(105, 2, NOON + 20), event(105, 2, NOON + 21), event(107, 2, NOON + 22)];
        let changes = count(&meta, &events, &[(105, &[99, 5]), (107, &[77])]).await;
        assert!(changes.iter().any(|change| change.issue_id == old && change.what == What::Regressed), "{changes:?}");
        assert_eq!(issue_of(&meta, 105).await, old);
        assert_ne!(issue_of(&meta, 107).await, old, "its former hashes lead nowhere");
        let issue = meta.issue(old).await.unwrap().unwrap();
        assert_eq!((issue.events, issue.first_seen_us, issue.last_seen_us), (3, NOON, NOON + 21));
        assert_eq!((issue.state, issue.reason), (State::Unresolved, Reason::Regressed));
        let steps = meta.issue_history(old, None, 9).await.unwrap();
        let step = steps.iter().find(|step| step.what == "followed").unwrap();
        assert!(step.detail.contains("0000000000000069") && step.detail.contains("0000000000000005"), "{step:?}");

        // Once: the same batch again is not counted, and a group that is known is not looked up again.
        let stale = Positions { from: Some(1), through: vec![("n".to_owned(), 2)] };
        let again = apply(&meta, &stale, &fold(&events, &[]), Mode::Add, &mut Forecasts::default()).await.unwrap();
        assert!(matches!(again, Applied::Elsewhere(2)));
        count(&meta, &[event(105, 2, NOON + 30)], &[(105, &[6])]).await;
        assert_eq!((issue_of(&meta, 105).await, meta.issue(old).await.unwrap().unwrap().events), (old, 4));
    })
    .await;
}

#[tokio::test]
async fn old_and_new_hashes_of_one_batch_make_one_issue() {
    each(|meta, _| async move {
        with_project(&meta).await;
        let events = [event(205, 2, NOON), event(105, 2, NOON + 1), event(5, 1, NOON + 2), event(6, 1, NOON)];
        // In the middle of a change of rules each is the other's former hash.
        let former: [(u64, &[u64]); 3] = [(205, &[105, 5]), (105, &[205, 5]), (5, &[105])];
        let changes = count(&meta, &events, &former).await;
        let made = changes.iter().filter(|change| matches!(change.what, What::Created { .. })).count();
        assert_eq!(made, 2, "{changes:?}");
        let issue = issue_of(&meta, 5).await;
        assert_eq!((issue_of(&meta, 105).await, issue_of(&meta, 205).await), (issue, issue));
        assert_eq!(meta.issue(issue).await.unwrap().unwrap().events, 3);
    })
    .await;
}

#[tokio::test]
async fn a_merged_issue_is_followed_where_it_went_and_comes_home_whole() {
    each(|meta, _| async move {
        with_project(&meta).await;
        count(&meta, &[event(5, 1, NOON), event(6, 1, NOON)], &[]).await;
        let (into, source) = (issue_of(&meta, 6).await, issue_of(&meta, 5).await);
        let mut tx = meta.begin().await.unwrap();
        merge::merge(&mut tx, &Actor::shell("root"), into, &[source]).await.unwrap();
        tx.commit().await.unwrap();
        count(&meta, &[event(105, 2, NOON)], &[(105, &[5])]).await;
        assert_eq!(issue_of(&meta, 105).await, into);
        let mut tx = meta.begin().await.unwrap();
        merge::unmerge(&mut tx, &Actor::shell("root"), source).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!((issue_of(&meta, 105).await, issue_of(&meta, 6).await), (source, into));
    })
    .await;
}

/// Pairs of stored hash, new hash and events.
fn census(pairs: &[(u64, u64, i64)]) -> Census {
    let pairs = pairs.iter().map(|(old, new, events)| {
        let example = Example {
            event_id: [1; 16],
            title: format!("kind {new}"),
            culprit: String::new(),
            kind: "error",
            level: "error",
            platform: String::new(),
            logger: String::new(),
        };
        ((*old, *new), Tally { events: *events, example })
    });
    Census { pairs: pairs.collect() }
}

async fn regroup_by(meta: &Meta, census: &Census) -> (Plan, Vec<i64>) {
    let mut tx = meta.begin().await.unwrap();
    let plan = regroup::plan(&mut tx, PROJECT, census).await.unwrap();
    let done = regroup::apply(&mut tx, &Actor::shell("root"), PROJECT, &plan, 1).await.unwrap();
    tx.commit().await.unwrap();
    (plan, done.made)
}

#[tokio::test]
async fn regrouping_moves_whole_groups_and_keeps_figures_exact() {
    each(|meta, _| async move {
        with_project(&meta).await;
        // 5 was followed by 15 and 25; 6 and 7 are issues of their own.
        count(&meta, &[event(5, 1, NOON - 9), event(6, 1, NOON - 3), event(7, 1, NOON)], &[]).await;
        let events = [event(15, 2, NOON + 1), event(15, 2, NOON + 2), event(25, 2, NOON + 3)];
        count(&meta, &events, &[(15, &[5]), (25, &[5])]).await;
        let (old, six, seven) = (issue_of(&meta, 5).await, issue_of(&meta, 6).await, issue_of(&meta, 7).await);
        let before = meta.issue(old).await.unwrap().unwrap();
        assert_eq!((before.events, meta.issues_of(PROJECT, &[15, 25]).await.unwrap().len()), (4, 2));

        let pairs = [(5, 15, 1), (15, 15, 2), (25, 25, 1), (6, 67, 1), (7, 67, 1)];
        let (plan, made) = regroup_by(&meta, &census(&pairs)).await;
        assert_eq!((plan.splits.len(), plan.joins.len(), plan.finer.len(), made.len()), (1, 1, 0, 1));
        let part = meta.issue(issue_of(&meta, 25).await).await.unwrap().unwrap();
        assert_eq!((part.id, part.title.as_str(), part.events), (made[0], "kind 25", 1));
        assert_eq!((part.first_seen_us, part.last_seen_us, part.users), (NOON + 3, NOON + 3, 1));
        let rest = meta.issue(old).await.unwrap().unwrap();
        assert_eq!((rest.events, rest.first_seen_us, rest.last_seen_us), (3, NOON - 9, NOON + 2));
        let joined = meta.issue(six).await.unwrap().unwrap();
        assert_eq!((joined.events, joined.first_seen_us, joined.last_seen_us), (2, NOON - 3, NOON));
        assert_eq!(meta.issue(seven).await.unwrap().unwrap().merged_into, Some(six));

        // New events go where their hash leads; settled hashes are followed no more, others are.
        let events = [event(67, 2, NOON + 5), event(35, 2, NOON + 5), event(45, 2, NOON + 5)];
        count(&meta, &events, &[(67, &[7]), (35, &[5]), (45, &[15])]).await;
        assert_eq!((issue_of(&meta, 67).await, issue_of(&meta, 45).await), (six, old));
        let fresh = issue_of(&meta, 35).await;
        assert!(![old, six, seven, part.id].contains(&fresh), "5 was settled");

        // Asked again, nothing is left to do.
        let pairs = [(5, 15, 1), (15, 15, 2), (25, 25, 1), (6, 67, 1), (7, 67, 1), (67, 67, 1)];
        let (plan, _) = regroup_by(&meta, &census(&pairs)).await;
        assert!(plan.is_empty(), "{plan:?}");

        // A split is taken back by merging, a merge by unmerging.
        let mut tx = meta.begin().await.unwrap();
        merge::merge(&mut tx, &Actor::shell("root"), old, &[part.id]).await.unwrap();
        merge::unmerge(&mut tx, &Actor::shell("root"), seven).await.unwrap();
        tx.commit().await.unwrap();
        let again = meta.issue(old).await.unwrap().unwrap();
        assert_eq!((again.events, again.last_seen_us), (before.events + 1, NOON + 5));
        assert_eq!(meta.issue(seven).await.unwrap().unwrap().events, 1);
        assert!(meta.verify_audit().await.unwrap().is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_part_that_went_to_another_issue_can_be_taken_back() {
    each(|meta, _| async move {
        with_project(&meta).await;
        count(&meta, &[event(5, 1, NOON), event(5, 1, NOON), event(6, 1, NOON)], &[]).await;
        count(&meta, &[event(15, 2, NOON)], &[(15, &[5])]).await;
        let (five, six) = (issue_of(&meta, 5).await, issue_of(&meta, 6).await);
        let (plan, made) = regroup_by(&meta, &census(&[(5, 5, 2), (15, 6, 1), (6, 6, 1)])).await;
        assert_eq!((plan.splits.len(), made.len(), issue_of(&meta, 15).await), (1, 0, six));
        let mut tx = meta.begin().await.unwrap();
        merge::unmerge_groups(&mut tx, &Actor::shell("root"), six, &[15]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(issue_of(&meta, 15).await, five);
        assert_eq!(meta.issue(five).await.unwrap().unwrap().events, 3);
    })
    .await;
}

#[tokio::test]
async fn stored_events_of_one_hash_stay_and_new_ones_part() {
    each(|meta, _| async move {
        with_project(&meta).await;
        count(&meta, &[event(5, 1, NOON), event(5, 1, NOON), event(5, 1, NOON)], &[]).await;
        let old = issue_of(&meta, 5).await;
        let (plan, made) = regroup_by(&meta, &census(&[(5, 50, 2), (5, 51, 1)])).await;
        assert_eq!((plan.finer.len(), plan.splits.len(), made.len()), (1, 0, 0));
        assert_eq!(meta.issue(old).await.unwrap().unwrap().events, 3);
        count(&meta, &[event(50, 2, NOON), event(51, 2, NOON)], &[(50, &[5]), (51, &[5])]).await;
        assert_eq!(issue_of(&meta, 50).await, old);
        assert_ne!(issue_of(&meta, 51).await, old);
    })
    .await;
}

#[tokio::test]
async fn a_project_without_a_past_has_no_eras() {
    fn nothing(_: &[Era], _: &[Event]) -> Vec<Vec<u64>> {
        Vec::new()
    }
    each(|meta, _| async move {
        with_project(&meta).await;
        let past = Past { version: 2, hashes: nothing };
        let eras = async |oldest| eras(&meta, past, PROJECT, oldest).await.unwrap();
        assert_eq!(eras(None).await, []);
        assert_eq!(eras(Some(2)).await, []);
        let era = |version, rules: &str| Era { version, rules: rules.to_owned() };
        assert_eq!(eras(Some(1)).await, [era(1, "")]);
        for (before, body) in ["type:A -> a", "type:B -> b"].into_iter().enumerate() {
            let mut tx = meta.begin().await.unwrap();
            let shown = (None, serde_json::Value::Null);
            let new = NewRules { project: PROJECT, kind: RuleKind::Grouping, before: before as i64, body, shown };
            rules::put(&mut tx, &Actor::system(), new).await.unwrap();
            tx.commit().await.unwrap();
        }
        assert_eq!(eras(Some(2)).await, [era(2, "type:B -> b"), era(2, "type:A -> a"), era(2, "")]);
        count(&meta, &[event(5, 1, NOON)], &[]).await;
        assert_eq!(eras(Some(2)).await.last(), Some(&era(1, "")));
    })
    .await;
}
