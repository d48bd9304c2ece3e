//! Single sign-on against a real OpenID provider, which `scripts/setup.sh` installs.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use reqwest::header::{LOCATION, SET_COOKIE};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::person::Person;
use crate::server::{Server, Setup};

/// A provider for one redirect address; it ends with the test.
struct Provider {
    child: Child,
    said: Value,
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Provider {
    fn start(redirect: &str, email: &str) -> Option<Self> {
        let Some(folder) = std::env::var_os("TEPHRA_TEST_OIDC").map(PathBuf::from) else {
            println!("skipped: TEPHRA_TEST_OIDC is not set");
            return None;
        };
        let mut child = Command::new("node")
            .arg(folder.join("provider.mjs"))
            .args(["--redirect-uri", redirect, "--email", email])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        // It goes on talking, and ends where nobody listens.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        let said = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the provider said: {line}"));
        Some(Self { child, said })
    }

    fn value(&self, name: &str) -> &str {
        self.said[name].as_str().unwrap()
    }
}

/// A server and its provider, which must know each other's addresses.
async fn pair(email: &str, signup: bool) -> Option<(Provider, Server)> {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let public = format!("http://{free}");
    let provider = Provider::start(&format!("{public}/api/v1/oidc/callback"), email)?;
    let server = Setup::default()
        .set("http.public_url", &public)
        .set("oidc.issuer", provider.value("issuer"))
        .set("oidc.client_id", provider.value("client_id"))
        .set("oidc.client_secret", provider.value("client_secret"))
        .set("oidc.name", "Test")
        .set("oidc.allow_signup", signup)
        .set("oidc.default_role", "viewer")
        .start()
        .await;
    Some((provider, server))
}

/// Begins a login and goes through the provider's pages. Returns the path that it sends the browser back to.
async fn through(person: &mut Person) -> (String, String) {
    let answer = person.request(Method::GET, "/api/v1/oidc/login?return_to=/issues").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", answer.text().await.unwrap());
    let cookie = answer.headers().get_all(SET_COOKIE).iter().find_map(|value| value.to_str().ok()).unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let mut at = answer.headers()[LOCATION].to_str().unwrap().to_owned();
    assert!(at.contains("code_challenge_method=S256") && at.contains("nonce="), "{at}");
    let mut jar: Vec<String> = Vec::new();
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for _ in 0..20 {
        let url = reqwest::Url::parse(&at).unwrap();
        if url.path() == "/api/v1/oidc/callback" {
            return (format!("{}?{}", url.path(), url.query().unwrap()), cookie);
        }
        let answer = http.get(url.clone()).header("cookie", jar.join("; ")).send().await.unwrap();
        for value in answer.headers().get_all(SET_COOKIE) {
            let pair = value.to_str().unwrap().split(';').next().unwrap().to_owned();
            let name = pair.split('=').next().unwrap().to_owned();
            jar.retain(|old| old.split('=').next() != Some(&name));
            jar.push(pair);
        }
        let next = answer.headers().get(LOCATION).map(|value| value.to_str().unwrap().to_owned());
        let Some(next) = next else { panic!("the provider stops at {at}: {}", answer.text().await.unwrap()) };
        at = url.join(&next).unwrap().to_string();
    }
    panic!("the provider goes round in circles");
}

#[tokio::test]
async fn somebody_of_the_provider_logs_in_once_per_answer() {
    let Some((_provider, server)) = pair("ada@example.com", true).await else { return };
    let mut person = Person::new(&server);
    let (back, cookie) = through(&mut person).await;

    // Another browser cannot use the answer, and with that it is used up.
    let stolen = person.request(Method::GET, &back).send().await.unwrap();
    assert_eq!(stolen.status(), StatusCode::UNAUTHORIZED);
    let late = person.request(Method::GET, &back).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(late.status(), StatusCode::UNAUTHORIZED);

    for _ in 0..2 {
        let mut person = Person::new(&server);
        let (back, cookie) = through(&mut person).await;
        let answer = person.request(Method::GET, &back).header("cookie", &cookie).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}\n{}", answer.text().await.unwrap(), server.log());
        assert_eq!(answer.headers()[LOCATION], "/issues");
        person.keep(&answer);
        let (status, me) = person.get("/api/v1/me").await;
        assert_eq!(
            (status, me["email"].as_str(), me["role"].as_str()),
            (StatusCode::OK, Some("ada@example.com"), Some("viewer"))
        );
        assert_eq!(me["password"], false);
    }
}

#[tokio::test]
async fn nobody_unknown_comes_in_where_signup_is_off() {
    let Some((_provider, server)) = pair("eve@example.com", false).await else { return };
    let mut person = Person::new(&server);
    let (back, cookie) = through(&mut person).await;
    let answer = person.request(Method::GET, &back).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(!answer.headers().contains_key(SET_COOKIE));
}
