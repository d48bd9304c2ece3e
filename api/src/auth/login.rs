//! Logging in: the password, then the code where there is a second factor.
//!
//! Whether the address is unknown, the password wrong, the person disabled or invited only: one answer, at one price. Each
//! try is counted before anything is compared, so that a thousand at once are throttled as a thousand in a row.

use serde_json::json;
use tephra_storage::meta::audit::{self, Entry};
use tephra_storage::meta::sessions::{self, SecondFactor};
use tephra_storage::meta::users::{self, User};
use tephra_storage::meta::{Actor, ActorKind, Tx};

use super::password::Verified;
use super::session::{self, Begun};
use super::{digest, totp};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Place;
use crate::state::State;

/// What came of a right password.
pub(crate) enum Passed {
    /// A session.
    In(Begun),
    /// The code is still to come, together with this ticket.
    NeedsCode(String),
}

/// The one answer to every login that fails.
fn wrong() -> Answer {
    Answer::new(Kind::Unauthenticated, "the email address or the password is wrong")
}

/// Compares a password and begins a session. The session that the browser had before ends.
pub(crate) async fn by_password(
    state: &State,
    place: &Place,
    email: &str,
    password: String,
    before: Option<&str>,
) -> Result<Passed> {
    let now = state.meta.now_us();
    state.auth.throttle.begin(email.trim(), place.ip, now)?;
    let user = state.meta.user_by_email(email).await?.filter(|user| !user.disabled);
    let hash = user.as_ref().and_then(|user| user.password.clone());
    let verified = state.auth.hasher.verify(password, hash.clone()).await?;
    let user = match (user, &verified) {
        (Some(user), Verified::Right | Verified::Renewed(_)) => user,
        (user, _) => {
            fail(state, place, user.as_ref(), "password").await?;
            return Err(wrong());
        }
    };
    let mut tx = state.meta.begin().await?;
    if let (Verified::Renewed(new), Some(old)) = (&verified, &hash) {
        users::rehash(&mut tx, &user.id, old, new).await?;
    }
    if user.has_totp() {
        let ticket = session::begin(&mut tx, &user, &place.origin(), SecondFactor::Waits).await?.secret;
        tx.commit().await?;
        return Ok(Passed::NeedsCode(ticket));
    }
    let begun = enter(&mut tx, place, &user, SecondFactor::None, "password").await?;
    end_before(&mut tx, state, before).await?;
    tx.commit().await?;
    state.access.known.forget();
    state.auth.throttle.succeeded(email.trim(), place.ip);
    Ok(Passed::In(begun))
}

/// Takes the code and begins the session that the ticket was for.
pub(crate) async fn by_code(
    state: &State,
    place: &Place,
    ticket: &str,
    code: &str,
    before: Option<&str>,
) -> Result<Begun> {
    let over = || Answer::new(Kind::Unauthenticated, "the code is wrong, or the login took too long: begin again");
    let found = state.meta.session(&digest(ticket)).await?;
    let now = state.meta.now_us();
    let (waiting, user) = found.filter(|(session, user)| session::waits(session, user, now)).ok_or_else(over)?;
    state.auth.throttle.begin(&user.email, place.ip, now)?;
    if !totp::use_code(&state.meta, &state.auth.sealer, &user, code).await? {
        fail(state, place, Some(&user), "code").await?;
        return Err(over());
    }
    let mut tx = state.meta.begin().await?;
    if !sessions::end(&mut tx, &waiting.id).await? {
        return Err(over());
    }
    let begun = enter(&mut tx, place, &user, SecondFactor::Shown, "code").await?;
    end_before(&mut tx, state, before).await?;
    tx.commit().await?;
    state.access.known.forget();
    state.auth.throttle.succeeded(&user.email, place.ip);
    Ok(begun)
}

/// Begins a session, with its row in the audit log.
pub(crate) async fn enter(tx: &mut Tx, place: &Place, user: &User, factor: SecondFactor, by: &str) -> Result<Begun> {
    let begun = session::begin(tx, user, &place.origin(), factor).await?;
    let actor = place.actor(ActorKind::User, &user.id, &user.email);
    let after = Some(json!({ "by": by, "session": begun.id }));
    write(tx, &actor, "login.succeed", &user.id, after).await?;
    Ok(begun)
}

/// Ends the session that the browser had.
pub(crate) async fn end_before(tx: &mut Tx, state: &State, before: Option<&str>) -> Result<()> {
    if let Some(secret) = before
        && let Some((session, _)) = state.meta.session(&digest(secret)).await?
    {
        sessions::end(tx, &session.id).await?;
    }
    Ok(())
}

/// Notes a failure. An unknown account costs the same row, without what was typed for it: that may be a password.
async fn fail(state: &State, place: &Place, user: Option<&User>, at: &str) -> Result<()> {
    let id = user.map_or("", |user| &user.id);
    let mut tx = state.meta.begin().await?;
    write(&mut tx, &place.actor(ActorKind::Nobody, "", ""), "login.fail", id, Some(json!({ "at": at }))).await?;
    Ok(tx.commit().await?)
}

async fn write(tx: &mut Tx, actor: &Actor, verb: &str, user: &str, after: Option<serde_json::Value>) -> Result<()> {
    let entry = Entry { actor, verb, target: ("user", user), project: None, before: None, after };
    Ok(audit::write(tx, &entry).await?)
}
