//! Seals what is said and what is personal.

use std::sync::Arc;

use chasqui_events::{RoomId, Sealed, Text, Timestamp};
use parking_lot::Mutex;

use crate::{
    KeyError, Keyring, Owner, Place, Ring,
    derived::DerivedId,
    keyring::Rings,
    nonces::Nonces,
    sealed::{COMMITMENT, Head},
};

/// Something was not sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Whose key it takes is being or has been erased.
    #[error("the keys of {0} were destroyed")]
    Destroyed(Owner),
    /// A key cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The text is longer than the cipher takes (64 GiB).
    #[error("the text is too long to be sealed")]
    TooLong,
}

/// Seals, with nonces that no other process uses.
#[derive(Debug)]
pub struct Sealer {
    keyring: Arc<Keyring>,
    nonces: Nonces,
    budget: u64,
    spent: moka::sync::Cache<RoomId, Arc<Mutex<Spent>>>,
}

/// What this process has sealed with the newest key of a room.
#[derive(Debug, Default)]
struct Spent {
    epoch: u32,
    seals: u64,
}

/// Rooms whose count is kept. A room that is forgotten is counted from 0 again; that no key is used too often does not
/// hang on it, see [`Nonces`].
const COUNTED_ROOMS: u64 = 100_000;

impl Sealer {
    /// A sealer that uses one key of a room for at most `budget` messages before it makes the next.
    #[must_use]
    pub fn new(keyring: Arc<Keyring>, budget: u64) -> Self {
        let budget = budget.max(1);
        let spent = moka::sync::Cache::new(COUNTED_ROOMS);
        Self { keyring, nonces: Nonces::new(budget), budget, spent }
    }

    /// The keys that it seals with.
    #[must_use]
    pub const fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Seals a text for a place. A room's first key is made when it is needed.
    ///
    /// # Errors
    /// See [`SealError`].
    pub async fn seal(&self, place: &Place, text: &str, now: Timestamp) -> Result<Sealed, SealError> {
        let user = usable(Owner::User(place.user()), self.keyring.ring(Owner::User(place.user())).await?)?;
        let room = match place.room() {
            Some(room) => Some(self.room_to_spend_from(room, now).await?),
            None => None,
        };
        let epoch = |ring: &Ring| ring.current().map_or(0, |(n, _)| n);
        let (sealer, counter) = self.nonces.take();
        let mut head = Head {
            room_epoch: room.as_deref().map_or(0, epoch),
            user_epoch: epoch(&user),
            sealer,
            counter,
            commitment: [0; COMMITMENT],
        };
        let id = DerivedId::of(place, &head);
        let lent = self.keyring.lent(&id).or_else(|| self.keyring.derive(&id, &Rings::new(room, user)));
        let lent = lent.ok_or(SealError::Destroyed(Owner::User(place.user())))?;
        head.commitment = lent.key.commitment;
        lent.key.seal(place, &head, text).ok_or(SealError::TooLong)
    }

    /// The same, as a fact holds it; nothing needs no seal.
    ///
    /// # Errors
    /// See [`SealError`].
    pub async fn seal_text(&self, place: &Place, text: &str, now: Timestamp) -> Result<Text, SealError> {
        if text.is_empty() {
            return Ok(Text::EMPTY);
        }
        Ok(Text::Sealed(self.seal(place, text, now).await?))
    }

    /// The keys of a room, the newest of which takes one more message.
    async fn room_to_spend_from(&self, room: RoomId, now: Timestamp) -> Result<Arc<Ring>, SealError> {
        let owner = Owner::Room(room);
        let mut ring = usable(owner, self.keyring.ensure(owner, now).await?)?;
        loop {
            let (epoch, _) = ring.current().ok_or(SealError::Destroyed(owner))?;
            if self.spend(room, epoch) {
                return Ok(ring);
            }
            ring = usable(owner, self.keyring.advance(owner, epoch, now).await?)?;
        }
    }

    /// Counts a message; false when the key has had all that it may, or is not the newest any more.
    fn spend(&self, room: RoomId, epoch: u32) -> bool {
        let spent = self.spent.get_with(room, Arc::default);
        let mut spent = spent.lock();
        if spent.epoch < epoch {
            *spent = Spent { epoch, seals: 0 };
        }
        let may = spent.epoch == epoch && spent.seals < self.budget;
        spent.seals += u64::from(may);
        may
    }
}

fn usable(owner: Owner, ring: Arc<Ring>) -> Result<Arc<Ring>, SealError> {
    if ring.is_destroyed() { Err(SealError::Destroyed(owner)) } else { Ok(ring) }
}
