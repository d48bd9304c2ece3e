//! Counting, the lives of issues, edits and merges, on both databases.

use super::apply::{Applied, Mode, Positions, apply, position};
use super::changes::{IssueChange, What};
use super::escalate::Forecasts;
use super::fold::{Fold, projection};
use super::lives;
use crate::error::ErrorKind;
use crate::event::{Event, Kind, Level, ProjectId};
use crate::hot::columns::Columns;
use crate::meta::audit::{Actor, AuditFilter};
use crate::meta::issues::{
    ArchiveUntil, Assignee, HOUR_US, IssueCursor, IssueEdit, IssueFilter, IssueSort, Reason, ResolveIn, Selection,
    State, edit, edit_many,
};
use crate::meta::ledger::{self, LedgerFilter, LedgerRow, Outcome};
use crate::meta::projects::{self, NewProject};
use crate::meta::saved::{self, NewSearch, SearchKind};
use crate::meta::tests::{NOON, each};
use crate::meta::{Meta, merge};

const PROJECT: ProjectId = ProjectId(1);

async fn with_project(meta: &Meta) {
    let mut tx = meta.begin().await.unwrap();
    let new = NewProject { slug: "shop".to_owned(), name: "Shop".to_owned(), platform: None, retention_days: 90 };
    projects::create(&mut tx, &Actor::system(), &new).await.unwrap();
    tx.commit().await.unwrap();
}

fn event(hash: u64, at: i64) -> Event {
    Event {
        timestamp: at,
        received_at: at,
        level: Level::Error,
        kind: Kind::Error,
        exception_type: Some("ValueError".into()),
        exception_value: Some(format!("bad {hash}\nmore").into()),
        user_id: Some((at % 7).to_string().into()),
        group_hash: hash,
        grouping_version: 1,
        ..Event::default()
    }
}

fn fold(events: &[Event]) -> Fold {
    let mut columns = Columns::new(events.len());
    for (number, event) in events.iter().enumerate() {
        columns.push(PROJECT, &(number as u128).to_be_bytes(), event).unwrap();
    }
    let mut fold = Fold::default();
    fold.add(&columns.finish().unwrap().project(projection()).unwrap()).unwrap();
    fold
}

/// Counts events as the batch behind the last one.
async fn count(meta: &Meta, events: &[Event]) -> Vec<IssueChange> {
    let from = position(meta, "n").await.unwrap().unwrap_or(0);
    let positions = Positions { from: Some(from), through: vec![("n".to_owned(), from + 1)] };
    match apply(meta, &positions, &fold(events), Mode::Add, &mut Forecasts::default()).await.unwrap() {
        Applied::Done(changes) => changes,
        Applied::Elsewhere(stands) => panic!("stands at {stands}"),
    }
}

async fn change(meta: &Meta, id: i64, edits: &[IssueEdit]) -> crate::Result<crate::meta::issues::Issue> {
    let mut tx = meta.begin().await?;
    let issue = edit(&mut tx, &Actor::shell("root"), id, None, edits).await?;
    tx.commit().await?;
    Ok(issue)
}

fn everything() -> IssueFilter {
    IssueFilter { projects: vec![PROJECT], ..IssueFilter::default() }
}

#[tokio::test]
async fn events_become_issues_once() {
    each(|meta, _| async move {
        with_project(&meta).await;
        let first = [
            event(5, NOON),
            event(5, NOON - HOUR_US),
            event(6, NOON),
            Event { kind: Kind::Log, level: Level::Info, ..event(9, NOON) },
        ];
        let changes = count(&meta, &first).await;
        assert_eq!(changes.len(), 2);
        assert!(changes.iter().all(|change| matches!(change.what, What::Created { .. })));
        let stale = Positions { from: Some(0), through: vec![("n".to_owned(), 1)] };
        let again = apply(&meta, &stale, &fold(&first), Mode::Add, &mut Forecasts::default()).await.unwrap();
        assert!(matches!(again, Applied::Elsewhere(1)));
        let changes =
            count(&meta, &[Event { level: Level::Fatal, release: Some("1.0".into()), ..event(5, NOON + 1) }]).await;
        assert!(matches!(changes[..], [IssueChange { what: What::Counted { events: 1 }, .. }]));

        let page = meta.issues(&everything(), IssueSort::Events, None, 10).await.unwrap();
        assert_eq!((page.issues.len(), page.next), (2, None));
        let issue = &page.issues[0];
        assert_eq!((issue.title.as_str(), issue.number, issue.events), ("ValueError: bad 5", 1, 3));
        assert_eq!((issue.first_seen_us, issue.last_seen_us), (NOON - HOUR_US, NOON + 1));
        assert_eq!((issue.level.as_str(), issue.last_release.as_deref()), ("fatal", Some("1.0")));
        assert_eq!((issue.state, issue.reason), (State::Unresolved, Reason::New));
        assert_eq!(meta.issues_of(PROJECT, &[5, 9]).await.unwrap(), [(5, issue.id)]);
        let hours = meta.sparklines(&[issue.id], NOON - 2 * HOUR_US).await.unwrap();
        assert_eq!(hours.iter().map(|hour| hour.events).collect::<Vec<_>>(), [1, 2]);
        let releases = meta.releases(&[PROJECT], None, None, 10).await.unwrap();
        assert_eq!((releases.len(), releases[0].events), (1, 1));
        let counts = meta.issue_counts(&everything()).await.unwrap();
        assert_eq!(counts[0].issues, 2);
        // A recount gives the same figures.
        let all: Vec<Event> = first
            .into_iter()
            .chain([Event { level: Level::Fatal, release: Some("1.0".into()), ..event(5, NOON + 1) }])
            .collect();
        let before = page.issues.clone();
        let positions = Positions { from: None, through: vec![("n".to_owned(), 9)] };
        apply(&meta, &positions, &fold(&all), Mode::Replace, &mut Forecasts::default()).await.unwrap();
        assert_eq!(meta.issues(&everything(), IssueSort::Events, None, 10).await.unwrap().issues, before);
        assert_eq!(meta.sparklines(&[issue.id], NOON - 2 * HOUR_US).await.unwrap(), hours);
        assert_eq!(position(&meta, "n").await.unwrap(), Some(9));
    })
    .await;
}

#[tokio::test]
async fn events_of_projects_that_are_not_there_are_passed_over() {
    each(|meta, _| async move {
        assert!(count(&meta, &[event(5, NOON)]).await.is_empty());
        assert_eq!(position(&meta, "n").await.unwrap(), Some(1));
    })
    .await;
}

#[tokio::test]
async fn a_resolved_issue_comes_back_with_a_later_event_only() {
    each(|meta, clock| async move {
        with_project(&meta).await;
        let id = count(&meta, &[event(5, NOON)]).await[0].issue_id;
        let state = async || {
            let issue = meta.issue(id).await.unwrap().unwrap();
            (issue.state, issue.reason)
        };
        change(&meta, id, &[IssueEdit::Resolve(ResolveIn::Now)]).await.unwrap();
        count(&meta, &[event(5, NOON - 5)]).await;
        assert_eq!(state().await, (State::Resolved, Reason::Now), "it was received before");
        clock.advance_us(10);
        let changes = count(&meta, &[event(5, NOON + 5)]).await;
        assert!(changes.iter().any(|change| change.what == What::Regressed));
        assert_eq!(state().await, (State::Unresolved, Reason::Regressed));

        let of = |release: &str, at: i64| Event { release: Some(release.into()), ..event(5, at) };
        assert_eq!(
            change(&meta, id, &[IssueEdit::Resolve(ResolveIn::NextRelease)]).await.unwrap_err().kind(),
            ErrorKind::Invalid
        );
        count(&meta, &[of("1.9.0", NOON + 6), of("1.10.0", NOON + 7)]).await;
        let resolved = change(&meta, id, &[IssueEdit::Resolve(ResolveIn::NextRelease)]).await.unwrap();
        assert_eq!(resolved.resolved_in.as_deref(), Some("1.10.0"));
        count(&meta, &[of("1.10.0", NOON + 99), of("1.9.5", NOON + 99), event(5, NOON + 99)]).await;
        assert_eq!(state().await, (State::Resolved, Reason::NextRelease));
        count(&meta, &[of("1.11.0", NOON + 100)]).await;
        assert_eq!(state().await, (State::Unresolved, Reason::Regressed));
        change(&meta, id, &[IssueEdit::Resolve(ResolveIn::Release("2.0".to_owned()))]).await.unwrap();
        count(&meta, &[of("1.12.0", NOON + 101)]).await;
        assert_eq!(state().await.0, State::Resolved);
        count(&meta, &[of("2.0", NOON + 102)]).await;
        assert_eq!(state().await.0, State::Unresolved);
        let steps = meta.issue_history(id, None, 50).await.unwrap();
        assert_eq!(steps.iter().filter(|step| step.what == "unresolved" && step.actor_kind == "system").count(), 3);
        assert_eq!(steps.iter().filter(|step| step.what == "resolved").count(), 3);
    })
    .await;
}

#[tokio::test]
async fn an_archived_issue_comes_back_when_its_time_is_over_or_it_grows() {
    each(|meta, clock| async move {
        with_project(&meta).await;
        let id = count(&meta, &[event(5, NOON)]).await[0].issue_id;
        let state = async || meta.issue(id).await.unwrap().unwrap().state;
        change(&meta, id, &[IssueEdit::Archive(ArchiveUntil::Events(2))]).await.unwrap();
        count(&meta, &[event(5, NOON + 1)]).await;
        assert_eq!(state().await, State::Archived);
        count(&meta, &[event(5, NOON + 2)]).await;
        assert_eq!(meta.issue(id).await.unwrap().unwrap().reason, Reason::Escalating);
        change(&meta, id, &[IssueEdit::Archive(ArchiveUntil::Time(NOON + 100))]).await.unwrap();
        assert!(lives::sweep(&meta).await.unwrap().is_empty());
        clock.advance_us(100);
        assert_eq!(lives::sweep(&meta).await.unwrap()[0].what, What::Escalated);
        assert_eq!(state().await, State::Unresolved);
        change(&meta, id, &[IssueEdit::Archive(ArchiveUntil::Forever)]).await.unwrap();
        clock.advance_us(400 * 24 * HOUR_US);
        count(&meta, &[event(5, NOON + 300 * 24 * HOUR_US)]).await;
        assert!(lives::sweep(&meta).await.unwrap().is_empty());
        assert_eq!(state().await, State::Archived);
        count(&meta, &[event(6, NOON + 399 * 24 * HOUR_US)]).await;
        clock.advance_us(8 * 24 * HOUR_US);
        lives::sweep(&meta).await.unwrap();
        let newer = meta.issues_of(PROJECT, &[6]).await.unwrap()[0].1;
        assert_eq!(meta.issue(newer).await.unwrap().unwrap().reason, Reason::Ongoing);
        assert!(meta.sparklines(&[id], 0).await.unwrap().iter().all(|hour| hour.hour_us > NOON));
    })
    .await;
}

/// So many events of a group in an hour, spread over it.
fn hour_of(hash: u64, hour_us: i64, count: usize) -> Vec<Event> {
    (0..count).map(|n| event(hash, hour_us + n as i64)).collect()
}

#[tokio::test]
async fn an_ongoing_issue_escalates_when_an_hour_has_more_than_its_week_lets_one_expect() {
    each(|meta, clock| async move {
        with_project(&meta).await;
        let noon = NOON.div_euclid(HOUR_US) * HOUR_US;
        clock.advance_us(noon - NOON);
        let mut id = 0;
        // Twenty events an hour for eight days; the second group has its own, merged issue.
        for hour in 0..8 * 24 {
            let begins = noon + hour * HOUR_US;
            let changes = count(&meta, &[hour_of(5, begins, 15), hour_of(6, begins, 5)].concat()).await;
            assert!(changes.iter().all(|change| change.what != What::Escalated), "in hour {hour}");
            if hour == 0 {
                id = changes[0].issue_id;
                let mut tx = meta.begin().await.unwrap();
                merge::merge(&mut tx, &Actor::system(), id, &[changes[1].issue_id]).await.unwrap();
                tx.commit().await.unwrap();
            }
            clock.advance_us(HOUR_US);
            lives::sweep(&meta).await.unwrap();
        }
        let reason = async || meta.issue(id).await.unwrap().unwrap().reason;
        assert_eq!(reason().await, Reason::Ongoing);
        let now = noon + 8 * 24 * HOUR_US;
        // A hundred are five times twenty, and no surprise yet.
        count(&meta, &[hour_of(5, now, 60), hour_of(6, now, 40)].concat()).await;
        assert_eq!(reason().await, Reason::Ongoing);
        // Old events are none of this hour's.
        count(&meta, &hour_of(5, now - 3 * HOUR_US, 400)).await;
        assert_eq!(reason().await, Reason::Ongoing);
        let changes = count(&meta, &hour_of(6, now + 50, 1)).await;
        assert_eq!(reason().await, Reason::Ongoing, "the hour of 400 counts for the past now");
        assert_eq!(changes.len(), 1);
        let changes = count(&meta, &hour_of(5, now + 60, 1_300)).await;
        let told = IssueChange { project: PROJECT, issue_id: id, what: What::Escalated };
        assert_eq!(changes.iter().filter(|change| **change == told).count(), 1);
        assert_eq!(reason().await, Reason::Escalating);
        let step = &meta.issue_history(id, None, 1).await.unwrap()[0];
        assert_eq!((step.what.as_str(), step.actor_kind.as_str()), ("unresolved", "system"));
        assert!(step.detail.contains("\"events_per_hour\":1401"), "{}", step.detail);
        // It is told once, and is ongoing again after a week.
        assert!(count(&meta, &hour_of(5, now + 70, 5_000)).await.iter().all(|change| change.what != What::Escalated));
        clock.advance_us(7 * 24 * HOUR_US);
        lives::sweep(&meta).await.unwrap();
        assert_eq!(reason().await, Reason::Ongoing);
    })
    .await;
}

#[tokio::test]
async fn an_issue_that_is_archived_until_it_grows_comes_back_with_a_surge_alone() {
    each(|meta, clock| async move {
        with_project(&meta).await;
        let noon = NOON.div_euclid(HOUR_US) * HOUR_US;
        clock.advance_us(noon - NOON + 60);
        let id = count(&meta, &hour_of(5, noon, 30)).await[0].issue_id;
        let archived = change(&meta, id, &[IssueEdit::Archive(ArchiveUntil::Grows)]).await.unwrap();
        assert_eq!((archived.state, archived.reason), (State::Archived, Reason::Grows));
        let again = change(&meta, id, &[IssueEdit::Archive(ArchiveUntil::Grows)]).await.unwrap();
        assert_eq!(again.version, archived.version);
        let state = async || meta.issue(id).await.unwrap().unwrap().state;
        // Its busiest hour had thirty before it was archived.
        assert!(count(&meta, &hour_of(5, noon + 40, 300)).await.iter().all(|change| change.what != What::Escalated));
        assert_eq!(state().await, State::Archived);
        let changes = count(&meta, &hour_of(5, noon + 50, 1)).await;
        assert!(changes.iter().any(|change| change.what == What::Escalated));
        let issue = meta.issue(id).await.unwrap().unwrap();
        assert_eq!((issue.state, issue.reason, issue.archived_events), (State::Unresolved, Reason::Escalating, None));
        // What is forgotten for a week may come back with little.
        change(&meta, id, &[IssueEdit::Archive(ArchiveUntil::Grows)]).await.unwrap();
        clock.advance_us(9 * 24 * HOUR_US);
        let later = noon + 9 * 24 * HOUR_US;
        count(&meta, &hour_of(5, later, 10)).await;
        assert_eq!(state().await, State::Archived);
        count(&meta, &hour_of(5, later + 20, 1)).await;
        assert_eq!(state().await, State::Unresolved);
    })
    .await;
}

#[tokio::test]
async fn a_forecast_is_remembered_for_its_hour_and_forgotten_with_the_issues_state() {
    each(|meta, clock| async move {
        with_project(&meta).await;
        let noon = NOON.div_euclid(HOUR_US) * HOUR_US;
        clock.advance_us(noon - NOON);
        let id = count(&meta, &hour_of(5, noon - 2 * HOUR_US, 50)).await[0].issue_id;
        change(&meta, id, &[IssueEdit::Archive(ArchiveUntil::Grows)]).await.unwrap();
        let mut forecasts = Forecasts::default();
        let mut come = async |events: Vec<Event>| {
            let from = position(&meta, "n").await.unwrap().unwrap_or(0);
            let positions = Positions { from: Some(from), through: vec![("n".to_owned(), from + 1)] };
            match apply(&meta, &positions, &fold(&events), Mode::Add, &mut forecasts).await.unwrap() {
                Applied::Done(changes) => changes.iter().any(|change| change.what == What::Escalated),
                Applied::Elsewhere(stands) => panic!("stands at {stands}"),
            }
        };
        assert!(!come(hour_of(5, noon, 400)).await);
        assert!(!come(hour_of(5, noon + 10, 100)).await);
        assert!(come(hour_of(5, noon + 20, 1)).await, "501 are more than ten times fifty");
        change(&meta, id, &[IssueEdit::Archive(ArchiveUntil::Grows)]).await.unwrap();
        assert!(!come(hour_of(5, noon + 30, 4_000)).await, "501 events before it was archived again are its past");
        assert!(come(hour_of(5, noon + 40, 2_000)).await);
    })
    .await;
}

#[tokio::test]
async fn unmerging_restores_what_was_before_the_merge() {
    each(|meta, _| async move {
        with_project(&meta).await;
        let events: Vec<Event> = (0..40).map(|n| event(5 + n % 3, NOON - 100 * n as i64)).collect();
        count(&meta, &events).await;
        let mut ids = meta.issues_of(PROJECT, &[5, 6, 7]).await.unwrap();
        ids.sort_unstable();
        let ids: Vec<i64> = ids.into_iter().map(|(_, id)| id).collect();
        let mut before = Vec::new();
        for id in &ids {
            before.push(meta.issue(*id).await.unwrap().unwrap());
        }
        let actor = Actor::shell("root");
        let mut tx = meta.begin().await.unwrap();
        let merged = merge::merge(&mut tx, &actor, ids[0], &ids[1..]).await.unwrap();
        assert_eq!(merge::merge(&mut tx, &actor, ids[0], &ids[1..]).await.unwrap_err().kind(), ErrorKind::Conflict);
        tx.commit().await.unwrap();
        assert_eq!((merged.events, merged.users), (40, 7));
        assert_eq!(meta.issues(&everything(), IssueSort::LastSeen, None, 10).await.unwrap().issues, [merged]);
        assert_eq!(change(&meta, ids[1], &[IssueEdit::Unresolve]).await.unwrap_err().kind(), ErrorKind::Conflict);
        let changes = count(&meta, &[event(6, NOON)]).await;
        assert_eq!((changes.len(), changes[0].issue_id), (1, ids[0]));

        let mut tx = meta.begin().await.unwrap();
        merge::unmerge(&mut tx, &actor, ids[1]).await.unwrap();
        assert_eq!(merge::unmerge(&mut tx, &actor, ids[1]).await.unwrap_err().kind(), ErrorKind::Conflict);
        merge::unmerge_groups(&mut tx, &actor, ids[0], &[7]).await.unwrap();
        assert!(merge::unmerge_groups(&mut tx, &actor, ids[0], &[5]).await.is_err());
        tx.commit().await.unwrap();
        for (id, before) in ids.iter().zip(before) {
            let mut now = meta.issue(*id).await.unwrap().unwrap();
            if *id == ids[1] {
                assert_eq!((now.events, now.last_seen_us), (before.events + 1, NOON));
                (now.events, now.last_seen_us, now.users) = (before.events, before.last_seen_us, before.users);
            }
            now.version = before.version;
            assert_eq!(now, before);
        }
        assert_eq!(
            meta.verify_audit().await.unwrap().unwrap(),
            meta.audit(&AuditFilter::default(), 100).await.unwrap().len() as u64
        );
    })
    .await;
}

#[tokio::test]
async fn lists_are_paged_filtered_and_edited_in_bulk() {
    each(|meta, _| async move {
        with_project(&meta).await;
        let events: Vec<Event> = (0..25).map(|n| event(n + 1, NOON - 1000 * (n / 3) as i64)).collect();
        count(&meta, &events).await;
        let (mut seen, mut after): (Vec<i64>, Option<IssueCursor>) = (Vec::new(), None);
        loop {
            let page = meta.issues(&everything(), IssueSort::LastSeen, after, 4).await.unwrap();
            seen.extend(page.issues.iter().map(|issue| issue.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), 25);
        let whole = meta.issues(&everything(), IssueSort::LastSeen, None, 100).await.unwrap();
        assert_eq!(whole.issues.iter().map(|issue| issue.id).collect::<Vec<_>>(), seen);

        let text = |text: &str| IssueFilter { text: Some(text.to_owned()), ..everything() };
        let found =
            async |filter: IssueFilter| meta.issues(&filter, IssueSort::Users, None, 100).await.unwrap().issues.len();
        assert_eq!(found(text("valueERROR: bad 2")).await, 7);
        assert_eq!(found(text("%")).await, 0);
        assert_eq!(found(IssueFilter { hashes: Some(vec![3, 4, 99]), ..everything() }).await, 2);
        assert_eq!(found(IssueFilter { projects: vec![ProjectId(2)], ..IssueFilter::default() }).await, 0);
        assert_eq!(found(IssueFilter { last_seen_us: (Some(NOON), None), ..everything() }).await, 3);
        assert_eq!(found(IssueFilter { levels: vec![Level::Fatal], ..everything() }).await, 0);

        let actor = Actor::shell("root");
        let mut tx = meta.begin().await.unwrap();
        let which = Selection::Filter(Box::new(text("bad 2")));
        let done = edit_many(&mut tx, &actor, &which, &[IssueEdit::Resolve(ResolveIn::Now)]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(done.len(), 7);
        let mut tx = meta.begin().await.unwrap();
        let which = Selection::Ids(vec![seen[0], 999], vec![PROJECT]);
        let error = edit_many(&mut tx, &actor, &which, &[IssueEdit::Unresolve]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        drop(tx);
        assert_eq!(found(IssueFilter { states: vec![State::Resolved], ..everything() }).await, 7);

        let mut tx = meta.begin().await.unwrap();
        let error = edit(&mut tx, &actor, seen[0], Some(7), &[IssueEdit::Unresolve]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let nobody = IssueEdit::Assign(Some(Assignee::User("nobody".to_owned())));
        let error = edit(&mut tx, &actor, seen[0], Some(1), &[nobody]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    })
    .await;
}

#[tokio::test]
async fn the_ledger_adds_up_and_searches_are_kept() {
    each(|meta, _| async move {
        with_project(&meta).await;
        let row = |minute: i64, outcome, events| LedgerRow {
            project: PROJECT,
            minute_us: NOON + minute * 60_000_000,
            outcome,
            reason: String::new(),
            events,
        };
        for _ in 0..2 {
            let mut tx = meta.begin().await.unwrap();
            let rows = [row(0, Outcome::Received, 5), row(0, Outcome::Stored, 5), row(1, Outcome::Received, 1)];
            ledger::add(&mut tx, &rows).await.unwrap();
            tx.commit().await.unwrap();
        }
        let filter = LedgerFilter { projects: vec![PROJECT], ..LedgerFilter::default() };
        let rows = meta.ledger(&filter, 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.events).collect::<Vec<_>>(), [10, 10, 2]);
        let days = LedgerFilter { step_minutes: 1440, ..filter };
        assert_eq!(meta.ledger(&days, 10).await.unwrap().len(), 2);

        let search = NewSearch {
            project: Some(ProjectId(99)),
            name: "Mine".to_owned(),
            kind: SearchKind::Events,
            query: "level:error".to_owned(),
            shared: false,
        };
        let mut tx = meta.begin().await.unwrap();
        let error = saved::create(&mut tx, &Actor::system(), "nobody", &search).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(meta.saved_searches("nobody", &[PROJECT]).await.unwrap().is_empty());
    })
    .await;
}
