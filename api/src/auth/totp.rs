//! The second factor: six digits of the minute from a shared secret (RFC 6238), or a recovery code, each once.

use rand::Rng;
use subtle::ConstantTimeEq;
use tephra_storage::meta::Meta;
use tephra_storage::meta::users::User;
use totp_rs::{Algorithm, Secret, TOTP};

use super::digest;
use super::seal::Sealer;
use crate::answer::{Answer, Kind, Result};

const STEP_SECONDS: u64 = 30;
/// Clocks may differ by one step.
const SKEW: i64 = 1;
const RECOVERY_CODES: usize = 10;

/// A new secret, base 32.
pub(crate) fn new_secret() -> String {
    let bytes: [u8; 20] = rand::random();
    Secret::Raw(bytes.to_vec()).to_encoded().to_string()
}

/// The address that apps read from a picture.
pub(crate) fn url(secret: &str, email: &str) -> Result<String> {
    Ok(totp(secret, email)?.get_url())
}

/// The step that a code belongs to, if it is one of about now.
pub(crate) fn step(secret: &str, code: &str, now_us: i64) -> Result<Option<i64>> {
    let totp = totp(secret, "")?;
    let now = now_us / 1_000_000 / STEP_SECONDS as i64;
    let code = code.trim().replace(' ', "");
    let fits = |step: &i64| {
        let expected = totp.generate(step.unsigned_abs() * STEP_SECONDS);
        bool::from(expected.as_bytes().ct_eq(code.as_bytes()))
    };
    Ok((now - SKEW..=now + SKEW).find(fits))
}

/// Uses up a code of a person's app, or one of their recovery codes.
pub(crate) async fn use_code(meta: &Meta, sealer: &Sealer, user: &User, code: &str) -> Result<bool> {
    let Some(kept) = user.totp_secret.as_deref().filter(|_| user.has_totp()) else { return Ok(false) };
    // Recovery codes hold even where the key of the secrets is lost.
    let opened = sealer.unseal(&user.id, kept);
    if let Ok(secret) = &opened
        && let Some(step) = step(secret, code, meta.now_us())?
    {
        return Ok(meta.use_totp_step(&user.id, step).await?);
    }
    if meta.use_recovery_code(&user.id, &digest(&plain(code))).await? {
        return Ok(true);
    }
    opened.map(|_| false)
}

/// Ten recovery codes, to be shown once.
pub(crate) fn recovery_codes() -> Vec<String> {
    const ALPHABET: &[u8] = b"23456789abcdefghjkmnpqrstuvwxyz";
    let mut rng = rand::rng();
    let mut part = || (0..5).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect::<String>();
    (0..RECOVERY_CODES).map(|_| format!("{}-{}-{}", part(), part(), part())).collect()
}

/// What is kept of recovery codes. They have 74 bits of chance and are tried a few times an hour at most, so a fast hash does.
pub(crate) fn digests(codes: &[String]) -> Vec<String> {
    codes.iter().map(|code| digest(&plain(code))).collect()
}

fn plain(code: &str) -> String {
    code.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_lowercase()
}

fn totp(secret: &str, email: &str) -> Result<TOTP> {
    let failed = || Answer::new(Kind::Internal, "could not read the secret of the second factor");
    let bytes = Secret::Encoded(secret.to_owned()).to_bytes().map_err(|_| failed())?;
    // The account stands behind the issuer and a colon.
    let account = email.replace(':', "");
    TOTP::new(Algorithm::SHA1, 6, 1, STEP_SECONDS, bytes, Some("Tephra".to_owned()), account).map_err(|_| failed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_about_now_fit() {
        // RFC 6238, appendix B: the secret `12345678901234567890`, of eight digits the last six.
        let secret = Secret::Raw(b"12345678901234567890".to_vec()).to_encoded().to_string();
        let check = |code: &str, seconds: i64, expected: Option<i64>| {
            assert_eq!(step(&secret, code, seconds * 1_000_000).unwrap(), expected, "{code} at {seconds}");
        };
        check("287082", 59, Some(1));
        check("287 082", 89, Some(1));
        check("287082", 120, None);
        check("081804", 1_111_111_109, Some(37_037_036));
        check("005924", 1_234_567_890, Some(41_152_263));
        check("", 59, None);
        check("28708", 59, None);
    }

    #[test]
    fn the_address_names_issuer_and_account() {
        let url = url(&new_secret(), "a@b.c").unwrap();
        assert!(url.starts_with("otpauth://totp/Tephra:a%40b.c?secret="), "{url}");
    }

    #[test]
    fn recovery_codes_are_read_however_they_are_typed() {
        let codes = recovery_codes();
        assert_eq!(codes.len(), 10);
        let typed = codes[0].replace('-', " ").to_uppercase();
        assert_eq!(digest(&plain(&typed)), digests(&codes)[0]);
    }
}
