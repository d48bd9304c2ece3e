//! What the ledger learns of a request besides its events: what was not kept, and what the client dropped itself.
//!
//! Reasons are `category/reason`, such as `session/unsupported`. Both words are of fixed lists, whatever a client writes.

use tephra_ingest::Receipt;
use tephra_ingest::sentry::{Category, ClientReport, Counted, SentryBatch};
use tephra_storage::meta::ledger::Outcome;

use crate::gate::Reason;
use crate::ledger::Ledger;

/// No honest client counts more at once; sums of it stay far from the end of numbers.
const QUANTITY_MAX: u64 = 1_000_000_000;

/// Why clients drop.
const REASONS: [&str; 14] = [
    "backpressure",
    "before_send",
    "buffer_overflow",
    "cache_overflow",
    "event_processor",
    "ignored",
    "insufficient_data",
    "internal_sdk_error",
    "invalid",
    "network_error",
    "queue_overflow",
    "ratelimit_backoff",
    "sample_rate",
    "send_error",
];

/// What they drop, besides what is never kept.
const KEPT: [Category; 7] = [
    Category::Default,
    Category::Error,
    Category::LogItem,
    Category::Security,
    Category::Attachment,
    Category::Feedback,
    Category::Internal,
];

/// Writes down what `batch` says beside its events. Tells whether something was not read, for `limit`.
pub(super) fn note(ledger: &Ledger, receipt: &Receipt<'_>, batch: &SentryBatch, limit: Option<Reason>) -> bool {
    let mut limited = false;
    let add = |outcome, reason, quantity: u64| {
        let events = usize::try_from(quantity.min(QUANTITY_MAX)).unwrap_or(usize::MAX);
        ledger.note(receipt.project_id, outcome, reason, events, receipt.received_at);
    };
    for Counted { category, reason, quantity } in &batch.counted {
        if let ("rate_limited", Some(limit)) = (*reason, limit) {
            limited = true;
            add(Outcome::RateLimited, limit.as_str().to_owned(), *quantity);
            continue;
        }
        let outcome = match *reason {
            "duplicate_item" => Outcome::Duplicate,
            "malformed" | "missing_event_id" | "event_not_stored" | "too_large" | "too_many" => Outcome::Rejected,
            _ => Outcome::Filtered,
        };
        add(outcome, format!("{category}/{reason}"), *quantity);
    }
    for report in &batch.client_reports {
        if let Some(reason) = reported(report) {
            add(Outcome::ClientDropped, reason, report.quantity);
        }
    }
    limited
}

/// The reason of a client's report; `None` where it counts bytes.
fn reported(report: &ClientReport) -> Option<String> {
    if report.category.ends_with("_byte") {
        return None;
    }
    let mut categories = KEPT.iter().chain(&Category::UNSUPPORTED).map(|category| category.as_str());
    let category = categories.find(|word| *word == report.category).unwrap_or("other");
    let reason = REASONS.into_iter().find(|word| *word == report.reason).unwrap_or("other");
    Some(format!("{category}/{reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_clients_are_of_fixed_lists() {
        let check = |category: &str, reason: &str, expected: Option<&str>| {
            let report = ClientReport { category: category.to_owned(), reason: reason.to_owned(), quantity: 1 };
            assert_eq!(reported(&report).as_deref(), expected, "{category} {reason}");
        };
        check("error", "ratelimit_backoff", Some("error/ratelimit_backoff"));
        check("transaction", "sample_rate", Some("transaction/sample_rate"));
        check("x'; DROP", "because", Some("other/other"));
        check("log_byte", "queue_overflow", None);
    }
}
