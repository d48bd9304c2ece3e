//! Which names promise a secret: `password`, `X-Api-Key`, `dbAuthToken`, and not `token_count` or `author`.
//!
//! A name falls into words at every change of case, sign and digit, so that all spellings of one name are one.

/// A longer name is no name.
pub(super) const NAME_BYTES_MAX: usize = 128;

/// A secret wherever they end or begin a word, whatever stands beside them.
const STRONG: &[&str] =
    &["password", "passwd", "passphrase", "passcode", "credential", "apikey", "privatekey", "secret"];

/// A secret as a word of its own.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "pwd", "pass", "pw", "token", "authorization", "auth", "cookie", "cookies", "setcookie", "csrf", "xsrf", "session",
    "sessionid", "sessid", "sid", "phpsessid", "jsessionid", "ssn", "cvv", "cvv2", "cvc", "card", "creditcard", "cardnumber",
    "jwt", "bearer", "otp", "accesskey", "secretkey", "signingkey", "encryptionkey", "authkey",
];

/// A secret as two words in a row.
#[rustfmt::skip]
const PAIRS: &[(&str, &str)] = &[
    ("api", "key"), ("private", "key"), ("access", "key"), ("signing", "key"), ("encryption", "key"), ("auth", "key"),
    ("account", "key"), ("master", "key"), ("shared", "key"), ("license", "key"), ("ssh", "key"), ("pass", "phrase"),
    ("pass", "word"), ("cc", "number"), ("cc", "num"), ("social", "security"), ("security", "code"), ("set", "cookie"),
    ("amz", "signature"), ("card", "number"), ("credit", "card"), ("sentry", "key"),
];

/// Endings of one word that is several: `accesstoken`, `xsrftoken`, `ASPSESSIONID`.
const ENDINGS: &[&str] = &["token", "cookie", "sessionid", "sessid", "pwd", "authorization", "accesskey", "secretkey"];

/// A name that ends so tells something about a secret, not the secret.
#[rustfmt::skip]
const ABOUT: &[&str] = &[
    "count", "counts", "type", "types", "name", "names", "length", "len", "size", "limit", "limits", "usage", "used", "max",
    "min", "total", "ttl", "expiry", "expires", "expired", "expiration", "age", "at", "created", "updated", "status", "state",
    "method", "methods", "provider", "scheme", "url", "uri", "endpoint", "host", "enabled", "disabled", "required", "valid",
    "version", "kind", "mode", "policy", "level", "error", "errors", "message", "brand", "title", "color", "index", "position",
    "duration", "ms", "seconds", "started", "domain", "path", "issuer", "audience", "algorithm", "alg", "present", "last4",
    "format", "strategy", "service", "module", "class", "flow", "user", "username", "time", "timeout", "is", "has", "budget",
];

/// A name that begins so asks about a secret.
const ASKS: &[&str] =
    &["is", "has", "use", "uses", "num", "max", "min", "total", "needs", "require", "requires", "allow"];

/// Ids by which sessions, cards and tokens are told apart, and which are columns and attributes of their own.
const IDENTIFIED: &[&str] = &["session", "card", "auth", "token", "credential"];

/// Whether a name that no program has by itself promises a secret anywhere: read in pieces that overlap.
fn is_long_secret(name: &str) -> bool {
    let starts = (0..name.len()).step_by(NAME_BYTES_MAX / 2);
    super::detect::may_name_a_secret(name)
        && starts.map(|at| (name.ceil_char_boundary(at), at + NAME_BYTES_MAX)).any(|(from, to)| {
            let to = name.floor_char_boundary(to.min(name.len()));
            from < to && is_secret(&name[from..to])
        })
}

/// Whether a value of this name is taken for a secret.
pub(super) fn is_secret(name: &str) -> bool {
    if name.len() > NAME_BYTES_MAX {
        return is_long_secret(name);
    }
    if name.len() < 2 {
        return false;
    }
    let mut lower = [0u8; NAME_BYTES_MAX];
    let mut words: [&str; 16] = [""; 16];
    let mut count = 0;
    let lower = &mut lower[..name.len()];
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    // Only ASCII letters changed.
    let Ok(lower) = std::str::from_utf8(lower) else { return false };
    for (start, end) in Words::new(name) {
        if count == words.len() {
            words.rotate_left(1);
            count -= 1;
        }
        words[count] = &lower[start..end];
        count += 1;
    }
    judge(&words[..count])
}

fn judge(words: &[&str]) -> bool {
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return false };
    let strong = words.iter().any(|word| {
        STRONG.iter().any(|strong| {
            let stem = word.strip_suffix('s').unwrap_or(word);
            // A secretary is none.
            stem.ends_with(strong) || (*strong != "secret" && word.starts_with(strong))
        })
    });
    let secret = strong
        || words.iter().any(|word| WORDS.contains(word) || ENDINGS.iter().any(|ending| word.ends_with(ending)))
        || words.windows(2).any(|pair| PAIRS.contains(&(pair[0], pair[1])));
    if !secret || (words.len() > 1 && (ABOUT.contains(last) || ASKS.contains(first))) {
        return false;
    }
    let identifies = matches!(*last, "id" | "ids") && words.len() > 1;
    strong || !(identifies && IDENTIFIED.contains(&words[words.len() - 2]))
}

/// Whether digits under this name are an id or a time, not a card.
pub(super) fn is_number_of_its_own(name: &str) -> bool {
    let Some((start, end)) = Words::new(name).last() else { return false };
    const LAST: &[&str] = &[
        "id",
        "ids",
        "uid",
        "guid",
        "uuid",
        "pid",
        "timestamp",
        "time",
        "ts",
        "nanos",
        "ns",
        "us",
        "ms",
        "hash",
        "at",
    ];
    LAST.iter().any(|word| word.eq_ignore_ascii_case(&name[start..end]))
}

/// The words of a name as ranges.
struct Words<'n> {
    bytes: &'n [u8],
    at: usize,
}

impl<'n> Words<'n> {
    fn new(name: &'n str) -> Self {
        Self { bytes: name.as_bytes(), at: 0 }
    }
}

impl Iterator for Words<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let belongs = |byte: u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
        while !belongs(*self.bytes.get(self.at)?) {
            self.at += 1;
        }
        let start = self.at;
        while let Some(&byte) = self.bytes.get(self.at).filter(|byte| belongs(**byte)) {
            let before = self.bytes[self.at.saturating_sub(1)];
            let after = self.bytes.get(self.at + 1).copied().unwrap_or_default();
            let hump = byte.is_ascii_uppercase()
                && (before.is_ascii_lowercase() || (before.is_ascii_uppercase() && after.is_ascii_lowercase()));
            if self.at > start && hump {
                break;
            }
            self.at += 1;
        }
        Some((start, self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_names_of_secrets() {
        for name in [
            "password",
            "Password",
            "user_password",
            "userPassword",
            "passwd",
            "PASSWORD_HASH",
            "db.password",
            "pwd",
            "secret",
            "client_secret",
            "clientSecret",
            "SECRET_KEY",
            "AWS_SECRET_ACCESS_KEY",
            "secrets",
            "token",
            "access_token",
            "accessToken",
            "accesstoken",
            "X-Auth-Token",
            "refreshToken",
            "api_key",
            "apiKey",
            "X-API-Key",
            "apikey",
            "Authorization",
            "Proxy-Authorization",
            "http.request.header.authorization",
            "cookie",
            "Cookies",
            "Set-Cookie",
            "csrf",
            "X-CSRFToken",
            "csrfmiddlewaretoken",
            "xsrf-token",
            "sessionid",
            "session",
            "PHPSESSID",
            "connect.sid",
            "credentials",
            "private_key",
            "privateKey",
            "ssn",
            "card",
            "card_number",
            "creditCard",
            "cvv",
            "jwt",
            "mysql_pwd",
            "passphrase",
            "access_key",
            "auth",
            "otp",
        ] {
            assert!(is_secret(name), "{name}");
        }
    }

    #[test]
    fn knows_names_about_secrets() {
        for name in [
            "token_count",
            "tokens",
            "max_tokens",
            "total_tokens",
            "prompt_tokens",
            "token_type",
            "author",
            "authority",
            "authenticated",
            "session_id",
            "session.id",
            "sessionId",
            "session_duration",
            "session_started",
            "cardinality",
            "dashboard",
            "discard",
            "bypass",
            "compass",
            "passenger",
            "inside",
            "side",
            "password_length",
            "password_required",
            "has_password",
            "use_auth",
            "auth_type",
            "auth.method",
            "cookie_name",
            "cookie_domain",
            "secret_name",
            "secretary",
            "key",
            "keyboard",
            "monkey",
            "primary_key",
            "tokenizer",
            "broken",
            "cookieless",
            "card_type",
            "card_id",
            "api_version",
            "private",
            "user",
            "message",
            "",
            "x",
            "id",
            "csrf_enabled",
            "session_count",
        ] {
            assert!(!is_secret(name), "{name}");
        }
        assert!(is_secret(&format!("{}_password_{}", "a".repeat(300), "b".repeat(300))));
        assert!(!is_secret(&format!("{}_passenger_{}", "a".repeat(300), "b".repeat(300))));
        assert!(is_number_of_its_own("order_id") && is_number_of_its_own("traceId") && !is_number_of_its_own("valid"));
    }
}
