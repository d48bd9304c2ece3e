//! Lists, facets and histograms against what the events are known to be, and paging while events arrive and roll.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tephra_query::{Engine, ErrorKind, Events, EventsPage, GroupOrder, GroupsPage, Neighbours, Row, Search, Selection};
use tephra_storage::{Event, ProjectId};

use crate::lab::{Lab, Placed, SECOND, START_US, event, hex_id, id, project_of};

const COUNT: usize = 900;
const NOW: i64 = START_US + 1_000 * SECOND;
const ALL: [ProjectId; 3] = [ProjectId(1), ProjectId(2), ProjectId(3)];
const PLACES: [Placed; 3] = [Placed::Hot, Placed::Cold, Placed::Mixed];

fn of(text: &str) -> Selection {
    Selection::new(Search::parse(text).unwrap(), NOW)
}

fn in_all(text: &str) -> Selection {
    of(text).within(START_US, START_US + COUNT as i64 * SECOND)
}

fn ids(events: &Events) -> Vec<String> {
    events.rows.iter().map(|row| row["event_id"].as_str().unwrap().to_owned()).collect()
}

/// All pages; `between` happens behind each.
async fn pages(
    engine: &Engine,
    projects: &[ProjectId],
    first: EventsPage,
    between: impl AsyncFn(usize),
) -> Vec<String> {
    let mut found = Vec::new();
    let mut page = first;
    for number in 0.. {
        let events = engine.events(projects, page.clone()).await.unwrap();
        assert!(events.rows.len() <= page.limit);
        found.extend(ids(&events));
        page.cursor = events.next_cursor;
        if page.cursor.is_none() {
            break;
        }
        between(number).await;
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_in_either_order() {
    for placed in PLACES {
        let lab = Lab::with(placed, COUNT).await;
        for projects in [&ALL[..], &ALL[2..]] {
            let mut expected: Vec<String> = (0..COUNT)
                .filter(|n| projects.contains(&ProjectId(project_of(*n))) && n % 4 != 2)
                .map(hex_id)
                .collect();
            for newest_first in [false, true] {
                let page = EventsPage { newest_first, ..EventsPage::newest(of("!level:info"), 97) };
                assert_eq!(pages(&lab.engine, projects, page, async |_| {}).await, expected, "{placed:?}");
                expected.reverse();
            }
        }
        let whole = EventsPage::newest(of(""), COUNT);
        assert_eq!(lab.engine.events(&ALL, whole).await.unwrap().next_cursor, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_one_moment_and_id_are_all_shown() {
    let lab = Lab::empty(crate::lab::settings()).await;
    let same = |n: usize| Event { timestamp: START_US, event_id: Some(id(n)), ..event(n) };
    for project in 1..=3 {
        lab.append_events(project, (0..10).map(same).collect()).await;
        if project == 2 {
            lab.roll().await;
        }
    }
    let found = pages(&lab.engine, &ALL, EventsPage::newest(of(""), 4), async |_| {}).await;
    let expected: Vec<String> = (0..10).rev().flat_map(|n| [hex_id(n), hex_id(n), hex_id(n)]).collect();
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn paging_is_stable_while_events_arrive_and_roll() {
    let lab = Lab::with(Placed::Mixed, COUNT).await;
    let before: BTreeSet<String> = (0..COUNT).map(hex_id).collect();
    let arriving = async |number: usize| {
        // Newer ones, and late ones among those that are still to be shown.
        lab.append(COUNT + number * 5..COUNT + number * 5 + 5).await;
        let late = (0..3).map(|at| 100_000 + number * 3 + at);
        let late = late.map(|n| Event { timestamp: START_US + 10 * SECOND, ..event(n) }).collect();
        lab.append_events(1, late).await;
        if number == 4 {
            lab.roll().await;
            lab.store.drop_rolled().await.unwrap();
        }
    };
    let found = pages(&lab.engine, &ALL, EventsPage::newest(of("timestamp:-2h"), 50), arriving).await;
    let once: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(once.len(), found.len(), "an event was shown twice");
    assert!(once.is_superset(&before), "an event was missed");
    let newer: BTreeSet<String> = (COUNT..COUNT + 500).map(hex_id).collect();
    assert!(once.is_disjoint(&newer), "an event that came later stands above the first page");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_belongs_to_its_list() {
    let lab = Lab::with(Placed::Hot, 300).await;
    let first = EventsPage::newest(of("level:error"), 10);
    let cursor = lab.engine.events(&ALL, first.clone()).await.unwrap().next_cursor;
    assert!(cursor.is_some());
    let next = EventsPage { cursor, ..first };
    let columns = Some(vec!["message".into()]);
    let same = EventsPage { limit: 20, columns, ..next.clone() };
    assert_eq!(lab.engine.events(&ALL, same).await.unwrap().rows.len(), 20);
    let other = [
        EventsPage { selection: of("level:fatal"), ..next.clone() },
        EventsPage { newest_first: false, ..next.clone() },
        EventsPage { selection: of("level:error").of_groups(vec![1]), ..next.clone() },
        EventsPage { cursor: Some("x".into()), ..next.clone() },
    ];
    for page in other {
        assert_eq!(lab.engine.events(&ALL, page).await.unwrap_err().kind, ErrorKind::Invalid);
    }
    let error = lab.engine.events(&ALL[..1], next.clone()).await.unwrap_err();
    assert_eq!(error.message, "the cursor belongs to another list");
    for limit in [0, 1_001] {
        let page = EventsPage { cursor: None, limit, ..next.clone() };
        assert_eq!(lab.engine.events(&ALL, page).await.unwrap_err().kind, ErrorKind::Invalid);
    }
    let page = EventsPage { cursor: None, columns: Some(vec!["mesage".into()]), ..next };
    let error = lab.engine.events(&ALL, page).await.unwrap_err();
    assert_eq!(error.to_string(), "no column `mesage`; did you mean `message`?");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_comes_whole() {
    for placed in PLACES {
        let lab = Lab::with(placed, COUNT).await;
        let row: Row = lab.engine.event(&ALL, ProjectId(project_of(602)), &hex_id(602)).await.unwrap().unwrap();
        assert_eq!(row.len(), 40);
        for (name, value) in [
            ("project_id", json!(3)),
            ("event_id", json!(hex_id(602))),
            ("timestamp", json!("2026-09-21T14:23:22.000000Z")),
            ("attributes", json!({"n": 602})),
            ("tags", json!({"customer": "c4", "region": "eu"})),
            ("handled", json!(null)),
            ("severity", json!(3)),
            ("group_hash", json!(format!("{:016x}", 602 % 23 * 0x0101_0101_0101_0101_u64))),
            ("breadcrumbs", json!(null)),
        ] {
            assert_eq!(row[name], value, "{placed:?} {name}");
        }
        // Not of another project, not for another's eyes, and not without an id.
        let (project, id) = (ProjectId(3), hex_id(602).to_uppercase());
        assert!(lab.engine.event(&ALL, project, &id).await.unwrap().is_some());
        assert_eq!(lab.engine.event(&ALL, ProjectId(2), &id).await, Ok(None));
        assert_eq!(lab.engine.event(&ALL[..2], project, &id).await, Ok(None));
        assert_eq!(lab.engine.event(&ALL, project, &hex_id(COUNT)).await, Ok(None));
        assert_eq!(lab.engine.event(&ALL, project, "x").await.unwrap_err().kind, ErrorKind::Invalid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_nested_and_what_is_none_stays_text() {
    let lab = Lab::empty(crate::lab::settings()).await;
    let event = Event {
        contexts: Some("{\"os\":{\"name\":\"Linux\"}}".into()),
        breadcrumbs: Some("[1,{\"a\":null}]".into()),
        extra: Some("{broken".into()),
        message: Some("{\"a\":1}".into()),
        ..event(1)
    };
    lab.append_events(1, vec![event]).await;
    let found = lab.engine.events(&ALL, EventsPage::newest(of(""), 1)).await.unwrap();
    let row = &found.rows[0];
    assert_eq!(row["contexts"], json!({"os": {"name": "Linux"}}));
    assert_eq!(row["breadcrumbs"], json!([1, {"a": null}]));
    assert_eq!((&row["extra"], &row["message"]), (&json!("{broken"), &json!("{\"a\":1}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbours_are_those_of_the_group_or_the_search() {
    for placed in PLACES {
        let lab = Lab::with(placed, COUNT).await;
        let beside = async |n: usize, selection: Selection| {
            let project = ProjectId(project_of(n));
            lab.engine.neighbours(&ALL, project, &hex_id(n), selection).await.unwrap()
        };
        let both = |older: Option<usize>, newer: Option<usize>| {
            Some(Neighbours { older: older.map(hex_id), newer: newer.map(hex_id) })
        };
        // A group comes every 23rd event, its project every third of these.
        assert_eq!(beside(600, of("")).await, both(Some(600 - 69), Some(600 + 69)), "{placed:?}");
        assert_eq!(beside(2, of("")).await, both(None, Some(71)), "{placed:?}");
        assert_eq!(beside(899, of("")).await, both(Some(830), None), "{placed:?}");
        assert_eq!(beside(600, of("customer:*")).await, both(Some(597), Some(603)), "{placed:?}");
        let near = |n: usize| (n % 23 == 5 && n.is_multiple_of(3)).then_some(n);
        let expected = both((0..600).rev().find_map(near), (601..COUNT).find_map(near));
        assert_eq!(beside(600, of("").of_groups(vec![5 * 0x0101_0101_0101_0101])).await, expected, "{placed:?}");
        assert_eq!(beside(COUNT + 3, of("")).await, None);
        let hidden = lab.engine.neighbours(&ALL[..1], ProjectId(2), &hex_id(601), of("")).await.unwrap();
        assert_eq!(hidden, None);
    }
}

/// How often each value occurs, most frequent first.
fn counted<T: Ord>(values: impl Iterator<Item = T>) -> Vec<(T, u64)> {
    let mut counts = BTreeMap::new();
    values.for_each(|value| *counts.entry(value).or_insert(0) += 1);
    let mut counts: Vec<(T, u64)> = counts.into_iter().collect();
    counts.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn facets_count_columns_and_tags() {
    for placed in PLACES {
        let lab = Lab::with(placed, COUNT).await;
        for projects in [&ALL[..], &ALL[..1]] {
            let numbers = || (0..COUNT).filter(|n| projects.contains(&ProjectId(project_of(*n))));
            let check = async |text: &str, key: &str, limit: usize, expected: Vec<(String, u64)>| {
                let facet = lab.engine.facets(projects, &of(text), key, limit).await.unwrap();
                let found: Vec<(String, u64)> = facet
                    .values
                    .iter()
                    .map(|value| (value.value.as_str().map_or(value.value.to_string(), str::to_owned), value.events))
                    .collect();
                assert_eq!(found, expected[..limit.min(expected.len())], "{placed:?} {text} {key}");
                assert_eq!(facet.distinct, expected.len() as u64, "{key}");
                assert_eq!(facet.events, expected.iter().map(|(_, events)| events).sum::<u64>(), "{key}");
            };
            check("", "customer", 5, counted(numbers().map(|n| format!("c{}", n % 13)))).await;
            check("level:error", "env", 9, counted(numbers().filter(|n| n % 4 == 0).map(|_| "production".into())))
                .await;
            check("", "error.type", 3, counted(numbers().filter_map(|n| Some(event(n).exception_type?.to_string()))))
                .await;
            check("", "user", 100, counted(numbers().filter_map(|n| Some(event(n).user_id?.to_string())))).await;
            check("", "nothing", 3, vec![]).await;
            let facet = lab.engine.facets(projects, &of("has:severity"), "severity", 1).await.unwrap();
            assert!(facet.values[0].value.is_i64() && facet.key == "severity", "{facet:?}");
        }
        let keys = lab.engine.facet_keys(&ALL, &of("customer:c1"), 10).await.unwrap();
        let events = (0..COUNT).filter(|n| n % 13 == 1).count() as u64;
        assert_eq!(keys.tags, [("customer".to_owned(), events), ("region".to_owned(), events)], "{placed:?}");
        assert_eq!(lab.engine.facet_keys(&[ProjectId(9)], &of(""), 10).await.unwrap().tags, []);
        assert_eq!(lab.engine.facets(&ALL, &of(""), "level", 101).await.unwrap_err().kind, ErrorKind::Invalid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn histograms_leave_no_bucket_out() {
    for placed in PLACES {
        let lab = Lab::with(placed, COUNT).await;
        let (from, to) = (START_US - 120 * SECOND, START_US + 2_000 * SECOND);
        let found = lab.engine.histogram(&ALL, &of("level:error").within(from, to), 60_000, None).await.unwrap();
        let start = from.div_euclid(60 * SECOND) * 60 * SECOND;
        let bucket = |n: usize| ((START_US + n as i64 * SECOND - start) / (60 * SECOND)) as usize;
        let mut expected = vec![0; found.buckets.count];
        (0..COUNT).filter(|n| n % 4 == 0).for_each(|n| expected[bucket(n)] += 1);
        assert_eq!((found.buckets.start_us, found.buckets.length_us), (start, 60 * SECOND));
        assert_eq!(found.events, expected, "{placed:?}");
        assert_eq!(found.series, []);

        let found = lab.engine.histogram(&ALL, &of("").within(from, to), 60_000, Some("service")).await.unwrap();
        assert_eq!(found.series.len(), 11);
        assert_eq!(found.series[10].value, None);
        let sums: Vec<u64> =
            (0..found.buckets.count).map(|at| found.series.iter().map(|series| series.events[at]).sum()).collect();
        assert_eq!((sums, found.events.iter().sum::<u64>()), (found.events.clone(), COUNT as u64));
        for series in found.series.iter().filter(|series| series.value.is_some()) {
            let service = series.value.as_ref().unwrap().as_str().unwrap();
            let mut expected = vec![0; found.buckets.count];
            (0..COUNT).filter(|n| format!("svc-{}", n % 11) == service).for_each(|n| expected[bucket(n)] += 1);
            assert_eq!(series.events, expected, "{placed:?} {service}");
        }
        // The range cuts through buckets, and has an end.
        let two = of("").within(START_US + SECOND, START_US + 3 * SECOND);
        let found = lab.engine.histogram(&ALL, &two, 60_000, None).await.unwrap();
        assert_eq!(found.events.iter().sum::<u64>(), 2);
        let by_tag = lab.engine.histogram(&ALL[..1], &in_all(""), 3_600_000, Some("region")).await.unwrap();
        assert_eq!(by_tag.series[0].value, Some(json!("eu")));
        assert_eq!(by_tag.series[0].events.iter().sum::<u64>(), 300);
        assert_eq!(by_tag.series[1].events.iter().sum::<u64>(), 0);
        for (selection, bucket_ms) in [(of(""), 1_000), (in_all(""), 0), (in_all(""), 10)] {
            assert_eq!(
                lab.engine.histogram(&ALL, &selection, bucket_ms, None).await.unwrap_err().kind,
                ErrorKind::Invalid
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_have_their_figures() {
    for placed in PLACES {
        let lab = Lab::with(placed, COUNT).await;
        for projects in [&ALL[..], &ALL[1..2]] {
            let numbers = || (0..COUNT).filter(|n| n % 4 != 1 && projects.contains(&ProjectId(project_of(*n))));
            let group = |n: usize| (project_of(n), (n % 23) as u64 * 0x0101_0101_0101_0101);
            let mut expected: BTreeMap<(i64, u64), Vec<usize>> = BTreeMap::new();
            numbers().for_each(|n| expected.entry(group(n)).or_default().push(n));
            for order in [GroupOrder::LastSeen, GroupOrder::FirstSeen, GroupOrder::Events] {
                let page = GroupsPage { selection: of("has:user"), order, limit: 100, with_users: true };
                let found = lab.engine.group_stats(projects, page.clone()).await.unwrap();
                assert!(!found.has_more && found.groups.len() == expected.len(), "{placed:?}");
                for stats in &found.groups {
                    let events = &expected[&(stats.project.0, stats.group_hash)];
                    let time = |n: usize| START_US + n as i64 * SECOND;
                    assert_eq!(stats.events, events.len() as u64);
                    assert_eq!(stats.first_seen_us, time(events[0]));
                    assert_eq!(stats.last_seen_us, time(*events.last().unwrap()));
                    let users: BTreeSet<_> = events.iter().filter_map(|n| event(*n).user_id).collect();
                    assert_eq!(stats.users, Some(users.len() as u64), "few users are counted well");
                }
                let key = |at: usize| match order {
                    GroupOrder::LastSeen => found.groups[at].last_seen_us,
                    GroupOrder::FirstSeen => found.groups[at].first_seen_us,
                    GroupOrder::Events => found.groups[at].events as i64,
                };
                assert!((1..found.groups.len()).all(|at| key(at - 1) >= key(at)), "{order:?}");
                let fewer = lab.engine.group_stats(projects, GroupsPage { limit: 5, with_users: false, ..page }).await;
                let fewer = fewer.unwrap();
                assert!(fewer.has_more && fewer.groups.len() == 5 && fewer.groups[0].users.is_none());
                assert_eq!(fewer.groups[0].group_hash, found.groups[0].group_hash);
            }
            let hashes = vec![group(1).1, group(2).1, u64::MAX];
            let selection = in_all("").of_groups(hashes.clone());
            let found = lab.engine.group_histogram(projects, &selection, 300_000).await.unwrap();
            for project in projects {
                for hash in &hashes[..2] {
                    let events = (0..COUNT).filter(|n| group(*n) == (project.0, *hash)).count() as u64;
                    assert_eq!(found.events[&(*project, *hash)].iter().sum::<u64>(), events, "{placed:?}");
                }
            }
            assert_eq!(found.events.len(), projects.len() * 2);
        }
        assert_eq!(lab.engine.group_histogram(&ALL, &in_all(""), 1_000).await.unwrap_err().kind, ErrorKind::Invalid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_reaches_another_project() {
    for placed in PLACES {
        let lab = Lab::with(placed, COUNT).await;
        let (mine, other) = ([ProjectId(1)], ProjectId(2));
        for text in ["", "project:2", "project:2 OR level:error", "!project:1", "!nothing:x", &hex_id(1)] {
            let page = EventsPage::newest(of(text), 1_000);
            let found = lab.engine.events(&mine, page).await.unwrap();
            assert!(found.rows.iter().all(|row| row["project_id"] == 1), "{placed:?}: {text}");
            let facet = lab.engine.facets(&mine, &of(text), "project", 10).await.unwrap();
            assert!(facet.values.iter().all(|value| value.value == 1), "{placed:?}: {text}");
            let keys = lab.engine.facet_keys(&mine, &of(text), 10).await.unwrap();
            assert!(keys.tags.iter().all(|(_, events)| *events <= 300), "{placed:?}: {text}");
            let found = lab.engine.histogram(&mine, &in_all(text), 60_000, Some("project")).await.unwrap();
            assert!(found.events.iter().sum::<u64>() <= 300, "{placed:?}: {text}");
            assert!(found.series.iter().all(|series| series.value.as_ref().is_none_or(|value| *value == 1)));
            let page = GroupsPage { selection: of(text), limit: 1_000, with_users: true, ..GroupsPage::default() };
            let found = lab.engine.group_stats(&mine, page).await.unwrap();
            assert!(found.groups.iter().all(|group| group.project.0 == 1), "{placed:?}: {text}");
        }
        assert_eq!(lab.engine.event(&mine, other, &hex_id(1)).await, Ok(None));
        assert_eq!(lab.engine.neighbours(&mine, other, &hex_id(1), of("")).await, Ok(None));
        let nobody = lab.engine.events(&[], EventsPage::newest(of(""), 10)).await.unwrap();
        assert_eq!((nobody.rows, nobody.next_cursor), (vec![], None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn issue_keys_are_refused_where_they_stand() {
    let lab = Lab::with(Placed::Hot, 30).await;
    let error = lab.engine.events(&ALL, EventsPage::newest(of("level:error is:resolved"), 10)).await.unwrap_err();
    assert_eq!((error.kind, error.position), (ErrorKind::Invalid, Some((1, 13))));
    assert!(error.message.contains("about issues"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_reads_wide_columns_late() {
    let lab = Lab::with(Placed::Mixed, 600).await;
    let sql = "SELECT * FROM events WHERE service = 'svc-3' AND timestamp < TIMESTAMP '2030-01-01T00:00:00Z' \
        ORDER BY timestamp DESC, event_id DESC, project_id DESC LIMIT 9";
    let plan = lab.analyze(&[1, 2, 3], sql).await;
    assert!(plan.contains("FetchExec: columns=36") && plan.contains("rows_fetched=9"), "{plan}");
}
