//! Seals what is said and what is personal.

use std::sync::Arc;

use chasqui_events::{RoomId, Sealed, Text, Timestamp, UserId};
use parking_lot::Mutex;

use crate::{
    KeyError, Keyring, Life, Owner, Place, Ring,
    derived::DerivedId,
    keyring::{Lent, Rings},
    nonces::Nonces,
    sealed::Head,
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
    ready: moka::sync::Cache<(Option<RoomId>, UserId), Arc<Ready>>,
}

/// All that it takes to seal for somebody in a room: one look-up for a message, where the parts would be four.
#[derive(Debug)]
struct Ready {
    id: DerivedId,
    lent: Arc<Lent>,
    /// Of the room, if there is one.
    spent: Option<Arc<Mutex<Spent>>>,
    /// See [`Keyring::dropped`].
    dropped: u64,
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
        let Life { time, number } = keyring.life();
        let ready = moka::sync::Cache::builder().max_capacity(number).time_to_live(time).build();
        Self { keyring, nonces: Nonces::new(budget), budget, spent, ready }
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
        let (ready, counter) = match self.at_hand(place) {
            Some(at_hand) => at_hand,
            None => self.make_ready(place, now).await?,
        };
        let head = Head {
            room_epoch: ready.id.room_epoch,
            user_epoch: ready.id.user_epoch,
            sealer: ready.id.sealer,
            counter,
            commitment: ready.lent.key.commitment,
        };
        ready.lent.key.seal(place, &head, text).ok_or(SealError::TooLong)
    }

    /// What seals for a place, and the number of this seal, as far as nothing has to be looked up.
    fn at_hand(&self, place: &Place) -> Option<(Arc<Ready>, u64)> {
        let ready = self.ready.get(&(place.room(), place.user()))?;
        if ready.dropped != self.keyring.dropped() || !ready.lent.is_at_hand() {
            return None;
        }
        let (sealer, counter) = self.nonces.take();
        let fits = sealer == ready.id.sealer
            && ready.spent.as_ref().is_none_or(|spent| spend(spent, ready.id.room_epoch, self.budget));
        fits.then_some((ready, counter))
    }

    async fn make_ready(&self, place: &Place, now: Timestamp) -> Result<(Arc<Ready>, u64), SealError> {
        // Before the keys are looked at: what is dropped in between is looked at again.
        let dropped = self.keyring.dropped();
        let user = usable(Owner::User(place.user()), self.keyring.ring(Owner::User(place.user())).await?)?;
        let (room, spent) = match place.room() {
            Some(room) => {
                let (ring, spent) = self.room_to_spend_from(room, now).await?;
                (Some(ring), Some(spent))
            }
            None => (None, None),
        };
        let epoch = |ring: &Ring| ring.current().map_or(0, |(n, _)| n);
        let (sealer, counter) = self.nonces.take();
        let (room_epoch, user_epoch) = (room.as_deref().map_or(0, epoch), epoch(&user));
        let id = DerivedId { room: place.room(), user: place.user(), room_epoch, user_epoch, sealer };
        let lent = self.keyring.lent(&id).or_else(|| self.keyring.derive(&id, &Rings::new(room, user)));
        let lent = lent.ok_or(SealError::Destroyed(Owner::User(place.user())))?;
        let ready = Arc::new(Ready { id, lent, spent, dropped });
        self.ready.insert((place.room(), place.user()), Arc::clone(&ready));
        Ok((ready, counter))
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
    async fn room_to_spend_from(
        &self,
        room: RoomId,
        now: Timestamp,
    ) -> Result<(Arc<Ring>, Arc<Mutex<Spent>>), SealError> {
        let owner = Owner::Room(room);
        let spent = self.spent.get_with(room, Arc::default);
        let mut ring = usable(owner, self.keyring.ensure(owner, now).await?)?;
        loop {
            let (epoch, _) = ring.current().ok_or(SealError::Destroyed(owner))?;
            if spend(&spent, epoch, self.budget) {
                return Ok((ring, spent));
            }
            ring = usable(owner, self.keyring.advance(owner, epoch, now).await?)?;
        }
    }
}

/// Counts a message; false when the key has had all that it may, or is not the newest any more.
fn spend(spent: &Mutex<Spent>, epoch: u32, budget: u64) -> bool {
    let mut spent = spent.lock();
    if spent.epoch < epoch {
        *spent = Spent { epoch, seals: 0 };
    }
    let may = spent.epoch == epoch && spent.seals < budget;
    spent.seals += u64::from(may);
    may
}

fn usable(owner: Owner, ring: Arc<Ring>) -> Result<Arc<Ring>, SealError> {
    if ring.is_destroyed() { Err(SealError::Destroyed(owner)) } else { Ok(ring) }
}
