//! What SDKs say of themselves: client reports, the counts of what they dropped before it was sent.

use hashbrown::HashMap;

use crate::text::trim_middle;
use crate::value::{Pairs, Value};

/// Different reasons and categories of one report; SDKs know about twenty of each.
const ROWS_MAX: usize = 256;

const WORD_BYTES_MAX: usize = 64;

/// So many things were dropped by the client, of a category, for a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientReport {
    /// `error`, `transaction`, … as the SDK names it.
    pub category: String,
    /// `ratelimit_backoff`, `queue_overflow`, `before_send`, … as the SDK names it.
    pub reason: String,
    /// How many.
    pub quantity: u64,
}

/// Adds what one report says; lists of older SDKs count like the newer one.
pub(super) fn add(report: Pairs<'_>, rows: &mut Vec<ClientReport>) {
    let mut known: HashMap<(String, String), usize> =
        rows.iter().enumerate().map(|(at, row)| ((row.category.clone(), row.reason.clone()), at)).collect();
    const LISTS: [&str; 4] = ["discarded_events", "rate_limited_events", "filtered_events", "filtered_sampling_events"];
    let lists = report.into_iter().filter(|(name, _)| LISTS.contains(&name.as_ref()));
    for item in lists.flat_map(|(_, list)| if let Value::List(list) = list { list } else { Vec::new() }) {
        let Value::Map(pairs) = item else { continue };
        let (mut category, mut reason, mut quantity) = (String::new(), String::new(), 1);
        for (name, value) in pairs {
            match (name.as_ref(), value) {
                ("category", Value::Text(word)) => category = trim_middle(&word, WORD_BYTES_MAX).into_owned(),
                ("reason", Value::Text(word)) => reason = trim_middle(&word, WORD_BYTES_MAX).into_owned(),
                ("quantity", value) => {
                    quantity = value.as_int().and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
                }
                _ => {}
            }
        }
        if quantity == 0 {
            continue;
        }
        if category.is_empty() {
            category = "unknown".to_owned();
        }
        let full = rows.len() >= ROWS_MAX;
        match known.get(&(category.clone(), reason.clone())) {
            Some(at) => rows[*at].quantity = rows[*at].quantity.saturating_add(quantity),
            None if full => {}
            None => {
                known.insert((category.clone(), reason.clone()), rows.len());
                rows.push(ClientReport { category, reason, quantity });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn check(report: &str, expected: &[(&str, &str, u64)]) {
        let Value::Map(pairs) = parse(report).unwrap() else { panic!("{report}") };
        let mut rows = Vec::new();
        add(pairs, &mut rows);
        let found: Vec<_> = rows.iter().map(|row| (row.category.as_str(), row.reason.as_str(), row.quantity)).collect();
        assert_eq!(found, expected, "{report}");
    }

    #[test]
    fn reads_each_form() {
        check(
            r#"{"timestamp":1,"discarded_events":[{"reason":"ratelimit_backoff","category":"error","quantity":2},{"reason":"ratelimit_backoff","category":"error","quantity":"3"}],"rate_limited_events":[{"reason":"x","category":"span","quantity":1}]}"#,
            &[("error", "ratelimit_backoff", 5), ("span", "x", 1)],
        );
        check(r#"{"discarded_events":[{"reason":"x","quantity":-1},{},7,{"category":3}]}"#, &[("unknown", "", 2)]);
        check(r#"{"discarded_events":{}}"#, &[]);
    }

    #[test]
    fn rows_are_bounded() {
        let rows =
            (0..1_000).map(|n| format!(r#"{{"reason":"r{n}","category":"error"}}"#)).collect::<Vec<_>>().join(",");
        let report = format!(r#"{{"discarded_events":[{rows}]}}"#);
        let Value::Map(pairs) = parse(&report).unwrap() else { panic!("no object") };
        let mut rows = Vec::new();
        add(pairs, &mut rows);
        assert_eq!(rows.len(), ROWS_MAX);
    }
}
