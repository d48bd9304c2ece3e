//! Trying scrubbing rules on the newest stored events: how often each would find something, and what it would do to it.
//!
//! What is shown was stored and may be read by whoever asks, who must also be allowed to change the rules. Stored events have
//! been scrubbed by the rules of their arrival; what these took out is not there to be found again.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State as Extract;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tephra_ingest::{Finding, ScrubRules, Scrubber};
use tephra_storage::schema::COLUMNS;
use tephra_storage::stored_events;
use utoipa::ToSchema;

use super::super::selection::{range, select};
use super::super::{AsksAndWrites, JsonBody, PathOf, Time, reach};
use super::{RuleKind, Wanted};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;

/// Events that are looked at where nothing is said, and at most.
const EVENTS: u32 = 1_000;
const EVENTS_MAX: u32 = 10_000;
/// Examples of each rule.
const EXAMPLES: usize = 5;

/// Rules to be tried, and on which events.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ScrubDryRun)]
pub(super) struct Trial {
    /// The rules; those in force where they are absent.
    rules: Option<Wanted>,
    /// A search; all events where it is absent.
    query: Option<String>,
    /// From this time of the event on.
    from: Option<Time>,
    /// Before this time.
    to: Option<Time>,
    /// The newest so many: 1 to 10,000; 1,000 where it is absent.
    #[schema(minimum = 1, maximum = 10_000)]
    limit: Option<u32>,
}

/// What rules would do to stored events.
#[derive(Serialize, ToSchema)]
#[schema(as = ScrubDryRunResult)]
pub(super) struct Tried {
    /// Events that were looked at.
    events: u64,
    /// Those in which something was found.
    events_changed: u64,
    /// Values and parts of texts that were found.
    findings: u64,
    /// Whether there may be older events that were not looked at.
    more: bool,
    /// The time of the oldest event that was looked at.
    #[schema(required)]
    oldest: Option<Time>,
    /// The project's own rules in their order, then what the defaults found.
    rules: Vec<TriedRule>,
}

/// What one rule would do.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = ScrubDryRunRule)]
struct TriedRule {
    /// `rule 3`, or what the defaults look for: `name`, `card`, `token`, `email`, ….
    rule: String,
    /// Events in which it found something.
    events: u64,
    /// How often.
    findings: u64,
    /// How long all that was, in bytes.
    bytes: u64,
    examples: Vec<TriedExample>,
}

/// One value or part of a text, before and after.
#[derive(Serialize, ToSchema)]
#[schema(as = ScrubDryRunExample)]
struct TriedExample {
    event_id: String,
    /// The column and the names below it.
    path: String,
    /// What is stored, with a little of the text around it.
    before: String,
    /// What it would be; empty where it goes.
    after: String,
}

/// Tries scrubbing rules on stored events, and changes nothing.
#[utoipa::path(
    post, path = "/api/v1/projects/{project}/scrub-rules/dry-run", operation_id = "dryRunScrubRules", tag = "projects",
    request_body = Trial, params(("project" = String, Path, description = "Its number or slug.")),
    responses((status = 200, description = "What they would do.", body = Tried), AsksAndWrites),
)]
pub(super) async fn try_on(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf(name): PathOf<String>,
    JsonBody(trial): JsonBody<Trial>,
) -> Result<Json<Tried>> {
    let project = reach::project(&state, &caller, &name, Verb::EventRead).await?.id;
    caller.may(Verb::ProjectWrite, project)?;
    let limit = trial.limit.unwrap_or(EVENTS);
    if !(1..=EVENTS_MAX).contains(&limit) {
        return Err(Answer::new(Kind::Invalid, format!("`limit` is to be 1 to {EVENTS_MAX}")).field("limit"));
    }
    range(trial.from, trial.to)?;
    let selection = select(&state, trial.query.as_deref(), trial.from, trial.to)?;
    let stored = state.meta.rules(project, RuleKind::Scrub).await?;
    let (rules, scrubber) = match (trial.rules, &stored) {
        (Some(wanted), stored) => wanted.compile(stored.as_ref()).map_err(inside)?,
        (None, Some(stored)) => {
            let rules: ScrubRules = serde_json::from_str(&stored.body).unwrap_or_default();
            let scrubber = state.rules.of(project).map(|rules| rules.scrubber.clone()).unwrap_or_default();
            (rules, scrubber)
        }
        (None, None) => (ScrubRules::default(), Scrubber::default()),
    };
    let columns: Vec<&'static str> = COLUMNS.iter().map(|column| column.name).collect();
    let engine = &state.core()?.engine;
    let mut answer = engine.stored(&[project], &selection, &columns, Some(limit as usize)).await?;
    let mut sums = Sums::new(rules.rules.len());
    while let Some(batch) = answer.stream.next().await {
        let (batch, scrubber) = (batch?, scrubber.clone());
        let work = move || -> Result<Sums> {
            for (_, event) in stored_events(&batch)? {
                let id = event.event_id.map(hex::encode).unwrap_or_default();
                sums.add(&id, event.timestamp, scrubber.show(&event));
            }
            Ok(sums)
        };
        let done = tokio::task::spawn_blocking(work).await;
        sums = done.map_err(|error| Answer::new(Kind::Internal, format!("the dry run broke: {error}")))??;
    }
    Ok(Json(sums.finish(u64::from(limit))))
}

/// The rules stand one level deeper than where they are put.
fn inside(answer: Answer) -> Answer {
    let field = answer.field.clone().map(|field| format!("rules.{field}").into());
    Answer { field, ..answer }
}

struct Sums {
    events: u64,
    events_changed: u64,
    findings: u64,
    oldest: Option<i64>,
    own: Vec<TriedRule>,
    others: BTreeMap<String, TriedRule>,
}

impl Sums {
    fn new(rules: usize) -> Self {
        let own = (1..=rules).map(|number| TriedRule { rule: format!("rule {number}"), ..TriedRule::default() });
        Self { events: 0, events_changed: 0, findings: 0, oldest: None, own: own.collect(), others: BTreeMap::new() }
    }

    fn add(&mut self, event_id: &str, timestamp: i64, findings: Vec<Finding>) {
        self.events += 1;
        self.events_changed += u64::from(!findings.is_empty());
        self.findings += findings.len() as u64;
        self.oldest = Some(self.oldest.map_or(timestamp, |oldest| oldest.min(timestamp)));
        let mut seen: Vec<String> = Vec::new();
        for finding in findings {
            let number = finding.rule.strip_prefix("rule ").and_then(|number| number.parse::<usize>().ok());
            let own = number.and_then(|number| self.own.get_mut(number.checked_sub(1)?));
            let sum = match own {
                Some(own) => own,
                None => self
                    .others
                    .entry(finding.rule.clone())
                    .or_insert_with(|| TriedRule { rule: finding.rule.clone(), ..TriedRule::default() }),
            };
            if !seen.contains(&finding.rule) {
                sum.events += 1;
                seen.push(finding.rule.clone());
            }
            sum.findings += 1;
            sum.bytes += finding.bytes as u64;
            if sum.examples.len() < EXAMPLES {
                let Finding { path, before, after, .. } = finding;
                sum.examples.push(TriedExample { event_id: event_id.to_owned(), path, before, after });
            }
        }
    }

    fn finish(self, limit: u64) -> Tried {
        Tried {
            events: self.events,
            events_changed: self.events_changed,
            findings: self.findings,
            more: self.events >= limit,
            oldest: self.oldest.map(Time),
            rules: self.own.into_iter().chain(self.others.into_values()).collect(),
        }
    }
}
