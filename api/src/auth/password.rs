//! Passwords: argon2id hashes, and what a password must be.
//!
//! One login costs about the time and memory below, whoever tries: an unknown address is compared with a hash of nothing.
//! `tephra admin cost` measures it. Hashes that were made with other parameters are made anew at the next login.

use std::sync::Arc;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use rand::Rng;
use tokio::sync::Semaphore;

use crate::answer::{Answer, Kind, Result};

/// Memory in KiB, passes, lanes: about 90 ms on the machine of `benches/README.md`, by `tephra admin cost`.
pub(crate) const COST: (u32, u32, u32) = (47_104, 4, 1);
/// Logins that hash at the same time; more wait.
const HASHES_AT_ONCE: usize = 2;
const CHARS_MIN: usize = 10;
const CHARS_MAX: usize = 128;

/// What people choose first, without what they put before and behind it: names, words, walks over the keyboard.
const COMMON: &str = include_str!("common.txt");

/// Hashes passwords, a few at a time.
#[derive(Clone)]
pub(crate) struct Hasher {
    turns: Arc<Semaphore>,
    argon2: Argon2<'static>,
    /// The hash that unknown addresses are compared with.
    dummy: Arc<std::sync::OnceLock<String>>,
}

impl Default for Hasher {
    fn default() -> Self {
        let (memory, passes, lanes) = COST;
        let params = Params::new(memory, passes, lanes, None).unwrap_or(Params::DEFAULT);
        Self {
            turns: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            dummy: Arc::default(),
        }
    }
}

/// What became of a comparison.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verified {
    /// It is another password.
    Wrong,
    /// It is the one.
    Right,
    /// It is the one, and its hash is to be replaced by this one.
    Renewed(String),
}

impl Hasher {
    /// The hash of a password, as PHC text.
    pub(crate) async fn hash(&self, password: String) -> Result<String> {
        let this = self.clone();
        self.run(move || this.hash_now(&password)).await?
    }

    /// Compares a password with a hash, or for the same price with none.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<Verified> {
        let this = self.clone();
        self.run(move || this.verify_now(&password, hash.as_deref())).await?
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let failed = || Answer::new(Kind::Internal, "could not hash a password");
        let _turn = self.turns.acquire().await.map_err(|_| failed())?;
        tokio::task::spawn_blocking(work).await.map_err(|_| failed())
    }

    /// The same on the caller's thread.
    pub(crate) fn hash_now(&self, password: &str) -> Result<String> {
        let failed = |_| Answer::new(Kind::Internal, "could not hash a password");
        let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(failed)?;
        Ok(self.argon2.hash_password(password.as_bytes(), &salt).map_err(failed)?.to_string())
    }

    fn verify_now(&self, password: &str, hash: Option<&str>) -> Result<Verified> {
        let Some(parsed) = hash.and_then(|hash| PasswordHash::new(hash).ok()) else {
            let dummy = match self.dummy.get() {
                Some(dummy) => dummy,
                None => {
                    let made = self.hash_now(&generate())?;
                    self.dummy.get_or_init(|| made)
                }
            };
            let parsed = PasswordHash::new(dummy).map_err(|_| Answer::new(Kind::Internal, "could not compare"))?;
            let _ = self.argon2.verify_password(password.as_bytes(), &parsed);
            return Ok(Verified::Wrong);
        };
        if self.argon2.verify_password(password.as_bytes(), &parsed).is_err() {
            return Ok(Verified::Wrong);
        }
        let same = Params::try_from(&parsed).is_ok_and(|params| {
            (params.m_cost(), params.t_cost(), params.p_cost()) == COST && parsed.algorithm.as_str() == "argon2id"
        });
        if same { Ok(Verified::Right) } else { self.hash_now(password).map(Verified::Renewed) }
    }

    /// Makes the hash that unknown addresses are compared with, so that the first of them costs no more than others.
    pub(crate) async fn warm(&self) -> Result<()> {
        self.verify(String::new(), None).await.map(drop)
    }
}

/// A password that nobody guesses, to be changed at the first login: 20 letters and digits that look like no others.
pub(crate) fn generate() -> String {
    const ALPHABET: &[u8] = b"23456789abcdefghjkmnpqrstuvwxyz";
    let mut rng = rand::rng();
    let letters: Vec<u8> = (0..20).map(|_| ALPHABET[rng.random_range(0..ALPHABET.len())]).collect();
    letters.chunks(5).map(|part| String::from_utf8_lossy(part).into_owned()).collect::<Vec<_>>().join("-")
}

/// Refuses what is too short, too long, common, or the person's own address.
pub(crate) fn check(password: &str, email: &str, field: &str) -> Result<()> {
    let refused = |message: &str| Err(Answer::new(Kind::Invalid, message).field(field));
    let length = password.chars().count();
    if !(CHARS_MIN..=CHARS_MAX).contains(&length) {
        return refused("a password has 10 to 128 characters");
    }
    let lower = password.to_lowercase();
    let email = email.to_lowercase();
    let local = email.split('@').next().unwrap_or_default();
    if lower == email || (local.len() >= 4 && stem(&lower) == stem(local)) {
        return refused("a password is not one's own email address");
    }
    let distinct = lower.chars().collect::<std::collections::BTreeSet<_>>().len();
    if distinct < 5 || is_run(&lower) || is_common(&lower) {
        return refused("this password is among those that are tried first: take another");
    }
    Ok(())
}

/// Whether it is one of the common ones, whatever digits and signs stand around it, disguised or said twice; or no letter at all.
fn is_common(lower: &str) -> bool {
    let no_letter = |c: char| !c.is_alphabetic();
    let stem = stem(lower);
    let forms = [lower, lower.trim_end_matches(no_letter), lower.trim_matches(no_letter), &stem];
    let half = |text: &str| text.len().is_multiple_of(2) && text.is_char_boundary(text.len() / 2);
    let twice = forms.map(|text| if half(text) { text.split_at(text.len() / 2) } else { (text, "") });
    let is = |text: &str| COMMON.lines().any(|word| word == text);
    lower.chars().all(no_letter)
        || forms.into_iter().any(is)
        || twice.iter().any(|(one, other)| one == other && is(one))
}

/// The word without digits and signs around it, and with the usual disguises taken off.
fn stem(lower: &str) -> String {
    let core = lower.trim_matches(|c: char| !c.is_alphabetic() && !matches!(c, '@' | '$'));
    let plain = |c: char| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        c => c,
    };
    core.chars().map(plain).collect()
}

/// Whether it is a row of neighbours, such as `abcdefghijkl` or `9876543210`.
fn is_run(text: &str) -> bool {
    let steps: Vec<i32> = text.chars().zip(text.chars().skip(1)).map(|(a, b)| b as i32 - a as i32).collect();
    steps.iter().filter(|step| step.abs() <= 1).count() * 10 >= steps.len() * 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_knows_its_password_and_its_price() {
        let hasher = Hasher::default();
        let hash = hasher.hash("correct horse battery".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=47104,t=4,p=1$"), "{hash}");
        let verify = |password: &str, hash: Option<&str>| hasher.verify(password.to_owned(), hash.map(str::to_owned));
        assert_eq!(verify("correct horse battery", Some(&hash)).await, Ok(Verified::Right));
        assert_eq!(verify("incorrect horse", Some(&hash)).await, Ok(Verified::Wrong));
        assert_eq!(verify("correct horse battery", None).await, Ok(Verified::Wrong));
        assert_eq!(verify("correct horse battery", Some("rubbish")).await, Ok(Verified::Wrong));
    }

    #[tokio::test]
    async fn a_hash_of_another_price_is_renewed() {
        let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).unwrap());
        let salt = SaltString::encode_b64(&[7; 16]).unwrap();
        let old = cheap.hash_password(b"correct horse battery", &salt).unwrap().to_string();
        match Hasher::default().verify("correct horse battery".to_owned(), Some(old)).await.unwrap() {
            Verified::Renewed(new) => assert!(new.contains("m=47104"), "{new}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bad_passwords_are_refused() {
        let check = |password: &str, fits: bool| {
            assert_eq!(check(password, "margarete@example.com", "password").is_ok(), fits, "{password}");
        };
        check("short", false);
        check(&"long".repeat(40), false);
        check("aaaaaaaaaaaa", false);
        check("1234567890", false);
        check("abcdefghijkl", false);
        check("P@ssw0rd123!", false);
        check("Welcome2026!!", false);
        check("qwertyuiop123", false);
        check("margarete@example.com", false);
        check("Margarete1990", false);
        check("Jennifer1987", false);
        check("Christopher!!", false);
        check("ManchesterUnited", false);
        check("Liverpool2024", false);
        check("1q2w3e4r5t2024!", false);
        check("qazwsxedcrfv", false);
        check("Poiuytrewq1", false);
        check("QWERTZUIOP99", false);
        check("azertyuiop12", false);
        check("sunshinesunshine", false);
        check("iLoveYou2025", false);
        check("123changeme456", false);
        check("M0tdepasse1", false);
        check("030 1234 5678", false);
        check("1029384756", false);
        check("Weihnachten24", false);
        check("Weihnachten fällt aus", true);
        check("qwerty frost may", true);
        check("an early frost in may", true);
        check("zwölf Boxkämpfer", true);
        check(&generate(), true);
    }
}
