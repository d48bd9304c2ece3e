//! The form in which a user tells what happened before an error, as `showReportDialog` of Sentry's SDKs shows it.
//!
//! The SDK loads a script, which makes the dialog in the page at hand; opened by itself the address is a page with the same
//! form. What comes in the address is written into the script as JSON that ends no element, into the page as escaped text,
//! and no page of another site may frame it. What is sent becomes a feedback event about the event that the address names.

use std::sync::Arc;

use axum::extract::{Request, State as Extract};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Map, Value};
use tephra_ingest::sentry::{self, Auth};
use tephra_storage::ProjectId;
use url::form_urlencoded;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{self, Refused, Sent};
use super::{ClientAddress, Form, Head, Incoming, Result, door, store_batch};
use crate::access::Pass;
use crate::answer::{Answer, Kind};
use crate::gate::KeyGate;
use crate::http::body;
use crate::http::rest::SentryRefusals;
use crate::meters::Protocol;
use crate::state::State;

const FEEDBACK: Form = Form {
    protocol: Protocol::SentryFeedback,
    decode: |receipt, policy, head, body| sentry::envelope(receipt, policy, &head.sender(), body),
    has_dsn: false,
};

const SCRIPT: &str = include_str!("../../../assets/report/dialog.js");
const PAGE: &str = include_str!("../../../assets/report/page.html");
const THANKS: &str = include_str!("../../../assets/report/thanks.html");
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The texts of the dialog, which the SDK may set.
const TEXTS: [(&str, &str); 13] = [
    ("title", "It looks like we're having issues."),
    ("subtitle", "Our team has been notified."),
    ("subtitle2", "If you'd like to help, tell us what happened below."),
    ("labelName", "Name"),
    ("labelEmail", "Email"),
    ("labelComments", "What happened?"),
    ("labelClose", "Close"),
    ("labelSubmit", "Submit"),
    ("errorGeneric", "An unknown error occurred while submitting your report. Please try again."),
    ("errorFormEntry", "Some fields were invalid. Please correct the errors and try again."),
    ("successMessage", "Your feedback has been sent. Thank you!"),
    ("name", ""),
    ("email", ""),
];
/// Longer ones are cut.
const TEXT_BYTES_MAX: usize = 1_000;
/// What a person writes.
const FIELD_BYTES_MAX: usize = 8_192;

/// The routes, with and without the slash at the end.
pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(form, send)).route("/api/embed/error-page", get(form).post(send))
}

/// The form in which a user tells what happened: a script for a page, or a page.
#[utoipa::path(
    get, path = "/api/embed/error-page/", operation_id = "sentryReportForm", tag = "ingest", security(()),
    params(
        ("dsn" = String, Query, description = "The DSN."),
        ("eventId" = String, Query, description = "The id of the event that it is about."),
    ),
    responses(
        (status = 200, description = "The form.", content((String = "text/javascript"), (String = "text/html"))),
        (status = 400, description = "The address names no event.", body = Refused), SentryRefusals,
    ),
)]
async fn form(Extract(state): Extract<State>, uri: Uri, headers: HeaderMap) -> Response {
    let about = match About::read(&state, &uri) {
        Ok(about) => about,
        Err(answer) => return answer::refused(&answer),
    };
    if wants_page(&headers) {
        let filled = ["name", "email"]
            .iter()
            .fold(PAGE.to_owned(), |page, name| page.replace(&format!("{{{{{name}}}}}"), &escaped(about.text(name))));
        return page(filled);
    }
    let texts: Map<String, Value> =
        TEXTS.iter().map(|(name, _)| ((*name).to_owned(), Value::from(about.text(name)))).collect();
    // The script is a function in an expression.
    let script = format!("{}({});\n", SCRIPT.trim_end(), in_script(&Value::Object(texts).to_string()));
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], script).into_response()
}

/// Stores what a user wrote about an event.
#[utoipa::path(
    post, path = "/api/embed/error-page/", operation_id = "sentryReport", tag = "ingest", security(()),
    params(
        ("dsn" = String, Query, description = "The DSN."),
        ("eventId" = String, Query, description = "The id of the event that it is about."),
    ),
    request_body(content((Object = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "Stored durably.", content((Sent = "application/json"), (String = "text/html"))),
        (status = 400, description = "Something is missing.", body = Refused), SentryRefusals,
    ),
)]
async fn send(Extract(state): Extract<State>, request: Request) -> Response {
    let wants_page = wants_page(request.headers());
    match take(&state, request).await {
        Ok(taken) if !wants_page => answer::sent(&taken),
        Ok(_) => page(THANKS.to_owned()),
        Err(answer) => answer::refused(&answer),
    }
}

async fn take(state: &State, request: Request) -> Result<super::Taken> {
    let (parts, unread) = request.into_parts();
    let about = match About::read(state, &parts.uri) {
        Ok(about) => about,
        Err(answer) => {
            body::drain(state, &parts.headers, unread).await;
            return Err(answer);
        }
    };
    let refuse = |answer: &Answer| state.ledger.refused(about.project, answer, state.clock.now_us());
    let (body, share) = body::read_events(state, &parts.headers, unread).await.inspect_err(refuse)?;
    let field = |wanted: &str| {
        let found = form_urlencoded::parse(&body).find(|(name, _)| name == wanted).map(|(_, value)| value);
        found.map(|value| value[..value.floor_char_boundary(FIELD_BYTES_MAX)].trim().to_owned()).unwrap_or_default()
    };
    let report = serde_json::json!({
        "event_id": about.event, "name": field("name"), "email": field("email"), "comments": field("comments"),
    });
    for name in ["name", "email", "comments"] {
        if report[name] == "" {
            let answer = Answer::new(Kind::Invalid, format!("`{name}` is missing")).field(name);
            refuse(&answer);
            return Err(answer);
        }
    }
    let body = Bytes::from(format!("{{}}\n{{\"type\":\"user_report\"}}\n{report}\n"));
    let About { project: project_id, key, .. } = about;
    let incoming = Incoming { protocol: Protocol::SentryFeedback, project_id, key, encoding: None, body, share };
    let address = parts.extensions.get::<ClientAddress>().map(|client| client.ip);
    store_batch(state, incoming, &FEEDBACK, Head::new(address, &parts.headers, None, None)).await
}

/// What the address says.
struct About {
    project: ProjectId,
    key: Arc<KeyGate>,
    event: String,
    query: Vec<(String, String)>,
}

impl About {
    fn read(state: &State, uri: &Uri) -> Result<Self> {
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let about = Self { project: ProjectId(0), key: Arc::default(), event: String::new(), query: pairs };
        let auth = about.given("dsn").and_then(Auth::of_dsn).ok_or_else(door::nobody)?;
        let Pass { project, key } = state.access.ingest_key(&auth.key)?;
        if auth.project.as_deref().is_some_and(|named| named != project.to_string()) {
            return Err(Answer::new(Kind::Denied, "the key is not of the project in the DSN"));
        }
        let event = about.given("eventId").and_then(|id| uuid::Uuid::try_parse(id).ok());
        let event =
            event.ok_or_else(|| Answer::new(Kind::Invalid, "`eventId` is no id of an event").field("eventId"))?;
        Ok(Self { project, key, event: event.simple().to_string(), ..about })
    }

    fn given(&self, wanted: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    fn text(&self, name: &str) -> &str {
        let usual = || TEXTS.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| *text);
        let text = self.given(name).unwrap_or_else(usual);
        &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
    }
}

/// Whether a person opened the address, rather than a page its script.
fn wants_page(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

fn page(html: String) -> Response {
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)];
    (StatusCode::OK, headers, html).into_response()
}

/// Text as it stands between tags and quotes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Nothing that is put in is taken for a place to put something in.
            '{' => out.push_str("&#123;"),
            letter => out.push(letter),
        }
    }
    out
}

/// JSON that may stand in a script wherever that stands.
fn in_script(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_put_in_ends_what_it_is_put_into() {
        let evil = "</script>\"'<img src=x onerror=alert(1)>{{email}}&\u{2028}";
        let page = escaped(evil);
        assert!(!page.contains(['<', '>', '"', '\'', '{']), "{page}");
        let script = in_script(&Value::from(evil).to_string());
        assert!(!script.contains(['<', '>', '&', '\u{2028}']), "{script}");
        assert_eq!(serde_json::from_str::<String>(&script).unwrap(), evil);
    }

    #[test]
    fn the_page_holds_no_script_and_nothing_from_elsewhere() {
        for text in [PAGE, THANKS] {
            assert!(!text.contains("<script") && !text.contains("src=") && !text.contains("://"), "{text}");
        }
        assert!(!SCRIPT.contains("innerHTML") && !SCRIPT.contains("://") && !SCRIPT.contains("eval"));
        assert!(SCRIPT.trim_end().ends_with("})"));
    }
}
