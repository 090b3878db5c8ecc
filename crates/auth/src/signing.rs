//! A key that signs access tokens, and its public half.

pub(crate) mod keeper;
pub(crate) mod set;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chasqui_crypto::Key;
use jsonwebtoken::EncodingKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::identity::KeyId;

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

/// A key pair of Ed25519.
#[derive(Clone)]
pub(crate) struct SigningKey {
    pub(crate) encoding: EncodingKey,
    public: Jwk,
}

impl SigningKey {
    /// The key pair of a seed (RFC 8032 §5.1.5); `None` when the library refuses it.
    pub(crate) fn from_seed(seed: &Key) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).ok()?;
        let document = pair.to_pkcs8v1().ok()?;
        Some(Self {
            encoding: EncodingKey::from_ed_der(document.as_ref()),
            public: Jwk::ed25519(pair.public_key().as_ref()),
        })
    }

    /// The public half.
    pub(crate) const fn public(&self) -> &Jwk {
        &self.public
    }

    /// What tokens are told by.
    pub(crate) fn id(&self) -> KeyId {
        KeyId::of(&self.public.kid)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public.kid).finish()
    }
}

impl Jwk {
    fn ed25519(public: &[u8]) -> Self {
        let x = URL_SAFE_NO_PAD.encode(public);
        Self {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            kid: URL_SAFE_NO_PAD.encode(thumbprint(&x)),
            x,
            alg: "EdDSA".to_owned(),
            usage: "sig".to_owned(),
        }
    }

    /// The thumbprint that the id is made of.
    pub(crate) fn thumbprint(&self) -> [u8; 32] {
        thumbprint(&self.x)
    }
}

/// RFC 7638 §3: the required members in lexical order, without spaces.
fn thumbprint(x: &str) -> [u8; 32] {
    Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_that_of_the_standard() {
        // RFC 8037, appendix A.3.
        let public = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(Jwk::ed25519(&public).kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_seed_makes_the_pair_of_the_standard() {
        // RFC 8032, §7.1, test 1.
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let key = SigningKey::from_seed(&Key::new(seed.try_into().unwrap())).unwrap();
        let public = hex::decode("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap();
        assert_eq!(*key.public(), Jwk::ed25519(&public));
    }
}
