//! What is read before it is known who sends it, as entrances for the fuzzer (`fuzz/`).

use chasqui_crypto::Key;
use chasqui_events::{SessionId, Timestamp, UserId, account::GlobalRole};
use uuid::Uuid;

use crate::{
    family::RefreshToken,
    identity::{Identity, Scope, Scopes},
    service_token::ServiceToken,
    signing::SigningKey,
    token::{self, KeyRing, Parties},
};

/// Access tokens of one key, at a moment that does not pass.
#[derive(Debug)]
pub struct AccessTokens {
    key: SigningKey,
    parties: Parties,
}

const NOW: Timestamp = Timestamp(1_800_000_000_000);

impl AccessTokens {
    /// With the same key each time, so that what was found once is found again; `None` when the library refuses it.
    #[must_use]
    pub fn new() -> Option<Self> {
        let key = SigningKey::from_seed(&Key::new([7; Key::BYTES]))?;
        Some(Self { key, parties: Parties { issuer: "chasqui".to_owned(), audience: "chasqui".to_owned() } })
    }

    /// Whose token [`AccessTokens::issue`] gives.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            user: UserId::new(NOW, [1; 10]),
            session: SessionId::new(NOW, [2; 10]),
            role: GlobalRole::User,
            expires_at: NOW.plus_millis(600_000),
            scopes: Scopes::NONE.with(Scope::Read),
            signed_by: self.key.id(),
        }
    }

    /// A good token.
    #[must_use]
    pub fn issue(&self) -> Option<String> {
        token::issue(&self.key, &self.parties, &self.identity(), NOW, Uuid::nil()).ok()
    }

    /// Whom a text lets in.
    #[must_use]
    pub fn check(&self, text: &str) -> Option<Identity> {
        KeyRing::new([self.key.public()]).check(text, &self.parties, NOW).ok()
    }
}

/// A refresh token, read and written again.
#[must_use]
pub fn refresh_token(text: &str) -> Option<String> {
    text.parse::<RefreshToken>().ok().map(|token| token.to_string())
}

/// A program's token, read and written again.
#[must_use]
pub fn service_token(text: &str) -> Option<String> {
    text.parse::<ServiceToken>().ok().map(|token| token.to_string())
}

/// Good texts for both.
#[must_use]
pub fn good_tokens() -> [String; 2] {
    let (user, session) = (UserId::new(NOW, [1; 10]), SessionId::new(NOW, [2; 10]));
    [RefreshToken::new(user, session, [3; 32]).to_string(), ServiceToken::new(session, [4; 32]).to_string()]
}
