//! What roles and tokens open: people and teams in projects, tokens that are confined, revoked or over.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::person::{PASSWORD, Person};
use crate::server::{Server, text};

/// Adds somebody and logs them in.
async fn person(server: &Server, email: &str, role: &str) -> Person {
    let data_dir = server.data_dir();
    let args = ["admin", "user", "add", email, "--role", role, "--data-dir", data_dir.to_str().unwrap()];
    let output = text(&server.cli(&args));
    let password = output.split("password: ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let mut person = Person::new(server);
    assert_eq!(person.log_in(email, &password).await.0, StatusCode::OK);
    let change = json!({ "current": password, "password": PASSWORD });
    assert_eq!(person.post("/api/v1/me/password", &change).await.0, StatusCode::NO_CONTENT);
    person
}

async fn id(person: &mut Person) -> String {
    person.get("/api/v1/me").await.1["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_project_is_unknown_until_a_role_is_given_and_again_when_it_is_taken() {
    let server = Server::start().await;
    let mut owner = Person::owner(&server).await;
    let mut ada = person(&server, "ada@example.com", "member").await;
    let keys = "/api/v1/projects/1/keys";
    assert_eq!(ada.get(keys).await.0, StatusCode::NOT_FOUND);
    let member = format!("/api/v1/projects/1/members/users/{}", id(&mut ada).await);
    assert_eq!(owner.put(&member, &json!({ "role": "viewer" })).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ada.get(keys).await.0, StatusCode::FORBIDDEN);
    assert_eq!(owner.put(&member, &json!({ "role": "admin" })).await.0, StatusCode::NO_CONTENT);
    let (status, list) = ada.get(keys).await;
    assert_eq!((status, list["items"].as_array().unwrap().len()), (StatusCode::OK, 1));
    assert!(list["items"][0]["dsn"].as_str().unwrap().ends_with("/1"));

    // Nobody gives more than they have.
    assert_eq!(ada.put(&member, &json!({ "role": "owner" })).await.0, StatusCode::FORBIDDEN);
    let (status, problem) = owner.put(&member, &json!({ "role": "king" })).await;
    assert_eq!((status, &problem["field"]), (StatusCode::BAD_REQUEST, &json!("role")));

    assert_eq!(owner.delete(&member).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ada.get(keys).await.0, StatusCode::NOT_FOUND);

    // The same by a team.
    let (status, team) = owner.post("/api/v1/teams", &json!({ "slug": "web", "name": "Web" })).await;
    assert_eq!(status, StatusCode::CREATED, "{team}");
    let team = team["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/projects/1/members/teams/{team}");
    assert_eq!(owner.put(&path, &json!({ "role": "member" })).await.0, StatusCode::NO_CONTENT);
    let join = format!("/api/v1/teams/{team}/members/{}", id(&mut ada).await);
    assert_eq!(ada.put(&join, &json!({})).await.0, StatusCode::FORBIDDEN);
    assert_eq!(owner.put(&join, &json!({})).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ada.get(keys).await.0, StatusCode::OK);
    assert_eq!(owner.delete(&format!("/api/v1/teams/{team}")).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ada.get(keys).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn admins_do_not_touch_owners() {
    let server = Server::start().await;
    let mut owner = Person::owner(&server).await;
    let mut admin = person(&server, "admin@example.com", "admin").await;
    let (owner_id, admin_id) = (id(&mut owner).await, id(&mut admin).await);
    let owner_path = format!("/api/v1/users/{owner_id}");
    let admin_path = format!("/api/v1/users/{admin_id}");
    assert_eq!(admin.patch(&owner_path, &json!({ "disabled": true })).await.0, StatusCode::FORBIDDEN);
    assert_eq!(admin.patch(&admin_path, &json!({ "role": "owner" })).await.0, StatusCode::FORBIDDEN);
    let invite = json!({ "email": "x@example.com", "role": "owner" });
    assert_eq!(admin.post("/api/v1/users", &invite).await.0, StatusCode::FORBIDDEN);
    assert_eq!(admin.patch("/api/v1/organisation", &json!({ "name": "Mine" })).await.0, StatusCode::FORBIDDEN);
    let (status, _) = owner.patch(&owner_path, &json!({ "role": "viewer" })).await;
    assert_eq!(status, StatusCode::CONFLICT, "the last owner stays");
    let invite = json!({ "email": "x@example.com", "name": "X", "role": "member" });
    assert_eq!(admin.post("/api/v1/users", &invite).await.0, StatusCode::CREATED);
    assert_eq!(admin.post("/api/v1/users", &invite).await.0, StatusCode::CONFLICT);

    // Who is disabled is out at once.
    assert_eq!(owner.patch(&admin_path, &json!({ "disabled": true })).await.0, StatusCode::OK);
    assert_eq!(admin.get("/api/v1/me").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_opens_what_it_is_for_until_it_is_revoked() {
    let server = Server::start().await;
    let mut owner = Person::owner(&server).await;
    let ask = async |method: reqwest::Method, path: &str, token: &str, body: Option<Value>| {
        let request = server.http.request(method, format!("{}{path}", server.url)).bearer_auth(token);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        request.send().await.unwrap().status()
    };
    let (get, post) = (reqwest::Method::GET, reqwest::Method::POST);
    let new = json!({ "name": "ci", "verbs": ["event:read", "token:own"] });
    let (status, made) = owner.post("/api/v1/tokens", &new).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let (token, token_id) = (made["text"].as_str().unwrap(), made["token"]["id"].as_str().unwrap());
    let sql = || Some(json!({ "sql": "SELECT 1" }));
    assert_eq!(ask(post.clone(), "/api/v1/sql", token, sql()).await, StatusCode::OK);
    assert_eq!(ask(get.clone(), "/api/v1/projects/1/keys", token, None).await, StatusCode::FORBIDDEN);
    assert_eq!(ask(post.clone(), "/api/v1/admin/roll", token, None).await, StatusCode::FORBIDDEN);
    assert_eq!(ask(get.clone(), "/api/v1/me/sessions", token, None).await, StatusCode::FORBIDDEN);
    // It makes none that may more than itself.
    let more = json!({ "name": "more", "verbs": ["key:write"] });
    assert_eq!(ask(post.clone(), "/api/v1/tokens", token, Some(more)).await, StatusCode::BAD_REQUEST);

    let (_, list) = owner.get("/api/v1/tokens").await;
    assert!(list["items"].as_array().unwrap().iter().any(|item| item["id"] == made["token"]["id"]), "{list}");
    assert!(!list.to_string().contains(token));
    assert_eq!(owner.delete(&format!("/api/v1/tokens/{token_id}")).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ask(post.clone(), "/api/v1/sql", token, sql()).await, StatusCode::UNAUTHORIZED);

    let late = json!({ "name": "late", "expires_at": "2020-01-01T00:00:00Z" });
    assert_eq!(owner.post("/api/v1/tokens", &late).await.0, StatusCode::BAD_REQUEST);
    let soon = (chrono::Utc::now() + chrono::Duration::seconds(3)).to_rfc3339();
    let (status, made) = owner.post("/api/v1/tokens", &json!({ "name": "soon", "expires_at": soon })).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let token = made["text"].as_str().unwrap();
    for _ in 0..500 {
        if ask(get.clone(), "/api/v1/me", token, None).await == StatusCode::UNAUTHORIZED {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(ask(get, "/api/v1/me", token, None).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_key_is_switched_off_and_revoked_at_once() {
    let server = Server::start().await;
    let mut owner = Person::owner(&server).await;
    let (status, key) = owner.post("/api/v1/projects/default/keys", &json!({ "name": "web" })).await;
    assert_eq!(status, StatusCode::CREATED, "{key}");
    let path = format!("/api/v1/projects/default/keys/{}", key["id"].as_str().unwrap());
    let ingest = async || {
        let text = key["key"].as_str().unwrap();
        let request = server.http.post(format!("{}/api/v1/ingest", server.url)).bearer_auth(text);
        request.body("{\"message\":\"hello\"}\n").send().await.unwrap().status()
    };
    assert_eq!(ingest().await, StatusCode::OK);
    assert_eq!(owner.patch(&path, &json!({ "disabled": true })).await.0, StatusCode::OK);
    assert_eq!(ingest().await, StatusCode::UNAUTHORIZED);
    assert_eq!(owner.patch(&path, &json!({ "disabled": false, "name": "page" })).await.0, StatusCode::OK);
    assert_eq!(ingest().await, StatusCode::OK);
    assert_eq!(owner.delete(&path).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ingest().await, StatusCode::UNAUTHORIZED);
    assert_eq!(owner.get(&path).await.0, StatusCode::NOT_FOUND);
}
