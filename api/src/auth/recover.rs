//! A forgotten password: a link by mail, the same answer whoever asks for whom, and a new password by the link.

use tephra_storage::meta::resets::{self, Purpose};
use tephra_storage::meta::{ActorKind, users};

use super::{digest, mail, password};
use crate::answer::{Answer, Kind, Result};
use crate::caller::Place;
use crate::state::State;

/// Sends a link, if there is such a person. What is done takes place behind the answer, so that its time tells nothing.
pub(crate) fn forgot(state: &State, place: &Place, email: &str) -> Result<()> {
    let now = state.meta.now_us();
    state.auth.throttle.begin(&format!("forgot {}", email.trim()), place.ip, now)?;
    let (state, email, request_id) = (state.clone(), email.to_owned(), place.request_id.clone());
    tokio::spawn(async move {
        if let Err(error) = send(&state, &email).await {
            tracing::warn!(%error, request_id, "could not write a mail for a forgotten password");
        }
    });
    Ok(())
}

async fn send(state: &State, email: &str) -> Result<()> {
    if !mail::is_configured(&state.settings) {
        tracing::warn!(
            "somebody asked for a new password, and mail is not configured (`mail.url`): \
             set one by `tephra admin user password EMAIL`"
        );
        return Ok(());
    }
    // Whoever has no password logs in by other means, or was invited and has a link.
    let user = state.meta.user_by_email(email).await?;
    let Some(user) = user.filter(|user| !user.disabled && user.password.is_some()) else { return Ok(()) };
    let mut tx = state.meta.begin().await?;
    mail::send_link(&mut tx, &state.settings, &user, Purpose::Reset, "").await?;
    Ok(tx.commit().await?)
}

/// Sets a new password by a link, which holds once. All sessions of the person end.
pub(crate) async fn reset(state: &State, place: &Place, link: &str, new: String) -> Result<()> {
    let unknown =
        || Answer::new(Kind::Invalid, "the link was used, or it is too old: ask for a new one").field("token");
    // Links cannot be guessed; what is bounded is the work that one address makes.
    let account = format!("reset {}", place.ip);
    state.auth.throttle.begin(&account, place.ip, state.meta.now_us())?;
    let hash = digest(link);
    let id = state.meta.link(&hash).await?.ok_or_else(unknown)?;
    let user = state.meta.user(&id).await?.filter(|user| !user.disabled).ok_or_else(unknown)?;
    password::check(&new, &user.email, "password")?;
    let new = state.auth.hasher.hash(new).await?;
    let mut tx = state.meta.begin().await?;
    resets::take(&mut tx, &hash).await?.ok_or_else(unknown)?;
    let actor = place.actor(ActorKind::User, &user.id, &user.email);
    users::set_password(&mut tx, &actor, &user.id, &new, false, None).await?;
    mail::tell_changed(&mut tx, &state.settings, &user, &place.ip.to_string()).await?;
    tx.commit().await?;
    state.access.known.forget();
    state.auth.throttle.succeeded(&account, place.ip);
    Ok(())
}
