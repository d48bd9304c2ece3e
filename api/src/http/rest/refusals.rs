//! The failures that operations have in common, for the OpenAPI document: `responses((status = 200, …), Reads)`.
//!
//! Each status is described once, among the document's components, and referred to.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::{Content, Header, Object, Ref, RefOr, Response, ResponseBuilder, schema};

/// Failures of operations that read from the metadata.
pub(crate) struct Reads;

/// Failures of operations that read events.
pub(crate) struct Asks;

/// Failures of operations that change something.
pub(crate) struct Writes;

/// Failures of operations that anybody may call.
pub(crate) struct Opens;

/// Failures of operations that find by search what they change.
pub(crate) struct AsksAndWrites;

/// Failures of statements.
pub(crate) struct SqlRefusals;

/// Failures of ingest.
pub(crate) struct Ingests;

/// Failures of OTLP, which come as `google.rpc.Status` in the form of the request.
pub(crate) struct OtlpRefusals;

/// Failures of Sentry's protocol besides 400, in the form that its SDKs read.
pub(crate) struct SentryRefusals;

struct Refusal {
    status: &'static str,
    name: &'static str,
    description: &'static str,
}

const fn refusal(status: &'static str, name: &'static str, description: &'static str) -> Refusal {
    Refusal { status, name, description }
}

const REFUSALS: [Refusal; 14] = [
    refusal("400", "Invalid", "The request is wrong; `field` names what is."),
    refusal("401", "Unauthenticated", "No token or session, or one that does not hold."),
    refusal("403", "Denied", "The caller has no right to this."),
    refusal("404", "NotFound", "There is no such thing, or the caller may not know of it."),
    refusal("408", "Slow", "The request's body did not come in time."),
    refusal("409", "Conflict", "It was changed meanwhile, or there is one already."),
    refusal("413", "TooLarge", "The request's body is too large."),
    refusal("415", "Unsupported", "An unknown content type or encoding."),
    refusal("422", "Exhausted", "The question needs more than its limits allow."),
    refusal("429", "RateLimited", "Too many requests; `Retry-After` says when to come back."),
    refusal("499", "Cancelled", "The query was cancelled."),
    refusal("500", "Internal", "A bug, or stored data is damaged; the server's log has it by the request id."),
    refusal("503", "Busy", "Overloaded, starting or stopping; `Retry-After` says when to come back."),
    refusal("504", "Timeout", "The question took longer than it may."),
];

/// All of them, for the document's components.
pub(crate) fn responses() -> BTreeMap<String, RefOr<Response>> {
    REFUSALS.iter().map(|refusal| (refusal.name.to_owned(), refusal.describe().into())).collect()
}

impl Refusal {
    fn describe(&self) -> Response {
        let problem = Content::new(Some(RefOr::Ref(Ref::from_schema_name("Problem"))));
        let response =
            ResponseBuilder::new().description(self.description).content("application/problem+json", problem);
        match self.status {
            "429" | "503" => {
                let mut after = Header::new(Object::with_type(schema::Type::Integer));
                after.description = Some("Seconds.".to_owned());
                response.header("retry-after", after).build()
            }
            _ => response.build(),
        }
    }
}

fn those(statuses: &[&str]) -> BTreeMap<String, RefOr<Response>> {
    let chosen = REFUSALS.iter().filter(|refusal| statuses.contains(&refusal.status));
    chosen.map(|refusal| (refusal.status.to_owned(), RefOr::Ref(Ref::from_response_name(refusal.name)))).collect()
}

impl IntoResponses for Reads {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        those(&["400", "401", "403", "404", "429", "500", "503"])
    }
}

impl IntoResponses for Asks {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        those(&["400", "401", "403", "404", "422", "429", "500", "503", "504"])
    }
}

impl IntoResponses for Writes {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        those(&["400", "401", "403", "404", "408", "409", "413", "415", "429", "500", "503"])
    }
}

impl IntoResponses for Opens {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        those(&["429", "500", "503"])
    }
}

impl IntoResponses for AsksAndWrites {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        those(&["400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "500", "503", "504"])
    }
}

impl IntoResponses for SqlRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        those(&["400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "499", "500", "503", "504"])
    }
}

const INGEST: [&str; 9] = ["400", "401", "403", "408", "413", "415", "429", "500", "503"];

impl IntoResponses for Ingests {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        those(&INGEST)
    }
}

impl IntoResponses for SentryRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let chosen = REFUSALS.iter().filter(|refusal| INGEST.contains(&refusal.status));
        let described = chosen.filter(|refusal| !["400", "401"].contains(&refusal.status)).map(|refusal| {
            let body = Content::new(Some(RefOr::Ref(Ref::from_schema_name("SentryRefused"))));
            let response = ResponseBuilder::new().description(refusal.description).content("application/json", body);
            (refusal.status.to_owned(), response.build().into())
        });
        described.collect()
    }
}

impl IntoResponses for OtlpRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let chosen = REFUSALS.iter().filter(|refusal| INGEST.contains(&refusal.status));
        let described = chosen.map(|refusal| {
            let status = Content::new(Some(Object::new()));
            let response = ResponseBuilder::new().description(refusal.description);
            let response = response.content("application/x-protobuf", status.clone());
            (refusal.status.to_owned(), response.content("application/json", status).build().into())
        });
        described.collect()
    }
}
