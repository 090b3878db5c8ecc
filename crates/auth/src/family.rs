//! A family of refresh tokens: all that came, one after the other, from one login. Pure.
//!
//! A token is good once. Its successor is computed from it and a nonce that the family keeps, so that a client
//! which lost the answer can be given *the same* successor again for a short time, although only hashes are
//! stored; two refreshes at once therefore make one lineage. Whoever shows an older token has a copy that
//! somebody else has used: the family ends.
//!
//! Half of a token's secret is the same for the whole family. It tells an old token of the family (theft, the
//! family ends) from a made-up one (nothing happens), so that nobody can end a session by knowing its id.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chasqui_events::{SessionId, Text, Timestamp, UserId, identity::RevocationReason};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

const HALF: usize = 16;

/// `<user>.<session>.<base64url of 32 bytes>`: where its family is kept, and the secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
    secret: Zeroizing<[u8; 2 * HALF]>,
}

impl RefreshToken {
    /// The first token of a session, from 32 random bytes.
    pub(crate) fn new(user: UserId, session: SessionId, random: [u8; 2 * HALF]) -> Self {
        Self { user, session, secret: Zeroizing::new(random) }
    }

    fn lineage(&self) -> Digest {
        let (lineage, _) = self.secret.split_at(HALF);
        Digest::of("lineage", lineage)
    }

    fn digest(&self) -> Digest {
        Digest::of("token", &*self.secret)
    }

    /// The next token: the same lineage, and what this one and the nonce give.
    fn successor(&self, nonce: [u8; HALF]) -> Self {
        let mut next = self.secret.clone();
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.secret).expect("HMAC takes keys of every length");
        mac.update(&nonce);
        let bytes = mac.finalize().into_bytes();
        for (to, from) in next.iter_mut().skip(HALF).zip(bytes) {
            *to = from;
        }
        Self { secret: next, ..*self }
    }
}

impl fmt::Display for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.user, self.session, URL_SAFE_NO_PAD.encode(*self.secret))
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.***", self.user, self.session)
    }
}

impl FromStr for RefreshToken {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (user, rest) = text.split_once('.').ok_or(())?;
        let (session, secret) = rest.split_once('.').ok_or(())?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).map_err(|_| ())?);
        let secret = <[u8; 2 * HALF]>::try_from(bytes.as_slice()).map_err(|_| ())?;
        let (user, session) = (user.parse().map_err(|_| ())?, session.parse().map_err(|_| ())?);
        Ok(Self { user, session, secret: Zeroizing::new(secret) })
    }
}

/// The SHA-256 of a secret of full entropy, hexadecimal in JSON.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
struct Digest([u8; 32]);

impl Digest {
    fn of(what: &str, secret: &[u8]) -> Self {
        Self(Sha256::new().chain_update(what).chain_update(secret).finalize().into())
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        hex::encode(digest.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, hex::FromHexError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

/// How long families and tokens last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetimes {
    /// Without a refresh.
    pub(crate) idle: Duration,
    /// In any case.
    pub(crate) absolute: Duration,
    /// For the token before the current one.
    pub(crate) grace: Duration,
}

/// From where a session is used, as far as that is known; for its user to recognise it by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// What the client calls itself.
    pub(crate) device: String,
    /// The client's address.
    pub(crate) address: Option<IpAddr>,
}

/// What is kept of a family in the bucket `REFRESH`, under `<user>.<session>`. Of tokens, hashes only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Family {
    pub(crate) user: UserId,
    /// The claim token of the user's name, for the rights that are given by name.
    pub(crate) name: String,
    /// What the client called itself at the login. Sealed, but by earlier programs; so is the address.
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    pub(crate) device: Text,
    /// Where the login or the last refresh came from; empty where that is not known.
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    pub(crate) address: Text,
    pub(crate) opened_at: Timestamp,
    /// The login or the last refresh.
    pub(crate) rotated_at: Timestamp,
    lineage: Digest,
    current: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Previous>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<RevocationReason>,
    /// The end is in the log.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) announced: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Previous {
    digest: Digest,
    /// Gives the current token from it.
    #[serde(with = "hex::serde")]
    nonce: [u8; HALF],
}

/// What comes of showing a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    /// It is good: store the family, then give the token.
    Rotated(Family, RefreshToken),
    /// It was good a moment ago: give the same token again.
    Repeated(RefreshToken),
    /// It was used before: store the family, which has ended, and say so.
    Reused(Family),
    /// The family has ended before.
    Ended(RevocationReason),
    /// The family is too old.
    Expired,
    /// Not a token of this family.
    Foreign,
}

impl Family {
    /// The family of a new session, whose first token this is. It is opened from nowhere known.
    pub(crate) fn open(name: String, token: &RefreshToken, now: Timestamp) -> Self {
        Self {
            user: token.user,
            name,
            device: Text::EMPTY,
            address: Text::EMPTY,
            opened_at: now,
            rotated_at: now,
            lineage: token.lineage(),
            current: token.digest(),
            previous: None,
            ended: None,
            announced: false,
        }
    }

    /// Shows a token. `nonce` is random.
    pub(crate) fn present(
        &self,
        token: &RefreshToken,
        now: Timestamp,
        nonce: [u8; HALF],
        lifetimes: Lifetimes,
    ) -> Presented {
        if token.lineage() != self.lineage {
            return Presented::Foreign;
        }
        if let Some(reason) = self.ended {
            return Presented::Ended(reason);
        }
        if self.left(now, lifetimes).is_some() {
            self.judge(token, now, nonce, lifetimes.grace)
        } else {
            Presented::Expired
        }
    }

    /// How long the family can still be used if it is not used before; `None` when it is too old.
    pub(crate) fn left(&self, now: Timestamp, lifetimes: Lifetimes) -> Option<Duration> {
        let left = |since: Timestamp, limit: Duration| {
            let limit = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
            u64::try_from(limit.saturating_sub(now.since(since))).ok().map(Duration::from_millis)
        };
        let (idle, absolute) =
            (left(self.rotated_at, lifetimes.idle)?, left(self.opened_at, lifetimes.absolute)?);
        Some(idle.min(absolute))
    }

    fn judge(&self, token: &RefreshToken, now: Timestamp, nonce: [u8; HALF], grace: Duration) -> Presented {
        let digest = token.digest();
        if digest == self.current {
            let successor = token.successor(nonce);
            let family = Self {
                rotated_at: now,
                current: successor.digest(),
                previous: Some(Previous { digest, nonce }),
                ..self.clone()
            };
            return Presented::Rotated(family, successor);
        }
        match &self.previous {
            Some(previous) if previous.digest == digest && within(self.rotated_at, grace, now) => {
                Presented::Repeated(token.successor(previous.nonce))
            }
            _ => Presented::Reused(self.end(RevocationReason::TokenReused)),
        }
    }

    /// The ended family, with its end in the log.
    pub(crate) fn told(&self) -> Self {
        Self { announced: true, ..self.clone() }
    }

    /// The family, ended.
    pub(crate) fn end(&self, reason: RevocationReason) -> Self {
        Self { ended: Some(reason), previous: None, ..self.clone() }
    }
}

fn within(since: Timestamp, duration: Duration, now: Timestamp) -> bool {
    let limit = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    now.since(since) <= limit
}

#[cfg(test)]
mod tests;
