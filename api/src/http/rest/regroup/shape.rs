//! What a regrouping would change or has changed, as it is told.

use std::collections::BTreeMap;

use serde::Serialize;
use tephra_storage::meta::Meta;
use tephra_storage::meta::regroup::{Example, Plan, Regrouped, Target};
use utoipa::ToSchema;

use crate::answer::Result;

/// What became of a request.
pub(super) struct Outcome {
    /// Of the project's rules, now.
    pub(super) version: i64,
    /// Whether the rules are others than those that were in force.
    pub(super) rules_changed: bool,
    /// `None` of a dry run.
    pub(super) done: Option<Regrouped>,
}

/// What rules split and merge among a project's issues.
#[derive(Serialize, ToSchema)]
#[schema(as = Regrouping)]
pub(super) struct Shown {
    /// Whether it was done; else it only would be.
    applied: bool,
    /// The version of the project's rules in force.
    rules_version: i64,
    /// Whether the rules are others than those that were in force.
    rules_changed: bool,
    /// Events that were looked at: errors, messages, and logs from level error on.
    events: i64,
    /// Stored groups that these belong to.
    groups: usize,
    /// How many entries each list has in all, also where fewer are shown.
    totals: Totals,
    /// Issues that become one, the largest first.
    merges: Vec<Merge>,
    /// Groups that leave their issue, the largest first.
    splits: Vec<Split>,
    /// Groups whose stored events share one hash and stay together, while new ones part.
    new_events_only: Vec<Finer>,
    /// Groups that people merged into an issue that the rules would not have them in. They stay.
    kept: Vec<Kept>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RegroupingTotals)]
struct Totals {
    merges: usize,
    splits: usize,
    new_events_only: usize,
    kept: usize,
    /// Issues that are made.
    new_issues: usize,
}

/// An issue, as far as it is known: one that a dry run would make has no number yet.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = RegroupingIssue)]
struct Named {
    #[schema(required)]
    id: Option<i64>,
    /// Whether it is made by this.
    new: bool,
    title: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RegroupingMerge)]
struct Merge {
    into: Named,
    issues: Vec<Named>,
    /// The new hash that most of their events have in common.
    hash: String,
    events: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RegroupingSplit)]
struct Split {
    issue: Named,
    /// The stored hashes.
    groups: Vec<String>,
    to: Named,
    /// The new hash of most of their events.
    hash: String,
    events: i64,
    example: Shape,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RegroupingFiner)]
struct Finer {
    issue: Named,
    /// The stored hash.
    group: String,
    /// Where its stored events are afterwards.
    stays_in: Named,
    parts: Vec<Part>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RegroupingPart)]
struct Part {
    /// The new hash.
    hash: String,
    /// Stored events that would have it.
    events: i64,
    example: Shape,
    /// Where new events go; null for an issue that is made when the first comes.
    #[schema(required)]
    new_events_to: Option<Named>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RegroupingKept)]
struct Kept {
    issue: Named,
    group: String,
    hash: String,
    events: i64,
}

/// One event of several.
#[derive(Serialize, ToSchema)]
#[schema(as = RegroupingExample)]
struct Shape {
    event_id: String,
    title: String,
}

/// The titles of issues that were asked for.
struct Names<'a> {
    plan: &'a Plan,
    made: &'a [i64],
    titles: BTreeMap<i64, String>,
}

impl Names<'_> {
    fn issue(&self, id: i64) -> Named {
        let title = self.titles.get(&id).cloned().unwrap_or_default();
        Named { id: Some(id), new: self.made.contains(&id), title }
    }

    fn target(&self, target: Target) -> Named {
        match target {
            Target::Issue(id) => self.issue(id),
            Target::New(index) => Named {
                id: self.made.get(index).copied(),
                new: true,
                title: self.plan.new.get(index).map(|example| example.title.clone()).unwrap_or_default(),
            },
        }
    }
}

/// Tells a plan, `limit` entries of each list.
pub(super) async fn shown(meta: &Meta, plan: &Plan, outcome: &Outcome, limit: usize) -> Result<Shown> {
    let made = outcome.done.as_ref().map(|done| done.made.as_slice()).unwrap_or_default();
    let mut titles = BTreeMap::new();
    for id in named(plan, limit) {
        if let std::collections::btree_map::Entry::Vacant(place) = titles.entry(id) {
            place.insert(meta.issue(id).await?.map(|issue| issue.title).unwrap_or_default());
        }
    }
    let names = Names { plan, made, titles };
    let hex = |hash: u64| format!("{hash:016x}");
    let example = |example: &Example| Shape { event_id: hex::encode(example.event_id), title: example.title.clone() };
    let merges = plan.joins.iter().take(limit).map(|join| Merge {
        into: names.target(join.into),
        issues: join.issues.iter().take(limit).map(|issue| names.issue(*issue)).collect(),
        hash: hex(join.hash),
        events: join.events,
    });
    let splits = plan.splits.iter().take(limit).map(|split| Split {
        issue: names.issue(split.issue),
        groups: split.groups.iter().map(|hash| hex(*hash)).collect(),
        to: names.target(split.to),
        hash: hex(split.hash),
        events: split.events,
        example: example(&split.example),
    });
    let finer = plan.finer.iter().take(limit).map(|finer| Finer {
        issue: names.issue(finer.issue),
        group: hex(finer.group),
        stays_in: names.target(finer.stays),
        parts: finer
            .parts
            .iter()
            .take(limit)
            .map(|part| Part {
                hash: hex(part.hash),
                events: part.events,
                example: example(&part.example),
                new_events_to: part.new_events_to.map(|target| names.target(target)),
            })
            .collect(),
    });
    let kept = plan.kept.iter().take(limit).map(|kept| Kept {
        issue: names.issue(kept.issue),
        group: hex(kept.group),
        hash: hex(kept.hash),
        events: kept.events,
    });
    Ok(Shown {
        applied: outcome.done.is_some(),
        rules_version: outcome.version,
        rules_changed: outcome.rules_changed,
        events: plan.events,
        groups: plan.groups,
        totals: Totals {
            merges: plan.joins.len(),
            splits: plan.splits.len(),
            new_events_only: plan.finer.len(),
            kept: plan.kept.len(),
            new_issues: plan.new.len(),
        },
        merges: merges.collect(),
        splits: splits.collect(),
        new_events_only: finer.collect(),
        kept: kept.collect(),
    })
}

/// The issues that an answer of that length names.
fn named(plan: &Plan, limit: usize) -> Vec<i64> {
    let id = |target: Target| match target {
        Target::Issue(id) => Some(id),
        Target::New(_) => None,
    };
    let mut ids: Vec<i64> = Vec::new();
    for join in plan.joins.iter().take(limit) {
        ids.extend(join.issues.iter().take(limit).copied().chain(id(join.into)));
    }
    for split in plan.splits.iter().take(limit) {
        ids.extend([Some(split.issue), id(split.to)].into_iter().flatten());
    }
    for finer in plan.finer.iter().take(limit) {
        let parts = finer.parts.iter().take(limit).filter_map(|part| id(part.new_events_to?));
        ids.extend(parts.chain([finer.issue]).chain(id(finer.stays)));
    }
    ids.extend(plan.kept.iter().take(limit).map(|kept| kept.issue));
    ids
}
