//! The audit log: lists, an export as a stream, and whether its chain is whole.

use axum::Json;
use axum::body::Body;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use tephra_storage::meta::audit::{AuditFilter, Written};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Limit, Page, QueryOf, Reads, Time, page, reach, selection};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Caller;
use crate::roles::Verb;
use crate::state::State;

/// Rows that an export reads at a time.
const CHUNK: u32 = 500;

pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(export)).routes(routes!(verify))
}

/// A row of the audit log.
#[derive(Serialize, ToSchema)]
struct AuditRow {
    /// From 1, without gaps.
    id: i64,
    at: Time,
    /// `user`, `token`, `shell`, `system` or `nobody`.
    actor_kind: String,
    /// The id of the user or token.
    actor: String,
    actor_name: String,
    /// What, as noun and verb: `project.create`.
    verb: String,
    target_kind: String,
    target: String,
    #[schema(required)]
    project_id: Option<i64>,
    /// The changed fields as they were.
    #[schema(required)]
    before: Option<serde_json::Value>,
    /// The changed fields as they are.
    #[schema(required)]
    after: Option<serde_json::Value>,
    /// The client's address.
    address: String,
    request_id: String,
    /// Over this row and the hash of the row before.
    hash: String,
}

/// Whether the log is what was written.
#[derive(Serialize, ToSchema)]
struct AuditVerified {
    intact: bool,
    /// How many rows there are, where it is.
    #[schema(required)]
    rows: Option<u64>,
    /// The first row that is not what was written, where it is not.
    #[schema(required)]
    broken_at: Option<i64>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// From this time on.
    from: Option<Time>,
    /// Before this time.
    to: Option<Time>,
    /// By the user or token of this id.
    actor: Option<String>,
    /// With this verb: `project.create`.
    verb: Option<String>,
    /// On things of this kind: `project`, `issue`, `token`.
    target_kind: Option<String>,
    /// On the thing of this id.
    target: Option<String>,
    /// In this project, by number or slug.
    project: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Rows of a page.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Limit,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// From this time on.
    from: Option<Time>,
    /// Before this time.
    to: Option<Time>,
    /// By the user or token of this id.
    actor: Option<String>,
    /// With this verb: `project.create`.
    verb: Option<String>,
    /// On things of this kind: `project`, `issue`, `token`.
    target_kind: Option<String>,
    /// On the thing of this id.
    target: Option<String>,
    /// In this project, by number or slug.
    project: Option<String>,
}

impl AuditRow {
    fn of(row: Written) -> Self {
        let read = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        Self {
            id: row.id,
            at: Time(row.at_us),
            actor_kind: row.actor_kind,
            actor: row.actor,
            actor_name: row.actor_name,
            verb: row.verb,
            target_kind: row.target_kind,
            target: row.target,
            project_id: row.project.map(|project| project.0),
            before: read(row.before),
            after: read(row.after),
            address: row.address,
            request_id: row.request_id,
            hash: row.hash,
        }
    }
}

async fn filter(state: &State, caller: &Caller, query: ExportQuery) -> Result<AuditFilter> {
    let project = match &query.project {
        Some(name) => {
            let found = reach::project_id(state, caller, name, Verb::AuditRead).await;
            Some(found.map_err(|answer| answer.field("project"))?)
        }
        None => {
            caller.may_here(Verb::AuditRead)?;
            None
        }
    };
    let (from_us, to_us) = selection::range(query.from, query.to)?;
    let ExportQuery { actor, verb, target_kind, target, .. } = query;
    Ok(AuditFilter { before_id: None, from_us, to_us, actor, verb, target_kind, target, project })
}

/// Lists the audit log, the newest first; that of a project for those who may read it there.
#[utoipa::path(
    get, path = "/api/v1/audit", operation_id = "listAudit", tag = "audit", params(ListQuery),
    responses((status = 200, description = "A page of rows.", body = Page<AuditRow>), Reads),
)]
async fn list(
    Extract(state): Extract<State>,
    caller: Caller,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Json<Page<AuditRow>>> {
    let ListQuery { from, to, actor, verb, target_kind, target, project, cursor, limit } = query;
    let query = ExportQuery { from, to, actor, verb, target_kind, target, project };
    let mut filter = filter(&state, &caller, query).await?;
    filter.before_id = page::read(cursor.as_deref())?;
    let rows = state.meta.audit(&filter, limit.rows() + 1).await?;
    Ok(Json(Page::of(rows, limit, |row| row.id).map(AuditRow::of)))
}

/// Exports the audit log, the newest first, as NDJSON or, where `Accept` says so, as CSV.
#[utoipa::path(
    get, path = "/api/v1/audit/export", operation_id = "exportAudit", tag = "audit", params(ExportQuery),
    responses(
        (status = 200, description = "All rows.", content((String = "application/x-ndjson"), (String = "text/csv"))),
        (status = 415, description = "It does not come as that.", body = crate::http::Problem,
            content_type = "application/problem+json"),
        Reads,
    ),
)]
async fn export(
    Extract(state): Extract<State>,
    caller: Caller,
    QueryOf(query): QueryOf<ExportQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let filter = filter(&state, &caller, query).await?;
    let form = Form::from_accept(headers.get(ACCEPT).map_or("", |value| value.to_str().unwrap_or("?")))?;
    let head = stream::iter(form.head().map(|head| Ok(head.to_owned())));
    let start = Some((state, filter));
    let chunks = stream::unfold(start, move |left| async move {
        let (state, mut filter) = left?;
        let rows = match state.meta.audit(&filter, CHUNK).await {
            Ok(rows) => rows,
            Err(error) => return Some((Err(Answer::from(error)), None)),
        };
        filter.before_id = rows.last().map(|row| row.id);
        let is_last = rows.len() < CHUNK as usize;
        let text: String = rows.into_iter().map(|row| form.row(row)).collect();
        Some((Ok(text), (!is_last).then_some((state, filter))))
    });
    let file = format!("attachment; filename=\"audit.{}\"", form.extension());
    let headers = [(CONTENT_TYPE, form.content_type().to_owned()), (CONTENT_DISPOSITION, file)];
    Ok((headers, Body::from_stream(head.chain(chunks).fuse())).into_response())
}

/// Reads the whole audit log and compares the chain of its rows.
#[utoipa::path(
    get, path = "/api/v1/audit/verify", operation_id = "verifyAudit", tag = "audit",
    responses((status = 200, description = "Whether it is what was written.", body = AuditVerified), Reads),
)]
async fn verify(Extract(state): Extract<State>, caller: Caller) -> Result<Json<AuditVerified>> {
    caller.may_here(Verb::AuditRead)?;
    Ok(Json(match state.meta.verify_audit().await? {
        Ok(rows) => AuditVerified { intact: true, rows: Some(rows), broken_at: None },
        Err(id) => AuditVerified { intact: false, rows: None, broken_at: Some(id) },
    }))
}

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Ndjson,
    Csv,
}

impl Form {
    fn from_accept(accept: &str) -> Result<Self> {
        let wanted = accept.split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
        for one in wanted {
            match one {
                "" | "*/*" | "application/*" | "application/x-ndjson" => return Ok(Self::Ndjson),
                "text/csv" | "text/*" => return Ok(Self::Csv),
                _ => {}
            }
        }
        Err(Answer::new(Kind::Unsupported, format!("the audit log does not come as `{accept}`"))
            .hint("accept `application/x-ndjson` or `text/csv`"))
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }

    fn head(self) -> Option<&'static str> {
        (self == Self::Csv).then_some(
            "id,at,actor_kind,actor,actor_name,verb,target_kind,target,project_id,before,after,address,request_id,hash\r\n",
        )
    }

    fn row(self, row: Written) -> String {
        if self == Self::Ndjson {
            let mut line = serde_json::to_string(&AuditRow::of(row)).unwrap_or_default();
            line.push('\n');
            return line;
        }
        let (id, at) = (row.id.to_string(), Time(row.at_us).to_string());
        let project = row.project.map_or_else(String::new, |project| project.0.to_string());
        let (before, after) = (row.before.unwrap_or_default(), row.after.unwrap_or_default());
        let fields = [
            &id,
            &at,
            &row.actor_kind,
            &row.actor,
            &row.actor_name,
            &row.verb,
            &row.target_kind,
            &row.target,
            &project,
            &before,
            &after,
            &row.address,
            &row.request_id,
            &row.hash,
        ];
        let mut line = fields.map(|field| cell(field)).join(",");
        line.push_str("\r\n");
        line
    }
}

/// A field of CSV (RFC 4180). What a spreadsheet would take for a formula gets a quote before it: names are people's choice.
fn cell(field: &str) -> String {
    let field =
        if field.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{field}") } else { field.to_owned() };
    if field.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_no_formula_comes_through() {
        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
        assert_eq!(cell("=HYPERLINK(1)"), "'=HYPERLINK(1)");
    }

    #[test]
    fn the_form_follows_accept() {
        assert_eq!(Form::from_accept(""), Ok(Form::Ndjson));
        assert_eq!(Form::from_accept("text/html, text/csv;q=0.9"), Ok(Form::Csv));
        assert_eq!(Form::from_accept("image/png").unwrap_err().kind, Kind::Unsupported);
    }
}
