//! A server with two projects and people of every role, each with a token, for tests of who may do what.
//!
//! People and tokens are written into the metadata of the running server by the same code that the server uses, as the way
//! by invitations and logins is another test's subject.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tephra::access::{KeyKind, Secret};
use tephra_storage::meta::roles::{self, Holder, Role};
use tephra_storage::meta::tokens::{self, NewToken};
use tephra_storage::meta::users::{self, NewUser};
use tephra_storage::meta::{Actor, Meta, MetaSettings, teams};
use tephra_storage::{ProjectId, SystemClock};

use crate::server::{Server, Setup};

const DEADLINE: Duration = Duration::from_secs(30);

/// Somebody with a token.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) token: String,
    pub(crate) organisation: Role,
    /// The role in the first project.
    pub(crate) shop: Option<Role>,
    /// The role in the second project.
    pub(crate) other: Option<Role>,
    /// What the token leaves over; `None` is all.
    pub(crate) verbs: Option<Vec<&'static str>>,
    /// Whether the token is for the second project alone.
    pub(crate) confined: bool,
}

/// The server and who is there.
pub(crate) struct Crowd {
    pub(crate) server: Server,
    pub(crate) everybody: Vec<Who>,
    pub(crate) shop: i64,
    pub(crate) other: i64,
    pub(crate) other_key: String,
    /// A team with a role in the first project.
    pub(crate) team: String,
    /// A team without members and roles.
    pub(crate) idle_team: String,
}

impl Crowd {
    pub(crate) async fn gather() -> Self {
        let setup = Setup::default().set("limit.token_per_second", 0).set("limit.address_per_second", 0);
        let server = setup.start().await;
        let shop = 1;
        let new = json!({ "slug": "other", "name": "Other", "retention_days": 30 });
        let other = expect(&server, Method::POST, "/api/v1/projects", Some(new), 201).await["id"].as_i64().unwrap();
        let path = format!("/api/v1/projects/{other}/keys");
        let key = expect(&server, Method::POST, &path, Some(json!({ "name": "tests" })), 201).await;
        let mut crowd = Self {
            server,
            everybody: Vec::new(),
            shop,
            other,
            other_key: text(&key, &["text", "secret", "key"]),
            team: String::new(),
            idle_team: String::new(),
        };
        crowd.invite().await;
        crowd
    }

    async fn invite(&mut self) {
        let data_dir = self.server.data_dir();
        let meta = Meta::open(&MetaSettings::default(), &data_dir, Arc::new(SystemClock)).await.unwrap();
        let owner = meta.users().await.unwrap().into_iter().find(|user| user.role == Role::Owner).unwrap();
        let mut tx = meta.begin().await.unwrap();
        let (actor, shop, other) = (Actor::system(), ProjectId(self.shop), ProjectId(self.other));
        let team = teams::create(&mut tx, &actor, "crew", "Crew").await.unwrap();
        self.team = team.id.clone();
        self.idle_team = teams::create(&mut tx, &actor, "idle", "Idle").await.unwrap().id;
        let mut everybody = vec![who("owner", &owner.id, Role::Owner, Some(Role::Owner), Some(Role::Owner))];
        for (name, role, in_shop) in [
            ("admin", Role::Admin, None),
            ("member without project", Role::Member, None),
            ("viewer without project", Role::Viewer, None),
            ("viewer who owns the project", Role::Viewer, Some(Role::Owner)),
            ("viewer who administers the project", Role::Viewer, Some(Role::Admin)),
            ("member of the project", Role::Member, Some(Role::Member)),
            ("viewer of the project", Role::Viewer, Some(Role::Viewer)),
        ] {
            let email = format!("{}@example.com", name.replace(' ', "."));
            let new = NewUser { email: &email, name, role, password: None, password_once: false };
            let user = users::create(&mut tx, &actor, &new).await.unwrap();
            if let Some(role) = in_shop {
                roles::grant(&mut tx, &actor, shop, &Holder::User(user.id.clone()), Some(role)).await.unwrap();
            }
            let reach = if role >= Role::Admin { Some(role) } else { None };
            everybody.push(who(name, &user.id, role, in_shop.or(reach), reach));
        }
        let new = NewUser {
            email: "mate@example.com",
            name: "mate",
            role: Role::Member,
            password: None,
            password_once: false,
        };
        let mate = users::create(&mut tx, &actor, &new).await.unwrap();
        teams::set_member(&mut tx, &actor, &team.id, &mate.id, true).await.unwrap();
        roles::grant(&mut tx, &actor, shop, &Holder::Team(team.id.clone()), Some(Role::Member)).await.unwrap();
        everybody.push(who("member by a team", &mate.id, Role::Member, Some(Role::Member), None));
        for (name, verb) in
            [("owner's token to read events", "event:read"), ("owner's token to make projects", "project:create")]
        {
            let mut one = who(name, &owner.id, Role::Owner, Some(Role::Owner), Some(Role::Owner));
            one.verbs = Some(vec![verb]);
            everybody.push(one);
        }
        let mut foreign = who("owner's token for the other project", &owner.id, Role::Owner, None, Some(Role::Owner));
        foreign.confined = true;
        everybody.push(foreign);
        for one in &everybody {
            let projects = one.confined.then_some([other]);
            let new = NewToken {
                id: &one.token[7..15],
                user_id: &one.user,
                name: &one.name,
                hash: &hex::encode(Sha256::digest(&one.token)),
                projects: projects.as_ref().map(|list| list.as_slice()),
                verbs: one.verbs.as_deref(),
                expires_at_us: None,
            };
            tokens::create(&mut tx, &actor, &new).await.unwrap();
        }
        tx.commit().await.unwrap();
        meta.close().await;
        self.everybody = everybody;
    }

    pub(crate) fn who(&self, name: &str) -> &Who {
        self.everybody.iter().find(|who| who.name == name).unwrap_or_else(|| panic!("nobody is called {name}"))
    }

    /// Sends events by a key and waits until they are counted as so many issues of the project.
    pub(crate) async fn send(&self, key: &str, project: i64, lines: &[Value], issues: usize) -> Vec<i64> {
        let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let request = self.server.http.post(format!("{}/api/v1/ingest", self.server.url)).bearer_auth(key).body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        let deadline = Instant::now() + DEADLINE;
        loop {
            let path = format!("/api/v1/issues?project={project}&sort=first_seen");
            let page = expect(&self.server, Method::GET, &path, None, 200).await;
            let ids: Vec<i64> =
                page["items"].as_array().unwrap().iter().map(|one| one["id"].as_i64().unwrap()).collect();
            if ids.len() >= issues {
                return ids;
            }
            assert!(Instant::now() < deadline, "{} of {issues} issues: {page}", ids.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn who(name: &str, user: &str, organisation: Role, shop: Option<Role>, other: Option<Role>) -> Who {
    let token = Secret::make(KeyKind::Token).show().to_owned();
    let (name, user) = (name.to_owned(), user.to_owned());
    Who { name, user, token, organisation, shop, other, verbs: None, confined: false }
}

/// An error event that groups by its type.
pub(crate) fn error(kind: &str, more: Value) -> Value {
    let mut event = json!({
        "level": "error", "exception_type": kind, "exception_value": "it broke", "message": format!("{kind}: it broke"),
        "environment": "prod", "release": "1.0.0", "tags": { "region": "eu" },
    });
    event.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    event
}

/// An answer: its status, headers and JSON, null where it is none.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
    pub(crate) body: Value,
}

/// Asks as somebody, or as nobody.
pub(crate) async fn ask(
    server: &Server,
    token: Option<&str>,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Reply {
    ask_with(server, token, method, path, body, &[]).await
}

/// The same with headers.
pub(crate) async fn ask_with(
    server: &Server,
    token: Option<&str>,
    method: Method,
    path: &str,
    body: Option<Value>,
    headers: &[(&str, &str)],
) -> Reply {
    let mut request = server.http.request(method, format!("{}{path}", server.url));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let headers = answer.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned())).collect();
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    let body = serde_json::from_str(&text).unwrap_or_default();
    Reply { status, headers, text, body }
}

/// Asks as the owner, and expects a status.
pub(crate) async fn expect(server: &Server, method: Method, path: &str, body: Option<Value>, status: u16) -> Value {
    let reply = ask(server, Some(&server.token), method.clone(), path, body).await;
    assert_eq!(reply.status, status, "{method} {path}: {}\n{}", reply.text, server.log());
    reply.body
}

/// The first of these fields that there is.
fn text(value: &Value, names: &[&str]) -> String {
    let found = names.iter().find_map(|name| value[name].as_str().or_else(|| value["key"][name].as_str()));
    found.unwrap_or_else(|| panic!("none of {names:?} in {value}")).to_owned()
}
