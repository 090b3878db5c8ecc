//! The key under which user names become subjects of the log, so that no subject tells a name.

use std::path::Path;

use chasqui_domain::name::folded;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Computes the claim token of a name: the hexadecimal HMAC-SHA256 of its folded form.
///
/// The key must never change while its log lives: the same name must lead to the same subject.
#[derive(Clone)]
pub struct NameKey(Hmac<Sha256>);

/// The key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NameKeyError {
    /// There is none.
    #[error(
        "auth.name_key_file is not set; names cannot be claimed or found without it, and `chasqui admin secrets init` \
         makes one"
    )]
    NotConfigured,
    /// It cannot be read.
    #[error("auth.name_key_file: {0} cannot be read: {1}")]
    Unreadable(String, std::io::Error),
    /// It does not hold a key.
    #[error(
        "auth.name_key_file: {0} must hold 32 bytes as hexadecimal text; `chasqui admin secrets init` makes one"
    )]
    NotAKey(String),
}

impl NameKey {
    /// The length of the key.
    pub const BYTES: usize = 32;

    /// A key from its bytes.
    ///
    /// # Panics
    /// Never: HMAC takes keys of every length.
    #[must_use]
    pub fn new(key: &[u8; Self::BYTES]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of every length"))
    }

    /// Reads the key that is configured.
    ///
    /// # Errors
    /// When there is none, or it cannot be used.
    pub fn configured(auth: &chasqui_runtime::config::Auth) -> Result<Self, NameKeyError> {
        Self::load(auth.name_key_file.as_deref().ok_or(NameKeyError::NotConfigured)?)
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// When it cannot be read or does not hold a key.
    pub fn load(file: &Path) -> Result<Self, NameKeyError> {
        let text = std::fs::read_to_string(file)
            .map(Zeroizing::new)
            .map_err(|error| NameKeyError::Unreadable(file.display().to_string(), error))?;
        let mut key = Zeroizing::new([0; Self::BYTES]);
        hex::decode_to_slice(text.trim(), &mut *key)
            .map_err(|_| NameKeyError::NotAKey(file.display().to_string()))?;
        Ok(Self::new(&key))
    }

    /// The token of a name, 64 hexadecimal digits; the same for all ways to write the same name.
    #[must_use]
    pub fn token(&self, name: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(folded(name).as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}

impl std::fmt::Debug for NameKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NameKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_token_under_one_key() {
        let key = NameKey::new(&[1; 32]);
        assert_eq!(key.token("Quilla"), key.token("QUILLA"));
        assert_ne!(key.token("Quilla"), key.token("Quila"));
        assert_ne!(key.token("Quilla"), NameKey::new(&[2; 32]).token("Quilla"));
        assert_eq!(key.token("x").len(), 64);
    }

    #[test]
    fn a_bad_file_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        let error = NameKey::load(file.path()).unwrap_err().to_string();
        assert!(error.contains("32 bytes") && error.contains(&file.path().display().to_string()), "{error}");
        std::fs::write(file.path(), format!("{}\n", "0a".repeat(32))).unwrap();
        assert_eq!(NameKey::load(file.path()).unwrap().token("x"), NameKey::new(&[10; 32]).token("x"));
    }
}
