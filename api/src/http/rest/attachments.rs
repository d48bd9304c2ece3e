//! Files that came with events: listed, and handed out as bytes.
//!
//! What somebody's program sent is never shown as what it claims to be: it goes out as a file to be saved, of no type.
//!
//! A file may be there before its event is, and an event without files has an empty list.

use axum::Json;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG};
use serde::Serialize;
use tephra_storage::{Attachment, ProjectId};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::events::known_id;
use super::{Asks, Page, PathOf, Time, reach};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(get))
}

/// A file that came with an event.
#[derive(Serialize, ToSchema)]
#[schema(as = Attachment)]
struct Shown {
    id: String,
    /// What its sender calls it.
    name: String,
    /// What its sender says it is.
    #[schema(required)]
    content_type: Option<String>,
    /// What it is for: `event.attachment`, `event.minidump`, …
    #[serde(rename = "type")]
    kind: String,
    /// Bytes.
    size: u64,
    /// The digest of its bytes, in hexadecimal digits.
    sha256: String,
    received_at: Time,
}

impl From<Attachment> for Shown {
    fn from(attachment: Attachment) -> Self {
        Self {
            id: attachment.id,
            name: attachment.name,
            content_type: attachment.content_type,
            kind: attachment.kind,
            size: attachment.size,
            sha256: hex::encode(attachment.sha256),
            received_at: Time(attachment.received_at),
        }
    }
}

/// Lists the files that came with an event.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/events/{event}/attachments", operation_id = "listAttachments", tag = "events",
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("event" = String, Path, description = "Its id, 32 hexadecimal digits."),
    ),
    responses((status = 200, description = "The files, by name.", body = Page<Shown>), Asks),
)]
async fn list(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf((name, event)): PathOf<(String, String)>,
) -> Result<Json<Page<Shown>>> {
    let project = reach::project_id(&state, &caller, &name, Verb::EventRead).await?;
    let (digits, id) = parsed(&event)?;
    let core = state.core()?;
    let files = core.store.attachments(project, &id).await?;
    if files.is_empty() && core.engine.event(&[project], project, &digits).await?.is_none() {
        return Err(Answer::new(Kind::NotFound, format!("no event `{event}`")));
    }
    Ok(Json(Page::whole(files.into_iter().map(Shown::from).collect())))
}

/// A file that came with an event.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/events/{event}/attachments/{attachment}", operation_id = "getAttachment",
    tag = "events",
    params(
        ("project" = String, Path, description = "Its number or slug."),
        ("event" = String, Path, description = "The id of the event, 32 hexadecimal digits."),
        ("attachment" = String, Path, description = "The id of the file."),
    ),
    responses(
        (status = 200, description = "Its bytes.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 304, description = "It is the one that `If-None-Match` names."), Asks,
    ),
)]
async fn get(
    Extract(state): Extract<State>,
    caller: Caller,
    PathOf((name, event, attachment)): PathOf<(String, String, String)>,
) -> Result<Response> {
    let project = reach::project_id(&state, &caller, &name, Verb::EventRead).await?;
    let (_, id) = parsed(&event)?;
    let unknown = || Answer::new(Kind::NotFound, format!("no attachment `{attachment}` of the event `{event}`"));
    read(&state, project, &id, &attachment).await?.ok_or_else(unknown)
}

async fn read(state: &State, project: ProjectId, event: &[u8; 16], id: &str) -> Result<Option<Response>> {
    let store = &state.core()?.store;
    let Some(found) = store.attachment(project, event, id).await? else { return Ok(None) };
    // Until it is read; what is being sent is one file for each connection.
    let mut share = state.budget.share();
    share.grow(usize::try_from(found.size).unwrap_or(usize::MAX))?;
    let Some(bytes) = store.read_attachment(&found).await? else { return Ok(None) };
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, disposition(&found.name)),
        (CACHE_CONTROL, "private, no-cache".to_owned()),
        (ETAG, format!("\"{}\"", hex::encode(&found.sha256[..16]))),
    ];
    Ok(Some((headers, bytes).into_response()))
}

/// The event's id as the engine and as the store read it.
fn parsed(event: &str) -> Result<(String, [u8; 16])> {
    let digits = known_id(event)?;
    let mut id = [0; 16];
    let decoded = hex::decode_to_slice(&digits, &mut id);
    decoded.map_err(|_| Answer::new(Kind::NotFound, format!("no event `{event}`")))?;
    Ok((digits, id))
}

/// To be saved under its name: in letters that every browser reads, and in full (RFC 6266).
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|letter| if matches!(letter, ' '..='~') && !"\"\\%;".contains(letter) { letter } else { '_' })
        .collect();
    let full: String = name
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{full}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_their_quotes() {
        assert_eq!(disposition("a b.txt"), "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt");
        assert_eq!(
            disposition("x\"; y=\r\n日"),
            "attachment; filename=\"x__ y=___\"; filename*=UTF-8''x%22%3B%20y%3D%0D%0A%E6%97%A5"
        );
    }
}
