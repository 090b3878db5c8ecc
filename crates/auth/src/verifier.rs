//! Checks access tokens, in every process that takes them.

use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};

use chasqui_bus::kv::Bucket;
use chasqui_events::Timestamp;
use chasqui_protocol::{Code, Problem};
use chasqui_runtime::{clock::now_ms, config};
use parking_lot::RwLock;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::{
    identity::Identity,
    jwks,
    token::{self, KeyRing, Parties, TokenError},
};

/// How many verified tokens are remembered.
const REMEMBERED: u64 = 100_000;
/// While no key is known at all, looking again is cheap and urgent.
const FIRST_KEYS: Duration = Duration::from_millis(100);

/// Checks access tokens against the published keys. Cheap to clone.
///
/// A token that was verified before is answered from memory in well under a microsecond, until it expires. A key
/// that is not known yet is looked for in the bucket `JWKS`, not more often than `auth.jwks_reload_ms`.
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
    /// A verifier that reads its keys from `bucket` (the bucket `JWKS`) when it first needs them.
    #[must_use]
    pub fn new(auth: &config::Auth, bucket: Bucket) -> Self {
        let parties = Parties { issuer: auth.issuer.clone(), audience: auth.audience.clone() };
        Self(Arc::new(Inner {
            parties,
            keys: RwLock::default(),
            verified: moka::sync::Cache::builder()
                .max_capacity(REMEMBERED)
                .build_with_hasher(BuildHasherDefault::default()),
            bucket,
            reload_every: auth.jwks_reload_ms,
            looked: Mutex::new(None),
        }))
    }

    /// Who the token says is asking.
    ///
    /// # Errors
    /// `unauthorized` when the token is not valid, `unavailable` when its key would have to be looked for and the
    /// bucket does not answer.
    pub async fn verify(&self, token: &str) -> Result<Identity, Problem> {
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
