//! Takes conditions on events and conditions on issues apart.

use super::Search;
use super::error::SearchError;
use super::tree::{Node, Term};

/// The two halves of a search; both must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// What an event must meet: has a filter and a matcher.
    pub events: Search,
    /// What an issue must meet: its tree holds `Term::Issue` only.
    pub issues: Search,
}

pub(super) fn split(root: Option<&Node>) -> Result<Split, SearchError> {
    let parts = match root {
        None => Vec::new(),
        Some(Node::And(nodes)) => nodes.iter().collect(),
        Some(other) => vec![other],
    };
    let (mut events, mut issues) = (Vec::new(), Vec::new());
    for node in parts {
        match about(node) {
            (_, None) => events.push(node.clone()),
            (false, Some(_)) => issues.push(node.clone()),
            (true, Some((name, position))) => {
                let message =
                    format!("`{name}` is about issues and stands with conditions on events in one OR or negation");
                return Err(
                    SearchError::new(position, message).with_hint("join them by AND, or search one after the other")
                );
            }
        }
    }
    let search = |nodes: Vec<Node>| Search { root: (!nodes.is_empty()).then(|| Node::all(nodes)) };
    Ok(Split { events: search(events), issues: search(issues) })
}

/// Whether there is a condition on events, and the first on issues.
fn about(node: &Node) -> (bool, Option<(&'static str, usize)>) {
    let (mut events, mut issue) = (false, None);
    node.each_term(&mut |term| match term {
        Term::Issue { key, position, .. } => issue = issue.or(Some((key.name(), *position))),
        _ => events = true,
    });
    (events, issue)
}

/// Refuses what is about issues.
pub(super) fn only_events(root: &Node) -> Result<(), SearchError> {
    match about(root).1 {
        None => Ok(()),
        Some((name, position)) => {
            Err(SearchError::new(position, format!("`{name}` is about issues, not about events"))
                .with_hint(format!("search the issues instead; a tag of that name is `tags[{name}]`")))
        }
    }
}
