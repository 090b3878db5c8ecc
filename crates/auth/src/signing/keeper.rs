//! Keeps the keys that sign access tokens: makes them, publishes them, exchanges them, with all processes of the role.
//!
//! Every change is a compare-and-set on the one document of the bucket `SIGNING_KEYS`, so that of two processes that make
//! a key at once one succeeds and the other uses that one. The private halves lie there wrapped by the key-encryption key.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chasqui_bus::kv::{Bucket, KvError};
use chasqui_crypto::{Context, KekError, Key, KeyEncryption, Wrapped};
use chasqui_events::{Seq, Timestamp};
use chasqui_runtime::metrics::names;
use parking_lot::{Mutex, RwLock};

use super::{
    Jwk, SigningKey,
    set::{Kept, KeySet, Next, Schedule, millis},
};
use crate::jwks;

/// The document's key in the bucket.
const DOCUMENT: &str = "set";
/// How often a lost race is run again. A step is one write; an exchange takes a few.
const ATTEMPTS: usize = 32;

/// The keys that sign access tokens.
#[derive(Debug)]
pub(crate) struct SigningKeys {
    bucket: Bucket,
    published: Bucket,
    kek: Arc<dyn KeyEncryption>,
    schedule: Schedule,
    ready: RwLock<Arc<Vec<Ready>>>,
    /// How many private halves each key-encryption key wraps, as it was told last.
    counted: Mutex<BTreeMap<String, u64>>,
}

/// A key that can sign.
#[derive(Debug)]
struct Ready {
    /// Absent while it is not known to be published.
    from: Option<Timestamp>,
    key: Arc<SigningKey>,
}

/// The keys that sign access tokens cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The buckets do not answer.
    #[error("the keys that sign access tokens cannot be read or written: {0}")]
    Store(#[from] KvError),
    /// The key-encryption key does not fit.
    #[error("a key that signs access tokens cannot be wrapped or unwrapped: {0}")]
    Kek(#[from] KekError),
    /// What is stored cannot be understood.
    #[error("the bucket SIGNING_KEYS holds what this program cannot read: {0}")]
    Unreadable(String),
    /// The library makes no key pair.
    #[error("no key pair can be made")]
    NotMade,
    /// Somebody else was always faster.
    #[error("the keys that sign access tokens are being changed by others; try again")]
    Busy,
}

impl SigningKeys {
    /// Reads the keys; makes and publishes the first one where there is none.
    pub(crate) async fn open(
        bucket: Bucket,
        published: Bucket,
        kek: Arc<dyn KeyEncryption>,
        schedule: Schedule,
        now: Timestamp,
    ) -> Result<Self, SigningError> {
        let (ready, counted) = (RwLock::default(), Mutex::default());
        let keys = Self { bucket, published, kek, schedule, ready, counted };
        keys.tend(now).await?;
        Ok(keys)
    }

    /// How long a new key is published before it signs.
    pub(crate) const fn overlap(&self) -> Duration {
        self.schedule.overlap
    }

    /// The key that signs now.
    pub(crate) fn current(&self, now: Timestamp) -> Option<Arc<SigningKey>> {
        let ready = self.ready.read();
        let signs = |key: &&Ready| key.from.is_some_and(|from| from <= now);
        // A clock that was set back is behind even the oldest key.
        ready.iter().rfind(signs).or_else(|| ready.first()).map(|ready| Arc::clone(&ready.key))
    }

    /// Does whatever is due, in whichever process comes first, and learns what the others did.
    pub(crate) async fn tend(&self, now: Timestamp) -> Result<KeySet, SigningError> {
        for _ in 0..ATTEMPTS {
            let Some((set, revision)) = self.read().await? else {
                self.make_first(now).await?;
                continue;
            };
            let published = jwks::publish(&self.published, &set).await?;
            let changed = match set.next(&self.schedule, published, now) {
                Next::Write(changed) => Some(changed),
                Next::Make => Some(set.with(self.make(now).await?, now)),
                Next::Nothing => self.rewrapped(&set, now).await?,
            };
            let Some(changed) = changed else {
                self.install(&set).await?;
                self.tell(&set, now);
                return Ok(set);
            };
            self.write(&changed, Some(revision)).await?;
        }
        Err(SigningError::Busy)
    }

    /// Begins an exchange of keys, unless one is under way; `at_once` withdraws all keys that there are. The set in which
    /// the new key has its moment.
    pub(crate) async fn rotate(&self, at_once: bool, now: Timestamp) -> Result<KeySet, SigningError> {
        for _ in 0..ATTEMPTS {
            let (set, revision) = self.read().await?.ok_or(SigningError::Busy)?;
            if !at_once && set.coming(now).is_some() {
                return self.tend(now).await;
            }
            let key = self.make(now).await?;
            let changed = if at_once { set.withdrawn(key, now) } else { set.with(key, now) };
            if self.write(&changed, Some(revision)).await? {
                return self.tend(now).await;
            }
        }
        Err(SigningError::Busy)
    }

    async fn make_first(&self, now: Timestamp) -> Result<(), SigningError> {
        let published = jwks::read(&self.published).await?;
        let first = KeySet::first(published, self.make(now).await?, now);
        self.write(&first, None).await.map(drop)
    }

    async fn make(&self, now: Timestamp) -> Result<Kept, SigningError> {
        let seed = Key::random();
        let public = SigningKey::from_seed(&seed).ok_or(SigningError::NotMade)?.public().clone();
        let context = Context::Signing { thumbprint: public.thumbprint() };
        let private = Some(self.kek.wrap(&context, &seed).await?);
        tracing::info!(kid = %public.kid, "made a key to sign access tokens");
        let token_life_ms = millis(self.schedule.token_life);
        Ok(Kept { public, made_at: now, signs_from: None, retires_at: None, token_life_ms, private })
    }

    /// The set wrapped by the current key-encryption key; nothing when it is.
    async fn rewrapped(&self, set: &KeySet, now: Timestamp) -> Result<Option<KeySet>, SigningError> {
        let current = self.kek.current().await?;
        let mut keys = set.keys.clone();
        let mut done = false;
        for Kept { public, private, .. } in &mut keys {
            let context = Context::Signing { thumbprint: public.thumbprint() };
            if let Some(wrapped) = private.as_ref().filter(|wrapped| wrapped.kek != current) {
                let seed = self.kek.unwrap(&context, wrapped).await?;
                *private = Some(self.kek.wrap(&context, &seed).await?);
                done = true;
            }
        }
        Ok(done.then(|| set.changed(keys, now)))
    }

    async fn install(&self, set: &KeySet) -> Result<(), SigningError> {
        let before = Arc::clone(&self.ready.read());
        let mut ready = Vec::new();
        for Kept { public, signs_from, private, .. } in &set.keys {
            let Some(wrapped) = private else { continue };
            let known = before.iter().find(|known| known.key.public() == public);
            let key = match known.map(|known| Arc::clone(&known.key)) {
                Some(key) => key,
                None => Arc::new(self.unwrapped(public, wrapped).await?),
            };
            ready.push(Ready { from: *signs_from, key });
        }
        *self.ready.write() = Arc::new(ready);
        Ok(())
    }

    async fn unwrapped(&self, public: &Jwk, wrapped: &Wrapped) -> Result<SigningKey, SigningError> {
        let context = Context::Signing { thumbprint: public.thumbprint() };
        let key = SigningKey::from_seed(&self.kek.unwrap(&context, wrapped).await?);
        let other = || SigningError::Unreadable(format!("{} is not its private half's", public.kid));
        key.filter(|key| key.public() == public).ok_or_else(other)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; neither keys nor seconds are near 2^53"
    )]
    fn tell(&self, set: &KeySet, now: Timestamp) {
        if let Some(since) = set.current(now).and_then(|key| key.signs_from) {
            metrics::gauge!(names::AUTH_SIGNING_KEY_AGE_SECONDS).set(now.since(since) as f64 / 1000.0);
        }
        let mut counted = self.counted.lock();
        counted.values_mut().for_each(|count| *count = 0);
        for wrapped in set.keys.iter().filter_map(|key| key.private.as_ref()) {
            *counted.entry(wrapped.kek.clone()).or_default() += 1;
        }
        for (kek, count) in &*counted {
            metrics::gauge!(names::CRYPTO_KEYS, "kind" => "signing", "kek" => kek.clone()).set(*count as f64);
        }
    }

    async fn read(&self) -> Result<Option<(KeySet, Seq)>, SigningError> {
        let Some(entry) = self.bucket.get(DOCUMENT).await? else { return Ok(None) };
        let set: KeySet = serde_json::from_slice(&entry.value)
            .map_err(|error| SigningError::Unreadable(error.to_string()))?;
        if set.is_newer_than_this_program() {
            return Err(SigningError::Unreadable(format!("version {} is a newer program's", set.version)));
        }
        Ok(Some((set, entry.revision)))
    }

    /// False when somebody else was faster.
    async fn write(&self, set: &KeySet, revision: Option<Seq>) -> Result<bool, SigningError> {
        let written = match revision {
            Some(revision) => self.bucket.update(DOCUMENT, set.encode(), revision).await,
            None => self.bucket.create(DOCUMENT, set.encode()).await,
        };
        match written {
            Ok(_) => Ok(true),
            Err(KvError::Conflict) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
