use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::*;
use crate::identity::Scope;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

struct Case {
    key: SigningKey,
    header: Value,
    claims: Value,
}

fn parties() -> Parties {
    Parties { issuer: "chasqui".to_owned(), audience: "chasqui-api".to_owned() }
}

fn key() -> SigningKey {
    SigningKey::from_seed(&chasqui_crypto::Key::random()).unwrap()
}

fn identity() -> Identity {
    Identity {
        user: UserId::new(NOW, [1; 10]),
        session: SessionId::new(NOW, [2; 10]),
        role: GlobalRole::Moderator,
        expires_at: NOW.plus_millis(600_000),
        scopes: Scopes::NONE.with(Scope::Import),
        signed_by: KeyId::default(),
    }
}

fn case() -> Case {
    let key = key();
    let identity = identity();
    let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": key.public().kid});
    let claims = json!({
        "iss": "chasqui", "aud": "chasqui-api", "sub": identity.user, "sid": identity.session,
        "jti": identity.session, "iat": 1_800_000_000, "exp": 1_800_000_600,
    });
    Case { key, header, claims }
}

impl Case {
    /// The token, properly signed, whatever it says.
    fn token(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&self.header), part(&self.claims));
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.key.encoding, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    }

    fn check(&self) -> Result<Identity, TokenError> {
        check_with(&self.key, &self.token())
    }
}

fn check_with(key: &SigningKey, token: &str) -> Result<Identity, TokenError> {
    KeyRing::new([key.public()]).check(token, &parties(), NOW)
}

#[test]
fn an_issued_token_is_read_back() {
    let key = key();
    let token = issue(&key, &parties(), &identity(), NOW, Uuid::nil()).unwrap();
    assert_eq!(check_with(&key, &token), Ok(Identity { signed_by: key.id(), ..identity() }));
    assert!(case().check().is_ok(), "the cases below are good but for what they change");
}

#[test]
fn every_deviation_in_the_header_is_refused() {
    for (field, value, expected) in [
        ("alg", json!("none"), TokenError::Algorithm),
        ("alg", json!("HS256"), TokenError::Algorithm),
        ("alg", json!("ES256"), TokenError::Algorithm),
        ("alg", json!(["EdDSA"]), TokenError::Malformed),
        ("typ", json!("JWT"), TokenError::Type),
        ("typ", json!("AT+JWT"), TokenError::Type),
        ("typ", Value::Null, TokenError::Malformed),
        ("kid", json!("other"), TokenError::UnknownKey),
        ("kid", Value::Null, TokenError::Malformed),
        ("jku", json!("https://evil.example.org/keys"), TokenError::Malformed),
        ("jwk", json!({"kty": "OKP"}), TokenError::Malformed),
        ("x5u", json!("https://evil.example.org/cert"), TokenError::Malformed),
        ("crit", json!(["b64"]), TokenError::Malformed),
        ("b64", json!(false), TokenError::Malformed),
        ("cty", json!("JWT"), TokenError::Malformed),
        ("enc", json!("A256GCM"), TokenError::Malformed),
        ("zip", json!("DEF"), TokenError::Malformed),
        ("x5c", json!(["MIIB"]), TokenError::Malformed),
    ] {
        let mut case = case();
        case.header[field] = value.clone();
        assert_eq!(case.check(), Err(expected), "{field}: {value}");
    }
}

#[test]
fn every_deviation_in_the_claims_is_refused() {
    for (field, value, expected) in [
        ("iss", json!("other"), TokenError::Party),
        ("iss", Value::Null, TokenError::Malformed),
        ("aud", json!("other"), TokenError::Party),
        ("aud", json!(["chasqui-api", "other"]), TokenError::Malformed),
        ("aud", Value::Null, TokenError::Malformed),
        ("exp", json!(1_799_999_998), TokenError::Expired),
        ("exp", json!("1800000600"), TokenError::Malformed),
        ("exp", json!(1.8e40), TokenError::Malformed),
        ("exp", Value::Null, TokenError::Malformed),
        ("role", json!("king"), TokenError::Malformed),
        ("iat", json!(1_800_000_100), TokenError::Expired),
        ("sub", json!("root"), TokenError::Malformed),
        ("sid", json!("9b2d6f5c-7f43-4d9e-8a3e-0a4c0b8f7a11"), TokenError::Malformed),
    ] {
        let mut case = case();
        case.claims[field] = value.clone();
        assert_eq!(case.check(), Err(expected), "{field}: {value}");
    }
    let mut missing = case();
    missing.claims.as_object_mut().unwrap().remove("aud");
    assert_eq!(missing.check(), Err(TokenError::Malformed));
}

#[test]
fn the_signature_must_be_that_of_the_named_key_over_these_parts() {
    let case = case();
    let token = case.token();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let unsigned = format!("{message}.");
    let other = Case { key: key(), ..self::case() };
    let forged = format!("{message}.{}", other.token().rsplit_once('.').unwrap().1);
    for bad in [unsigned, forged, format!("{message}.{}", &signature[1..])] {
        assert!(
            matches!(check_with(&case.key, &bad), Err(TokenError::Signature | TokenError::Malformed)),
            "{bad}"
        );
    }
    // The public key used as an HMAC secret, the classic swap of algorithms.
    let mut swapped = self::case();
    swapped.header["alg"] = json!("HS256");
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&swapped.header), part(&swapped.claims));
    let secret = jsonwebtoken::EncodingKey::from_secret(case.key.public().x.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &secret, Algorithm::HS256).unwrap();
    assert_eq!(check_with(&case.key, &format!("{message}.{signature}")), Err(TokenError::Algorithm));
}

/// A token's text, properly signed, from the texts of its parts.
fn sealed(key: &SigningKey, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.encoding, Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

#[test]
fn what_is_said_twice_is_refused() {
    let case = case();
    let (header, claims) = (case.header.to_string(), case.claims.to_string());
    assert!(check_with(&case.key, &sealed(&case.key, &header, &claims)).is_ok());
    let twice = |object: &str, member: &str| object.replacen('{', &format!("{{{member},"), 1);
    for member in ["\"alg\":\"EdDSA\"", "\"kid\":\"other\"", "\"typ\":\"at+jwt\""] {
        let token = sealed(&case.key, &twice(&header, member), &claims);
        assert_eq!(check_with(&case.key, &token), Err(TokenError::Malformed), "{member}");
    }
    for member in ["\"exp\":9999999999", "\"aud\":\"chasqui-api\"", "\"sub\":\"x\""] {
        let token = sealed(&case.key, &header, &twice(&claims, member));
        assert_eq!(check_with(&case.key, &token), Err(TokenError::Malformed), "{member}");
    }
}

#[test]
fn a_token_inside_a_token_is_refused() {
    let case = case();
    let inner = case.token();
    for claims in [inner.clone(), json!(inner).to_string(), "[]".to_owned(), "null".to_owned(), String::new()]
    {
        let token = sealed(&case.key, &case.header.to_string(), &claims);
        assert_eq!(check_with(&case.key, &token), Err(TokenError::Malformed), "{claims:.20}");
    }
}

#[test]
fn texts_that_are_no_tokens_are_refused() {
    let long = "a".repeat(LONGEST + 1);
    for bad in ["", ".", "..", "a.b.c", "e30.e30.", "a.b.c.d", long.as_str()] {
        assert_eq!(check_with(&key(), bad), Err(TokenError::Malformed), "{bad:.20}");
    }
}
