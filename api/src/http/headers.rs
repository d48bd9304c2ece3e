//! The headers that keep a browser from being used against its user, on every answer.
//!
//! A handler that sets one of them has the last word on it: pages allow their own scripts, and what never changes may be
//! cached.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// For HTML pages, which set it themselves: everything comes from here, nothing stands inside the page.
#[allow(dead_code, reason = "for the first page")]
pub(crate) const PAGE_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

const ANSWER_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
const PERMISSIONS: &str = "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), \
     midi=(), payment=(), usb=()";
/// A year; not for subdomains, which are not ours.
const HTTPS_ONLY: &str = "max-age=31536000";

const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// Sets what the handler has not. `open` is for routes that pages of any origin may use; `https` says how the request came.
pub(super) fn secure(headers: &mut HeaderMap, open: bool, https: bool) {
    // Never a handler's choice: a browser that guesses types runs what was meant to be read.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let defaults = [
        (CONTENT_SECURITY_POLICY, ANSWER_POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (OPENER, "same-origin"),
        (RESOURCE, if open { "cross-origin" } else { "same-origin" }),
        (PERMISSIONS_POLICY, PERMISSIONS),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if https {
        headers.entry(STRICT_TRANSPORT_SECURITY).or_insert(HeaderValue::from_static(HTTPS_ONLY));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_has_the_last_word_and_https_is_remembered_only_over_https() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
        secure(&mut headers, false, false);
        assert_eq!(
            (&headers[CONTENT_SECURITY_POLICY], &headers[CACHE_CONTROL]),
            (&PAGE_POLICY.parse().unwrap(), &"max-age=60".parse().unwrap())
        );
        assert_eq!(
            (&headers[RESOURCE], headers.contains_key(STRICT_TRANSPORT_SECURITY)),
            (&"same-origin".parse().unwrap(), false)
        );
        let mut headers = HeaderMap::new();
        secure(&mut headers, true, true);
        assert_eq!(
            (&headers[RESOURCE], &headers[STRICT_TRANSPORT_SECURITY]),
            (&"cross-origin".parse().unwrap(), &HTTPS_ONLY.parse().unwrap())
        );
        assert_eq!(headers[CONTENT_SECURITY_POLICY], ANSWER_POLICY);
    }
}
