//! Keys at hand: looked up when they are needed, kept for a short time, overwritten when they are dropped.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Release},
        },
    },
    time::{Duration, Instant},
};

use chasqui_events::{Sealed, Text, Timestamp};

use crate::{
    Context, Epoch, KekError, Key, KeyEncryption, KeyRecord, KeyStore, Opened, Owner, Place, StoreError,
    StoredRecord,
    derived::{Derived, DerivedId},
    sealed::Head,
};

/// How long and how many keys are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// For so long: a key that was destroyed opens nothing any more after it, at the latest.
    pub time: Duration,
    /// The most keys of owners, and the most keys that were derived from them.
    pub number: u64,
}

/// Why keys cannot be had. A key that cannot be read now is not an erased one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no record of keys.
    #[error("{0} has no key")]
    Absent(Owner),
    /// Store or key-encryption key do not answer, or do not fit what is stored.
    #[error("the keys of {0} cannot be had now: {1}")]
    Unavailable(Owner, String),
}

/// Somebody's keys, unwrapped.
#[derive(Debug)]
pub struct Ring {
    /// By number, rising; empty when they were destroyed.
    keys: Vec<(u32, Key)>,
    until: Instant,
}

impl Ring {
    /// They were destroyed.
    #[must_use]
    pub const fn is_destroyed(&self) -> bool {
        self.keys.is_empty()
    }

    /// The one that seals.
    pub(crate) fn current(&self) -> Option<(u32, &Key)> {
        self.keys.last().map(|(n, key)| (*n, key))
    }

    fn get(&self, epoch: u32) -> Option<&Key> {
        self.keys.iter().find(|(n, _)| *n == epoch).map(|(_, key)| key)
    }
}

/// Opens what is sealed.
#[derive(Debug)]
pub struct Keyring {
    store: Arc<dyn KeyStore>,
    kek: Arc<dyn KeyEncryption>,
    life: Life,
    rings: moka::future::Cache<Owner, Arc<Ring>>,
    derived: moka::sync::Cache<DerivedId, Arc<Lent>>,
    /// How often keys at hand were dropped before their time.
    dropped: AtomicU64,
}

/// A derived key, for as long as the keys that it was made of may be kept.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) key: Derived,
    until: Instant,
}

impl Lent {
    /// Whether its time is not over.
    pub(crate) fn is_at_hand(&self) -> bool {
        Instant::now() < self.until
    }
}

/// The keys of a place, at hand.
pub(crate) struct Rings {
    room: Option<Arc<Ring>>,
    user: Arc<Ring>,
}

impl Keyring {
    /// A keyring over a store.
    #[must_use]
    pub fn new(store: Arc<dyn KeyStore>, kek: Arc<dyn KeyEncryption>, life: Life) -> Self {
        let rings = moka::future::Cache::builder().max_capacity(life.number).time_to_live(life.time).build();
        let derived = moka::sync::Cache::builder().max_capacity(life.number).time_to_live(life.time).build();
        Self { store, kek, life, rings, derived, dropped: AtomicU64::new(0) }
    }

    /// Where the wrapped keys are.
    #[must_use]
    pub fn store(&self) -> &dyn KeyStore {
        &*self.store
    }

    /// What wraps them.
    #[must_use]
    pub fn kek(&self) -> &Arc<dyn KeyEncryption> {
        &self.kek
    }

    /// Opens with what is at hand; `None` when a key must be looked up first.
    #[must_use]
    pub fn open_at_hand(&self, place: &Place, sealed: &Sealed) -> Option<Opened> {
        let Some((head, bytes)) = Head::read(sealed) else { return Some(Opened::Damaged) };
        let lent = self.lent(&DerivedId::of(place, &head))?;
        Some(opened(&lent.key, place, &head, bytes))
    }

    /// Opens.
    ///
    /// # Errors
    /// [`KeyError`]: it cannot be opened now, which says nothing about later.
    pub async fn open(&self, place: &Place, sealed: &Sealed) -> Result<Opened, KeyError> {
        let Some((head, bytes)) = Head::read(sealed) else { return Ok(Opened::Damaged) };
        let id = DerivedId::of(place, &head);
        if let Some(lent) = self.lent(&id) {
            return Ok(opened(&lent.key, place, &head, bytes));
        }
        if place.room().is_some() == (head.room_epoch == 0) {
            return Ok(Opened::Damaged);
        }
        let mut rings = self.rings_of(place).await?;
        if rings.destroyed() {
            return Ok(Opened::Erased);
        }
        if self.derive(&id, &rings).is_none() {
            // It was sealed with a key that is newer than what is at hand.
            self.forget_rings(place).await;
            rings = self.rings_of(place).await?;
            if rings.destroyed() {
                return Ok(Opened::Erased);
            }
        }
        Ok(match self.derive(&id, &rings) {
            Some(lent) => opened(&lent.key, place, &head, bytes),
            None => Opened::Damaged,
        })
    }

    /// Opens a text as a fact holds it.
    ///
    /// # Errors
    /// As [`Keyring::open`].
    pub async fn open_text(&self, place: &Place, text: Text) -> Result<Opened, KeyError> {
        match text {
            Text::Plain(text) => Ok(Opened::Text(text)),
            Text::Sealed(sealed) => self.open(place, &sealed).await,
        }
    }

    /// An owner's keys.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn ring(&self, owner: Owner) -> Result<Arc<Ring>, KeyError> {
        // The error is shared by all who waited for it.
        let looked_up = self.rings.try_get_with(owner, self.look_up(owner)).await;
        looked_up.map_err(|error: Arc<KeyError>| (*error).clone())
    }

    /// How long and how many keys are kept.
    pub(crate) const fn life(&self) -> Life {
        self.life
    }

    /// Counts how often keys at hand were dropped before their time: whoever holds some from before looks again.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Acquire)
    }

    /// Forgets what is at hand of an owner's keys.
    pub async fn forget(&self, owner: Owner) {
        self.drop_ring(owner).await;
        // Rare, and made again at need: not worth an index from owners to what was derived.
        self.derived.invalidate_all();
    }

    /// Takes an owner's keys for destroyed from now on, also when the store does not know of it yet.
    pub async fn bury(&self, owner: Owner) {
        let destroyed = Ring { keys: Vec::new(), until: Instant::now() + self.life.time };
        self.rings.insert(owner, Arc::new(destroyed)).await;
        self.dropped.fetch_add(1, Release);
        self.derived.invalidate_all();
    }

    /// Makes an owner's first key, unless there is one.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`].
    pub async fn ensure(&self, owner: Owner, now: Timestamp) -> Result<Arc<Ring>, KeyError> {
        match self.ring(owner).await {
            Err(KeyError::Absent(_)) => {}
            other => return other,
        }
        let record = KeyRecord::Epochs(vec![self.epoch(owner, first_epoch(now), now).await?]);
        match self.store.put(owner, &record, None).await {
            // Somebody else was faster: theirs it is.
            Ok(()) | Err(StoreError::Conflict) => self.ring(owner).await,
            Err(error) => Err(unavailable(owner, &error)),
        }
    }

    /// Sees to it that an owner's newest key is newer than this one, and returns them. Nothing happens to keys that
    /// were destroyed.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn advance(&self, owner: Owner, beyond: u32, now: Timestamp) -> Result<Arc<Ring>, KeyError> {
        loop {
            let StoredRecord { record, revision } = self.stored(owner).await?;
            let KeyRecord::Epochs(mut epochs) = record else { break };
            let newest = epochs.last().map_or(0, |epoch| epoch.n);
            if newest > beyond {
                break;
            }
            epochs.push(self.epoch(owner, newest + 1, now).await?);
            match self.store.put(owner, &KeyRecord::Epochs(epochs), Some(revision)).await {
                Ok(()) => break,
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(unavailable(owner, &error)),
            }
        }
        self.drop_ring(owner).await;
        self.ring(owner).await
    }

    /// Wraps an owner's keys with the current key-encryption key. True when something had to be done.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn rewrap(&self, owner: Owner) -> Result<bool, KeyError> {
        loop {
            let current = self.kek.current().await.map_err(|error| refused(owner, &error))?;
            let StoredRecord { record, revision } = self.stored(owner).await?;
            let KeyRecord::Epochs(mut epochs) = record else { return Ok(false) };
            if epochs.iter().all(|epoch| epoch.key.kek == current) {
                return Ok(false);
            }
            for epoch in &mut epochs {
                let context = Context::Sealing { owner, epoch: epoch.n };
                let key =
                    self.kek.unwrap(&context, &epoch.key).await.map_err(|error| refused(owner, &error))?;
                epoch.key = self.kek.wrap(&context, &key).await.map_err(|error| refused(owner, &error))?;
            }
            match self.store.put(owner, &KeyRecord::Epochs(epochs), Some(revision)).await {
                Ok(()) => return Ok(true),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(unavailable(owner, &error)),
            }
        }
    }

    /// Whether an owner's keys were destroyed, as the store has it now.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`].
    pub async fn is_destroyed(&self, owner: Owner) -> Result<bool, KeyError> {
        match self.stored(owner).await {
            Ok(stored) => Ok(matches!(stored.record, KeyRecord::Destroyed { .. })),
            Err(KeyError::Absent(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Destroys an owner's keys for ever. May be repeated.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`]: it is not known to be done.
    pub async fn destroy(&self, owner: Owner, now: Timestamp) -> Result<(), KeyError> {
        let destroyed = self.store.destroy(owner, now).await;
        self.forget(owner).await;
        destroyed.map_err(|error| unavailable(owner, &error))
    }

    pub(crate) fn lent(&self, id: &DerivedId) -> Option<Arc<Lent>> {
        self.derived.get(id).filter(|lent| lent.is_at_hand())
    }

    /// Derives a key and keeps it; `None` when an epoch that it names is not there.
    pub(crate) fn derive(&self, id: &DerivedId, rings: &Rings) -> Option<Arc<Lent>> {
        let user = rings.user.get(id.user_epoch)?;
        let room = match &rings.room {
            Some(room) => Some(room.get(id.room_epoch)?),
            None => None,
        };
        let until = rings.room.as_ref().map_or(rings.user.until, |room| room.until.min(rings.user.until));
        let lent = Arc::new(Lent { key: Derived::new(id, room, user), until });
        self.derived.insert(*id, Arc::clone(&lent));
        Some(lent)
    }

    async fn rings_of(&self, place: &Place) -> Result<Rings, KeyError> {
        let user = self.ring(Owner::User(place.user()));
        match place.room() {
            None => Ok(Rings { room: None, user: user.await? }),
            Some(room) => {
                let (room, user) = futures::try_join!(self.ring(Owner::Room(room)), user)?;
                Ok(Rings { room: Some(room), user })
            }
        }
    }

    async fn forget_rings(&self, place: &Place) {
        self.drop_ring(Owner::User(place.user())).await;
        if let Some(room) = place.room() {
            self.drop_ring(Owner::Room(room)).await;
        }
    }

    async fn drop_ring(&self, owner: Owner) {
        self.rings.invalidate(&owner).await;
        self.dropped.fetch_add(1, Release);
    }

    /// An owner's keys as the store has them now.
    pub(crate) async fn look_up(&self, owner: Owner) -> Result<Arc<Ring>, KeyError> {
        let until = Instant::now() + self.life.time;
        let mut keys = Vec::new();
        if let KeyRecord::Epochs(epochs) = self.stored(owner).await?.record {
            for Epoch { n, key, .. } in &epochs {
                let context = Context::Sealing { owner, epoch: *n };
                let key = self.kek.unwrap(&context, key).await.map_err(|error| refused(owner, &error))?;
                keys.push((*n, key));
            }
            if keys.is_empty() {
                return Err(KeyError::Unavailable(owner, "the record names no key".to_owned()));
            }
        }
        Ok(Arc::new(Ring { keys, until }))
    }

    pub(crate) async fn stored(&self, owner: Owner) -> Result<StoredRecord, KeyError> {
        let stored = self.store.get(owner).await.map_err(|error| unavailable(owner, &error))?;
        stored.ok_or(KeyError::Absent(owner))
    }

    async fn epoch(&self, owner: Owner, n: u32, now: Timestamp) -> Result<Epoch, KeyError> {
        let wrapped = self.kek.wrap(&Context::Sealing { owner, epoch: n }, &Key::random()).await;
        let key = wrapped.map_err(|error| refused(owner, &error))?;
        Ok(Epoch { n, created_at: now, key })
    }
}

impl Rings {
    pub(crate) const fn new(room: Option<Arc<Ring>>, user: Arc<Ring>) -> Self {
        Self { room, user }
    }

    fn destroyed(&self) -> bool {
        self.user.is_destroyed() || self.room.as_ref().is_some_and(|room| room.is_destroyed())
    }
}

/// The number of a first key: its moment, in unix seconds. So one that is made because the first was lost has another number,
/// and the two can be brought together when a copy of the lost one is restored.
fn first_epoch(now: Timestamp) -> u32 {
    u32::try_from(now.millis() / 1000).unwrap_or_default().max(1)
}

fn opened(key: &Derived, place: &Place, head: &Head, bytes: &[u8]) -> Opened {
    key.open(place, head, bytes).map_or(Opened::Damaged, Opened::Text)
}

fn unavailable(owner: Owner, error: &StoreError) -> KeyError {
    KeyError::Unavailable(owner, error.to_string())
}

fn refused(owner: Owner, error: &KekError) -> KeyError {
    KeyError::Unavailable(owner, error.to_string())
}
