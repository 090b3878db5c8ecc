//! Rooms as aggregates: loaded from snapshot and tail, cached, kept fresh, changed by one conditional append.
//!
//! The cache follows the live state lane. Whatever may have cost a live fact (a hole between a fact and its
//! predecessor, a lost connection, a full subscription) drops what is cached; what has not been checked for a while
//! is checked against the leader. So a decision stands on a state that is at most a moment old, and the fact says
//! on which one (its basis).

mod cache;
mod cqrs;
mod execute;
mod fresh;
mod loading;
mod snapshot;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chasqui_domain::room::VersionedRoom;
use chasqui_events::{DecodeError, RoomId};

pub use cqrs::{RoomContext, metadata};
pub use execute::{ExecuteError, Outcome, RoomChange};

use crate::{
    Bus, BusError,
    kv::{self, Bucket},
    live::Live,
    log::{Log, LogError},
};

/// How rooms are kept.
#[derive(Clone, Copy, Debug)]
pub struct StoreSettings {
    /// The most rooms in memory; the least recently used go first.
    pub max_rooms: u64,
    /// A snapshot is written whenever a room's facts have become a multiple of this; 0 for never.
    pub snapshot_every: u64,
    /// A cached room that has not been checked for this long is checked by one read before it is used.
    pub check_after: Duration,
    /// How often a change is decided again when another change came first.
    pub attempts: u32,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { max_rooms: 50_000, snapshot_every: 100, check_after: Duration::from_secs(30), attempts: 8 }
    }
}

/// A room that cannot be loaded.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoadError {
    /// The log does not answer, or refuses.
    #[error("the room cannot be read from the log: {0}")]
    Log(Arc<LogError>),
    /// A fact of the room is not understood by this program: the room stands still until one that understands it
    /// runs here.
    #[error("fact {seq} of the room is not understood: {error}")]
    Poison {
        /// Where it stands.
        seq: chasqui_events::Seq,
        /// Why.
        error: Arc<DecodeError>,
    },
}

impl From<LogError> for LoadError {
    fn from(error: LogError) -> Self {
        Self::Log(Arc::new(error))
    }
}

/// The event store of rooms. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RoomStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    log: Log,
    snapshots: snapshot::Snapshots,
    cache: cache::Cache,
    settings: StoreSettings,
    /// Ends with the store.
    _fresh: fresh::Follower,
}

impl RoomStore {
    /// A store on a connection of the role `command-api`. Subscribes to the live state lane of all rooms.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn open(bus: Bus, settings: StoreSettings) -> Result<Self, BusError> {
        let cache = cache::Cache::new(settings.max_rooms, settings.check_after);
        let follower = fresh::follow(&Live::new(bus.clone()), cache.clone()).await?;
        let bucket = Bucket::open(bus.clone(), kv::Name::Snapshots);
        let log = Log::new(bus);
        let snapshots = snapshot::Snapshots::new(log.clone(), bucket, settings.snapshot_every);
        let inner = Inner { log, snapshots, cache, settings, _fresh: follower };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The log underneath.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.inner.log
    }

    /// A room as it is now; an empty one at sequence 0 when there is none.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub async fn load(&self, room: RoomId) -> Result<Arc<VersionedRoom>, LoadError> {
        let slot = self.inner.cache.slot(room);
        if let Some(current) = slot.current() {
            return Ok(current);
        }
        self.load_into(room, &slot, None).await
    }

    /// A room as the leader has it, whatever is in memory: for a second look before a refusal.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub async fn reload(&self, room: RoomId) -> Result<Arc<VersionedRoom>, LoadError> {
        let slot = self.inner.cache.slot(room);
        self.load_into(room, &slot, Some(Instant::now())).await
    }

    /// How many rooms are in memory.
    #[must_use]
    pub fn cached_rooms(&self) -> u64 {
        self.inner.cache.len()
    }
}
