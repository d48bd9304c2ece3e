//! Who may do what: ingest keys write to one project, tokens read some projects.
//!
//! Keys have 190 bits of chance, so a plain SHA-256 of them is kept, and compared in constant time. They carry a checksum,
//! so that a typing error is told apart from a revoked key without a look at the list.
//!
//! The first start shows a key and a token once, in `first-run.env`, before their hashes are written: a crash between the two
//! starts over with new ones, and nobody is locked out.

mod first_run;
mod key;
mod list;

use std::path::Path;

use anyhow::Context;
use subtle::ConstantTimeEq;
use tephra_storage::ProjectId;

use crate::answer::{Answer, Kind, Result};

pub use first_run::{FIRST_RUN_FILE, FirstRun, Urls, read as read_first_run};
pub use key::{KeyKind, Secret};
use list::{Entry, List};

/// The name of the list in the data directory.
const LIST_FILE: &str = "access.json";

/// All keys and tokens.
#[derive(Debug)]
pub struct Access {
    list: List,
}

/// A caller who may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The token's id, for logs.
    pub token_id: String,
    /// What it reaches.
    pub projects: Vec<ProjectId>,
}

impl Access {
    /// Reads the list in `data_dir`, or makes the first project with a key and a token. `urls` are where the server listens;
    /// `first-run.env` always names the present ones.
    pub fn open(data_dir: &Path, urls: &Urls) -> anyhow::Result<(Self, Option<FirstRun>)> {
        let path = data_dir.join(LIST_FILE);
        if let Some(list) = List::read(&path)? {
            first_run::refresh(data_dir, urls)?;
            return Ok((Self { list }, None));
        }
        let (key, token) = (Secret::make(KeyKind::Ingest), Secret::make(KeyKind::Token));
        let first = FirstRun { urls: urls.clone(), key: key.clone(), token: token.clone() };
        let list = List::first(&key, &token);
        first_run::write(data_dir, &first)?;
        list.write(&path).with_context(|| format!("could not write `{}`", path.display()))?;
        Ok((Self { list }, Some(first)))
    }

    /// The project that the caller's key writes to.
    pub fn ingest(&self, authorization: Option<&str>) -> Result<ProjectId> {
        let entry = self.find(authorization, "an ingest key")?;
        match (entry.kind, entry.projects.first()) {
            (KeyKind::Ingest, Some(project)) => Ok(*project),
            _ => Err(Answer::new(Kind::Denied, "a token reads only, and this needs an ingest key")
                .hint("send `Authorization: Bearer KEY` with a key that begins with `teph_k_`")),
        }
    }

    /// The projects that the caller's token reads.
    pub fn read(&self, authorization: Option<&str>) -> Result<Reader> {
        let entry = self.find(authorization, "a token")?;
        match entry.kind {
            KeyKind::Token => Ok(Reader { token_id: entry.id.clone(), projects: entry.projects.clone() }),
            KeyKind::Ingest => Err(Answer::new(Kind::Denied, "an ingest key writes only, and this needs a token")
                .hint("send `Authorization: Bearer TOKEN` with a token that begins with `teph_t_`")),
        }
    }

    fn find(&self, authorization: Option<&str>, what: &str) -> Result<&Entry> {
        let denied = |message: String| Answer::new(Kind::Unauthenticated, message);
        let header = authorization
            .ok_or_else(|| denied(format!("this needs {what} in `Authorization: Bearer …`, and there is none")))?;
        let text = bearer(header)
            .ok_or_else(|| denied("the header `authorization` is not of the form `Bearer KEY`".to_owned()))?;
        let (kind, id) = key::parse(text).map_err(|fault| denied(fault.to_owned()))?;
        let hash = hex::encode(key::hash(text));
        self.list
            .entries
            .iter()
            .find(|entry| {
                entry.kind == kind && entry.id == id && bool::from(entry.hash.as_bytes().ct_eq(hash.as_bytes()))
            })
            .ok_or_else(|| denied(format!("the {} `{id}…` is unknown or was revoked", kind.noun())))
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, text) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| text.trim()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(port: u16) -> Urls {
        Urls { http: format!("http://127.0.0.1:{port}"), grpc: "http://127.0.0.1:4317".to_owned() }
    }

    #[test]
    fn the_first_start_makes_a_key_and_a_token_and_later_ones_keep_them() {
        let dir = tempfile::tempdir().unwrap();
        let (access, first) = Access::open(dir.path(), &urls(1)).unwrap();
        let first = first.unwrap();
        let (key, token) = (format!("Bearer {}", first.key.show()), format!("bearer  {}", first.token.show()));
        assert_eq!(access.ingest(Some(&key)).unwrap(), ProjectId(1));
        assert_eq!(access.read(Some(&token)).unwrap().projects, [ProjectId(1)]);

        let (again, none) = Access::open(dir.path(), &urls(2)).unwrap();
        assert!(none.is_none());
        assert_eq!(again.ingest(Some(&key)).unwrap(), ProjectId(1));
        let file = read_first_run(dir.path()).unwrap().unwrap();
        assert_eq!(file.get("TEPHRA_URL").map(String::as_str), Some("http://127.0.0.1:2"));
        assert_eq!(file.get("TEPHRA_KEY").map(String::as_str), Some(first.key.show()));
    }

    #[test]
    fn keys_write_and_tokens_read() {
        let dir = tempfile::tempdir().unwrap();
        let (access, first) = Access::open(dir.path(), &urls(1)).unwrap();
        let first = first.unwrap();
        let (key, token) = (format!("Bearer {}", first.key.show()), format!("Bearer {}", first.token.show()));
        assert_eq!(access.read(Some(&key)).unwrap_err().kind, Kind::Denied);
        assert_eq!(access.ingest(Some(&token)).unwrap_err().kind, Kind::Denied);
    }

    #[test]
    fn what_is_wrong_with_a_key_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let (access, first) = Access::open(dir.path(), &urls(1)).unwrap();
        let mut typo = first.unwrap().key.show().to_owned();
        let last = typo.pop().unwrap();
        typo.push(if last == 'a' { 'b' } else { 'a' });
        let check = |header: Option<&str>, expected: &str| {
            let answer = access.ingest(header).unwrap_err();
            assert_eq!(answer.kind, Kind::Unauthenticated);
            assert!(answer.message.contains(expected), "{}", answer.message);
        };
        check(None, "there is none");
        check(Some("Basic abc"), "not of the form");
        check(Some("Bearer hello"), "begins with");
        check(Some(&format!("Bearer {typo}")), "checksum");
        check(Some(&format!("Bearer {}", Secret::make(KeyKind::Ingest).show())), "unknown");
    }
}
