//! Challenges: what is good once, and for a short time. A login that waits for its second factor, for one.
//!
//! A challenge is known to its holder by a handle of 256 random bits, and kept in the bucket `CHALLENGES` under the
//! handle's hash, which forgets it by itself. Every attempt is counted before it is judged, by compare-and-set, so that
//! attempts at once are no way around the bound.

use std::{net::IpAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use chasqui_bus::kv::KvError;
use chasqui_events::{Seq, Text, Timestamp, UserId};
use chasqui_protocol::{Code, Problem};
use chasqui_runtime::clock::{now_ms, random_bytes};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{refusal, service::Inner};

/// How often a lost race for a challenge is tried again.
const ATTEMPTS: usize = 8;

/// What a challenge is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// A login whose password was right.
    Login(PendingLogin),
    /// An address that was to be verified; sealed, but by earlier programs. Good while the credential is of this
    /// generation, as are the others that name one.
    VerifyEmail {
        user: UserId,
        address: Text,
        #[serde(default)]
        generation: u64,
    },
    /// A password that is to be reset.
    ResetPassword {
        user: UserId,
        #[serde(default)]
        generation: u64,
    },
    /// A passkey that is to be added.
    EnrolPasskey { user: UserId, state: Value },
    /// A login with a passkey alone.
    PasskeyLogin { state: Value },
}

/// A login that waits for its second factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PendingLogin {
    pub(crate) user: UserId,
    /// The claim token of the name that was given.
    pub(crate) name: String,
    pub(crate) device: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<IpAddr>,
    /// Come back to an account that was deactivated.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) reactivate: bool,
    /// What was asked of the passkeys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) passkey: Option<Value>,
    /// That of the credential whose password was right.
    #[serde(default)]
    pub(crate) generation: u64,
}

/// What is kept of a challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Challenge {
    purpose: Purpose,
    expires_at: Timestamp,
    attempts_left: u32,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    spent: bool,
}

impl Challenge {
    fn is_open(&self, now: Timestamp) -> bool {
        !self.spent && self.attempts_left > 0 && now < self.expires_at
    }

    fn encode(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

/// Makes a challenge. Its handle, which is a secret of whoever gets it.
pub(crate) async fn issue(
    auth: &Inner,
    purpose: Purpose,
    life: Duration,
    attempts: u32,
) -> Result<String, Problem> {
    let handle = URL_SAFE_NO_PAD.encode(random_bytes::<32>());
    let expires_at = Timestamp(now_ms()).plus_millis(i64::try_from(life.as_millis()).unwrap_or(i64::MAX));
    let challenge = Challenge { purpose, expires_at, attempts_left: attempts, spent: false };
    let created = auth.challenges.keeping(life).create(&key(&handle), challenge.encode()).await;
    created.map_err(|error| refusal::not_kept(&error))?;
    Ok(handle)
}

/// Whether this has not been done in a while: for what is to be done once in a while at most.
pub(crate) async fn first_in(auth: &Inner, what: &str, life: Duration) -> Result<bool, Problem> {
    match auth.challenges.keeping(life).create(&mark(auth, what), Bytes::from_static(b"null")).await {
        Ok(_) => Ok(true),
        Err(KvError::Conflict) => Ok(false),
        Err(error) => Err(refusal::not_kept(&error)),
    }
}

/// Counts an attempt. What the challenge is for, when it is still open.
///
/// # Errors
/// `challenge-expired` when there is no such challenge (any more).
pub(crate) async fn attempt(auth: &Inner, handle: &str) -> Result<Purpose, Problem> {
    change(auth, handle, |challenge| challenge.attempts_left -= 1).await
}

/// Ends a challenge that was met: only one who comes first gets through.
///
/// # Errors
/// `challenge-expired` when somebody else was faster.
pub(crate) async fn spend(auth: &Inner, handle: &str) -> Result<(), Problem> {
    for _ in 0..ATTEMPTS {
        let Some((mut challenge, revision)) = read(auth, handle).await? else { return Err(expired()) };
        // The attempt that was met was counted: none need be left.
        if challenge.spent {
            return Err(expired());
        }
        challenge.spent = true;
        if write(auth, handle, &challenge, revision).await? {
            return Ok(());
        }
    }
    Err(refusal::busy())
}

/// Ends a challenge that was met, or was ended by a repetition of the same.
pub(crate) async fn close(auth: &Inner, handle: &str) -> Result<(), Problem> {
    match spend(auth, handle).await {
        Err(problem) if problem.code == Code::ChallengeExpired => Ok(()),
        closed => closed,
    }
}

async fn change(auth: &Inner, handle: &str, to: impl Fn(&mut Challenge)) -> Result<Purpose, Problem> {
    for _ in 0..ATTEMPTS {
        let Some((mut challenge, revision)) = read(auth, handle).await? else { return Err(expired()) };
        if !challenge.is_open(Timestamp(now_ms())) {
            return Err(expired());
        }
        to(&mut challenge);
        if write(auth, handle, &challenge, revision).await? {
            return Ok(challenge.purpose);
        }
    }
    Err(refusal::busy())
}

async fn read(auth: &Inner, handle: &str) -> Result<Option<(Challenge, Seq)>, Problem> {
    let entry = auth.challenges.get(&key(handle)).await.map_err(|error| refusal::not_kept(&error))?;
    let Some(entry) = entry else { return Ok(None) };
    let challenge =
        serde_json::from_slice(&entry.value).map_err(|error| refusal::unreadable("the challenge", &error))?;
    Ok(Some((challenge, entry.revision)))
}

async fn write(auth: &Inner, handle: &str, challenge: &Challenge, revision: Seq) -> Result<bool, Problem> {
    let left = challenge.expires_at.since(Timestamp(now_ms())).max(0);
    let kept = auth.challenges.keeping(Duration::from_millis(left.unsigned_abs()));
    match kept.update(&key(handle), challenge.encode(), revision).await {
        Ok(_) => Ok(true),
        Err(KvError::Conflict) => Ok(false),
        Err(error) => Err(refusal::not_kept(&error)),
    }
}

/// Where it is remembered that something was done. No handle leads there, and from a disk nobody tells what it was.
fn mark(auth: &Inner, what: &str) -> String {
    format!("done.{}", auth.name_key.token(what))
}

/// The name under which a challenge is kept: tells it, and does not open it.
pub(crate) fn key(handle: &str) -> String {
    hex::encode(Sha256::new().chain_update("challenge").chain_update(handle).finalize())
}

pub(crate) fn expired() -> Problem {
    Problem::new(Code::ChallengeExpired, "this was used before, tried too often, or is too old; begin anew")
}
