//! Answers as Sentry's SDKs read them.

use std::sync::LazyLock;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use tephra_ingest::sentry::{Category, Counted};
use utoipa::ToSchema;

use super::Taken;
use crate::answer::{Answer, Kind};
use crate::gate::Limit;

const ERROR: &str = "x-sentry-error";
const RATE_LIMITS: &str = "x-sentry-rate-limits";

/// What SDKs are told to keep to themselves, for an hour.
static UNWANTED: LazyLock<HeaderValue> = LazyLock::new(|| {
    let words: Vec<_> = Category::UNSUPPORTED.iter().map(|one| one.as_str()).collect();
    let text = format!("3600:{}:project:unsupported", words.join(";"));
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
});

/// The answer to what was taken.
#[derive(Serialize, ToSchema)]
#[schema(as = SentrySent)]
pub(super) struct Sent {
    /// The id of the event, 32 hexadecimal digits; absent where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<String>,
}

/// The answer to what was refused. The header `X-Sentry-Error` has the same words.
#[derive(Serialize, ToSchema)]
#[schema(as = SentryRefused)]
pub(super) struct Refused {
    /// What was attempted, on what, and what went wrong.
    detail: String,
    /// What may help.
    causes: Vec<String>,
}

/// Whether something came that is never kept, so that its SDK may be told.
pub(super) fn is_unwanted(counted: &[Counted]) -> bool {
    counted.iter().any(|row| Category::UNSUPPORTED.contains(&row.category))
}

pub(super) fn sent(taken: &Taken) -> Response {
    limited(taken, Json(Sent { id: taken.event_id.map(hex::encode) }).into_response())
}

/// Tells the SDK what it may keep to itself.
pub(super) fn limited(taken: &Taken, mut response: Response) -> Response {
    if taken.unwanted {
        response.headers_mut().insert(RATE_LIMITS, UNWANTED.clone());
    }
    response
}

pub(super) fn refused(answer: &Answer) -> Response {
    // SDKs know no 401: what has no right is forbidden.
    let status = if answer.kind == Kind::Unauthenticated { StatusCode::FORBIDDEN } else { answer.kind.http() };
    let body = Refused { detail: answer.message.clone(), causes: answer.hint.iter().cloned().collect() };
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    let printable = |letter: char| if matches!(letter, ' '..='~') { letter } else { '?' };
    if let Ok(value) = HeaderValue::from_str(&answer.message.chars().map(printable).collect::<String>()) {
        headers.insert(ERROR, value);
    }
    if let Some(seconds) = answer.retry_after_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        // Without it, SDKs keep everything for a minute.
        if let (Kind::RateLimited, Ok(value)) = (answer.kind, HeaderValue::from_str(&limits(answer, seconds))) {
            headers.insert(RATE_LIMITS, value);
        }
    }
    response
}

/// `seconds:categories:scope:reason` of each limit. All that is kept is named rather than left out, which would also hold for
/// what SDKs say of themselves.
fn limits(answer: &Answer, seconds: u64) -> String {
    let one = |limit: &Limit| {
        let words: Vec<_> = limit.categories.iter().map(|category| category.as_str()).collect();
        let (reason, words) = (limit.reason, words.join(";"));
        format!("{}:{words}:{}:{}", limit.seconds(), reason.scope(), reason.as_str())
    };
    match &answer.limits {
        None => format!("{seconds}::key:rate_limited"),
        Some(limits) => limits.0.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{self, Reason};

    #[test]
    fn a_refusal_says_why_and_when_to_come_back() {
        let check = |kind: Kind, status: u16, after: Option<&str>, limits: Option<&str>| {
            let response = refused(&Answer::new(kind, "no “key”\nhere"));
            let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!(response.status(), status, "{kind:?}");
            assert_eq!(header(ERROR), Some("no ?key??here"));
            assert_eq!((header("retry-after"), header(RATE_LIMITS)), (after, limits), "{kind:?}");
        };
        check(Kind::Invalid, 400, None, None);
        check(Kind::Unauthenticated, 403, None, None);
        check(Kind::Denied, 403, None, None);
        check(Kind::TooLarge, 413, None, None);
        check(Kind::Busy, 503, Some("1"), None);
        check(Kind::RateLimited, 429, Some("1"), Some("1::key:rate_limited"));
    }

    #[test]
    fn each_limit_is_told_with_its_categories() {
        let limit = |reason, categories: &[Category], seconds: u64| Limit {
            reason,
            categories: categories.to_vec(),
            after: std::time::Duration::from_secs(seconds),
        };
        let limits = vec![
            limit(Reason::KeyRate, &[Category::Error, Category::Default], 3),
            limit(Reason::DailyQuota, &[Category::LogItem], 60),
        ];
        let response = refused(&gate::answer(limits));
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!((response.status().as_u16(), header("retry-after")), (429, "60"));
        assert_eq!(header(RATE_LIMITS), "3:error;default:key:key_rate, 60:log_item:project:daily_quota");
    }

    #[test]
    fn what_is_never_kept_is_named_and_nothing_else() {
        let row = |category| Counted { category, reason: "unsupported", quantity: 1 };
        assert!(is_unwanted(&[row(Category::Unknown), row(Category::Session)]));
        assert!(!is_unwanted(&[row(Category::Unknown), row(Category::Security)]));
        let text = UNWANTED.to_str().unwrap();
        assert!(
            text.starts_with("3600:transaction;") && text.ends_with(";metric_bucket:project:unsupported"),
            "{text}"
        );
        let words: Vec<_> = text.split(':').nth(1).unwrap().split(';').collect();
        for kept in ["", "default", "error", "feedback", "log_item", "security", "attachment", "internal", "unknown"] {
            assert!(!words.contains(&kept), "{text}");
        }
    }
}
