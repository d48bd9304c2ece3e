//! Counts how stored events fall under rules: a walk over all of them, hot and cold, a batch in memory at a time.

use futures::StreamExt;
use tephra_ingest::{GROUPING_VERSION, GroupRules, hashes_of_version};
use tephra_query::{Engine, Selection};
use tephra_storage::issues::{makes_issues, title_of};
use tephra_storage::meta::regroup::{Census, Example, Tally};
use tephra_storage::{Event, ProjectId, stored_events};

use crate::answer::{Answer, Kind, Result};

/// What grouping and an issue's name are made of.
const COLUMNS: [&str; 18] = [
    "event_id",
    "level",
    "kind",
    "platform",
    "logger",
    "message",
    "template",
    "exception_type",
    "exception_value",
    "culprit",
    "stack",
    "frames",
    "environment",
    "release",
    "service",
    "sdk_name",
    "tags",
    "group_hash",
];
/// Where a sender's fingerprint is kept.
const ATTRIBUTES: &str = "attributes";
/// Events that are whole in memory together.
const EVENTS: usize = 256;
/// Pairs of a stored and a new hash, which all are in memory.
const PAIRS_MAX: usize = 100_000;
const WORD_BYTES_MAX: usize = 250;

/// Counts the selected events of a project by the hash they carry and the one that the rules give them.
pub(super) async fn take(
    engine: &Engine,
    project: ProjectId,
    selection: &Selection,
    rules: GroupRules,
) -> Result<Census> {
    let columns: Vec<&'static str> = COLUMNS.into_iter().chain([ATTRIBUTES]).collect();
    let mut answer = engine.stored(&[project], selection, &columns, None).await?;
    let mut census = Census::default();
    let rules = std::sync::Arc::new(rules);
    while let Some(batch) = answer.stream.next().await {
        let (batch, rules) = (batch?, rules.clone());
        let work = move || -> Result<Census> {
            for start in (0..batch.num_rows()).step_by(EVENTS) {
                let some = batch.slice(start, EVENTS.min(batch.num_rows() - start));
                for (_, event) in stored_events(&some)? {
                    add(&mut census, &event, &rules);
                }
            }
            Ok(census)
        };
        let done = tokio::task::spawn_blocking(work).await;
        census = done.map_err(|error| Answer::new(Kind::Internal, format!("grouping anew broke: {error}")))??;
        if census.pairs.len() > PAIRS_MAX {
            let message = format!("the events fall into more than {PAIRS_MAX} groups");
            return Err(Answer::new(Kind::Exhausted, message).hint("select fewer events by `from`, `to` or `query`"));
        }
    }
    Ok(census)
}

fn add(census: &mut Census, event: &Event, rules: &GroupRules) {
    if !makes_issues(event.kind, event.level) {
        return;
    }
    let Some(hashes) = hashes_of_version(GROUPING_VERSION, event, rules) else { return };
    let tally = census.pairs.entry((event.group_hash, hashes.in_app)).or_insert_with(|| {
        let word = |text: &Option<tephra_storage::Text>| {
            let text = text.as_deref().unwrap_or_default();
            text[..text.floor_char_boundary(WORD_BYTES_MAX)].to_owned()
        };
        let example = Example {
            event_id: event.event_id.unwrap_or_default(),
            title: title_of(event),
            culprit: word(&event.culprit),
            kind: event.kind.as_str(),
            level: event.level.as_str(),
            platform: word(&event.platform),
            logger: word(&event.logger),
        };
        Tally { events: 0, example }
    });
    tally.events += 1;
}
