//! The key that signs access tokens, and its public half.

use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::EncodingKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// A public key as RFC 8037 §2 writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Jwk {
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// The key, base64url.
    pub x: String,
    /// Its id: the thumbprint of RFC 7638.
    pub kid: String,
    /// `EdDSA`.
    pub alg: String,
    /// `sig`.
    #[serde(rename = "use")]
    pub usage: String,
}

/// A set of public keys (RFC 7517 §5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// An Ed25519 private key.
#[derive(Clone)]
pub struct SigningKey {
    pub(crate) encoding: EncodingKey,
    public: Jwk,
}

/// The key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// It cannot be read.
    #[error("auth.signing_key_file: {0} cannot be read: {1}")]
    Unreadable(String, std::io::Error),
    /// It does not hold a key.
    #[error(
        "auth.signing_key_file: {0} must hold an Ed25519 private key as PKCS #8 PEM; `chasqui admin secrets init` makes one"
    )]
    NotAKey(String),
}

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

impl SigningKey {
    /// Reads a key file (PKCS #8 PEM, as `openssl genpkey -algorithm ed25519` writes it).
    ///
    /// # Errors
    /// When it cannot be read or does not hold a key.
    pub fn load(file: &Path) -> Result<Self, SigningKeyError> {
        let pem = std::fs::read_to_string(file)
            .map(Zeroizing::new)
            .map_err(|error| SigningKeyError::Unreadable(file.display().to_string(), error))?;
        Self::from_pem(&pem).ok_or_else(|| SigningKeyError::NotAKey(file.display().to_string()))
    }

    /// The key in a PEM text; `None` when there is none.
    #[must_use]
    pub fn from_pem(pem: &str) -> Option<Self> {
        let (_, rest) = pem.split_once(BEGIN)?;
        let (body, _) = rest.split_once(END)?;
        let base64: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
        let der = Zeroizing::new(STANDARD.decode(base64.as_bytes()).ok()?);
        let pair = Ed25519KeyPair::from_pkcs8(&der).ok()?;
        Some(Self {
            encoding: EncodingKey::from_ed_der(&der),
            public: public_jwk(pair.public_key().as_ref()),
        })
    }

    /// A new key as PEM; `None` when the system gives no randomness.
    #[must_use]
    pub fn generate_pem() -> Option<Zeroizing<String>> {
        let pair = Ed25519KeyPair::generate().ok()?;
        let document = pair.to_pkcs8v1().ok()?;
        let base64 = Zeroizing::new(STANDARD.encode(document.as_ref()));
        Some(Zeroizing::new(format!("{BEGIN}\n{}\n{END}\n", base64.as_str())))
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &Jwk {
        &self.public
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public.kid).finish()
    }
}

fn public_jwk(public: &[u8]) -> Jwk {
    let x = URL_SAFE_NO_PAD.encode(public);
    // RFC 7638 §3: the required members in lexical order, without spaces.
    let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
    Jwk {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        x,
        kid: URL_SAFE_NO_PAD.encode(thumbprint),
        alg: "EdDSA".to_owned(),
        usage: "sig".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_that_of_the_standard() {
        // RFC 8037, appendix A.3.
        let public = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(public_jwk(&public).kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_generated_key_is_read_back_and_another_text_is_not_a_key() {
        let pem = SigningKey::generate_pem().unwrap();
        let key = SigningKey::from_pem(&pem).unwrap();
        assert_eq!(key.public().kid.len(), 43);
        assert!(!format!("{key:?}").contains("PRIVATE"));
        for bad in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(SigningKey::from_pem(bad).is_none());
        }
    }
}
