//! Every route of the OpenAPI document, asked by people of every role, by confined tokens and by nobody: the answers are
//! those of the table in `docs/ROLES.md`.
//!
//! Whoever may is never answered 401, 403 or 404; changes are asked for in forms that change nothing, so that one crowd does
//! for all. A route that this file does not know fails the test.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};
use tephra_storage::meta::roles::Role;

use crate::crowd::{Crowd, Who, ask_with, error, expect};

/// What a route needs.
#[derive(Clone, Copy, Debug)]
enum Need {
    /// Nothing.
    Open,
    /// An ingest key.
    Key,
    /// The ingest key of a DSN, without which nobody is ever asked who they are.
    Dsn,
    /// A person with a session.
    Session,
    /// Any caller.
    Caller,
    /// A verb in the project that is named.
    Project(&'static str),
    /// Several verbs in the project that is named.
    All(&'static [&'static str]),
    /// A verb in any project at all.
    Somewhere(&'static str),
    /// A verb in the organisation.
    Organisation(&'static str),
    /// The author of the thing, who has the verb in the project besides; the owner here.
    Author(&'static str),
    /// As `Author`, or an admin of the project.
    AuthorOrAdmin(&'static str),
    /// A verb in the organisation, or in the project that is named in the query.
    Either(&'static str),
}

struct Route {
    name: &'static str,
    need: Need,
    body: Option<Value>,
    /// For a body-less change that must not happen.
    stale: bool,
}

fn routes() -> Vec<Route> {
    use Need::{All, Author, AuthorOrAdmin, Caller, Dsn, Either, Key, Open, Organisation, Project, Session, Somewhere};
    let get = |name, need| Route { name, need, body: None, stale: false };
    let send = |name, need, body| Route { name, need, body: Some(body), stale: false };
    let stale = |name, need| Route { name, need, body: None, stale: true };
    vec![
        get("livez", Open),
        get("readyz", Open),
        get("metrics", Open),
        get("openapi", Open),
        get("docs", Open),
        get("docsPage", Open),
        get("docsFile", Open),
        get("loginMethods", Open),
        get("oidcLogin", Open),
        get("oidcCallback", Open),
        send("login", Open, json!({ "email": "x", "password": "y" })),
        send("loginCode", Open, json!({ "ticket": "x", "code": "y" })),
        send("forgotPassword", Open, json!({ "email": "x" })),
        send("resetPassword", Open, json!({ "token": "x", "password": "y" })),
        send("ingest", Key, json!({})),
        send("exportLogs", Key, json!({})),
        send("exportTraces", Key, json!({})),
        send("sentryEnvelope", Dsn, json!({})),
        send("sentryStore", Dsn, json!({})),
        send("sentrySecurity", Dsn, json!({})),
        send("sentryCspReport", Dsn, json!({})),
        send("sentryMinidump", Dsn, json!({})),
        send("sentryAttachments", Dsn, json!({})),
        send("sentryNel", Dsn, json!({})),
        get("sentryCheckIn", Dsn),
        send("sentryBeginCheckIn", Dsn, json!({})),
        get("sentryCheckInByKey", Dsn),
        send("sentryBeginCheckInByKey", Dsn, json!({})),
        get("sentryReportForm", Dsn),
        send("sentryReport", Dsn, json!({})),
        send("sentryExportLogs", Key, json!({})),
        send("sentryExportTraces", Key, json!({})),
        send("logout", Session, json!({})),
        get("me", Caller),
        send("updateMe", Session, json!({})),
        send("changePassword", Session, json!({ "password": "x", "new_password": "y" })),
        get("listSessions", Session),
        get("endOtherSessions", Session),
        get("endSession", Session),
        send("prepareTotp", Session, json!({ "password": "x" })),
        send("confirmTotp", Session, json!({ "code": "x" })),
        send("removeTotp", Session, json!({ "password": "x" })),
        send("renewRecoveryCodes", Session, json!({ "password": "x" })),
        get("getOrganisation", Organisation("organisation:read")),
        send("updateOrganisation", Organisation("organisation:write"), json!({})),
        get("listUsers", Organisation("member:read")),
        get("getUser", Organisation("member:read")),
        send("inviteUser", Organisation("member:write"), json!({ "email": "no address", "role": "viewer" })),
        send("updateUser", Organisation("member:write"), json!({})),
        stale("inviteUserAgain", Organisation("member:write")),
        stale("resetUserTotp", Organisation("member:write")),
        get("listTeams", Organisation("team:read")),
        get("getTeam", Organisation("team:read")),
        get("listTeamMembers", Organisation("team:read")),
        send("createTeam", Organisation("team:write"), json!({ "slug": "NO SLUG", "name": "x" })),
        send("updateTeam", Organisation("team:write"), json!({})),
        stale("deleteTeam", Organisation("team:write")),
        get("joinTeam", Organisation("team:write")),
        get("leaveTeam", Organisation("team:write")),
        get("listProjects", Somewhere("project:read")),
        send("createProject", Organisation("project:create"), json!({ "slug": "NO SLUG" })),
        get("getProject", Project("project:read")),
        send("updateProject", Project("project:write"), json!({})),
        stale("deleteProject", Project("project:delete")),
        get("getLimits", Project("project:read")),
        send("putLimits", Project("project:write"), json!({})),
        get("getQuotas", Project("project:read")),
        send("putQuotas", Project("project:write"), json!({})),
        get("getFilters", Project("project:read")),
        send("putFilters", Project("project:write"), json!({})),
        get("getProjectStorage", Project("storage:read")),
        get("listProjectMembers", Project("access:read")),
        send("giveProjectRole", Project("access:write"), json!({ "role": "viewer" })),
        get("takeProjectRole", Project("access:write")),
        send("giveProjectTeamRole", Project("access:write"), json!({ "role": "member" })),
        get("takeProjectTeamRole", Project("access:write")),
        get("getScrubRules", Project("project:read")),
        send("putScrubRules", Project("project:write"), json!({ "hash_key": "" })),
        send("dryRunScrubRules", All(&["event:read", "project:write"]), json!({ "limit": 1 })),
        get("getGroupingRules", Project("project:read")),
        send("putGroupingRules", Project("project:write"), json!({ "text": "no rule" })),
        send("regroup", All(&["event:read", "project:write"]), json!({})),
        get("listKeys", Project("key:read")),
        get("getKey", Project("key:read")),
        send("createKey", Project("key:write"), json!({ "name": "" })),
        send("updateKey", Project("key:write"), json!({})),
        stale("revokeKey", Project("key:write")),
        get("listTokens", Organisation("token:own")),
        send("createToken", Organisation("token:own"), json!({ "name": "" })),
        stale("revokeToken", Organisation("token:own")),
        get("listEvents", Somewhere("event:read")),
        get("listProjectEvents", Project("event:read")),
        get("getEvent", Project("event:read")),
        get("eventNeighbours", Project("event:read")),
        get("listAttachments", Project("event:read")),
        get("getAttachment", Project("event:read")),
        get("listIssueEvents", Project("event:read")),
        get("latestIssueEvent", Project("event:read")),
        get("oldestIssueEvent", Project("event:read")),
        get("listFacets", Project("event:read")),
        get("getFacet", Project("event:read")),
        get("listIssueFacets", Project("event:read")),
        get("getIssueFacet", Project("event:read")),
        get("getHistogram", Project("event:read")),
        get("getIssueHistogram", Project("event:read")),
        get("listIssues", Somewhere("issue:read")),
        get("countIssues", Somewhere("issue:read")),
        get("getIssue", Project("issue:read")),
        get("listIssueGroups", Project("issue:read")),
        get("issueHistory", Project("issue:read")),
        get("listComments", Project("issue:read")),
        send("updateIssue", Project("issue:write"), json!({})),
        send("updateIssues", Somewhere("issue:write"), json!({ "change": { "state": "resolved" } })),
        send("mergeIssues", Project("issue:write"), json!({ "target": 1, "sources": [] })),
        send("unmergeIssue", Project("issue:write"), json!({ "groups": ["no hash"] })),
        send("createComment", Project("issue:write"), json!({ "body": "" })),
        send("updateComment", Author("issue:write"), json!({ "body": "" })),
        stale("deleteComment", AuthorOrAdmin("issue:write")),
        get("listReleases", Somewhere("release:read")),
        get("listSearches", Somewhere("search:save")),
        send("createSearch", Somewhere("search:save"), json!({ "name": "", "kind": "sql", "query": "SELECT 1" })),
        get("getSearch", Project("search:save")),
        send("updateSearch", Project("search:share"), json!({ "name": "" })),
        stale("deleteSearch", Project("search:share")),
        send("sql", Somewhere("event:read"), json!({ "sql": "SELECT count(*) FROM events" })),
        get("listAudit", Either("audit:read")),
        get("exportAudit", Either("audit:read")),
        get("verifyAudit", Organisation("audit:read")),
        get("followLive", Somewhere("event:read")),
        get("getLedger", Somewhere("ledger:read")),
        get("getStorage", Organisation("storage:read")),
        get("status", Organisation("server:read")),
        get("roll", Organisation("server:admin")),
    ]
}

/// Routes that are asked elsewhere: a query's id is known only to who began it.
const ELSEWHERE: [&str; 2] = ["sqlProgress", "cancelSql"];

/// The least role of each verb, in a project and in the organisation, as the document has them.
fn table() -> BTreeMap<String, [Option<Role>; 2]> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ROLES.md")).unwrap();
    let mut table = BTreeMap::<String, [Option<Role>; 2]>::new();
    let mut column = 0;
    for line in text.lines() {
        column = if line.starts_with("## In the organisation") { 1 } else { column };
        let Some((verb, rest)) = line.strip_prefix("| `").and_then(|line| line.split_once('`')) else { continue };
        let cells = rest.split('|').skip(1).map(str::trim);
        let least = Role::ALL.into_iter().zip(cells).find(|(_, cell)| *cell == "yes").map(|(role, _)| role);
        table.entry(verb.to_owned()).or_default()[column] = least;
    }
    table
}

/// What an answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Allowed,
    Unauthenticated,
    Denied,
    Hidden,
}

fn class(need: Need, who: Option<&Who>, table: &BTreeMap<String, [Option<Role>; 2]>) -> Class {
    let least = |verb: &str, column: usize| table.get(verb).unwrap_or_else(|| panic!("no verb {verb}"))[column];
    let Some(who) = who else {
        return match need {
            Need::Open => Class::Allowed,
            Need::Dsn => Class::Denied,
            _ => Class::Unauthenticated,
        };
    };
    let has = |verb: &str| who.verbs.as_ref().is_none_or(|verbs| verbs.contains(&verb));
    let within = |verb: &str, role: Option<Role>| match role {
        None => Class::Hidden,
        Some(role) if has(verb) && least(verb, 0).is_some_and(|least| role >= least) => Class::Allowed,
        Some(_) => Class::Denied,
    };
    let here = |verb: &str| {
        let whole = !who.confined || matches!(verb, "organisation:read" | "server:read");
        let role = least(verb, 1).is_some_and(|least| who.organisation >= least);
        if whole && has(verb) && role { Class::Allowed } else { Class::Denied }
    };
    match need {
        Need::Open | Need::Caller => Class::Allowed,
        Need::Key | Need::Dsn | Need::Session => Class::Denied,
        Need::Project(verb) => within(verb, who.shop),
        Need::All(verbs) => {
            let classes = verbs.iter().map(|verb| within(verb, who.shop));
            classes.into_iter().find(|class| *class != Class::Allowed).unwrap_or(Class::Allowed)
        }
        Need::Author(verb) => match within(verb, who.shop) {
            Class::Allowed if who.name.starts_with("owner") => Class::Allowed,
            Class::Allowed => Class::Denied,
            other => other,
        },
        Need::AuthorOrAdmin(verb) => match within(verb, who.shop) {
            Class::Allowed if who.shop >= Some(Role::Admin) => Class::Allowed,
            Class::Allowed => Class::Denied,
            other => other,
        },
        Need::Somewhere(verb) => {
            let reached = [who.shop, who.other].into_iter().flatten().count();
            let allowed = [who.shop, who.other].into_iter().any(|role| within(verb, role) == Class::Allowed);
            if allowed || reached == 0 { Class::Allowed } else { Class::Denied }
        }
        Need::Organisation(verb) | Need::Either(verb) => here(verb),
    }
}

#[tokio::test]
async fn every_route_answers_every_role_as_the_table_says() {
    let crowd = Crowd::gather().await;
    let server = &crowd.server;
    let first = "0123456789abcdef0123456789abcdef";
    let line = error("Walked", json!({ "event_id": first }));
    let issue = crowd.send(&server.key, crowd.shop, &[line], 1).await[0];
    let path = format!("/api/v1/issues/{issue}/comments");
    let comment = expect(server, Method::POST, &path, Some(json!({ "body": "seen" })), 201).await;
    let search = json!({ "name": "Shared", "kind": "events", "query": "", "project": "1", "shared": true });
    let search = expect(server, Method::POST, "/api/v1/searches", Some(search), 201).await;
    let keys = expect(server, Method::GET, "/api/v1/projects/1/keys", None, 200).await;
    let file = format!("{{\"event_id\":\"{first}\"}}\n{{\"type\":\"attachment\"}}\nfile");
    let url = format!("{}/api/1/envelope/?sentry_key={}", server.url, server.key);
    assert_eq!(server.http.post(url).body(file).send().await.unwrap().status(), 200);
    let path = format!("/api/v1/projects/1/events/{first}/attachments");
    let files = expect(server, Method::GET, &path, None, 200).await;
    let value = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned();
    let parts = BTreeMap::from([
        ("project", crowd.shop.to_string()),
        ("issue", issue.to_string()),
        ("event", first.to_owned()),
        ("comment", value(&comment["id"])),
        ("search", value(&search["id"])),
        ("user", crowd.who("viewer of the project").user.clone()),
        ("team", crowd.idle_team.clone()),
        ("session", "nothing".to_owned()),
        ("token", "nothing!".to_owned()),
        ("file", "start.js".to_owned()),
        ("key", "level".to_owned()),
        ("attachment", value(&files["items"][0]["id"])),
        ("monitor", "nightly".to_owned()),
    ]);
    let ingest_key = value(&keys["items"][0]["id"]);

    let document = expect(server, Method::GET, "/api/openapi.json", None, 200).await;
    let (table, routes) = (table(), routes());
    let mut unknown = BTreeSet::new();
    let mut wrong = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            if ELSEWHERE.contains(&name) {
                continue;
            }
            let Some(route) = routes.iter().find(|route| route.name == name) else {
                unknown.insert(name.to_owned());
                continue;
            };
            let mut path = template.clone();
            for (part, value) in &parts {
                let value = match (*part, name) {
                    ("key", _) if template.contains("/keys/") => &ingest_key,
                    // What is given is there already, what is taken is not.
                    ("team", "giveProjectTeamRole") => &crowd.team,
                    ("user", "takeProjectRole" | "joinTeam" | "leaveTeam") => &crowd.who("viewer without project").user,
                    _ => value,
                };
                path = path.replace(&format!("{{{part}}}"), value);
            }
            assert!(!path.contains('{'), "{path} has a part that this test does not know");
            let nobody = crowd.everybody.iter().map(Some).chain([None]);
            for who in nobody {
                let method: Method = method.to_uppercase().parse().unwrap();
                let stale: &[(&str, &str)] = if route.stale { &[("if-match", "\"v999\"")] } else { &[] };
                let token = who.map(|who| who.token.as_str());
                let reply = ask_with(server, token, method, &path, route.body.clone(), stale).await;
                let found = match reply.status {
                    401 => Class::Unauthenticated,
                    403 => Class::Denied,
                    404 => Class::Hidden,
                    _ => Class::Allowed,
                };
                let expected = class(route.need, who, &table);
                // Of these, what is asked for is not there even for those who may.
                let missing = ["revokeToken", "oidcLogin", "oidcCallback"].contains(&name)
                    && expected == Class::Allowed
                    && [Class::Hidden, Class::Denied].contains(&found);
                let guess = matches!(route.need, Need::Open) && found == Class::Unauthenticated && route.body.is_some();
                if reply.status >= 500 || (found != expected && !missing && !guess) {
                    let who = who.map_or("nobody", |who| who.name.as_str());
                    wrong.push(format!("{name} by {who}: {} instead of {expected:?}: {}", reply.status, reply.text));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "routes that this test does not know: {unknown:?}");
    assert!(wrong.is_empty(), "{} answers are not those of docs/ROLES.md:\n{}", wrong.len(), wrong.join("\n"));
}
