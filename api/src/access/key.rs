//! The text of a key: `teph_k_` or `teph_t_`, an id of 8, a secret of 32, a checksum of 6 letters and digits.

use std::fmt;

use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LEN: usize = 8;
const SECRET_LEN: usize = 32;
const CHECKSUM_LEN: usize = 6;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// Writes events to one project.
    Ingest,
    /// Reads the events of some projects.
    Token,
}

impl KeyKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Ingest => "teph_k_",
            Self::Token => "teph_t_",
        }
    }

    /// What people call it.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Ingest => "key",
            Self::Token => "token",
        }
    }
}

/// The whole text of a key, shown once. Its debug form hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A new one.
    pub fn make(kind: KeyKind) -> Self {
        let mut rng = rand::rng();
        let random = (0..ID_LEN + SECRET_LEN).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]));
        let mut text: String = kind.prefix().chars().chain(random).collect();
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Self(text)
    }

    /// The text itself.
    pub fn show(&self) -> &str {
        &self.0
    }

    /// The part that may be logged.
    pub(crate) fn id(&self) -> &str {
        let start = KeyKind::Ingest.prefix().len();
        &self.0[start..start + ID_LEN]
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({}…)", self.id())
    }
}

/// The kind and the id of a key that is written right.
pub(crate) fn parse(text: &str) -> Result<(KeyKind, &str), &'static str> {
    let kind = [KeyKind::Ingest, KeyKind::Token]
        .into_iter()
        .find(|kind| text.starts_with(kind.prefix()))
        .ok_or("the key is none of Tephra's: a key begins with `teph_k_`, a token with `teph_t_`")?;
    let body = &text[kind.prefix().len()..];
    if body.len() != ID_LEN + SECRET_LEN + CHECKSUM_LEN || !body.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("the key is cut short or mistyped");
    }
    let (signed, sum) = text.split_at(text.len() - CHECKSUM_LEN);
    if checksum(signed) != sum {
        return Err("the key is mistyped: its checksum does not match");
    }
    Ok((kind, &body[..ID_LEN]))
}

/// What is kept of a key.
pub(crate) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The CRC-32 of the text in base 62, so that scanners recognise a leaked key without asking anybody.
fn checksum(text: &str) -> String {
    let mut crc = flate2::Crc::new();
    crc.update(text.as_bytes());
    let mut rest = crc.sum() as usize;
    let mut digits = [b'0'; CHECKSUM_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[rest % ALPHABET.len()];
        rest /= ALPHABET.len();
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back() {
        for kind in [KeyKind::Ingest, KeyKind::Token] {
            let secret = Secret::make(kind);
            assert_eq!(parse(secret.show()), Ok((kind, secret.id())));
            assert_eq!(secret.show().len(), 7 + 46);
        }
    }

    #[test]
    fn one_wrong_letter_is_found() {
        let text = Secret::make(KeyKind::Token).show().to_owned();
        for at in 7..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            assert!(parse(std::str::from_utf8(&bytes).unwrap()).is_err(), "letter {at}");
        }
        assert!(parse("teph_k_é").is_err());
        assert!(parse("").is_err());
    }

    #[test]
    fn the_debug_form_hides_the_secret() {
        let secret = Secret::make(KeyKind::Ingest);
        assert!(!format!("{secret:?}").contains(&secret.show()[15..]));
    }
}
