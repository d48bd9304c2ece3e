//! Settings about people: the first owner, mails, single sign-on, sessions, the live view.

use std::path::PathBuf;

use crate::roles::Role;

/// The first owner.
#[derive(Clone, Debug)]
pub struct OwnerSettings {
    /// By which the owner logs in that the first start makes.
    pub email: String,
}

impl Default for OwnerSettings {
    fn default() -> Self {
        Self { email: "owner@localhost".to_owned() }
    }
}

/// The key by which secrets are sealed that must be read again.
#[derive(Clone, Debug, Default)]
pub struct SecretSettings {
    /// Its file; `None` is `secrets.key` in the data directory.
    pub key_file: Option<PathBuf>,
}

/// The sessions of people who logged in.
#[derive(Clone, Copy, Debug)]
pub struct SessionSettings {
    /// A session's secret is changed when it is this old and used.
    pub rotate_interval_ms: u64,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { rotate_interval_ms: 900_000 }
    }
}

/// The sockets of the live view.
#[derive(Clone, Copy, Debug)]
pub struct LiveSettings {
    /// Between two pings; a client that leaves two without an answer is gone.
    pub ping_interval_ms: u64,
    /// Between two looks at the caller's right, where this server changed none.
    pub check_interval_ms: u64,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self { ping_interval_ms: 20_000, check_interval_ms: 30_000 }
    }
}

/// How mails are sent.
#[derive(Clone)]
pub struct MailSettings {
    /// `smtp://user:password@host:port` (STARTTLS where the server has it), `smtps://…`; empty where there is no mail.
    pub url: String,
    /// The sender.
    pub from: String,
    /// A PEM file with an authority of one's own that vouches for the mail server.
    pub ca_certificate: Option<PathBuf>,
}

impl std::fmt::Debug for MailSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("MailSettings").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Default for MailSettings {
    fn default() -> Self {
        Self { url: String::new(), from: "Tephra <tephra@localhost>".to_owned(), ca_certificate: None }
    }
}

/// Single sign-on by OpenID Connect.
#[derive(Clone)]
pub struct OidcSettings {
    /// The provider; empty where there is none.
    pub issuer: String,
    /// What the provider knows Tephra as.
    pub client_id: String,
    /// The secret of it; empty for a client without one.
    pub client_secret: String,
    /// What stands on the button.
    pub name: String,
    /// Whether somebody unknown is let in and added.
    pub allow_signup: bool,
    /// What they become.
    pub default_role: Role,
}

impl std::fmt::Debug for OidcSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OidcSettings").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Default for OidcSettings {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            client_id: String::new(),
            client_secret: String::new(),
            name: "Single sign-on".to_owned(),
            allow_signup: false,
            default_role: Role::Member,
        }
    }
}
