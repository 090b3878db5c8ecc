//! Checks access tokens, in every process that takes them.

use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};

use chasqui_bus::{
    Bus, Log,
    kv::{Bucket, Name},
};
use chasqui_events::{SessionId, Timestamp};
use chasqui_protocol::{Code, Problem};
use chasqui_runtime::{clock::now_ms, config};
use parking_lot::RwLock;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::{
    identity::Identity,
    jwks,
    revocations::{self, Revocations},
    token::{self, KeyRing, Parties, TokenError},
};

/// How many verified tokens are remembered.
const REMEMBERED: u64 = 100_000;
/// While no key is known at all, looking again is cheap and urgent.
const FIRST_KEYS: Duration = Duration::from_millis(100);

/// Checks access tokens against the published keys. Cheap to clone.
///
/// A token that was verified before is answered from memory in well under a microsecond, until it expires. A key
/// that is not known yet is looked for in the bucket `JWKS`, not more often than `auth.jwks_reload_ms`. Tokens of
/// sessions that were revoked are refused about a second after that.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    parties: Parties,
    keys: RwLock<Arc<KeyRing>>,
    verified: moka::sync::Cache<[u8; 32], Identity, BuildHasherDefault<FirstBytes>>,
    bucket: Bucket,
    reload_every: Duration,
    /// When the bucket was last looked at.
    looked: Mutex<Option<Instant>>,
    revocations: Arc<Revocations>,
}

/// A digest is as good as its own hash; only digests of tokens that were verified get in.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}
}

impl Verifier {
    /// A verifier on a connection whose role may read the buckets `JWKS` and `REVOKED`. It reads keys when it first
    /// needs them, and follows the revocations in a task of its own until the last clone is dropped.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn new(auth: &config::Auth, bus: &Bus) -> Self {
        let revocations = Arc::new(Revocations::new(auth.revocations_stale_s));
        tokio::spawn(revocations::follow(Arc::downgrade(&revocations), Log::new(bus.clone())));
        let parties = Parties { issuer: auth.issuer.clone(), audience: auth.audience.clone() };
        Self(Arc::new(Inner {
            parties,
            keys: RwLock::default(),
            verified: moka::sync::Cache::builder()
                .max_capacity(REMEMBERED)
                .build_with_hasher(BuildHasherDefault::default()),
            bucket: Bucket::open(bus.clone(), Name::Jwks),
            reload_every: auth.jwks_reload_ms,
            looked: Mutex::new(None),
            revocations,
        }))
    }

    /// Who the token says is asking.
    ///
    /// # Errors
    /// `unauthorized` when the token is not valid or its session was revoked, `unavailable` when its key would have
    /// to be looked for and the bucket does not answer, or revocations could not be read for too long.
    pub async fn verify(&self, token: &str) -> Result<Identity, Problem> {
        let identity = self.verify_signed(token).await?;
        self.0.revocations.check(identity.session).await?;
        Ok(identity)
    }

    /// Whether a session is known to have been revoked.
    #[must_use]
    pub fn is_revoked(&self, session: SessionId) -> bool {
        self.0.revocations.contains(session)
    }

    /// Whether any session is known to have been revoked within the life of an access token.
    #[must_use]
    pub fn knows_revoked(&self) -> bool {
        !self.0.revocations.is_empty()
    }

    /// As [`Verifier::verify`], but whatever became of the session: for ending it once more.
    pub(crate) async fn verify_signed(&self, token: &str) -> Result<Identity, Problem> {
        let now = Timestamp(now_ms());
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(identity) = self.0.verified.get(&digest) {
            if token::expired(identity.expires_at, now) {
                self.0.verified.invalidate(&digest);
                return Err(TokenError::Expired.into());
            }
            return Ok(identity);
        }
        let identity = self.check(token, now).await?;
        self.0.verified.insert(digest, identity);
        Ok(identity)
    }

    async fn check(&self, token: &str, now: Timestamp) -> Result<Identity, Problem> {
        match self.keys().check(token, &self.0.parties, now) {
            Err(TokenError::UnknownKey) => {
                self.look_for_keys().await?;
                Ok(self.keys().check(token, &self.0.parties, now)?)
            }
            checked => Ok(checked?),
        }
    }

    fn keys(&self) -> Arc<KeyRing> {
        Arc::clone(&self.0.keys.read())
    }

    /// Reads the published keys, unless that was done a moment ago. Whoever waits for another's read has its
    /// result.
    async fn look_for_keys(&self) -> Result<(), Problem> {
        let asked = Instant::now();
        let mut looked = self.0.looked.lock().await;
        let pause = if self.keys().is_empty() { FIRST_KEYS } else { self.0.reload_every };
        if looked.is_some_and(|at| at >= asked || at.elapsed() < pause) {
            return Ok(());
        }
        let published = jwks::read(&self.0.bucket).await.map_err(|error| {
            tracing::warn!(%error, "the keys of access tokens cannot be read");
            let detail = "the keys that sign access tokens cannot be read now; try again";
            Problem::new(Code::Unavailable, detail).retry_after_ms(1000)
        })?;
        *looked = Some(Instant::now());
        *self.0.keys.write() = Arc::new(KeyRing::new(&published.keys));
        Ok(())
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("parties", &self.0.parties).finish_non_exhaustive()
    }
}
