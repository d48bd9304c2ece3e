//! Who sends: the public key of a DSN, in each place where SDKs put it.
//!
//! The places are tried in a fixed order and the first that names a key counts, as programs behind a proxy often carry a
//! stale second one. A tunnel posts without any, and its envelope's header has the whole DSN.

use std::borrow::Cow;

use bytes::Bytes;

use super::framing;
use crate::value::Value;

/// What a request says of its sender.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// The public key of the DSN (`sentry_key`). Never empty.
    pub key: String,
    /// The SDK and its version (`sentry.python/2.75.0`).
    pub client: Option<String>,
    /// The protocol's version, `7` today.
    pub version: Option<String>,
    /// The number of the project, where only a whole DSN was given.
    pub project: Option<String>,
}

impl Auth {
    /// Looks at the query string, at `X-Sentry-Auth`, at `Authorization`, then at the `dsn` of the envelope in `body`, which
    /// must be inflated already. `None` where no place names a key.
    pub fn find(
        query: Option<&str>,
        x_sentry_auth: Option<&str>,
        authorization: Option<&str>,
        body: Option<&Bytes>,
    ) -> Option<Self> {
        query
            .and_then(Self::of_query)
            .or_else(|| x_sentry_auth.and_then(Self::of_header))
            .or_else(|| authorization.and_then(Self::of_header))
            .or_else(|| body.and_then(Self::of_envelope))
    }

    /// Reads `sentry_key=…&sentry_version=7&sentry_client=…`, percent-encoded.
    pub fn of_query(query: &str) -> Option<Self> {
        Self::of_pairs(query.trim_start_matches('?').split('&').filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((name, percent_decoded(value)))
        }))
    }

    /// Reads `Sentry sentry_key=…, sentry_version=7, …`, the value of `X-Sentry-Auth` or `Authorization`.
    pub fn of_header(value: &str) -> Option<Self> {
        let value = value.trim();
        let (scheme, pairs) = value.split_at_checked("sentry".len())?;
        if !scheme.eq_ignore_ascii_case("sentry") || !pairs.starts_with([' ', '\t']) {
            return None;
        }
        Self::of_pairs(pairs.split([',', ' ', '\t']).filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((name, value.trim_matches('"').into()))
        }))
    }

    /// Reads `https://key@host/42`; a secret behind the key is ignored.
    pub fn of_dsn(dsn: &str) -> Option<Self> {
        let (_, rest) = dsn.trim().split_once("://")?;
        let (user, place) = rest.split_once('@')?;
        let key = user.split(':').next().filter(|key| !key.is_empty())?;
        let path = place.split(['?', '#']).next()?.trim_end_matches('/');
        let project = path.rsplit_once('/').map(|(_, project)| project.to_owned());
        Some(Self { key: key.to_owned(), project: project.filter(|project| !project.is_empty()), ..Self::default() })
    }

    /// Reads the `dsn` in an envelope's header, and the SDK there.
    pub fn of_envelope(body: &Bytes) -> Option<Self> {
        let mut dsn = None;
        let mut client = None;
        for (name, value) in framing::header_pairs(body).ok()? {
            match (name.as_ref(), value) {
                ("dsn", Value::Text(text)) => dsn = Self::of_dsn(&text),
                ("sdk", Value::Map(sdk)) => client = framing::client(&sdk),
                _ => {}
            }
        }
        dsn.map(|auth| Self { client, ..auth })
    }

    fn of_pairs<'v>(pairs: impl Iterator<Item = (&'v str, Cow<'v, str>)>) -> Option<Self> {
        let mut auth = Self::default();
        for (name, value) in pairs {
            match name.trim() {
                "sentry_key" => auth.key = value.into_owned(),
                "sentry_client" => auth.client = Some(value.into_owned()),
                "sentry_version" => auth.version = Some(value.into_owned()),
                _ => {}
            }
        }
        (!auth.key.is_empty()).then_some(auth)
    }
}

/// A value of a query string: `+` is a space, `%2F` a slash; what is no escape stays.
pub(super) fn percent_decoded(value: &str) -> Cow<'_, str> {
    if memchr::memchr2(b'%', b'+', value.as_bytes()).is_none() {
        return value.into();
    }
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = bytes.get(at + 1..at + 3).filter(|_| byte == b'%');
        let mut decoded = [0];
        match escaped.map(|digits| hex::decode_to_slice(digits, &mut decoded)) {
            Some(Ok(())) => {
                out.push(decoded[0]);
                at += 3;
            }
            _ => {
                out.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    crate::text::from_bytes(&out).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(auth: Option<Auth>, key: &str, client: Option<&str>, version: Option<&str>) {
        let auth = auth.unwrap();
        assert_eq!((auth.key.as_str(), auth.client.as_deref(), auth.version.as_deref()), (key, client, version));
    }

    #[test]
    fn reads_each_form() {
        check(
            Auth::of_query("sentry_version=7&sentry_key=abc&sentry_client=sentry.javascript.node%2F11.11.0"),
            "abc",
            Some("sentry.javascript.node/11.11.0"),
            Some("7"),
        );
        for header in [
            "Sentry sentry_key=abc, sentry_version=7, sentry_client=sentry.python/2.75.0",
            "sentry sentry_key=abc,sentry_version=7,sentry_client=sentry.python/2.75.0",
            "Sentry sentry_timestamp=1795183275.29, sentry_key=abc,  sentry_version=\"7\", sentry_client=sentry.python/2.75.0, sentry_secret=s",
        ] {
            check(Auth::of_header(header), "abc", Some("sentry.python/2.75.0"), Some("7"));
        }
        check(Auth::of_dsn("https://abc:secret@o1.example.com:9000/tephra/42"), "abc", None, None);
        assert_eq!(Auth::of_dsn("https://abc@h/p/42/").unwrap().project.as_deref(), Some("42"));
        let tunnel = Bytes::from_static(
            b"{\"dsn\":\"https://abc@h/42\",\"sdk\":{\"name\":\"sentry.javascript.browser\",\"version\":\"11\"}}\n",
        );
        check(Auth::of_envelope(&tunnel), "abc", Some("sentry.javascript.browser/11"), None);
    }

    #[test]
    fn refuses_what_names_no_key() {
        for header in
            ["", "Sentry", "Sentry ", "Bearer sentry_key=abc", "Sentry sentry_version=7", "Sentrysentry_key=a", "日本"]
        {
            assert_eq!(Auth::of_header(header), None, "{header}");
        }
        for query in ["", "a=b", "sentry_key=", "sentry_key"] {
            assert_eq!(Auth::of_query(query), None, "{query}");
        }
        for dsn in ["", "abc@h/1", "https://h/1", "https://@h/1"] {
            assert_eq!(Auth::of_dsn(dsn), None, "{dsn}");
        }
    }

    #[test]
    fn the_first_place_counts() {
        let body = Bytes::from_static(b"{\"dsn\":\"https://d@h/42\"}");
        let find = |query, x, authorization| Auth::find(query, x, authorization, Some(&body)).unwrap().key;
        assert_eq!(find(Some("sentry_key=q"), Some("Sentry sentry_key=x"), None), "q");
        assert_eq!(find(Some("a=b"), Some("Sentry sentry_key=x"), Some("Sentry sentry_key=a")), "x");
        assert_eq!(find(None, None, Some("Sentry sentry_key=a")), "a");
        assert_eq!(find(None, None, Some("Bearer b")), "d");
        assert_eq!(Auth::find(None, None, None, None), None);
    }

    #[test]
    fn decodes_percent_escapes() {
        assert_eq!(percent_decoded("a%2Fb+c%zz%"), "a/b c%zz%");
        assert_eq!(percent_decoded("%ff%00"), "\u{fffd}\u{fffd}");
    }
}
