//! Sessions: how long they last, when their secret changes, and whether one still holds.

use tephra_storage::meta::sessions::{self, NewSession, SecondFactor, Session};
use tephra_storage::meta::users::User;
use tephra_storage::meta::{Meta, Tx};

use super::{digest, secret};
use crate::answer::Result;
use crate::settings::SessionSettings;

const SECOND_US: i64 = 1_000_000;
/// Without use a session ends.
pub(crate) const IDLE_US: i64 = 8 * 3600 * SECOND_US;
/// However it is used, a session ends.
pub(crate) const LASTS_US: i64 = 7 * 86_400 * SECOND_US;
/// So long there is between the password and the code.
pub(crate) const WAITS_US: i64 = 300 * SECOND_US;
/// The secret before holds for so long, for requests that were under way.
const GRACE_US: i64 = 60 * SECOND_US;
/// Use is noted once in this time.
const NOTED_US: i64 = 60 * SECOND_US;

const AGENT_CHARS_MAX: usize = 200;

/// Where a session begins.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) address: String,
    pub(crate) agent: String,
}

/// A session that was begun, with its secrets.
#[derive(Clone)]
pub(crate) struct Begun {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) csrf: String,
}

/// Begins a session under a new secret.
pub(crate) async fn begin(tx: &mut Tx, user: &User, origin: &Origin, factor: SecondFactor) -> Result<Begun> {
    let (secret, csrf) = (secret(), secret());
    let lasts = if factor == SecondFactor::Waits { WAITS_US } else { LASTS_US };
    let agent: String = origin.agent.chars().filter(|c| !c.is_control()).take(AGENT_CHARS_MAX).collect();
    let new = NewSession {
        hash: &digest(&secret),
        user_id: &user.id,
        csrf: &csrf,
        expires_at_us: tx.now_us() + lasts,
        second_factor: factor,
        address: &origin.address,
        agent: &agent,
    };
    let id = sessions::begin(tx, &new).await?;
    Ok(Begun { id, secret, csrf })
}

/// Whether a session holds now: not over, not idle for too long, not by a secret that was changed long ago, its person not
/// disabled, and its login complete.
pub(crate) fn holds(session: &Session, user: &User, now_us: i64) -> bool {
    session.second_factor != SecondFactor::Waits && is_in_time(session, user, now_us)
}

/// Whether a session waits for its code.
pub(crate) fn waits(session: &Session, user: &User, now_us: i64) -> bool {
    session.second_factor == SecondFactor::Waits && is_in_time(session, user, now_us)
}

fn is_in_time(session: &Session, user: &User, now_us: i64) -> bool {
    now_us < session.expires_at_us
        && now_us - session.seen_at_us < IDLE_US
        && !(session.by_previous && now_us - session.rotated_at_us > GRACE_US)
        && !user.disabled
}

/// Notes that a session is in use.
pub(crate) async fn note(meta: &Meta, session: &Session) -> Result<()> {
    if meta.now_us() - session.seen_at_us >= NOTED_US {
        meta.touch_session(&session.id).await?;
        meta.note_seen(&session.user_id).await?;
    }
    Ok(())
}

/// Changes a secret that is old enough. Returns the new one.
pub(crate) async fn rotate(
    meta: &Meta,
    settings: &SessionSettings,
    id: &str,
    rotated_at_us: i64,
    old: &str,
) -> Result<Option<String>> {
    let rotates_us = i64::try_from(settings.rotate_interval_ms).unwrap_or(i64::MAX).saturating_mul(1000);
    if meta.now_us() - rotated_at_us < rotates_us {
        return Ok(None);
    }
    let new = secret();
    let done = meta.rotate_session(id, &digest(old), &digest(&new)).await?;
    Ok(done.then_some(new))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tephra_storage::TestClock;
    use tephra_storage::meta::users::{self, NewUser};
    use tephra_storage::meta::{Actor, MetaSettings};

    use super::*;
    use crate::roles::Role;

    async fn begun() -> (tempfile::TempDir, Meta, Arc<TestClock>, Begun) {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::new(1_790_000_000_000_000));
        let meta = Meta::open(&MetaSettings::default(), dir.path(), clock.clone()).await.unwrap();
        let mut tx = meta.begin().await.unwrap();
        let new = NewUser { email: "a@b.c", name: "", role: Role::Owner, password: None, password_once: false };
        let user = users::create(&mut tx, &Actor::system(), &new).await.unwrap();
        let origin = Origin { address: "127.0.0.1".to_owned(), agent: "a\r\nb".to_owned() };
        let begun = begin(&mut tx, &user, &origin, SecondFactor::None).await.unwrap();
        tx.commit().await.unwrap();
        (dir, meta, clock, begun)
    }

    async fn open(meta: &Meta, secret: &str) -> bool {
        let found = meta.session(&digest(secret)).await.unwrap();
        found.is_some_and(|(session, user)| holds(&session, &user, meta.now_us()))
    }

    #[tokio::test]
    async fn a_secret_is_changed_and_the_one_before_holds_for_a_moment() {
        let (_dir, meta, clock, begun) = begun().await;
        let (session, _) = meta.session(&digest(&begun.secret)).await.unwrap().unwrap();
        assert_eq!(session.agent, "ab");
        let settings = SessionSettings::default();
        let turn = async || rotate(&meta, &settings, &session.id, session.rotated_at_us, &begun.secret).await.unwrap();
        assert!(turn().await.is_none());
        clock.advance_us(900 * SECOND_US);
        let new = turn().await.unwrap();
        assert!(turn().await.is_none());
        assert!(open(&meta, &new).await && open(&meta, &begun.secret).await);
        clock.advance_us(GRACE_US + 1);
        assert!(open(&meta, &new).await && !open(&meta, &begun.secret).await);
    }

    #[tokio::test]
    async fn a_session_ends_without_use_and_after_its_time() {
        let (_dir, meta, clock, begun) = begun().await;
        clock.advance_us(IDLE_US - 1);
        assert!(open(&meta, &begun.secret).await);
        clock.advance_us(1);
        assert!(!open(&meta, &begun.secret).await);
        let (session, _) = meta.session(&digest(&begun.secret)).await.unwrap().unwrap();
        meta.touch_session(&session.id).await.unwrap();
        assert!(open(&meta, &begun.secret).await);
        clock.advance_us(LASTS_US);
        meta.touch_session(&session.id).await.unwrap();
        assert!(!open(&meta, &begun.secret).await);
        assert_eq!(meta.sweep_sessions(0).await.unwrap(), 1);
    }
}
