//! A person at a browser: keeps cookies, sends the CSRF value, speaks JSON.

use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::server::Server;

/// A new password that nobody refuses.
pub(crate) const PASSWORD: &str = "an early frost in may";

/// A browser with the cookies of one server.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) url: String,
    http: reqwest::Client,
    pub(crate) cookie: Option<String>,
    pub(crate) csrf: Option<String>,
}

impl Person {
    /// Somebody who is not logged in.
    pub(crate) fn new(server: &Server) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { url: server.url.clone(), http, cookie: None, csrf: None }
    }

    /// The owner, who has changed the password of the first start to [`PASSWORD`].
    pub(crate) async fn owner(server: &Server) -> Self {
        let first = server.first_run();
        let mut owner = Self::new(server);
        let answer = owner.log_in(&first["TEPHRA_EMAIL"], &first["TEPHRA_PASSWORD"]).await;
        assert_eq!(answer.0, StatusCode::OK, "{}", answer.1);
        let change = json!({ "current": first["TEPHRA_PASSWORD"], "password": PASSWORD });
        assert_eq!(owner.post("/api/v1/me/password", &change).await.0, StatusCode::NO_CONTENT);
        owner
    }

    /// A request with cookies and the CSRF value.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        if let Some(csrf) = &self.csrf {
            request = request.header("x-tephra-csrf", csrf);
        }
        request
    }

    /// Sends a request and keeps the cookies of the answer.
    pub(crate) async fn send(&mut self, request: RequestBuilder) -> (StatusCode, Value) {
        let answer = request.send().await.unwrap();
        self.keep(&answer);
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Keeps the session cookie of an answer.
    pub(crate) fn keep(&mut self, answer: &Response) {
        for value in answer.headers().get_all(SET_COOKIE) {
            let pair = value.to_str().unwrap().split(';').next().unwrap().to_owned();
            if pair.starts_with("tephra_session=") {
                self.cookie = Some(pair).filter(|pair| !pair.ends_with('='));
            }
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> (StatusCode, Value) {
        let request = self.request(Method::GET, path);
        self.send(request).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = self.request(Method::POST, path).json(body);
        self.send(request).await
    }

    pub(crate) async fn put(&mut self, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = self.request(Method::PUT, path).json(body);
        self.send(request).await
    }

    pub(crate) async fn patch(&mut self, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = self.request(Method::PATCH, path).json(body);
        self.send(request).await
    }

    pub(crate) async fn delete(&mut self, path: &str) -> (StatusCode, Value) {
        let request = self.request(Method::DELETE, path);
        self.send(request).await
    }

    /// Logs in by password.
    pub(crate) async fn log_in(&mut self, email: &str, password: &str) -> (StatusCode, Value) {
        let (status, body) = self.post("/api/v1/login", &json!({ "email": email, "password": password })).await;
        self.csrf = body["csrf"].as_str().map(str::to_owned).or(self.csrf.take());
        (status, body)
    }
}
