//! Who calls, and what they may do: found once for each request, before anything of it is read.
//!
//! By `Authorization: Bearer teph_t_…`, else by the session cookie, with which an unsafe request must show that it comes from
//! our own page. What a caller may not know of is answered as if it were not there.
//!
//! Rights are read from the database every two seconds at most, and at once after a change by this server.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header::{AUTHORIZATION, UPGRADE, USER_AGENT};
use http::request::Parts;
use http::{Extensions, HeaderMap};
use subtle::ConstantTimeEq;
use tephra_storage::ProjectId;
use tephra_storage::meta::sessions::Session;
use tephra_storage::meta::tokens::Token;
use tephra_storage::meta::users::User;
use tephra_storage::meta::{Actor, ActorKind};

use crate::access::{self, Credential, HeldUp, Identity, KeyKind, bearer};
use crate::answer::{Answer, Kind, Result};
use crate::auth::session::{self, Origin};
use crate::auth::{cookie, csrf};
use crate::http::RequestId;
use crate::http::proxy::ClientAddress;
use crate::roles::{Role, Verb, Verbs};
use crate::state::State;

/// Who calls. Taking it as an argument refuses everybody without a token or session.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    identity: Arc<Identity>,
    /// The hash of what was shown, to ask again by.
    shown: [u8; 32],
    place: Place,
}

/// A person with a session, even one who must change a password or set up a second factor before anything else.
#[derive(Clone, Debug)]
pub(crate) struct Person(pub(crate) Caller);

/// Where a request comes from.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) ip: IpAddr,
    pub(crate) host: Option<String>,
    pub(crate) request_id: String,
    pub(crate) agent: String,
}

impl Place {
    fn of(headers: &HeaderMap, extensions: &Extensions) -> Self {
        let client = extensions.get::<ClientAddress>();
        let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self {
            ip: client.map_or(Ipv4Addr::UNSPECIFIED.into(), |client| client.ip),
            host: client.and_then(|client| client.host.clone()),
            request_id: extensions.get::<RequestId>().map_or_else(String::new, |id| id.0.clone()),
            agent: agent.to_owned(),
        }
    }

    /// Where a session begins.
    pub(crate) fn origin(&self) -> Origin {
        Origin { address: self.ip.to_string(), agent: self.agent.clone() }
    }

    /// Somebody who acts from here.
    pub(crate) fn actor(&self, kind: ActorKind, id: &str, name: &str) -> Actor {
        Actor {
            kind,
            id: id.to_owned(),
            name: name.to_owned(),
            address: self.ip.to_string(),
            request_id: self.request_id.clone(),
        }
    }
}

impl FromRequestParts<State> for Place {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> std::result::Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.headers, &parts.extensions))
    }
}

impl FromRequestParts<State> for Caller {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        let caller = find(parts, state).await?;
        match caller.held_up() {
            None => Ok(caller),
            Some(HeldUp::Password) => {
                Err(Answer::new(Kind::Denied, "the password that was given to you is to be changed first")
                    .hint("`POST /api/v1/me/password`"))
            }
            Some(HeldUp::SecondFactor) => {
                Err(Answer::new(Kind::Denied, "the organisation requires a second factor, and you have none yet")
                    .hint("`POST /api/v1/me/totp`"))
            }
        }
    }
}

impl FromRequestParts<State> for Person {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        let caller = find(parts, state).await?;
        if caller.is_token() {
            return Err(Answer::new(Kind::Denied, "this is for people who logged in, and not for tokens"));
        }
        Ok(Self(caller))
    }
}

async fn find(parts: &mut Parts, state: &State) -> Result<Caller> {
    let place = Place::of(&parts.headers, &parts.extensions);
    let authorization = parts.headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap_or("?"));
    let session = cookie::read(&state.settings, &parts.headers).filter(|_| authorization.is_none());
    let caller = match session {
        Some(secret) => {
            let shown = access::hash(secret);
            let identity = by_session(state, shown).await?;
            let caller = Caller { identity, shown, place };
            caller.own_page(state, parts)?;
            caller.rotate(state, secret, parts).await?;
            caller
        }
        None => {
            let text = bearer(authorization, "a token")?;
            let (kind, id) = access::parse(text).map_err(|fault| Answer::new(Kind::Unauthenticated, fault))?;
            if kind == KeyKind::Ingest {
                return Err(Answer::new(Kind::Denied, "an ingest key writes events only, and this needs a token")
                    .hint("send `Authorization: Bearer TOKEN` with a token that begins with `teph_t_`"));
            }
            let shown = access::hash(text);
            let identity = by_token(state, shown, id).await?;
            state.access.known.use_token(id, state.meta.now_us());
            Caller { identity, shown, place }
        }
    };
    state.limits.token(caller.id())?;
    Ok(caller)
}

async fn by_token(state: &State, shown: [u8; 32], id: &str) -> Result<Arc<Identity>> {
    let unknown = || Answer::new(Kind::Unauthenticated, format!("the token `{id}…` is unknown or was revoked"));
    let now = state.meta.now_us();
    let generation = match state.access.known.get(&shown) {
        Ok(identity) if now < identity.ends_at_us => return Ok(identity),
        Ok(_) => return Err(unknown()),
        Err(generation) => generation,
    };
    let token = state.meta.token(id).await?.ok_or_else(unknown)?;
    let fits = bool::from(token.hash.as_bytes().ct_eq(hex::encode(shown).as_bytes()));
    let user = state.meta.user(&token.user_id).await?.filter(|user| fits && !user.disabled).ok_or_else(unknown)?;
    let identity = Arc::new(token_identity(state, token, user).await?);
    if now >= identity.ends_at_us {
        return Err(unknown());
    }
    state.access.known.put(shown, generation, identity.clone());
    Ok(identity)
}

async fn token_identity(state: &State, token: Token, user: User) -> Result<Identity> {
    let mut reach = state.meta.reach(&user.id, user.role).await?;
    if let Some(projects) = &token.projects {
        reach.retain(|project, _| projects.contains(project));
    }
    Ok(Identity {
        credential: Credential::Token { id: token.id, name: token.name },
        user_id: user.id,
        email: user.email,
        role: user.role,
        reach,
        verbs: token.verbs.map_or(Verbs::ALL, |words| Verbs::of(words.iter().map(String::as_str))),
        confined: token.projects.is_some(),
        ends_at_us: token.expires_at_us.unwrap_or(i64::MAX),
    })
}

async fn by_session(state: &State, shown: [u8; 32]) -> Result<Arc<Identity>> {
    let over = || Answer::new(Kind::Unauthenticated, "the session is over: log in again");
    let now = state.meta.now_us();
    let generation = match state.access.known.get(&shown) {
        Ok(identity) if now < identity.ends_at_us => return Ok(identity),
        Ok(_) => return Err(over()),
        Err(generation) => generation,
    };
    let (session, user) = state.meta.session(&hex::encode(shown)).await?.ok_or_else(over)?;
    if !session::holds(&session, &user, now) {
        return Err(over());
    }
    session::note(&state.meta, &session).await?;
    let identity = Arc::new(session_identity(state, session, user).await?);
    state.access.known.put(shown, generation, identity.clone());
    Ok(identity)
}

async fn session_identity(state: &State, session: Session, user: User) -> Result<Identity> {
    let required =
        || async { Ok::<_, Answer>(state.meta.organisation().await?.is_some_and(|it| it.second_factor_required)) };
    let held_up = if user.password_once {
        Some(HeldUp::Password)
    } else if !user.has_totp() && user.password.is_some() && required().await? {
        Some(HeldUp::SecondFactor)
    } else {
        None
    };
    Ok(Identity {
        reach: state.meta.reach(&user.id, user.role).await?,
        credential: Credential::Session {
            id: session.id,
            csrf: session.csrf,
            rotated_at_us: session.rotated_at_us,
            by_previous: session.by_previous,
            held_up,
        },
        user_id: user.id,
        email: user.email,
        role: user.role,
        verbs: Verbs::ALL,
        confined: false,
        ends_at_us: session.expires_at_us,
    })
}

impl Caller {
    /// Refuses what is not allowed in a project: as if it were not there where the caller may not know it.
    pub(crate) fn may(&self, verb: Verb, project: ProjectId) -> Result<()> {
        let Some(role) = self.role_in(project) else {
            return Err(Answer::new(Kind::NotFound, format!("there is no project `{project}`")));
        };
        if verb.in_project(role) && self.identity.verbs.has(verb) {
            return Ok(());
        }
        Err(Answer::new(Kind::Denied, format!("you may not do `{verb}` in the project `{project}`")))
    }

    /// Refuses what is not allowed in the organisation.
    pub(crate) fn may_here(&self, verb: Verb) -> Result<()> {
        let whole = !self.identity.confined || matches!(verb, Verb::OrganisationRead | Verb::ServerRead);
        if whole && verb.in_organisation(self.role()) && self.identity.verbs.has(verb) {
            return Ok(());
        }
        Err(Answer::new(Kind::Denied, format!("you may not do `{verb}` in the organisation")))
    }

    /// The projects in which something is allowed.
    pub(crate) fn projects(&self, verb: Verb) -> Vec<ProjectId> {
        let allowed = self.identity.reach.iter().filter(|(_, role)| verb.in_project(**role));
        allowed.map(|(project, _)| *project).filter(|_| self.identity.verbs.has(verb)).collect()
    }

    /// The projects that the caller may know, with the role in each.
    pub(crate) fn known_projects(&self) -> Vec<(ProjectId, Role)> {
        self.identity.reach.iter().map(|(project, role)| (*project, *role)).collect()
    }

    /// The role in a project that the caller may know.
    pub(crate) fn role_in(&self, project: ProjectId) -> Option<Role> {
        self.identity.reach.get(&project).copied()
    }

    /// The role in the organisation.
    pub(crate) fn role(&self) -> Role {
        self.identity.role
    }

    /// The verbs that a token leaves over; all for people.
    pub(crate) fn verbs(&self) -> Verbs {
        self.identity.verbs
    }

    /// When the session or token ends, µs UTC.
    pub(crate) fn ends_at_us(&self) -> i64 {
        self.identity.ends_at_us
    }

    /// Who acts, for the audit log.
    pub(crate) fn actor(&self) -> Actor {
        match &self.identity.credential {
            Credential::Session { .. } => {
                self.place.actor(ActorKind::User, &self.identity.user_id, &self.identity.email)
            }
            Credential::Token { id, name } => {
                self.place.actor(ActorKind::Token, id, &format!("{name} of {}", self.identity.email))
            }
        }
    }

    /// The person, or the owner of the token.
    pub(crate) fn user_id(&self) -> &str {
        &self.identity.user_id
    }

    /// Their email address.
    pub(crate) fn email(&self) -> &str {
        &self.identity.email
    }

    /// The id of the session or token.
    pub(crate) fn id(&self) -> &str {
        match &self.identity.credential {
            Credential::Session { id, .. } | Credential::Token { id, .. } => id,
        }
    }

    /// Whether a program calls.
    pub(crate) fn is_token(&self) -> bool {
        matches!(self.identity.credential, Credential::Token { .. })
    }

    /// What unsafe requests with the session repeat in a header.
    pub(crate) fn csrf(&self) -> Option<&str> {
        match &self.identity.credential {
            Credential::Session { csrf, .. } => Some(csrf),
            Credential::Token { .. } => None,
        }
    }

    /// What the person must do before anything else.
    pub(crate) fn held_up(&self) -> Option<HeldUp> {
        match self.identity.credential {
            Credential::Session { held_up, .. } => held_up,
            Credential::Token { .. } => None,
        }
    }

    /// Where the request comes from.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The same caller with the rights of now, for what lasts longer than a request.
    pub(crate) async fn renewed(&self, state: &State) -> Result<Self> {
        let identity = match &self.identity.credential {
            Credential::Token { id, .. } => by_token(state, self.shown, id).await?,
            // The secret may have been changed meanwhile; the session is the same.
            Credential::Session { id, .. } => {
                let over = || Answer::new(Kind::Unauthenticated, "the session is over: log in again");
                let now = state.meta.now_us();
                let user = state.meta.user(&self.identity.user_id).await?.filter(|user| !user.disabled);
                let sessions = state.meta.sessions_of(&self.identity.user_id).await?;
                let session = sessions.into_iter().find(|session| session.id == *id).ok_or_else(over)?;
                let user = user.filter(|user| session::holds(&session, user, now)).ok_or_else(over)?;
                Arc::new(session_identity(state, session, user).await?)
            }
        };
        Ok(Self { identity, shown: self.shown, place: self.place.clone() })
    }

    fn own_page(&self, state: &State, parts: &Parts) -> Result<()> {
        let changes = csrf::is_unsafe(&parts.method);
        // A socket is opened by GET, and pages of other sites may try.
        if changes || parts.headers.contains_key(UPGRADE) {
            csrf::same_origin(&state.settings, self.place.host.as_deref(), &parts.headers)?;
        }
        if changes { csrf::check(&parts.headers, self.csrf().unwrap_or_default()) } else { Ok(()) }
    }

    async fn rotate(&self, state: &State, secret: &str, parts: &Parts) -> Result<()> {
        let Credential::Session { id, rotated_at_us, by_previous: false, .. } = &self.identity.credential else {
            return Ok(());
        };
        if let Some(new) = session::rotate(&state.meta, &state.settings.session, id, *rotated_at_us, secret).await? {
            state.access.known.forget();
            let seconds = (self.identity.ends_at_us - state.meta.now_us()) / 1_000_000;
            cookie::set(&parts.extensions, cookie::header(&state.settings, &new, seconds));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: ProjectId = ProjectId(1);
    const DESK: ProjectId = ProjectId(2);

    /// A member of the organisation who cares for the shop, by a token of those verbs.
    fn member(verbs: Verbs, confined: bool) -> Caller {
        let identity = Identity {
            credential: Credential::Token { id: "t".to_owned(), name: "ci".to_owned() },
            user_id: "u".to_owned(),
            email: "ada@example.com".to_owned(),
            role: Role::Member,
            reach: [(SHOP, Role::Admin)].into(),
            verbs,
            confined,
            ends_at_us: i64::MAX,
        };
        let place = Place::of(&HeaderMap::new(), &Extensions::new());
        Caller { identity: Arc::new(identity), shown: [0; 32], place }
    }

    fn kind(result: Result<()>) -> Option<Kind> {
        result.err().map(|answer| answer.kind)
    }

    #[test]
    fn what_is_unknown_is_not_found_and_what_is_known_is_denied() {
        let caller = member(Verbs::ALL, false);
        assert_eq!(kind(caller.may(Verb::KeyWrite, SHOP)), None);
        assert_eq!(kind(caller.may(Verb::ProjectDelete, SHOP)), Some(Kind::Denied));
        assert_eq!(kind(caller.may(Verb::EventRead, DESK)), Some(Kind::NotFound));
        // A verb of the organisation is none of a project, and the other way round.
        assert_eq!(kind(caller.may(Verb::MemberRead, SHOP)), Some(Kind::Denied));
        assert_eq!(kind(caller.may_here(Verb::EventRead)), Some(Kind::Denied));
        assert_eq!(kind(caller.may_here(Verb::MemberRead)), None);
        assert_eq!(kind(caller.may_here(Verb::MemberWrite)), Some(Kind::Denied));
        assert_eq!(caller.projects(Verb::KeyWrite), [SHOP]);
        assert_eq!(caller.projects(Verb::ProjectDelete), []);
    }

    #[test]
    fn a_token_has_no_more_than_it_is_given() {
        let caller = member(Verbs::of(["event:read", "member:read", "server:read"]), true);
        assert_eq!(kind(caller.may(Verb::EventRead, SHOP)), None);
        assert_eq!(kind(caller.may(Verb::IssueRead, SHOP)), Some(Kind::Denied));
        assert_eq!(caller.projects(Verb::IssueRead), []);
        assert_eq!(kind(caller.may_here(Verb::ServerRead)), None);
        assert_eq!(kind(caller.may_here(Verb::MemberRead)), Some(Kind::Denied));
        assert_eq!(caller.actor().name, "ci of ada@example.com");
    }
}
