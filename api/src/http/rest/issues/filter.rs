//! A search for issues, taken apart: what the metadata knows, and what the events must be asked for.
//!
//! `is:`, `assigned:`, times and counts of issues, and `level:` and `kind:` where they stand alone, are conditions on the
//! issue. All else is about events: the groups that have such an event are found first, then their issues. The counts of
//! such a list are those of the events that were found.

use std::collections::HashMap;

use tephra_query::{
    Comparison, Field, GroupOrder, GroupsPage, IssueKey, Moment, Node, Search, Selection, Term, Test, Value,
};
use tephra_storage::meta::issues::{IssueFilter, IssueSort, Reason, State as IssueState};
use tephra_storage::{Level, ProjectId};

use super::change::Names;
use crate::answer::{Answer, Kind, Result};
use crate::http::rest::selection::{parse, wrong};
use crate::state::State;

/// Groups that one list looks at.
const GROUPS_MAX: usize = 10_000;

/// Which issues are wanted.
pub(super) struct Wanted {
    filter: IssueFilter,
    /// Which events they must have, where that is asked for.
    events: Option<Selection>,
    order: GroupOrder,
}

/// Which issues were found.
pub(super) struct Found {
    pub(super) filter: IssueFilter,
    /// Where events were asked for: what was found of each issue.
    pub(super) counts: Option<HashMap<i64, Counts>>,
}

/// What was found of an issue.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) events: u64,
    pub(super) first_seen_us: i64,
    pub(super) last_seen_us: i64,
    pub(super) groups: Vec<u64>,
}

/// Reads what is asked for.
pub(super) fn read(
    state: &State,
    names: &Names,
    projects: Vec<ProjectId>,
    query: &str,
    environment: Option<&str>,
    range: (Option<i64>, Option<i64>),
) -> Result<Wanted> {
    let now_us = state.clock.now_us();
    let split = parse(Some(query))?.split().map_err(wrong)?;
    let mut filter = IssueFilter { projects, ..IssueFilter::default() };
    for node in parts(&split.issues) {
        condition(&mut filter, node, names, now_us)?;
    }
    let mut rest: Vec<String> =
        environment.map(|name| format!("environment:\"{}\"", escaped(name))).into_iter().collect();
    for node in parts(&split.events) {
        if !of_issue(&mut filter, node) {
            rest.push(format!("({node})"));
        }
    }
    let events = if rest.is_empty() {
        // Seen in between: since the beginning, and not only after the end.
        filter.last_seen_us.0 = filter.last_seen_us.0.max(range.0);
        filter.first_seen_us.1 = filter.first_seen_us.1.into_iter().chain(range.1).min();
        None
    } else {
        let search = parse(Some(&rest.join(" ")))?;
        search.filter(now_us).map_err(wrong)?;
        let mut selection = Selection::new(search, now_us);
        (selection.from_us, selection.to_us) = range;
        Some(selection)
    };
    Ok(Wanted { filter, events, order: GroupOrder::LastSeen })
}

impl Wanted {
    /// The same, for a list in that order: where more groups have such events than a list looks at, the first are taken.
    pub(super) fn sorted(mut self, sort: IssueSort) -> Self {
        self.order = match sort {
            IssueSort::LastSeen => GroupOrder::LastSeen,
            IssueSort::FirstSeen => GroupOrder::FirstSeen,
            IssueSort::Events | IssueSort::Users => GroupOrder::Events,
        };
        self
    }

    /// Which events are asked for.
    pub(super) fn events(&self) -> Option<&Selection> {
        self.events.as_ref()
    }

    /// Asks for the events, and whose they are.
    pub(super) async fn resolve(&self, state: &State) -> Result<Found> {
        let mut filter = self.filter.clone();
        let Some(selection) = &self.events else { return Ok(Found { filter, counts: None }) };
        let engine = &state.core()?.engine;
        let page = GroupsPage { selection: selection.clone(), order: self.order, limit: GROUPS_MAX, with_users: false };
        let groups = engine.group_stats(&filter.projects, page).await?.groups;
        let mut counts: HashMap<i64, Counts> = HashMap::new();
        for project in &filter.projects {
            let stats = || groups.iter().filter(|group| group.project == *project);
            let hashes: Vec<u64> = stats().map(|group| group.group_hash).collect();
            if hashes.is_empty() {
                continue;
            }
            let issues: HashMap<u64, i64> = state.meta.issues_of(*project, &hashes).await?.into_iter().collect();
            for group in stats() {
                // Not every event makes an issue.
                let Some(issue) = issues.get(&group.group_hash) else { continue };
                let empty = || Counts { first_seen_us: i64::MAX, last_seen_us: i64::MIN, ..Counts::default() };
                let counts = counts.entry(*issue).or_insert_with(empty);
                counts.events += group.events;
                counts.first_seen_us = counts.first_seen_us.min(group.first_seen_us);
                counts.last_seen_us = counts.last_seen_us.max(group.last_seen_us);
                counts.groups.push(group.group_hash);
            }
        }
        only(&mut filter, counts.keys().copied().collect());
        Ok(Found { filter, counts: Some(counts) })
    }
}

fn parts(search: &Search) -> &[Node] {
    match search.root() {
        None => &[],
        Some(Node::And(nodes)) => nodes,
        Some(node) => std::slice::from_ref(node),
    }
}

/// Takes a condition on the issue's own level or kind.
fn of_issue(filter: &mut IssueFilter, node: &Node) -> bool {
    let Node::Term(Term::Field { field: field @ Field::Column(_), test: Test::Any(values) }) = node else {
        return false;
    };
    let words: Option<Vec<&str>> = values.iter().map(word).collect();
    let Some(words) = words else { return false };
    match field.name().as_str() {
        "level" if filter.levels.is_empty() => {
            let levels: Option<Vec<Level>> = words.into_iter().map(Level::parse).collect();
            levels.map(|levels| filter.levels = levels).is_some()
        }
        "kind" if filter.kinds.is_empty() => {
            filter.kinds = words.into_iter().map(str::to_owned).collect();
            true
        }
        _ => false,
    }
}

fn word(value: &Value) -> Option<&str> {
    match value {
        Value::Text(pattern) => pattern.as_exact(),
        _ => None,
    }
}

fn refused(message: impl Into<String>) -> Answer {
    Answer::new(Kind::Invalid, message).field("query")
}

/// Takes a condition about issues.
fn condition(filter: &mut IssueFilter, node: &Node, names: &Names, now_us: i64) -> Result<()> {
    let (term, is_negated) = match node {
        Node::Term(term) => (term, false),
        Node::Not(inner) => match inner.as_ref() {
            Node::Term(term) => (term, true),
            _ => return Err(refused("a list of issues knows no negation of several conditions on issues")),
        },
        Node::And(_) | Node::Or(_) => {
            return Err(refused("a list of issues knows no OR between conditions on issues")
                .hint("one key takes several values: `is:[resolved, archived]`"));
        }
    };
    let Term::Issue { key, test, .. } = term else {
        return Err(refused("a condition on events stands among those on issues"));
    };
    let name = key.name();
    match (key, test) {
        (IssueKey::Is, Test::Any(values)) => states(filter, values, is_negated),
        (IssueKey::Assigned, Test::Any(values)) => assigned(filter, values, is_negated, names),
        (key, _) if is_negated => Err(refused(format!("a list of issues knows no negation of `{}`", key.name()))),
        (IssueKey::Issue, Test::Any(values)) => {
            only(filter, values.iter().filter_map(integer).collect());
            Ok(())
        }
        (IssueKey::FirstRelease, Test::Any(values)) => releases(&mut filter.first_releases, name, values),
        (IssueKey::LastRelease, Test::Any(values)) => releases(&mut filter.last_releases, name, values),
        (IssueKey::FirstSeen, test) => times(&mut filter.first_seen_us, name, test, now_us),
        (IssueKey::LastSeen, test) => times(&mut filter.last_seen_us, name, test, now_us),
        (IssueKey::TimesSeen, test) => numbers(&mut filter.events, name, test),
        (IssueKey::UsersSeen, test) => numbers(&mut filter.users, name, test),
        (key, _) => Err(refused(format!("a list of issues cannot be narrowed by `{}` in that way", key.name()))),
    }
}

fn states(filter: &mut IssueFilter, values: &[Value], is_negated: bool) -> Result<()> {
    const STATES: [IssueState; 3] = [IssueState::Unresolved, IssueState::Resolved, IssueState::Archived];
    use Reason::{Escalating, Events, Forever, Grows, New, NextRelease, Now, Ongoing, Regressed, Release, Until};
    const REASONS: [Reason; 11] =
        [New, Ongoing, Regressed, Escalating, Now, Release, NextRelease, Forever, Until, Events, Grows];
    let (mut states, mut reasons) = (Vec::new(), Vec::new());
    for value in values {
        let word = word(value).unwrap_or_default();
        match (IssueState::parse(word), Reason::parse(word)) {
            (Some(state), _) => states.push(state),
            (None, Some(reason)) => reasons.push(reason),
            (None, None) if matches!(word, "assigned" | "unassigned") && values.len() == 1 => {
                use tephra_storage::meta::issues::Assigned::{Anybody, Nobody};
                let is_wanted = (word == "assigned") != is_negated;
                filter.assigned = Some(if is_wanted { Anybody } else { Nobody });
                return Ok(());
            }
            (None, None) if word == "for_review" => reasons.extend([New, Regressed, Escalating]),
            (None, None) => return Err(refused(format!("`is:{word}` does not stand with other values of `is`"))),
        }
    }
    let states_only = reasons.is_empty();
    match (is_negated, states.is_empty(), reasons.is_empty()) {
        (_, false, false) => {
            return Err(refused("one `is:` asks for states or for reasons, not for both")
                .hint("write `is:unresolved is:[new, regressed]`"));
        }
        (false, _, true) => filter.states = narrowed(&filter.states, states),
        (true, _, true) => {
            let others = STATES.into_iter().filter(|state| !states.contains(state)).collect();
            filter.states = narrowed(&filter.states, others);
        }
        (false, true, _) => filter.reasons = narrowed(&filter.reasons, reasons),
        (true, true, _) => {
            let others = REASONS.into_iter().filter(|reason| !reasons.contains(reason)).collect();
            filter.reasons = narrowed(&filter.reasons, others);
        }
    }
    let none_is_left = if states_only { filter.states.is_empty() } else { filter.reasons.is_empty() };
    if none_is_left {
        // Two conditions that exclude each other: an empty list would be any.
        only(filter, Vec::new());
    }
    Ok(())
}

/// Narrows the list to these issues.
fn only(filter: &mut IssueFilter, ids: Vec<i64>) {
    let before = filter.ids.take();
    let among = |id: &i64| before.as_ref().is_none_or(|before| before.contains(id));
    filter.ids = Some(ids.into_iter().filter(among).collect());
}

/// What is in both lists; an empty one is any.
fn narrowed<T: PartialEq + Clone>(before: &[T], values: Vec<T>) -> Vec<T> {
    if before.is_empty() { values } else { values.into_iter().filter(|value| before.contains(value)).collect() }
}

fn assigned(filter: &mut IssueFilter, values: &[Value], is_negated: bool, names: &Names) -> Result<()> {
    use tephra_storage::meta::issues::Assigned;
    let [value] = values else { return Err(refused("`assigned` takes one value in a list of issues")) };
    let word = word(value).ok_or_else(|| refused("`assigned` takes no `*`"))?;
    let found = names.assigned(word).ok_or_else(|| refused(format!("there is nobody called `{word}`")))?;
    filter.assigned = Some(match (found, is_negated) {
        (found, false) => found,
        (Assigned::Nobody, true) => Assigned::Anybody,
        (_, true) => return Err(refused("only `!assigned:none` is known of negations of `assigned`")),
    });
    Ok(())
}

fn releases(releases: &mut Vec<String>, name: &str, values: &[Value]) -> Result<()> {
    let words: Option<Vec<&str>> = values.iter().map(word).collect();
    let words = words.ok_or_else(|| refused(format!("`{name}` takes whole names of releases, without `*`")))?;
    releases.extend(words.into_iter().map(str::to_owned));
    Ok(())
}

type Range = (Option<i64>, Option<i64>);

fn times(range: &mut Range, name: &str, test: &Test, now_us: i64) -> Result<()> {
    let moment = |value: &Value| match value {
        Value::Moment(moment) => Ok(moment.clone()),
        _ => Err(refused(format!("`{name}` takes times"))),
    };
    let between = |moment: &Moment| {
        let (from, to) = moment.range(now_us);
        (Some(from), Some(to))
    };
    let wanted = match test {
        Test::Any(values) => match values.as_slice() {
            [value] => between(&moment(value)?),
            _ => return Err(refused(format!("`{name}` takes one value in a list of issues"))),
        },
        Test::Compare(Comparison::Less, value) => (None, Some(moment(value)?.begins(now_us))),
        Test::Compare(Comparison::AtMost, value) => (None, Some(moment(value)?.ends(now_us))),
        Test::Compare(Comparison::More, value) => (Some(moment(value)?.ends(now_us)), None),
        Test::Compare(Comparison::AtLeast, value) => (Some(moment(value)?.begins(now_us)), None),
        Test::Compare(Comparison::Exactly, value) => between(&moment(value)?),
    };
    narrow(range, wanted);
    Ok(())
}

fn numbers(range: &mut Range, name: &str, test: &Test) -> Result<()> {
    let number = |value: &Value| integer(value).ok_or_else(|| refused(format!("`{name}` takes whole numbers")));
    let wanted = match test {
        Test::Any(values) => match values.as_slice() {
            [value] => (Some(number(value)?), Some(number(value)?.saturating_add(1))),
            _ => return Err(refused(format!("`{name}` takes one value in a list of issues"))),
        },
        Test::Compare(Comparison::Less, value) => (None, Some(number(value)?)),
        Test::Compare(Comparison::AtMost, value) => (None, Some(number(value)?.saturating_add(1))),
        Test::Compare(Comparison::More, value) => (Some(number(value)?.saturating_add(1)), None),
        Test::Compare(Comparison::AtLeast, value) => (Some(number(value)?), None),
        Test::Compare(Comparison::Exactly, value) => (Some(number(value)?), Some(number(value)?.saturating_add(1))),
    };
    narrow(range, wanted);
    Ok(())
}

fn narrow(range: &mut Range, wanted: Range) {
    range.0 = range.0.max(wanted.0);
    range.1 = range.1.into_iter().chain(wanted.1).min();
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Text(pattern) => pattern.as_exact()?.parse().ok(),
        _ => None,
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_issues(query: &str) -> Result<IssueFilter> {
        let mut filter = IssueFilter::default();
        let split = parse(Some(query))?.split().map_err(wrong)?;
        let names = Names::nobody();
        for node in parts(&split.issues) {
            condition(&mut filter, node, &names, 0)?;
        }
        for node in parts(&split.events) {
            of_issue(&mut filter, node);
        }
        Ok(filter)
    }

    #[test]
    fn conditions_on_issues_are_read() {
        let filter =
            read_issues("is:unresolved is:regressed level:[error, fatal] times_seen:>=10 times_seen:<20").unwrap();
        assert_eq!((filter.states, filter.reasons), (vec![IssueState::Unresolved], vec![Reason::Regressed]));
        assert_eq!(filter.levels, [Level::Error, Level::Fatal]);
        assert_eq!(filter.events, (Some(10), Some(20)));
        let filter = read_issues("!is:resolved").unwrap();
        assert_eq!(filter.states, [IssueState::Unresolved, IssueState::Archived]);
        assert_eq!(read_issues("is:resolved is:archived").unwrap().ids, Some(vec![]));
        assert_eq!(read_issues("issue:7").unwrap().ids, Some(vec![7]));
        assert_eq!(read_issues("first_release:1.2").unwrap().first_releases, ["1.2"]);
    }

    #[test]
    fn what_lists_of_issues_do_not_know_names_the_query() {
        for query in ["is:resolved OR is:archived", "!times_seen:3", "assigned:nobody@example.com", "is:purple"] {
            assert_eq!(read_issues(query).unwrap_err().field.as_deref(), Some("query"), "{query}");
        }
    }
}
