//! Requests that another site's page makes with the cookies of a person.
//!
//! Three things must fit for an unsafe request with a cookie: where the browser says it comes from (`Origin`, else
//! `Sec-Fetch-Site`), a header that no form can send, and in it the session's own value. The cookie is `SameSite=Lax` besides.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName, Method};
use subtle::ConstantTimeEq;

use crate::answer::{Answer, Kind, Result};
use crate::settings::Settings;

/// The header that repeats the session's value.
pub(crate) const CSRF: HeaderName = HeaderName::from_static("x-tephra-csrf");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a method may change something.
pub(crate) fn is_unsafe(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// Refuses requests from pages of other sites. `host` is the one that the browser asked for.
pub(crate) fn same_origin(settings: &Settings, host: Option<&str>, headers: &HeaderMap) -> Result<()> {
    let refused = |what: &str| {
        Err(Answer::new(Kind::Denied, format!("the request comes from another site: {what}"))
            .hint("set `http.public_url` to the address in the browser, or allow the site by `http.cors_origins`"))
    };
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(origin) = text(&ORIGIN) {
        let own = origin == settings.public_url();
        let allowed = settings.http.cors_origins.0.iter().any(|allowed| allowed == origin);
        let host = host.or_else(|| text(&HOST));
        let same_host = origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host);
        return if own || allowed || same_host { Ok(()) } else { refused("its `Origin` is not this server's") };
    }
    match text(&FETCH_SITE) {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => refused("`Sec-Fetch-Site` says so"),
    }
}

/// Refuses requests without the session's value.
pub(crate) fn check(headers: &HeaderMap, csrf: &str) -> Result<()> {
    let given = headers.get(CSRF).map_or(&b""[..], |value| value.as_bytes());
    if !csrf.is_empty() && bool::from(given.ct_eq(csrf.as_bytes())) {
        return Ok(());
    }
    Err(Answer::new(Kind::Denied, "a request that changes something with a session needs `X-Tephra-CSRF`")
        .hint("send the `csrf` of `GET /api/v1/me` in that header"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_our_own_pages_and_allowed_ones_may() {
        let mut settings = Settings::default();
        settings.http.public_url.0 = "https://tephra.example.com".to_owned();
        settings.http.cors_origins.0 = vec!["https://app.example.com".to_owned()];
        let check = |origin: &str, site: &str, fits: bool| {
            let mut headers = HeaderMap::new();
            for (name, value) in [(ORIGIN, origin), (FETCH_SITE, site)] {
                if !value.is_empty() {
                    headers.insert(name, HeaderValue::from_str(value).unwrap());
                }
            }
            assert_eq!(same_origin(&settings, Some("127.0.0.1:8080"), &headers).is_ok(), fits, "{origin} {site}");
        };
        check("", "", true);
        check("https://tephra.example.com", "same-origin", true);
        check("https://app.example.com", "cross-site", true);
        check("http://127.0.0.1:8080", "same-origin", true);
        check("https://evil.example.com", "cross-site", false);
        check("https://tephra.example.com.evil.com", "", false);
        check("null", "cross-site", false);
        check("", "cross-site", false);
        check("", "same-site", false);
        check("", "none", true);
    }

    #[test]
    fn the_value_must_be_the_sessions_own() {
        let mut headers = HeaderMap::new();
        assert_eq!(check(&headers, "abc").unwrap_err().kind, Kind::Denied);
        headers.insert(CSRF, HeaderValue::from_static("abd"));
        assert!(check(&headers, "abc").is_err());
        headers.insert(CSRF, HeaderValue::from_static(""));
        assert!(check(&headers, "").is_err());
        headers.insert(CSRF, HeaderValue::from_static("abc"));
        assert!(check(&headers, "abc").is_ok());
    }
}
