//! What is to be split and merged, decided from how stored events would fall under other rules.
//!
//! Each stored group goes whole: to where most of its events go. Each issue stays what most of its events are, the rest of
//! its groups leave it, and issues that are the same become one.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

/// How the events of a project would fall: for each pair of the hash they carry and the hash they would get.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// By stored and by new hash.
    pub pairs: HashMap<(u64, u64), Tally>,
}

/// Some events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub events: i64,
    /// One of them.
    pub example: Example,
}

/// One event, by which people recognise the others, and of which an issue is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Its id.
    pub event_id: [u8; 16],
    /// What an issue of it is called.
    pub title: String,
    /// The function or transaction to blame.
    pub culprit: String,
    /// `error`, `message` or `log`.
    pub kind: &'static str,
    /// Its level.
    pub level: &'static str,
    /// Its platform; may be empty.
    pub platform: String,
    /// Its logger; may be empty.
    pub logger: String,
}

/// An issue that is there, or one that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// By its number.
    Issue(i64),
    /// By its place in [`Plan::new`].
    New(usize),
}

/// What other rules would change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Issues that would become one.
    pub joins: Vec<Join>,
    /// Groups that would leave their issue.
    pub splits: Vec<Split>,
    /// Groups whose stored events cannot be told apart, and new ones would be.
    pub finer: Vec<Finer>,
    /// Groups that people merged into an issue that the rules would not have them in: they stay.
    pub kept: Vec<Kept>,
    /// The issues that would be made.
    pub new: Vec<Example>,
    /// Stored events that were looked at, and groups of them that have an issue.
    pub events: i64,
    /// Groups of them that have an issue.
    pub groups: usize,
    /// Hashes without an issue, and the one that new events of theirs are to belong to.
    pub(crate) leads: Vec<(u64, Target)>,
    /// Hashes that others are to follow no more.
    pub(crate) settled: Vec<u64>,
}

/// Issues that become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The one that stays.
    pub into: Target,
    /// Those that go into it.
    pub issues: Vec<i64>,
    /// The new hash that they have in common.
    pub hash: u64,
    /// Events of all of them that were looked at.
    pub events: i64,
}

/// Groups that leave an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The issue.
    pub issue: i64,
    /// The groups, by the hash that is stored.
    pub groups: Vec<u64>,
    /// Where they go.
    pub to: Target,
    /// The new hash of most of their events.
    pub hash: u64,
    /// How many events of theirs were looked at.
    pub events: i64,
    /// One of them.
    pub example: Example,
}

/// A stored group that the rules would tell apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finer {
    /// Its issue after the change; stored events stay there.
    pub stays: Target,
    /// Its issue now.
    pub issue: i64,
    /// Its hash.
    pub group: u64,
    /// What new events would fall into, the largest first.
    pub parts: Vec<Part>,
}

/// Events of a stored group that get one new hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The new hash.
    pub hash: u64,
    /// How many stored events would have it.
    pub events: i64,
    /// One of them.
    pub example: Example,
    /// The issue of new events; `None` is one that is made when the first comes.
    pub new_events_to: Option<Target>,
}

/// A group that stays where people put it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The issue.
    pub issue: i64,
    /// The group's stored hash.
    pub group: u64,
    /// The new hash of most of its events.
    pub hash: u64,
    /// How many events of it were looked at.
    pub events: i64,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.joins.is_empty() && self.splits.is_empty() && self.finer.is_empty()
    }
}

/// Where a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Belongs {
    pub(super) issue: i64,
    /// It came there with a merge of issues.
    pub(super) fixed: bool,
}

/// A stored group with what its events would become, the most frequent first.
struct Stored<'c> {
    hash: u64,
    belongs: Belongs,
    news: Vec<(u64, &'c Tally)>,
    events: i64,
}

impl Stored<'_> {
    fn becomes(&self) -> u64 {
        self.news.first().map_or(self.hash, |(hash, _)| *hash)
    }
}

pub(super) fn decide(census: &Census, groups: &HashMap<u64, Belongs>) -> Plan {
    let stored = stored(census, groups);
    let mut plan = Plan { groups: stored.len(), ..Plan::default() };
    plan.events = census.pairs.values().map(|tally| tally.events).sum();

    // What each issue is, by most of its events.
    let mut shares: BTreeMap<i64, BTreeMap<u64, i64>> = BTreeMap::new();
    for group in &stored {
        *shares.entry(group.belongs.issue).or_default().entry(group.becomes()).or_default() += group.events;
    }
    let mut anchors: BTreeMap<u64, Vec<(i64, i64)>> = BTreeMap::new();
    let mut is: HashMap<i64, u64> = HashMap::new();
    for (issue, share) in &shares {
        if let Some((hash, events)) = share.iter().max_by_key(|(hash, events)| (**events, std::cmp::Reverse(**hash))) {
            anchors.entry(*hash).or_default().push((*issue, *events));
            is.insert(*issue, *hash);
        }
    }
    let mut targets: HashMap<u64, Target> = HashMap::new();
    for (hash, issues) in &mut anchors {
        issues.sort_by_key(|(issue, events)| (std::cmp::Reverse(*events), *issue));
        let Some((first, rest)) = issues.split_first() else { continue };
        targets.insert(*hash, Target::Issue(first.0));
        if !rest.is_empty() {
            let events = issues.iter().map(|(_, events)| events).sum();
            let issues = rest.iter().map(|(issue, _)| *issue).collect();
            plan.joins.push(Join { into: Target::Issue(first.0), issues, hash: *hash, events });
        }
    }

    let mut moves: BTreeMap<(i64, u64), Vec<&Stored<'_>>> = BTreeMap::new();
    for group in &stored {
        let (issue, hash) = (group.belongs.issue, group.becomes());
        if is.get(&issue) == Some(&hash) {
            continue;
        }
        if group.belongs.fixed {
            plan.kept.push(Kept { issue, group: group.hash, hash, events: group.events });
        } else {
            moves.entry((issue, hash)).or_default().push(group);
        }
    }
    for ((issue, hash), groups) in moves {
        let largest = groups.iter().filter_map(|group| group.news.first()).max_by_key(|(_, tally)| tally.events);
        let Some((_, Tally { example, .. })) = largest else { continue };
        let to = *targets.entry(hash).or_insert_with(|| {
            plan.new.push(example.clone());
            Target::New(plan.new.len() - 1)
        });
        let events = groups.iter().map(|group| group.events).sum();
        let groups = groups.iter().map(|group| group.hash).collect();
        plan.splits.push(Split { issue, groups, to, hash, events, example: example.clone() });
    }
    // What people keep in an issue brings its new events there too.
    for kept in &plan.kept {
        targets.entry(kept.hash).or_insert(Target::Issue(kept.issue));
    }

    let mut led: HashSet<u64> = HashSet::new();
    for group in &stored {
        let (issue, hash) = (group.belongs.issue, group.becomes());
        if group.news.iter().any(|(new, _)| *new != group.hash) {
            plan.settled.push(group.hash);
        }
        for (new, _) in &group.news {
            if let Some(target) = targets.get(new).filter(|_| !groups.contains_key(new) && led.insert(*new)) {
                plan.leads.push((*new, *target));
            }
        }
        if group.news.len() > 1 {
            let stays = if group.belongs.fixed { None } else { targets.get(&hash).copied() };
            let parts = group.news.iter().map(|(new, tally)| Part {
                hash: *new,
                events: tally.events,
                example: tally.example.clone(),
                new_events_to: targets
                    .get(new)
                    .copied()
                    .or_else(|| groups.get(new).map(|belongs| Target::Issue(belongs.issue))),
            });
            let parts = parts.collect();
            let stays = stays.unwrap_or(Target::Issue(issue));
            plan.finer.push(Finer { stays, issue, group: group.hash, parts });
        }
    }
    plan.finer.sort_by_key(|finer| std::cmp::Reverse(finer.parts.iter().map(|part| part.events).sum::<i64>()));
    plan.splits.sort_by_key(|split| std::cmp::Reverse(split.events));
    plan.joins.sort_by_key(|join| std::cmp::Reverse(join.events));
    plan
}

fn stored<'c>(census: &'c Census, groups: &HashMap<u64, Belongs>) -> Vec<Stored<'c>> {
    let mut by_old: BTreeMap<u64, Vec<(u64, &Tally)>> = BTreeMap::new();
    for ((old, new), tally) in &census.pairs {
        by_old.entry(*old).or_default().push((*new, tally));
    }
    let stored = by_old.into_iter().filter_map(|(hash, mut news)| {
        // Events that are not counted yet have no issue that could change.
        let belongs = *groups.get(&hash)?;
        news.sort_by_key(|(new, tally)| (std::cmp::Reverse(tally.events), *new));
        let events = news.iter().map(|(_, tally)| tally.events).sum();
        Some(Stored { hash, belongs, news, events })
    });
    stored.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(title: u64) -> Example {
        Example {
            event_id: [0; 16],
            title: title.to_string(),
            culprit: String::new(),
            kind: "error",
            level: "error",
            platform: String::new(),
            logger: String::new(),
        }
    }

    /// `pairs` of stored hash, new hash and events; `groups` of hash, issue and whether it was merged there.
    fn check(pairs: &[(u64, u64, i64)], groups: &[(u64, i64, bool)]) -> Plan {
        let pairs =
            pairs.iter().map(|(old, new, events)| ((*old, *new), Tally { events: *events, example: example(*new) }));
        let census = Census { pairs: pairs.collect() };
        let groups = groups.iter().map(|(hash, issue, fixed)| (*hash, Belongs { issue: *issue, fixed: *fixed }));
        decide(&census, &groups.collect())
    }

    #[test]
    fn nothing_changes_where_events_keep_their_hashes() {
        let plan = check(&[(1, 1, 5), (2, 2, 3)], &[(1, 10, false), (2, 20, false)]);
        assert!(plan.is_empty() && plan.leads.is_empty() && plan.settled.is_empty(), "{plan:?}");
        assert_eq!((plan.events, plan.groups), (8, 2));
    }

    #[test]
    fn issues_that_become_the_same_go_into_the_larger_one() {
        let plan = check(&[(1, 9, 5), (2, 9, 30), (3, 9, 1)], &[(1, 10, false), (2, 20, false), (3, 30, false)]);
        let join = Join { into: Target::Issue(20), issues: vec![10, 30], hash: 9, events: 36 };
        assert_eq!(plan.joins, [join]);
        assert_eq!((plan.leads, plan.settled), (vec![(9, Target::Issue(20))], vec![1, 2, 3]));
        assert!(plan.splits.is_empty() && plan.finer.is_empty());
    }

    #[test]
    fn groups_of_one_issue_that_become_different_part() {
        let plan = check(&[(1, 8, 5), (2, 9, 3), (3, 9, 1)], &[(1, 10, false), (2, 10, false), (3, 10, false)]);
        assert_eq!((plan.splits.len(), plan.new.len()), (1, 1));
        let split = &plan.splits[0];
        assert_eq!((split.issue, &split.groups[..], split.to, split.events), (10, &[2, 3][..], Target::New(0), 4));
        assert_eq!(plan.leads, [(8, Target::Issue(10)), (9, Target::New(0))]);
    }

    #[test]
    fn a_part_joins_the_issue_that_is_the_same() {
        let plan = check(&[(1, 8, 5), (2, 9, 3), (3, 9, 1)], &[(1, 10, false), (2, 10, false), (3, 30, false)]);
        assert_eq!((plan.splits[0].to, plan.new.len(), plan.joins.len()), (Target::Issue(30), 0, 0));
    }

    #[test]
    fn what_is_stored_under_one_hash_stays_together() {
        let plan = check(&[(1, 8, 5), (1, 9, 3), (1, 1, 2)], &[(1, 10, false)]);
        assert!(plan.joins.is_empty() && plan.splits.is_empty() && plan.new.is_empty());
        let [finer] = &plan.finer[..] else { panic!("{plan:?}") };
        let parts: Vec<_> = finer.parts.iter().map(|part| (part.hash, part.events, part.new_events_to)).collect();
        let ten = Some(Target::Issue(10));
        assert_eq!(parts, [(8, 5, ten), (9, 3, None), (1, 2, ten)]);
        assert_eq!((plan.leads, plan.settled), (vec![(8, Target::Issue(10))], vec![1]));
    }

    #[test]
    fn what_people_merged_stays_merged() {
        let plan = check(&[(1, 1, 5), (2, 2, 3)], &[(1, 10, false), (2, 10, true)]);
        assert_eq!(plan.kept, [Kept { issue: 10, group: 2, hash: 2, events: 3 }]);
        assert!(plan.is_empty());
        let plan = check(&[(1, 7, 5), (2, 8, 3)], &[(1, 10, false), (2, 10, true)]);
        assert_eq!(plan.leads, [(7, Target::Issue(10)), (8, Target::Issue(10))]);
    }

    #[test]
    fn events_without_an_issue_are_passed_over() {
        let plan = check(&[(1, 8, 5), (2, 8, 5)], &[(1, 10, false)]);
        assert!(plan.is_empty() && plan.groups == 1);
    }
}
