//! Tokens with which programs log in: `chq_<id>_<secret>`, 256 bits, shown once and kept as a hash.

use std::{fmt, str::FromStr, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chasqui_events::{SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

/// What every token begins with, so that one that was published by mistake is recognised.
const PREFIX: &str = "chq";
const SECRET: usize = 32;

/// A token.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ServiceToken {
    pub(crate) id: SessionId,
    secret: Zeroizing<[u8; SECRET]>,
}

impl ServiceToken {
    /// A new token, from random bytes.
    pub(crate) fn new(id: SessionId, random: [u8; SECRET]) -> Self {
        Self { id, secret: Zeroizing::new(random) }
    }

    /// What is kept of its secret. It has full entropy, so that a fast hash will do.
    fn hash(&self) -> [u8; 32] {
        Sha256::new().chain_update("service token").chain_update(*self.secret).finalize().into()
    }
}

impl fmt::Display for ServiceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, secret) = (self.id.as_uuid().simple(), URL_SAFE_NO_PAD.encode(*self.secret));
        write!(f, "{PREFIX}_{id}_{secret}")
    }
}

impl fmt::Debug for ServiceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}_{}_***", self.id.as_uuid().simple())
    }
}

impl FromStr for ServiceToken {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '_');
        let (Some(PREFIX), Some(id), Some(secret)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(());
        };
        let id = SessionId::from_uuid(Uuid::try_parse(id).map_err(|_| ())?).map_err(|_| ())?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).map_err(|_| ())?);
        let secret = <[u8; SECRET]>::try_from(bytes.as_slice()).map_err(|_| ())?;
        Ok(Self { id, secret: Zeroizing::new(secret) })
    }
}

/// What the bucket `SERVICE_TOKENS` keeps of a token, under its id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) user: UserId,
    pub(crate) name: String,
    /// The words of its scopes, separated by spaces.
    pub(crate) scopes: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_used_at: Option<Timestamp>,
    /// The sessions that it opened and that may still have an access token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sessions: Vec<SessionId>,
    #[serde(with = "hex::serde")]
    hash: [u8; 32],
}

/// So many sessions of a token are kept apart; a further login continues the youngest.
const APART: usize = 16;

impl Kept {
    /// What is kept of a new token.
    pub(crate) fn of(
        token: &ServiceToken,
        user: UserId,
        name: String,
        scopes: String,
        expires_at: Option<Timestamp>,
    ) -> Self {
        Self { user, name, scopes, expires_at, last_used_at: None, sessions: vec![], hash: token.hash() }
    }

    /// The same after a login, and its session. Sessions whose last access token has expired (after `ttl`) are forgotten.
    pub(crate) fn opened(mut self, new: SessionId, now: Timestamp, ttl: Duration) -> (Self, SessionId) {
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        let goes_on = |since: Timestamp| now.since(since) <= ttl;
        // The youngest may have been continued; the others got one access token, when they were opened.
        let continued = self.last_used_at.replace(now).is_some_and(goes_on);
        let youngest = self.sessions.last().copied().filter(|_| continued);
        self.sessions.retain(|session| goes_on(session.timestamp()) || Some(*session) == youngest);
        match youngest {
            Some(youngest) if self.sessions.len() >= APART => (self, youngest),
            Some(_) | None => {
                self.sessions.push(new);
                (self, new)
            }
        }
    }

    /// The same without the sessions that were ended: a further login opens another.
    pub(crate) fn without_sessions(self) -> Self {
        Self { sessions: vec![], ..self }
    }

    /// Whether this token is the one, and still good.
    pub(crate) fn admits(&self, token: &ServiceToken, now: Timestamp) -> bool {
        bool::from(self.hash.ct_eq(&token.hash())) && self.expires_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_reads_back(random: [u8; 32], id: [u8; 10]) {
            let token = ServiceToken::new(SessionId::new(Timestamp(1), id), random);
            prop_assert_eq!(token.to_string().parse::<ServiceToken>(), Ok(token.clone()));
            let shown = format!("{token:?}");
            prop_assert!(!shown.contains(&URL_SAFE_NO_PAD.encode(random)));
        }

        #[test]
        fn other_texts_are_none(text in "\\PC{0,80}") {
            prop_assume!(!text.starts_with("chq_"));
            prop_assert!(text.parse::<ServiceToken>().is_err());
        }
    }

    #[test]
    fn sessions_are_remembered_while_they_may_go_on_and_their_number_is_bounded() {
        let (id, user) = (SessionId::new(Timestamp(1), [1; 10]), UserId::new(Timestamp(1), [2; 10]));
        let token = ServiceToken::new(id, [3; 32]);
        let session = |n: u8| SessionId::new(Timestamp(1), [n; 10]);
        let mut kept = Kept::of(&token, user, "a test".to_owned(), "read".to_owned(), None);
        for n in 0..20 {
            let opened;
            (kept, opened) = kept.opened(session(n), Timestamp(1000), Duration::from_mins(1));
            assert_eq!(opened, session(n.min(15)));
        }
        assert_eq!(kept.sessions.len(), 16);
        let (later, _) = kept.clone().opened(session(30), Timestamp(61_001), Duration::from_mins(1));
        assert_eq!(later.sessions, [session(30)]);
        let (again, opened) =
            kept.without_sessions().opened(session(31), Timestamp(1001), Duration::from_mins(1));
        assert_eq!(
            (again.sessions, opened),
            (vec![session(31)], session(31)),
            "an ended one is not continued"
        );
    }

    /// One that logs in all the time never reaches the bound for good.
    #[test]
    fn a_program_that_logs_in_every_minute_gets_sessions_of_its_own() {
        let (id, user) = (SessionId::new(Timestamp(1), [1; 10]), UserId::new(Timestamp(1), [2; 10]));
        let token = ServiceToken::new(id, [3; 32]);
        let mut kept = Kept::of(&token, user, "a test".to_owned(), "read".to_owned(), None);
        for minute in 1..=60 {
            let now = Timestamp(minute * 60_000);
            let new = SessionId::new(now, [4; 10]);
            let opened;
            (kept, opened) = kept.opened(new, now, Duration::from_mins(10));
            assert_eq!(opened, new);
        }
        assert_eq!(kept.sessions.len(), 11);
    }

    #[test]
    fn only_the_token_itself_is_admitted_and_only_in_time() {
        let (id, user) = (SessionId::new(Timestamp(1), [1; 10]), UserId::new(Timestamp(1), [2; 10]));
        let token = ServiceToken::new(id, [3; 32]);
        let kept = Kept::of(&token, user, "a test".to_owned(), "read".to_owned(), Some(Timestamp(10)));
        assert!(kept.admits(&token, Timestamp(9)));
        assert!(!kept.admits(&token, Timestamp(10)));
        assert!(!kept.admits(&ServiceToken::new(id, [4; 32]), Timestamp(9)));
        assert_eq!(serde_json::to_string(&kept).unwrap().contains(&token.to_string()), false);
    }
}
