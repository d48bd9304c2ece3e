//! HMAC-SHA256 (RFC 2104), by which a value can be told from others without being known.

use sha2::{Digest, Sha256};

const BLOCK_BYTES: usize = 64;

/// The key, laid ready.
#[derive(Clone)]
pub(super) struct Keyed {
    inner: Sha256,
    outer: Sha256,
}

impl Keyed {
    pub(super) fn new(key: &[u8]) -> Self {
        let mut block = [0u8; BLOCK_BYTES];
        if key.len() > BLOCK_BYTES {
            block[..32].copy_from_slice(&Sha256::digest(key));
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        let (mut inner, mut outer) = (Sha256::new(), Sha256::new());
        inner.update(block.map(|byte| byte ^ 0x36));
        outer.update(block.map(|byte| byte ^ 0x5c));
        Self { inner, outer }
    }

    /// `[hash:…]` with the first 96 bits: enough to tell a project's values apart.
    pub(super) fn replacement(&self, text: &str) -> String {
        let mut inner = self.inner.clone();
        inner.update(text.as_bytes());
        let mut outer = self.outer.clone();
        outer.update(inner.finalize());
        format!("[hash:{}]", hex::encode(&outer.finalize()[..12]))
    }
}

/// Whether a text was hashed already, before it was cut or by the sender.
pub(super) fn is_replacement(text: &str) -> bool {
    let digits = text.strip_prefix("[hash:").and_then(|rest| rest.strip_suffix(']'));
    digits.is_some_and(|digits| digits.len() == 24 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_hmac() {
        // RFC 4231, test cases 2 and 6.
        let hash = Keyed::new(b"Jefe").replacement("what do ya want for nothing?");
        assert_eq!(hash, "[hash:5bdcc146bf60754e6a042426]");
        let hash = Keyed::new(&[0xaa; 131]).replacement("Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(hash, "[hash:60e431591ee0b67f0d8a26aa]");
    }
}
