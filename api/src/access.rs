//! Who may do what, in memory: ingest keys by their hash, and for a moment who is behind a token or session.
//!
//! Ingest must not wait for a database, so all keys are held and read again every few seconds and after each change that
//! this server makes. What is behind a token or session is asked of the database and remembered for two seconds.
//!
//! A revoked key or right is gone at once on the server that revoked it, and within five seconds elsewhere. While the
//! database is out of reach, keys go on working as they last did.

mod first_run;
mod key;
mod known;
mod old;
mod ring;
mod start;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tephra_storage::ProjectId;
use tephra_storage::meta::Meta;
use tokio_util::sync::CancellationToken;

use crate::answer::{Answer, Kind, Result};
use crate::auth::session::IDLE_US;
use crate::settings::{LimitSettings, Settings};

pub use first_run::{FIRST_RUN_FILE, FirstRun, Urls, read as read_first_run};
pub use key::{KeyKind, Secret};
pub(crate) use key::{hash, parse};
pub(crate) use known::{Credential, HeldUp, Identity, Known};
use ring::KeyRing;
pub(crate) use ring::Pass;

/// How long a change made elsewhere may go unseen.
const RELOAD: Duration = Duration::from_secs(5);
/// How often it is written down when keys and tokens were last used.
const NOTE_USE: Duration = Duration::from_secs(60);
const SWEEP: Duration = Duration::from_secs(600);

/// All keys, and the callers of the last moment.
#[derive(Debug)]
pub struct Access {
    meta: Meta,
    ring: ArcSwap<KeyRing>,
    limits: LimitSettings,
    /// One reload at a time, so that an older list never replaces a newer one.
    reloading: tokio::sync::Mutex<()>,
    pub(crate) known: Known,
}

impl Access {
    /// Reads the keys, after the first start made its owner, project, key and token. `urls` are where the server listens;
    /// `first-run.env` always names the present ones.
    pub async fn open(meta: Meta, settings: &Settings, urls: &Urls) -> anyhow::Result<(Self, Option<FirstRun>)> {
        let first = start::prepare(&meta, settings, urls).await?;
        let ring = KeyRing::read(&meta, &settings.limit, &KeyRing::default()).await?;
        let access = Self {
            meta,
            ring: ArcSwap::from_pointee(ring),
            limits: settings.limit,
            reloading: tokio::sync::Mutex::default(),
            known: Known::default(),
        };
        Ok((access, first))
    }

    /// Lets the caller's key in to its project. Asks nobody.
    pub(crate) fn ingest(&self, authorization: Option<&str>) -> Result<Pass> {
        self.ingest_key(bearer(authorization, "an ingest key")?)
    }

    /// The same, wherever in the request the key stood.
    pub(crate) fn ingest_key(&self, text: &str) -> Result<Pass> {
        let (kind, id) = parse(text).map_err(unauthenticated)?;
        if kind == KeyKind::Token {
            return Err(Answer::new(Kind::Denied, "a token does not write events, and this needs an ingest key")
                .hint("send `Authorization: Bearer KEY` with a key that begins with `teph_k_`"));
        }
        let found = self.ring.load().find(&hash(text), self.meta.now_us());
        found.ok_or_else(|| unauthenticated(format!("the key `{id}…` is unknown or was revoked")))
    }

    /// Makes a change of keys, tokens, roles, people or projects hold at once: call it after the commit.
    pub(crate) async fn changed(&self) -> Result<()> {
        self.known.forget();
        self.reload().await
    }

    async fn reload(&self) -> Result<()> {
        let _turn = self.reloading.lock().await;
        let ring = KeyRing::read(&self.meta, &self.limits, &self.ring.load()).await?;
        self.ring.store(Arc::new(ring));
        Ok(())
    }

    /// Writes down when keys and tokens were last used.
    pub(crate) async fn note_use(&self) -> Result<()> {
        let (keys, tokens) = (self.ring.load().used(), self.known.used());
        if keys.is_empty() && tokens.is_empty() {
            return Ok(());
        }
        Ok(self.meta.note_used(&keys, &tokens).await?)
    }

    /// Follows changes made elsewhere and writes down what was used, until the server stops.
    pub(crate) async fn keep(&self, stopping: CancellationToken) {
        let mut reload = tokio::time::interval(RELOAD);
        let mut note = tokio::time::interval(NOTE_USE);
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            let (what, done) = tokio::select! {
                () = stopping.cancelled() => break,
                _ = reload.tick() => ("read the ingest keys", self.reload().await),
                _ = note.tick() => ("note the use of keys", self.note_use().await),
                _ = sweep.tick() => {
                    let swept = self.meta.sweep_sessions(self.meta.now_us() - IDLE_US).await;
                    ("sweep the sessions", swept.map(|_| ()).map_err(Answer::from))
                }
            };
            if let Err(error) = done {
                tracing::warn!(%error, "could not {what}; trying again");
            }
        }
        if let Err(error) = self.note_use().await {
            tracing::warn!(%error, "could not note the use of keys");
        }
    }
}

/// The text of a key or token in an `Authorization` header.
pub(crate) fn bearer<'a>(authorization: Option<&'a str>, what: &str) -> Result<&'a str> {
    let header = authorization
        .ok_or_else(|| unauthenticated(format!("this needs {what} in `Authorization: Bearer …`, and there is none")))?;
    let text = header.trim().split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    text.map(|(_, text)| text.trim())
        .filter(|text| !text.is_empty())
        .ok_or_else(|| unauthenticated("the header `authorization` is not of the form `Bearer KEY`"))
}

fn unauthenticated(message: impl Into<String>) -> Answer {
    Answer::new(Kind::Unauthenticated, message)
}

/// The text that SDKs take as their DSN.
pub(crate) fn dsn(public_url: &str, key: &str, project: ProjectId) -> String {
    let (scheme, host) = public_url.split_once("://").unwrap_or(("http", public_url));
    format!("{scheme}://{key}@{host}/{project}")
}

#[cfg(test)]
mod tests;
