//! Single sign-on by OpenID Connect: code flow with PKCE, state and nonce; the provider's word about the email counts once
//! it says that it has verified it.
//!
//! A login is bound to the browser that began it by a cookie, so that nobody is logged in by another's link. Logins that
//! were begun are kept in memory: a restart in between has people begin again.

use std::collections::HashMap;

use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreUserInfoClaims};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, IssuerUrl, Nonce, OAuth2TokenResponse,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, TokenResponse,
};
use parking_lot::Mutex;
use tephra_storage::meta::ActorKind;
use tephra_storage::meta::sessions::SecondFactor;
use tephra_storage::meta::users::{self, NewUser, User};

use super::session::Begun;
use super::{digest, login, secret};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Place;
use crate::settings::{OidcSettings, Settings};
use crate::state::State;

/// The path that the provider sends people back to.
pub(crate) const CALLBACK: &str = "/api/v1/oidc/callback";
/// The cookie that binds a login to its browser.
pub(crate) const COOKIE: &str = "tephra_oidc";
pub(crate) const LASTS_SECONDS: i64 = 600;
const BEGUN_MAX: usize = 1000;

/// A provider, and the logins that were begun with it.
pub(crate) struct Oidc {
    settings: OidcSettings,
    redirect: String,
    http: reqwest::Client,
    begun: Mutex<HashMap<String, Login>>,
}

struct Login {
    nonce: Nonce,
    verifier: PkceCodeVerifier,
    browser: String,
    back: String,
    began_us: i64,
}

/// Where to send a browser, and the secret that binds the login to it.
pub(crate) struct Begin {
    pub(crate) url: String,
    pub(crate) cookie: String,
}

/// Whom the provider names.
struct Named {
    subject: String,
    email: String,
    name: String,
}

impl Oidc {
    /// The provider of the settings, if there is one.
    pub(crate) fn new(settings: &Settings) -> Option<Self> {
        if settings.oidc.issuer.is_empty() {
            return None;
        }
        let http = reqwest::ClientBuilder::new()
            // A redirect could lead a request with our secret to somebody else.
            .redirect(reqwest::redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(10))
            .build();
        Some(Self {
            settings: settings.oidc.clone(),
            redirect: format!("{}{CALLBACK}", settings.public_url()),
            http: http.unwrap_or_default(),
            begun: Mutex::default(),
        })
    }

    /// What people know the provider as.
    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    async fn metadata(&self) -> Result<CoreProviderMetadata> {
        let issuer = IssuerUrl::new(self.settings.issuer.clone()).map_err(|error| unreachable(&error))?;
        CoreProviderMetadata::discover_async(issuer, &self.http).await.map_err(|error| unreachable(&error))
    }

    /// Begins a login that leads back to `back`.
    pub(crate) async fn begin(&self, back: &str, now_us: i64) -> Result<Begin> {
        let redirect = RedirectUrl::new(self.redirect.clone()).map_err(|error| unreachable(&error))?;
        let client = CoreClient::from_provider_metadata(self.metadata().await?, self.id(), self.secret())
            .set_redirect_uri(redirect);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .add_scope(Scope::new("email".to_owned()))
            .add_scope(Scope::new("profile".to_owned()))
            .set_pkce_challenge(challenge)
            .url();
        let cookie = secret();
        let login = Login { nonce, verifier, browser: digest(&cookie), back: back.to_owned(), began_us: now_us };
        let mut begun = self.begun.lock();
        begun.retain(|_, login| now_us - login.began_us < LASTS_SECONDS * 1_000_000);
        if begun.len() >= BEGUN_MAX {
            return Err(Answer::new(Kind::Busy, "too many logins are under way"));
        }
        begun.insert(state.secret().clone(), login);
        Ok(Begin { url: url.into(), cookie })
    }

    fn take(&self, state: &str, browser: Option<&str>, now_us: i64) -> Result<Login> {
        let over = || Answer::new(Kind::Unauthenticated, "the login is unknown or took too long: begin again");
        let login = self.begun.lock().remove(state).ok_or_else(over)?;
        let same = browser.is_some_and(|cookie| digest(cookie) == login.browser);
        if same && now_us - login.began_us < LASTS_SECONDS * 1_000_000 { Ok(login) } else { Err(over()) }
    }

    async fn exchange(&self, code: &str, login: Login) -> Result<Named> {
        let redirect = RedirectUrl::new(self.redirect.clone()).map_err(|error| unreachable(&error))?;
        let client = CoreClient::from_provider_metadata(self.metadata().await?, self.id(), self.secret())
            .set_redirect_uri(redirect);
        let request =
            client.exchange_code(AuthorizationCode::new(code.to_owned())).map_err(|error| unreachable(&error))?;
        let answer = request
            .set_pkce_verifier(login.verifier)
            .request_async(&self.http)
            .await
            .map_err(|error| refused(&error))?;
        let token = answer.id_token().ok_or_else(|| refused(&"the provider sent no id token"))?;
        let verifier = client.id_token_verifier();
        let claims = token.claims(&verifier, &login.nonce).map_err(|error| refused(&error))?;
        if let Some(expected) = claims.access_token_hash() {
            let (algorithm, key) = (token.signing_alg(), token.signing_key(&verifier));
            let algorithm = algorithm.map_err(|error| refused(&error))?;
            let key = key.map_err(|error| refused(&error))?;
            let actual = AccessTokenHash::from_token(answer.access_token(), algorithm, key);
            if actual.map_err(|error| refused(&error))? != *expected {
                return Err(refused(&"the access token is not the one that the id token names"));
            }
        }
        let first = |name: &openidconnect::LocalizedClaim<openidconnect::EndUserName>| {
            name.iter().next().map(|(_, name)| name.as_str().to_owned())
        };
        let (mut email, mut verified) = (claims.email().cloned(), claims.email_verified());
        let mut name = claims.name().and_then(first);
        if email.is_none() {
            let request = client.user_info(answer.access_token().clone(), Some(claims.subject().clone()));
            let info: CoreUserInfoClaims = request
                .map_err(|error| unreachable(&error))?
                .request_async(&self.http)
                .await
                .map_err(|error| refused(&error))?;
            (email, verified) = (info.email().cloned(), info.email_verified());
            name = name.or_else(|| info.name().and_then(first));
        }
        let email = email.filter(|_| verified == Some(true)).ok_or_else(|| {
            Answer::new(Kind::Denied, "the provider does not say that it has verified your email address")
        })?;
        let subject = claims.subject().as_str().to_owned();
        Ok(Named { subject, email: email.as_str().to_owned(), name: name.unwrap_or_default() })
    }

    fn id(&self) -> ClientId {
        ClientId::new(self.settings.client_id.clone())
    }

    fn secret(&self) -> Option<ClientSecret> {
        Some(self.settings.client_secret.clone()).filter(|secret| !secret.is_empty()).map(ClientSecret::new)
    }
}

/// Ends a login that the provider sent back: a session, and where to go on.
pub(crate) async fn finish(
    state: &State,
    oidc: &Oidc,
    place: &Place,
    (login_state, code): (&str, &str),
    browser: Option<&str>,
    before: Option<&str>,
) -> Result<(Begun, String)> {
    let begun = oidc.take(login_state, browser, state.meta.now_us())?;
    let back = begun.back.clone();
    let named = oidc.exchange(code, begun).await?;
    let user = person(state, oidc, place, &named).await?;
    let mut tx = state.meta.begin().await?;
    let begun = login::enter(&mut tx, place, &user, SecondFactor::None, "oidc").await?;
    login::end_before(&mut tx, state, before).await?;
    tx.commit().await?;
    state.access.known.forget();
    Ok((begun, back))
}

/// The person of that identity; else the one with that address, or a new one where the settings allow it.
async fn person(state: &State, oidc: &Oidc, place: &Place, named: &Named) -> Result<User> {
    let refused = || Answer::new(Kind::Denied, "you have no account here: ask somebody to invite you");
    let issuer = &oidc.settings.issuer;
    if let Some(user) = state.meta.user_by_identity(issuer, &named.subject).await? {
        return if user.disabled { Err(refused()) } else { Ok(user) };
    }
    let known = state.meta.user_by_email(&named.email).await?;
    if known.as_ref().is_some_and(|user| user.disabled) || (known.is_none() && !oidc.settings.allow_signup) {
        return Err(refused());
    }
    let mut tx = state.meta.begin().await?;
    let user = match known {
        Some(user) => user,
        None => {
            let name: String = named.name.chars().filter(|c| !c.is_control()).take(100).collect();
            let new = NewUser {
                email: &named.email,
                name: &name,
                role: oidc.settings.default_role,
                password: None,
                password_once: false,
            };
            users::create(&mut tx, &place.actor(ActorKind::Nobody, "", &named.email), &new).await?
        }
    };
    let actor = place.actor(ActorKind::User, &user.id, &user.email);
    users::link_identity(&mut tx, &actor, &user.id, issuer, &named.subject).await?;
    tx.commit().await?;
    Ok(user)
}

/// The provider is at fault, or out of reach: its own words go to the log.
fn unreachable(error: &dyn std::fmt::Display) -> Answer {
    tracing::warn!(%error, "could not ask the OpenID Connect provider");
    Answer::new(Kind::Busy, "the provider of single sign-on is out of reach")
}

fn refused(error: &dyn std::fmt::Display) -> Answer {
    tracing::warn!(%error, "a login by OpenID Connect failed");
    Answer::new(Kind::Unauthenticated, "the provider of single sign-on did not confirm the login: begin again")
}

/// A place on this server to go back to; anything else is the start.
pub(crate) fn local(path: &str) -> &str {
    let fits = path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n', '\t']);
    if fits { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        let check = |path: &str, expected: &str| assert_eq!(local(path), expected, "{path}");
        check("/issues?x=1", "/issues?x=1");
        check("https://evil.example.com", "/");
        check("//evil.example.com", "/");
        check("/\\evil.example.com", "/");
        check("", "/");
    }

    #[tokio::test]
    async fn a_login_belongs_to_its_browser_and_holds_once() {
        let mut settings = Settings::default();
        settings.oidc.issuer = "http://127.0.0.1:1".to_owned();
        let oidc = Oidc::new(&settings).unwrap();
        let put = || {
            let (_, verifier) = PkceCodeChallenge::new_random_sha256();
            let (nonce, back) = (Nonce::new_random(), "/".to_owned());
            oidc.begun
                .lock()
                .insert("s".to_owned(), Login { nonce, verifier, browser: digest("b"), back, began_us: 0 });
        };
        put();
        assert!(oidc.take("s", Some("other"), 1).is_err());
        put();
        assert!(oidc.take("s", None, 1).is_err());
        put();
        assert!(oidc.take("s", Some("b"), LASTS_SECONDS * 1_000_000).is_err());
        put();
        assert!(oidc.take("s", Some("b"), 1).is_ok());
        assert!(oidc.take("s", Some("b"), 1).is_err());
    }
}
