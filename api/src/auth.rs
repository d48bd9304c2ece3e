//! How people prove who they are: passwords, a second factor, single sign-on, and the sessions that follow.
//!
//! Whatever is wrong with a login, the answer and its cost are the same. What is slow by design (hashing passwords) runs on
//! threads of its own behind a small semaphore, so that nobody's guessing takes the cores of ingest.

pub(crate) mod cookie;
pub(crate) mod csrf;
pub(crate) mod login;
pub(crate) mod mail;
pub(crate) mod oidc;
pub(crate) mod password;
pub(crate) mod recover;
pub(crate) mod seal;
pub(crate) mod session;
pub(crate) mod throttle;
pub(crate) mod totp;

use crate::settings::Settings;

/// What logins share.
pub(crate) struct Auth {
    pub(crate) hasher: password::Hasher,
    pub(crate) throttle: throttle::Throttle,
    pub(crate) oidc: Option<oidc::Oidc>,
    pub(crate) sealer: seal::Sealer,
}

impl Auth {
    pub(crate) fn new(settings: &Settings, sealer: seal::Sealer) -> Self {
        Self {
            hasher: password::Hasher::default(),
            throttle: throttle::Throttle::default(),
            oidc: oidc::Oidc::new(settings),
            sealer,
        }
    }
}

/// A secret of 256 bits as text.
pub(crate) fn secret() -> String {
    use base64::Engine;
    let bytes: [u8; 32] = rand::random();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// What is kept of such a secret.
pub(crate) fn digest(secret: &str) -> String {
    hex::encode(crate::access::hash(secret))
}
