//! Checks access tokens, in every process that takes them.

use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use chasqui_bus::{
    Bus, Log,
    kv::{Bucket, KvError, Name},
};
use chasqui_events::{SessionId, Timestamp};
use chasqui_protocol::{Code, Problem};
use chasqui_runtime::{
    clock::{now_ms, random_bytes},
    config,
};
use parking_lot::RwLock;
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use tokio::sync::{Mutex, Semaphore};

use crate::{
    identity::{Identity, KeyId},
    jwks,
    revocations::{self, Revocations},
    token::{self, KeyRing, Parties, TokenError},
};

/// How many verified tokens are remembered.
const REMEMBERED: u64 = 100_000;
/// While no key is known at all, looking again is cheap and urgent.
const FIRST_KEYS: Duration = Duration::from_millis(100);
/// How many tokens of unknown keys may wait for the next look at the bucket; more are sent away.
const WAITING: usize = 256;

/// Checks access tokens against the published keys. Cheap to clone.
///
/// A token that was verified before is answered from memory in well under a microsecond, until it expires. The
/// published keys are read again every `auth.jwks_reload_ms`, and tokens of keys that are not published any more are
/// refused from then on; a token of a key that is not known yet waits for the next look. Tokens of sessions that were
/// revoked are refused about a second after that.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    parties: Parties,
    known: RwLock<Known>,
    verified: moka::sync::Cache<u128, Identity, BuildHasherDefault<AsItIs>>,
    /// Nobody else knows it.
    secret: [u8; 16],
    bucket: Bucket,
    reload_every: Duration,
    stale_after: Duration,
    /// When the bucket was last looked at.
    looked: Mutex<Option<Instant>>,
    waiting: Semaphore,
    revocations: Arc<Revocations>,
}

/// The published keys, as they were read.
#[derive(Default)]
struct Known {
    ring: Arc<KeyRing>,
    /// Counts how often a key went. What was verified with an earlier generation is verified again.
    generation: u64,
    /// When that was.
    read: Option<Instant>,
}

/// A tag is as good as its own hash; only tags of tokens that were verified get in.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }
}

impl Verifier {
    /// A verifier on a connection whose role may read the buckets `JWKS` and `REVOKED`. It reads keys when it first
    /// needs them, and follows them and the revocations in tasks of their own until the last clone is dropped.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn new(auth: &config::Auth, bus: &Bus) -> Self {
        let revocations = Arc::new(Revocations::new(auth.revocations_stale_s));
        tokio::spawn(revocations::follow(Arc::downgrade(&revocations), Log::new(bus.clone())));
        let parties = Parties { issuer: auth.issuer.clone(), audience: auth.audience.clone() };
        let inner = Arc::new(Inner {
            parties,
            known: RwLock::default(),
            verified: moka::sync::Cache::builder()
                .max_capacity(REMEMBERED)
                .build_with_hasher(BuildHasherDefault::default()),
            secret: random_bytes(),
            bucket: Bucket::open(bus.clone(), Name::Jwks),
            reload_every: auth.jwks_reload_ms,
            stale_after: auth.revocations_stale_s,
            looked: Mutex::new(None),
            waiting: Semaphore::new(WAITING),
            revocations,
        });
        tokio::spawn(follow(Arc::downgrade(&inner)));
        Self(inner)
    }

    /// Who the token says is asking.
    ///
    /// # Errors
    /// `unauthorized` when the token is not valid or its session was revoked, `unavailable` when its key would have
    /// to be looked for and the bucket does not answer, or keys or revocations could not be read for too long.
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

    /// How often a published key went. Where it has risen, [`Verifier::knows_key`] may have another answer.
    #[must_use]
    pub fn key_generation(&self) -> u64 {
        self.0.known.read().generation
    }

    /// Whether the key that signed somebody's token is still published.
    #[must_use]
    pub fn knows_key(&self, key: KeyId) -> bool {
        self.0.known.read().ring.knows(key)
    }

    /// As [`Verifier::verify`], but whatever became of the session: for ending it once more.
    pub(crate) async fn verify_signed(&self, token: &str) -> Result<Identity, Problem> {
        let now = Timestamp(now_ms());
        let generation = self.0.generation()?;
        let tag = self.0.tag(generation, token);
        if let Some(identity) = self.0.verified.get(&tag) {
            if token::expired(identity.expires_at, now) {
                self.0.verified.invalidate(&tag);
                return Err(TokenError::Expired.into());
            }
            return Ok(identity);
        }
        let identity = self.check(token, now).await?;
        self.0.verified.insert(tag, identity);
        Ok(identity)
    }

    async fn check(&self, token: &str, now: Timestamp) -> Result<Identity, Problem> {
        match self.0.keys().check(token, &self.0.parties, now) {
            Err(TokenError::UnknownKey) => {
                self.0.look_for_keys().await?;
                Ok(self.0.keys().check(token, &self.0.parties, now)?)
            }
            checked => Ok(checked?),
        }
    }
}

impl Inner {
    fn keys(&self) -> Arc<KeyRing> {
        Arc::clone(&self.known.read().ring)
    }

    /// What a token is remembered by: SipHash-2-4 of 128 bits (Aumasson and Bernstein 2012), which is a message
    /// authentication code, under a key of this process. Nobody finds another text with the tag of a token, and it
    /// costs a tenth of SHA-256.
    fn tag(&self, generation: u64, token: &str) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        hasher.write(&generation.to_le_bytes());
        hasher.write(token.as_bytes());
        hasher.finish128().as_u128()
    }

    /// The generation of the keys, as long as they are known well enough.
    fn generation(&self) -> Result<u64, Problem> {
        let known = self.known.read();
        if known.read.is_some_and(|read| read.elapsed() > self.stale_after) {
            return Err(unreadable());
        }
        Ok(known.generation)
    }

    /// Reads the published keys, as soon as the last look is long enough ago. Whoever waits for another's read has its
    /// result.
    async fn look_for_keys(&self) -> Result<(), Problem> {
        let asked = Instant::now();
        let _turn = self.waiting.try_acquire().map_err(|_| unreadable())?;
        let mut looked = self.looked.lock().await;
        if looked.is_some_and(|at| at >= asked) {
            return Ok(());
        }
        let pause = if self.keys().is_empty() { FIRST_KEYS } else { self.reload_every };
        if let Some(at) = *looked {
            tokio::time::sleep_until((at + pause).into()).await;
        }
        let read = self.read_keys().await;
        read.map_err(|error| {
            tracing::warn!(%error, "the keys of access tokens cannot be read");
            unreadable()
        })?;
        *looked = Some(Instant::now());
        Ok(())
    }

    async fn read_keys(&self) -> Result<(), KvError> {
        let asked = Instant::now();
        let ring = KeyRing::new(&jwks::read(&self.bucket).await?.keys);
        let mut known = self.known.write();
        if known.read.is_some_and(|read| read > asked) {
            return Ok(());
        }
        known.generation += u64::from(!ring.holds_all_of(&known.ring));
        known.ring = Arc::new(ring);
        known.read = Some(asked);
        Ok(())
    }
}

/// Reads the published keys again and again until nobody needs them.
async fn follow(verifier: Weak<Inner>) {
    let mut failing = false;
    while let Some(inner) = verifier.upgrade() {
        let every = inner.reload_every;
        let read = inner.read_keys().await;
        drop(inner);
        match read {
            Ok(()) if failing => tracing::info!("the keys of access tokens can be read again"),
            Err(ref error) if !failing => tracing::warn!(%error, "the keys of access tokens cannot be read"),
            Ok(()) | Err(_) => {}
        }
        failing = read.is_err();
        tokio::time::sleep(every).await;
    }
}

fn unreadable() -> Problem {
    let detail = "the keys that sign access tokens cannot be read now; try again";
    Problem::new(Code::Unavailable, detail).retry_after_ms(1000)
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("parties", &self.0.parties).finish_non_exhaustive()
    }
}
