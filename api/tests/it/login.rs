//! Logging in as people do it: fixation, other sites' pages, guesses, codes, forgotten passwords.

use std::time::Duration;

use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::person::{PASSWORD, Person};
use crate::server::{Server, Setup, text};
use crate::smtp::Smtp;

#[tokio::test]
async fn somebody_logs_in_looks_and_logs_out() {
    let server = Server::start().await;
    let first = server.first_run();
    let mut owner = Person::new(&server);
    assert_eq!(owner.get("/api/v1/me").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(owner.log_in(&first["TEPHRA_EMAIL"], &first["TEPHRA_PASSWORD"]).await.0, StatusCode::OK);

    // Until the password is changed nothing else opens.
    let (status, me) = owner.get("/api/v1/me").await;
    assert_eq!((status, &me["held_up"]), (StatusCode::OK, &json!("password")));
    assert_eq!(owner.get("/api/v1/organisation").await.0, StatusCode::FORBIDDEN);
    for bad in ["short", "password1234", &first["TEPHRA_PASSWORD"]] {
        let change = json!({ "current": first["TEPHRA_PASSWORD"], "password": bad });
        let (status, problem) = owner.post("/api/v1/me/password", &change).await;
        assert_eq!((status, &problem["field"]), (StatusCode::BAD_REQUEST, &json!("password")), "{bad}");
    }
    let change = json!({ "current": first["TEPHRA_PASSWORD"], "password": PASSWORD });
    assert_eq!(owner.post("/api/v1/me/password", &change).await.0, StatusCode::NO_CONTENT);
    let (_, me) = owner.get("/api/v1/me").await;
    assert_eq!((&me["held_up"], &me["role"], &me["projects"][0]["id"]), (&Value::Null, &json!("owner"), &json!(1)));
    assert_eq!(owner.get("/api/v1/organisation").await.0, StatusCode::OK);

    // The password of the first start is over.
    assert_eq!(
        Person::new(&server).log_in(&first["TEPHRA_EMAIL"], &first["TEPHRA_PASSWORD"]).await.0,
        StatusCode::UNAUTHORIZED
    );
    let before = owner.clone();
    assert_eq!(owner.post("/api/v1/logout", &json!({})).await.0, StatusCode::NO_CONTENT);
    assert_eq!(owner.cookie, None);
    assert_eq!(before.clone().get("/api/v1/me").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_login_takes_a_new_session_and_ends_the_one_before() {
    let server = Server::start().await;
    let owner = Person::owner(&server).await;
    let mut again = owner.clone();
    assert_eq!(again.log_in("owner@localhost", PASSWORD).await.0, StatusCode::OK);
    assert_ne!(again.cookie, owner.cookie);
    assert_eq!(owner.clone().get("/api/v1/me").await.0, StatusCode::UNAUTHORIZED);

    // A session that an attacker made up is none.
    let mut fixed = Person::new(&server);
    fixed.cookie = Some("tephra_session=chosen".to_owned());
    assert_eq!(fixed.log_in("owner@localhost", PASSWORD).await.0, StatusCode::OK);
    assert_ne!(fixed.cookie.as_deref(), Some("tephra_session=chosen"));

    // Sessions are listed, and ended one by one.
    let (_, sessions) = again.get("/api/v1/me/sessions").await;
    let sessions = sessions["items"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    let other = sessions.iter().find(|session| session["current"] == json!(false)).unwrap();
    let path = format!("/api/v1/me/sessions/{}", other["id"].as_str().unwrap());
    assert_eq!(again.delete(&path).await.0, StatusCode::NO_CONTENT);
    assert_eq!(fixed.get("/api/v1/me").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(again.delete(&path).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_cookie_is_kept_from_scripts_and_other_sites() {
    let server = Server::start().await;
    let first = server.first_run();
    let body = json!({ "email": first["TEPHRA_EMAIL"], "password": first["TEPHRA_PASSWORD"] });
    let login = |url: String| server.http.post(format!("{url}/api/v1/login")).json(&body).send();
    let answer = login(server.url.clone()).await.unwrap();
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("tephra_session=") && cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(!cookie.contains("Secure"), "{cookie}");

    let server = Setup::default().set("http.public_url", "https://tephra.example.com").start().await;
    let first = server.first_run();
    let body = json!({ "email": first["TEPHRA_EMAIL"], "password": first["TEPHRA_PASSWORD"] });
    let answer = server.http.post(format!("{}/api/v1/login", server.url)).json(&body).send().await.unwrap();
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-tephra=") && cookie.contains("; Path=/;"), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing() {
    let server = Server::start().await;
    let owner = Person::owner(&server).await;
    let body = json!({ "name": "Changed" });
    let csrf = owner.csrf.clone().unwrap();
    let own = server.url.clone();
    let check = async |origin: Option<&str>, site: Option<&str>, value: Option<&str>, expected: StatusCode| {
        let mut request = server.http.patch(format!("{}/api/v1/me", server.url)).json(&body);
        request = request.header(COOKIE, owner.cookie.as_deref().unwrap());
        for (name, value) in [("origin", origin), ("sec-fetch-site", site), ("x-tephra-csrf", value)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let status = request.send().await.unwrap().status();
        assert_eq!(status, expected, "{origin:?} {site:?} {value:?}");
    };
    check(Some(&own), Some("same-origin"), Some(&csrf), StatusCode::OK).await;
    check(None, None, Some(&csrf), StatusCode::OK).await;
    check(Some(&own), Some("same-origin"), None, StatusCode::FORBIDDEN).await;
    check(Some(&own), Some("same-origin"), Some("guess"), StatusCode::FORBIDDEN).await;
    check(Some("https://evil.example.com"), Some("cross-site"), Some(&csrf), StatusCode::FORBIDDEN).await;
    check(Some("null"), None, Some(&csrf), StatusCode::FORBIDDEN).await;
    check(None, Some("cross-site"), Some(&csrf), StatusCode::FORBIDDEN).await;
    check(None, Some("same-site"), Some(&csrf), StatusCode::FORBIDDEN).await;

    // Reading needs no value, and a token needs none at all.
    let read = server.http.get(format!("{}/api/v1/me", server.url)).header(COOKIE, owner.cookie.as_deref().unwrap());
    assert_eq!(read.send().await.unwrap().status(), StatusCode::OK);
    let roll = server.http.post(format!("{}/api/v1/admin/roll", server.url)).bearer_auth(&server.token);
    assert_eq!(roll.header(ORIGIN, "https://evil.example.com").send().await.unwrap().status(), StatusCode::OK);

    // Nobody is logged in as somebody else by a form of another site.
    let login = json!({ "email": "owner@localhost", "password": PASSWORD });
    let login = server.http.post(format!("{}/api/v1/login", server.url)).json(&login);
    let login = login.header(ORIGIN, "https://evil.example.com").send().await.unwrap();
    assert_eq!(login.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn guesses_wait_longer_and_longer_and_learn_nothing() {
    let server = Setup::default().set("limit.address_per_second", 0).start().await;
    Person::owner(&server).await;
    let mut answers = Vec::new();
    for email in ["owner@localhost", "nobody@example.com"] {
        let mut person = Person::new(&server);
        let (status, mut problem) = person.log_in(email, "a wrong password").await;
        problem.as_object_mut().unwrap().remove("request_id");
        answers.push((status, problem));
        let mut tries = 1;
        while person.log_in(email, "a wrong password").await.0 == StatusCode::UNAUTHORIZED {
            tries += 1;
            assert!(tries < 20, "{email} is never made to wait");
        }
        assert!(tries >= 5, "{email} waits after {tries}");
    }
    assert_eq!(answers[0].0, StatusCode::UNAUTHORIZED);
    assert_eq!(answers[0], answers[1]);
    let log = server.log();
    assert!(!log.contains("a wrong password") && !log.contains(PASSWORD));
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_each_code_holds_once() {
    let server = Server::start().await;
    let mut owner = Person::owner(&server).await;
    let (status, secret) = owner.post("/api/v1/me/totp", &json!({ "password": PASSWORD })).await;
    assert_eq!(status, StatusCode::OK, "{secret}");
    let secret = secret["secret"].as_str().unwrap().to_owned();
    let (status, _) = owner.post("/api/v1/me/totp/confirm", &json!({ "code": "000000" })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let code = code_now(&secret);
    let (status, codes) = owner.post("/api/v1/me/totp/confirm", &json!({ "code": code })).await;
    assert_eq!(status, StatusCode::OK, "{codes}");
    let codes = codes["codes"].as_array().unwrap();
    assert_eq!(codes.len(), 10);
    // What lies on the disk does not tell the secret.
    let key = server.data_dir().join("secrets.key");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&key).unwrap().permissions()) & 0o777, 0o600);
    for entry in std::fs::read_dir(server.data_dir()).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        let bytes = std::fs::read(entry.path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{:?}", entry.path());
    }

    let mut person = Person::new(&server);
    let (status, login) = person.log_in("owner@localhost", PASSWORD).await;
    assert_eq!((status, &login["csrf"]), (StatusCode::OK, &Value::Null));
    assert_eq!(person.cookie, None);
    let ticket = login["ticket"].as_str().unwrap();
    // The ticket is no session.
    let mut thief = Person::new(&server);
    thief.cookie = Some(format!("tephra_session={ticket}"));
    assert_eq!(thief.get("/api/v1/me").await.0, StatusCode::UNAUTHORIZED);
    // The code that confirmed is used up.
    let used = json!({ "ticket": ticket, "code": code });
    assert_eq!(person.post("/api/v1/login/totp", &used).await.0, StatusCode::UNAUTHORIZED);
    let recovery = json!({ "ticket": ticket, "code": codes[0] });
    let (status, login) = person.post("/api/v1/login/totp", &recovery).await;
    assert_eq!(status, StatusCode::OK, "{login}");
    let (_, me) = person.get("/api/v1/me").await;
    assert_eq!((&me["second_factor"], &me["recovery_codes_left"]), (&json!(true), &json!(9)));
    assert_eq!(Person::new(&server).post("/api/v1/login/totp", &recovery).await.0, StatusCode::UNAUTHORIZED);

    let data_dir = server.data_dir();
    let args = ["admin", "user", "reset-totp", "owner@localhost", "--data-dir", data_dir.to_str().unwrap()];
    let output = server.cli(&args);
    assert!(output.status.success(), "{}", text(&output));
    let (_, login) = Person::new(&server).log_in("owner@localhost", PASSWORD).await;
    assert!(login["csrf"].is_string(), "{login}");
}

/// Without the key that sealed it a second factor cannot be checked, but a recovery code lets its person in.
#[tokio::test]
async fn a_recovery_code_holds_where_the_key_of_the_secrets_is_lost() {
    let mut server = Server::start().await;
    let mut owner = Person::owner(&server).await;
    let (_, secret) = owner.post("/api/v1/me/totp", &json!({ "password": PASSWORD })).await;
    let code = code_now(secret["secret"].as_str().unwrap());
    let (status, codes) = owner.post("/api/v1/me/totp/confirm", &json!({ "code": code })).await;
    assert_eq!(status, StatusCode::OK, "{codes}");
    server.stop();
    std::fs::remove_file(server.data_dir().join("secrets.key")).unwrap();
    let server = server.restart().await;
    let mut person = Person::new(&server);
    let (_, login) = person.log_in("owner@localhost", PASSWORD).await;
    let with = |code: &Value| json!({ "ticket": login["ticket"], "code": code });
    let (status, problem) = person.post("/api/v1/login/totp", &with(&json!("123456"))).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{problem}");
    assert_eq!(person.post("/api/v1/login/totp", &with(&codes["codes"][0])).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_secret_of_a_session_is_changed_as_it_is_used() {
    let server = Setup::default().set("session.rotate_interval_ms", 1).start().await;
    let mut owner = Person::owner(&server).await;
    let first = owner.clone();
    assert_eq!(owner.get("/api/v1/me").await.0, StatusCode::OK);
    let second = owner.clone();
    assert_ne!(first.cookie, second.cookie, "each use of this session is a new secret");
    // Requests that were under way with the one before are let through, and change nothing.
    let mut late = first.clone();
    assert_eq!(late.get("/api/v1/me").await.0, StatusCode::OK);
    assert_eq!(late.cookie, first.cookie);
    assert_eq!(owner.get("/api/v1/me").await.0, StatusCode::OK);
    assert_ne!(owner.cookie, second.cookie);
    // What is two changes old is nobody's.
    assert_eq!(first.clone().get("/api/v1/me").await.0, StatusCode::UNAUTHORIZED);
    // It is one session all the time, and its CSRF value holds.
    assert_eq!(owner.patch("/api/v1/me", &json!({ "name": "Ada" })).await.0, StatusCode::OK);
    let (_, sessions) = owner.get("/api/v1/me/sessions").await;
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1, "{sessions}");
    // Whoever logs out takes the present secret and the one before with them.
    let (before, present) = (second, owner.clone());
    assert_eq!(owner.post("/api/v1/logout", &json!({})).await.0, StatusCode::NO_CONTENT);
    for mut gone in [before, present] {
        assert_eq!(gone.get("/api/v1/me").await.0, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_forgotten_password_is_mended_by_mail() {
    let smtp = Smtp::start().await;
    let server = Setup::default()
        .set("mail.url", format!("smtp://{}?tls=none", smtp.address))
        .set("owner.email", "owner@example.com")
        .start()
        .await;
    let first = server.first_run();
    let owner = Person::owner(&server).await;
    let told = smtp.next().await;
    assert!(told.text.contains("was changed"), "{}", told.text);

    let mut person = Person::new(&server);
    for email in ["nobody@example.com", &first["TEPHRA_EMAIL"]] {
        let (status, _) = person.post("/api/v1/password/forgot", &json!({ "email": email })).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{email}");
    }
    let mail = smtp.next().await;
    assert_eq!(mail.recipients, ["owner@example.com"]);
    let text = mail.text.replace("=\r\n", "").replace("=3D", "=");
    let token = text.split("/password#").nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(!server.log().contains(token));

    let reset = |password: &str| json!({ "token": token, "password": password });
    let (status, problem) = person.post("/api/v1/password/reset", &reset("short")).await;
    assert_eq!((status, &problem["field"]), (StatusCode::BAD_REQUEST, &json!("password")));
    let new = "another frost in october";
    assert_eq!(person.post("/api/v1/password/reset", &reset(new)).await.0, StatusCode::NO_CONTENT);
    let (status, problem) = person.post("/api/v1/password/reset", &reset(new)).await;
    assert_eq!((status, &problem["field"]), (StatusCode::BAD_REQUEST, &json!("token")));
    assert_eq!(owner.clone().get("/api/v1/me").await.0, StatusCode::UNAUTHORIZED, "the old session is over");
    assert_eq!(person.log_in("owner@example.com", new).await.0, StatusCode::OK);
}

#[tokio::test]
async fn without_mail_the_log_says_what_to_do() {
    let server = Server::start().await;
    let mut person = Person::new(&server);
    let (status, _) = person.post("/api/v1/password/forgot", &json!({ "email": "owner@localhost" })).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    for _ in 0..500 {
        if server.log().contains("tephra admin user password") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the log does not say what to do: {}", server.log());
}

#[tokio::test]
async fn methods_are_told_to_anybody() {
    let server = Server::start().await;
    let answer = server.http.request(Method::GET, format!("{}/api/v1/login", server.url)).send().await.unwrap();
    let methods: Value = answer.json().await.unwrap();
    assert_eq!(methods, json!({ "password": true, "oidc": null, "mail": false }));
}

fn code_now(secret: &str) -> String {
    use totp_rs::{Algorithm, Secret, TOTP};
    let bytes = Secret::Encoded(secret.to_owned()).to_bytes().unwrap();
    TOTP::new(Algorithm::SHA1, 6, 1, 30, bytes, None, "a".to_owned()).unwrap().generate_current().unwrap()
}
