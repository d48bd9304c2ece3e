//! A search finds the events that it describes, wherever they lie.

use std::collections::BTreeSet;

use tephra_query::{EventsPage, Search, Selection};
use tephra_storage::schema::COLUMNS;
use tephra_storage::{Event, Level, ProjectId};

use crate::lab::{Lab, Placed, SECOND, START_US, event, hex_id, project_of};

const COUNT: usize = 900;
const NOW: i64 = START_US + 1_000 * SECOND;
const ALL: [ProjectId; 3] = [ProjectId(1), ProjectId(2), ProjectId(3)];

type Meets = fn(usize, &Event) -> bool;

/// Searches, and what they mean in the words of the program.
const CASES: &[(&str, Meets)] = &[
    ("", |_, _| true),
    ("level:error", |_, e| e.level == Level::Error),
    ("!level:error", |_, e| e.level != Level::Error),
    ("level:>=error", |_, e| e.level >= Level::Error),
    ("level:[warn,fatal] environment:production", |n, e| {
        matches!(e.level, Level::Warning | Level::Fatal) && n.is_multiple_of(2)
    }),
    ("severity:>=17", |_, e| e.severity.is_some_and(|s| s >= 17)),
    ("!severity:>=17", |_, e| e.severity.is_none_or(|s| s < 17)),
    ("has:severity severity:<5", |_, e| e.severity.is_some_and(|s| s < 5)),
    ("!has:error.type", |_, e| e.exception_type.is_none()),
    ("error.type:Error3", |_, e| e.exception_type.as_deref() == Some("Error3")),
    ("!error.type:Error3", |_, e| e.exception_type.as_deref() != Some("Error3")),
    ("!error.type:[Error3,Error4]", |_, e| !matches!(e.exception_type.as_deref(), Some("Error3" | "Error4"))),
    ("error.type:*3", |_, e| e.exception_type.as_deref() == Some("Error3")),
    ("!error.type:*3", |_, e| e.exception_type.as_deref() != Some("Error3")),
    ("release:1.2.*", |n, _| n % 5 == 2),
    ("release:1.*.0 service:svc-10", |n, _| n % 11 == 10),
    ("service:svc_3", |_, _| false),
    ("service:svc_*", |_, _| false),
    ("service:%", |_, _| false),
    ("customer:c5", |n, _| n % 13 == 5),
    ("!customer:c5 tags[region]:eu", |n, _| n % 13 != 5),
    ("tags.customer:[c1,c2] has:region", |n, _| matches!(n % 13, 1 | 2)),
    ("nothing:x", |_, _| false),
    ("!nothing:x", |_, _| true),
    ("user.id:user-77", |_, e| e.user_id.as_deref() == Some("user-77")),
    ("!has:user", |n, _| n % 4 == 1),
    ("handled:yes", |_, e| e.handled == Some(true)),
    ("!handled:yes", |_, e| e.handled != Some(true)),
    ("stack:\"AT parse_header\"", |n, _| n.is_multiple_of(2)),
    ("!stack:frame_11", |n, _| !(n.is_multiple_of(2) && n % 29 == 11)),
    ("\"MODULE 16\"", |n, _| n % 17 == 16),
    ("failed frame_7", |n, e| e.stack.is_some() && contains(n, "frame_7")),
    ("request 42", |n, _| contains(n, "42")),
    ("!42", |n, _| !contains(n, "42")),
    ("requ*led", |_, _| true),
    ("message:\"request 17 failed in module 0\"", |n, _| n == 17),
    ("message:=\"request 17 failed in module 0\"", |n, _| n == 17),
    ("message:=\"request 17\"", |_, _| false),
    ("error.value:\"value 17\"", |n, _| n.to_string().starts_with("17")),
    ("attributes:\":17}\"", |n, _| n == 17),
    ("kind:log project:2", |n, _| !n.is_multiple_of(2) && project_of(n) == 2),
    ("timestamp:-100s", |n, _| n >= 900 || START_US + n as i64 * SECOND >= NOW - 100 * SECOND),
    ("age:>950s", |n, _| (n as i64) < 50),
    ("age:>=950s age:<=960s", |n, _| (40..=50).contains(&n)),
    ("timestamp:2026-09-21T14:14", |n, _| (40..100).contains(&n)),
    ("timestamp:>2026-09-21T14:14", |n, _| n >= 100),
    ("timestamp:<2026-09-21T14:14 received:2026-09-21", |n, _| n < 40),
    ("timestamp:>2026-09-21T14:14:00Z timestamp:<=2026-09-21T14:15:00Z", |n, _| (41..=100).contains(&n)),
    ("(level:error OR level:fatal) !(service:svc-1 OR customer:c2)", |n, e| {
        matches!(e.level, Level::Error | Level::Fatal) && n % 11 != 1 && n % 13 != 2
    }),
    ("group:0101010101010101", |n, _| n % 23 == 1),
    ("group:01*", |n, _| n % 23 == 1),
];

fn contains(n: usize, text: &str) -> bool {
    let event = event(n);
    let texts = [event.message, event.exception_type, event.exception_value, event.culprit, event.logger, event.stack];
    texts.into_iter().flatten().any(|found| found.contains(text))
}

fn expected(projects: &[ProjectId], meets: Meets) -> BTreeSet<String> {
    let of = (0..COUNT).filter(|n| projects.contains(&ProjectId(project_of(*n))));
    of.filter(|n| meets(*n, &event(*n))).map(hex_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_find_what_they_describe() {
    for placed in [Placed::Hot, Placed::Cold, Placed::Mixed] {
        let lab = Lab::with(placed, COUNT).await;
        for projects in [&ALL[..], &ALL[1..2]] {
            for (text, meets) in CASES {
                let selection = Selection::new(Search::parse(text).unwrap(), NOW);
                let page = EventsPage { columns: Some(vec![]), ..EventsPage::newest(selection, 1_000) };
                let found = lab.engine.events(projects, page).await.unwrap_or_else(|error| panic!("{text}: {error}"));
                let ids = found.rows.iter().map(|row| row["event_id"].as_str().unwrap().to_owned());
                assert_eq!(ids.collect::<BTreeSet<_>>(), expected(projects, *meets), "{placed:?} {projects:?}: {text}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_find_their_event() {
    let lab = Lab::with(Placed::Mixed, COUNT).await;
    let trace = hex_id(1_000_600).to_uppercase();
    for text in [format!("trace:{trace}"), format!("trace.id:{}*", &trace[..31]), format!("event_id:{}", hex_id(600))] {
        let selection = Selection::new(Search::parse(&text).unwrap(), NOW);
        let found = lab.engine.events(&ALL, EventsPage::newest(selection, 10)).await.unwrap();
        assert!(found.rows.iter().any(|row| row["event_id"] == hex_id(600)), "{text}: {:?}", found.rows);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matcher_agrees_with_the_list() {
    let lab = Lab::with(Placed::Hot, COUNT).await;
    let snapshot = lab.store.snapshot();
    for (text, meets) in CASES {
        let matcher = Search::parse(text).unwrap().matcher(NOW).unwrap();
        let mut columns = matcher.columns().to_vec();
        let id = COLUMNS.iter().position(|column| column.name == "event_id").unwrap();
        columns.extend((!columns.contains(&id)).then_some(id));
        let mut found = BTreeSet::new();
        for batch in snapshot.hot().iter().flat_map(|segment| segment.read(&columns).unwrap()) {
            let mask = matcher.select(&batch).unwrap();
            let ids = batch.column_by_name("event_id").unwrap();
            let ids = arrow::array::AsArray::as_fixed_size_binary(ids);
            let of = |row: usize| ids.value(row).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            found.extend(mask.values().set_indices().map(of));
        }
        assert_eq!(found, expected(&ALL, *meets), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_never_part_of_a_statement() {
    let lab = Lab::with(Placed::Mixed, 300).await;
    for text in [
        "service:\"x' OR '1'='1\"",
        "service:\"x' OR project_id = 2 --\"",
        "tags[\"x'] IS NULL OR tags['y\"]:1",
        "message:=\"') OR true OR ('\"",
        "event_id:0* service:\"\\\\\" \"'; DROP TABLE events; --\"",
        "service:\"svc-%\"",
        "\"x'x\" OR release:\"%\"",
    ] {
        let selection = Selection::new(Search::parse(text).unwrap(), NOW);
        let found = lab.engine.events(&ALL[..1], EventsPage::newest(selection, 10)).await.unwrap();
        assert_eq!(found.rows.len(), 0, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_greatest_searches_are_answered() {
    let lab = Lab::with(Placed::Mixed, 60).await;
    let texts = |by: &str| (0..32).map(|n| format!("word{n}")).collect::<Vec<_>>().join(by);
    let keyed = |by: &str| (0..200).map(|n| format!("customer:x{n}*")).collect::<Vec<_>>().join(by);
    let nested = (0..16).fold("request".to_owned(), |inner, _| format!("(x OR !(y:1 {inner}))"));
    let values = format!("service:[{}]", (0..199).map(|n| format!("svc-{n}*")).collect::<Vec<_>>().join(","));
    for (text, rows) in [
        (texts(" "), 0),
        (texts(" OR "), 0),
        (format!("!({})", texts(" OR ")), 60),
        (keyed(" OR "), 0),
        (format!("!({})", keyed(" OR ")), 60),
        (nested, 60),
        (values, 60),
    ] {
        let selection = Selection::new(Search::parse(&text).unwrap(), NOW);
        let found = lab.engine.events(&ALL, EventsPage::newest(selection, 1_000)).await.unwrap();
        assert_eq!(found.rows.len(), rows, "{text}");
    }
}
