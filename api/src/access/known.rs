//! Who was behind a token or session a moment ago, so that not every request asks the database.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tephra_storage::ProjectId;
use tokio::sync::watch;

use crate::roles::{Role, Verbs};

/// For so long what was read holds.
const HOLDS: Duration = Duration::from_secs(2);
const KNOWN_MAX: usize = 10_000;

/// How a caller proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// By a cookie.
    Session {
        /// The session's id.
        id: String,
        /// What unsafe requests repeat in a header.
        csrf: String,
        /// When its secret was last changed, µs UTC.
        rotated_at_us: i64,
        /// Whether it was shown by the secret before the present one.
        by_previous: bool,
        /// What the person must do before anything else.
        held_up: Option<HeldUp>,
    },
    /// By a token.
    Token {
        /// The token's id.
        id: String,
        /// What people call it.
        name: String,
    },
}

/// What somebody must do before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeldUp {
    /// Change the password that was given to them.
    Password,
    /// Set up a second factor, which the organisation requires.
    SecondFactor,
}

/// Who is behind a token or session, and what they reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) credential: Credential,
    pub(crate) user_id: String,
    pub(crate) email: String,
    /// In the organisation.
    pub(crate) role: Role,
    /// In each live project that is reached.
    pub(crate) reach: BTreeMap<ProjectId, Role>,
    /// What a token leaves over; all for people.
    pub(crate) verbs: Verbs,
    /// Whether it is confined to some projects.
    pub(crate) confined: bool,
    /// When it ends, µs UTC.
    pub(crate) ends_at_us: i64,
}

/// The identities of the last moment by the hash of what was shown.
#[derive(Debug, Default)]
pub(crate) struct Known {
    inner: Mutex<Inner>,
    used: Mutex<HashMap<String, i64>>,
    /// The same number as `generation`, for those who wait for it to grow.
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Grows whenever something changed; what was read before holds no more.
    generation: u64,
    entries: HashMap<[u8; 32], (Instant, Arc<Identity>)>,
}

impl Known {
    /// Who it was, if that was read a moment ago; else the number to give back to [`Known::put`].
    pub(crate) fn get(&self, hash: &[u8; 32]) -> Result<Arc<Identity>, u64> {
        let inner = self.inner.lock();
        match inner.entries.get(hash) {
            Some((read, identity)) if read.elapsed() < HOLDS => Ok(identity.clone()),
            _ => Err(inner.generation),
        }
    }

    /// Remembers who it is, unless something changed since the reading began.
    pub(crate) fn put(&self, hash: [u8; 32], generation: u64, identity: Arc<Identity>) {
        let mut inner = self.inner.lock();
        if inner.generation != generation {
            return;
        }
        if inner.entries.len() >= KNOWN_MAX {
            inner.entries.retain(|_, (read, _)| read.elapsed() < HOLDS);
        }
        if inner.entries.len() < KNOWN_MAX {
            inner.entries.insert(hash, (Instant::now(), identity));
        }
    }

    /// Forgets everybody.
    pub(crate) fn forget(&self) {
        let mut inner = self.inner.lock();
        inner.generation += 1;
        inner.entries.clear();
        self.changed.send_replace(inner.generation);
    }

    /// Tells of each change of rights by this server, for what lasts longer than a request.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Notes the use of a token.
    pub(crate) fn use_token(&self, id: &str, now_us: i64) {
        let mut used = self.used.lock();
        match used.get_mut(id) {
            Some(at) => *at = now_us,
            None => drop(used.insert(id.to_owned(), now_us)),
        }
    }

    /// The tokens that were used since this was last asked.
    pub(super) fn used(&self) -> Vec<(String, i64)> {
        std::mem::take(&mut *self.used.lock()).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_remembered() {
        let known = Known::default();
        let identity = Arc::new(Identity {
            credential: Credential::Token { id: "a".to_owned(), name: "a".to_owned() },
            user_id: "u".to_owned(),
            email: "u@example.com".to_owned(),
            role: Role::Viewer,
            reach: BTreeMap::new(),
            verbs: Verbs::ALL,
            confined: false,
            ends_at_us: i64::MAX,
        });
        let generation = known.get(&[0; 32]).unwrap_err();
        known.put([0; 32], generation, identity.clone());
        assert!(known.get(&[0; 32]).is_ok());
        known.forget();
        assert!(known.get(&[0; 32]).is_err());
        known.put([0; 32], generation, identity);
        assert!(known.get(&[0; 32]).is_err());
    }
}
