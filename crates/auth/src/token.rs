//! Access tokens: JWTs of RFC 9068, signed with Ed25519, checked by our own strict rules.
//!
//! The library checks the signature only. It would accept a token without `aud` or `iss`, and never looks at
//! `typ`; so every rule stands here, and a header may hold `alg`, `typ` and `kid` and nothing else (RFC 8725).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chasqui_events::{SessionId, Timestamp, UserId, account::GlobalRole};
use chasqui_protocol::{Code, Problem};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    identity::{Identity, KeyId, Scopes},
    signing::{Jwk, SigningKey},
};

/// The `typ` of an access token.
const TYP: &str = "at+jwt";
/// Longer texts are not looked at.
const LONGEST: usize = 2048;
/// How far clocks may be apart before a token counts as expired, or as made in the future.
const LEEWAY_MS: i64 = 2000;

/// Who makes tokens, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parties {
    /// The `iss`.
    pub(crate) issuer: String,
    /// The `aud`.
    pub(crate) audience: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    sid: SessionId,
    jti: Uuid,
    iat: i64,
    exp: i64,
    #[serde(default)]
    role: GlobalRole,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    scope: String,
}

/// Why a text is not a valid token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// Not three parts of base64url with the JSON that they must hold.
    #[error("the access token is not a JWT of the right shape")]
    Malformed,
    /// Another algorithm than EdDSA.
    #[error("the access token must be signed by EdDSA")]
    Algorithm,
    /// Not an access token.
    #[error("the token is not an access token")]
    Type,
    /// The key is not known (any more).
    #[error("the key that signed the access token is not known")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the signature of the access token is wrong")]
    Signature,
    /// Made by or for somebody else.
    #[error("the access token was made for another service")]
    Party,
    /// Too old, or from the future.
    #[error("the access token has expired; get a new one by refresh")]
    Expired,
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        Self::new(Code::Unauthorized, error.to_string())
    }
}

/// Makes the access token of a login.
pub(crate) fn issue(
    key: &SigningKey,
    parties: &Parties,
    identity: &Identity,
    now: Timestamp,
    jti: Uuid,
) -> Result<String, jsonwebtoken::errors::Error> {
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some(TYP.to_owned());
    header.kid = Some(key.public().kid.clone());
    let claims = Claims {
        iss: parties.issuer.clone(),
        aud: parties.audience.clone(),
        sub: identity.user,
        sid: identity.session,
        jti,
        iat: now.millis() / 1000,
        exp: identity.expires_at.millis() / 1000,
        role: identity.role,
        scope: identity.scopes.to_claim(),
    };
    jsonwebtoken::encode(&header, &claims, &key.encoding)
}

/// The keys that a verifier knows.
#[derive(Clone, Default)]
pub(crate) struct KeyRing(Vec<(String, KeyId, DecodingKey)>);

impl KeyRing {
    /// The keys of a set; those of another kind are left out.
    pub(crate) fn new<'a>(keys: impl IntoIterator<Item = &'a Jwk>) -> Self {
        let usable = |jwk: &&Jwk| jwk.kty == "OKP" && jwk.crv == "Ed25519" && jwk.alg == "EdDSA";
        let key = |jwk: &Jwk| {
            let key = DecodingKey::from_ed_components(&jwk.x).ok()?;
            Some((jwk.kid.clone(), KeyId::of(&jwk.kid), key))
        };
        Self(keys.into_iter().filter(usable).filter_map(key).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key is among them.
    pub(crate) fn knows(&self, id: KeyId) -> bool {
        self.0.iter().any(|(_, known, _)| *known == id)
    }

    /// Whether every key of another ring is in this one, too.
    pub(crate) fn holds_all_of(&self, other: &Self) -> bool {
        other.0.iter().all(|(_, id, _)| self.knows(*id))
    }

    /// Checks a token completely.
    pub(crate) fn check(
        &self,
        token: &str,
        parties: &Parties,
        now: Timestamp,
    ) -> Result<Identity, TokenError> {
        let kid = key_id(token)?;
        let known = self.0.iter().find(|(known, ..)| *known == kid);
        let (_, signed_by, key) = known.ok_or(TokenError::UnknownKey)?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &signature_only())
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::Signature,
                _ => TokenError::Malformed,
            })?
            .claims;
        if claims.iss != parties.issuer || claims.aud != parties.audience {
            return Err(TokenError::Party);
        }
        let seconds = |seconds: i64| Timestamp(seconds.saturating_mul(1000));
        let expires_at = seconds(claims.exp);
        if expired(expires_at, now) || now.since(seconds(claims.iat)) < -LEEWAY_MS {
            return Err(TokenError::Expired);
        }
        let scopes = Scopes::from_claim(&claims.scope);
        let Claims { sub: user, sid: session, role, .. } = claims;
        Ok(Identity { user, session, role, expires_at, scopes, signed_by: *signed_by })
    }
}

/// Whether a token of this expiry is over.
pub(crate) const fn expired(expires_at: Timestamp, now: Timestamp) -> bool {
    now.since(expires_at) >= LEEWAY_MS
}

/// A header without anything that could lead elsewhere (`jku`, `jwk`, `x5u`, `crit`).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictHeader {
    alg: String,
    typ: String,
    kid: String,
}

fn key_id(token: &str) -> Result<String, TokenError> {
    if token.len() > LONGEST {
        return Err(TokenError::Malformed);
    }
    let (header, _) = token.split_once('.').ok_or(TokenError::Malformed)?;
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenError::Malformed)?;
    let header: StrictHeader = serde_json::from_slice(&header).map_err(|_| TokenError::Malformed)?;
    match (header.alg.as_str(), header.typ.as_str()) {
        ("EdDSA", TYP) => Ok(header.kid),
        ("EdDSA", _) => Err(TokenError::Type),
        _ => Err(TokenError::Algorithm),
    }
}

fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

#[cfg(test)]
mod tests;
