//! The session cookie: its name, its attributes, and how a changed secret reaches the browser.
//!
//! `__Host-` binds the cookie to this host and to https; without https browsers refuse it, so it has another name there.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::{COOKIE, SET_COOKIE};
use http::{Extensions, HeaderMap, HeaderValue};
use parking_lot::Mutex;

use crate::settings::Settings;

/// The cookie's name.
pub(crate) fn name(settings: &Settings) -> &'static str {
    if settings.public_is_https() { "__Host-tephra" } else { "tephra_session" }
}

/// The secret in a request's cookies.
pub(crate) fn read<'a>(settings: &Settings, headers: &'a HeaderMap) -> Option<&'a str> {
    read_named(name(settings), headers)
}

/// The value of a cookie by its name.
pub(crate) fn read_named<'a>(name: &str, headers: &'a HeaderMap) -> Option<&'a str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
    let mut found = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(key, _)| *key == name);
    found.next().map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// The header that sets the cookie; with an empty secret the one that removes it.
pub(crate) fn header(settings: &Settings, secret: &str, seconds: i64) -> Option<HeaderValue> {
    header_named(settings, name(settings), secret, seconds)
}

/// The same for a cookie of another name.
pub(crate) fn header_named(settings: &Settings, name: &str, value: &str, seconds: i64) -> Option<HeaderValue> {
    let secure = if settings.public_is_https() { "; Secure" } else { "" };
    let age = if value.is_empty() { 0 } else { seconds };
    HeaderValue::from_str(&format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}")).ok()
}

/// Cookies that an answer is to set; an extension of every request.
#[derive(Clone, Default)]
struct NewCookies(Arc<Mutex<Vec<HeaderValue>>>);

/// Has the answer to this request set a cookie, whatever the answer is.
pub(crate) fn set(extensions: &Extensions, cookie: Option<HeaderValue>) {
    if let (Some(new), Some(cookie)) = (extensions.get::<NewCookies>(), cookie) {
        new.0.lock().push(cookie);
    }
}

/// Around all routes: adds the cookies that were set on the way.
pub(crate) async fn set_new(mut request: Request, next: Next) -> Response {
    let new = NewCookies::default();
    request.extensions_mut().insert(new.clone());
    let mut response = next.run(request).await;
    for cookie in new.0.lock().drain(..) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_kept_from_scripts_and_other_sites() {
        let mut settings = Settings::default();
        settings.http.public_url.0 = "https://tephra.example.com".to_owned();
        let expected = "__Host-tephra=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure";
        assert_eq!(header(&settings, "abc", 60).unwrap(), expected);
        settings.http.public_url.0 = "http://127.0.0.1:8080".to_owned();
        assert_eq!(header(&settings, "", 60).unwrap(), "tephra_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn the_secret_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=b; tephra_session=x=y; c"));
        assert_eq!(read_named("tephra_session", &headers), Some("x=y"));
        assert_eq!(read_named("session", &headers), None);
    }
}
