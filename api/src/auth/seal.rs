//! Secrets that must be read again, sealed before they go to the metadata: the secrets of second factors.
//!
//! ChaCha20-Poly1305 (RFC 8439) under a key that lies beside the metadata and never in it, nor in its copies in the lake: who
//! gets hold of the database, or of the bucket, has no codes of anybody. What is sealed belongs to one person, so that it
//! opens nothing when it is moved to another's row.
//!
//! The key is made at the first start, durable before anything is sealed by it. Without it nothing that was sealed can be
//! opened: people then come in by a recovery code, or an owner resets the second factor.
//! Known weakness: a key cannot be changed for another in place.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use tephra_storage::meta::Meta;

use crate::answer::{Answer, Kind, Result};
use crate::files::write_private;
use crate::settings::Settings;

/// The key's file in the data directory.
pub(crate) const KEY_FILE: &str = "secrets.key";
const KEY_BYTES: usize = 32;
/// What sealed texts begin with; others are of a time before.
const MARK: &str = "sealed1:";

/// Seals and opens.
pub(crate) struct Sealer {
    key: LessSafeKey,
}

impl Sealer {
    /// Reads the key, or makes it where there is none.
    pub(crate) fn open(settings: &Settings) -> anyhow::Result<Self> {
        let path = place(settings);
        let named = || format!("the key of second factors, `{}`", path.display());
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let text = hex::encode(rand::random::<[u8; KEY_BYTES]>());
                write_private(&path, format!("{text}\n").as_bytes())
                    .with_context(|| format!("could not write {}", named()))?;
                text
            }
            Err(error) => return Err(error).with_context(|| format!("could not read {}", named())),
        };
        private(&path)?;
        let bytes = hex::decode(text.trim()).ok().filter(|bytes| bytes.len() == KEY_BYTES);
        let Some(bytes) = bytes else { bail!("{} is not {KEY_BYTES} bytes in hexadecimal digits", named()) };
        Self::of(&bytes).with_context(named)
    }

    fn of(bytes: &[u8]) -> anyhow::Result<Self> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes).ok().context("could not use the key")?;
        Ok(Self { key: LessSafeKey::new(key) })
    }

    /// The text that is kept of a person's secret.
    pub(crate) fn seal(&self, owner: &str, secret: &str) -> Result<String> {
        let failed = |_| Answer::new(Kind::Internal, "could not seal a secret");
        // At random: a key seals far fewer than the 2^32 for which that is safe.
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = secret.as_bytes().to_vec();
        let aad = Aad::from(owner.as_bytes());
        self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).map_err(failed)?;
        Ok(format!("{MARK}{}", STANDARD_NO_PAD.encode([&nonce[..], &sealed].concat())))
    }

    /// The secret again.
    pub(crate) fn unseal(&self, owner: &str, kept: &str) -> Result<String> {
        let failed = || {
            Answer::new(Kind::Internal, "could not open the secret of a second factor")
                .hint("is `secrets.key` the one that the metadata was written with? Else use a recovery code")
        };
        let Some(text) = kept.strip_prefix(MARK) else { return Ok(kept.to_owned()) };
        let mut bytes = STANDARD_NO_PAD.decode(text).map_err(|_| failed())?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN).ok_or_else(failed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| failed())?;
        let opened = self.key.open_in_place(nonce, Aad::from(owner.as_bytes()), sealed).map_err(|_| failed())?;
        String::from_utf8(opened.to_vec()).map_err(|_| failed())
    }

    /// Seals what was written before there was a key, and warns of what another key sealed.
    pub(crate) async fn seal_old(&self, meta: &Meta) -> Result<()> {
        let mut foreign = 0;
        for (user, secret) in meta.totp_secrets().await? {
            if !secret.starts_with(MARK) {
                meta.replace_totp_secret(&user, &secret, &self.seal(&user, &secret)?).await?;
            } else if self.unseal(&user, &secret).is_err() {
                foreign += 1;
            }
        }
        if foreign > 0 {
            tracing::warn!(
                second_factors = foreign,
                "these were sealed by another `secrets.key`: bring it back, or let people in by recovery codes or `tephra admin user reset-totp`"
            );
        }
        Ok(())
    }
}

fn place(settings: &Settings) -> PathBuf {
    match &settings.secret.key_file {
        Some(path) => path.clone(),
        None => settings.data_dir().join(KEY_FILE),
    }
}

/// Warns where others can read the file.
fn private(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path)
        .with_context(|| format!("could not look at `{}`", path.display()))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others can read the key of second factors: `chmod 600` it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn settings(dir: &Path) -> Settings {
        let mut settings = Settings::default();
        settings.storage.data_dir = dir.to_owned();
        settings
    }

    #[test]
    fn a_secret_opens_for_its_person_and_key_alone() {
        let dir = tempfile::tempdir().unwrap();
        let sealer = Sealer::open(&settings(dir.path())).unwrap();
        let sealed = sealer.seal("ada", "JBSWY3DPEHPK3PXP").unwrap();
        assert!(!sealed.contains("JBSWY3DP") && sealed.starts_with(MARK));
        assert_ne!(sealed, sealer.seal("ada", "JBSWY3DPEHPK3PXP").unwrap());
        assert_eq!(sealer.unseal("ada", &sealed).unwrap(), "JBSWY3DPEHPK3PXP");
        assert!(sealer.unseal("bob", &sealed).is_err());
        assert!(Sealer::of(&[7; KEY_BYTES]).unwrap().unseal("ada", &sealed).is_err());
        for broken in ["sealed1:", "sealed1:AAAA", "sealed1:*", &sealed[..sealed.len() - 4]] {
            assert_eq!(sealer.unseal("ada", broken).unwrap_err().kind, Kind::Internal, "{broken}");
        }
        assert_eq!(sealer.unseal("ada", "JBSWY3DPEHPK3PXP").unwrap(), "JBSWY3DPEHPK3PXP", "of a time before");
        let again = Sealer::open(&settings(dir.path())).unwrap();
        assert_eq!(again.unseal("ada", &sealed).unwrap(), "JBSWY3DPEHPK3PXP");
    }

    #[test]
    fn the_key_is_its_owners_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        Sealer::open(&settings(dir.path())).unwrap();
        let path = dir.path().join(KEY_FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "12ab").unwrap();
        let error = Sealer::open(&settings(dir.path())).err().unwrap().to_string();
        assert!(error.contains("secrets.key") && error.contains("32 bytes"), "{error}");
        let mut elsewhere = settings(dir.path());
        elsewhere.secret.key_file = Some(dir.path().join("other.key"));
        Sealer::open(&elsewhere).unwrap();
        assert!(dir.path().join("other.key").exists());
    }
}
