//! What edges and the query API ask.
//!
//! No query here checks whether the caller may ask it.

mod history;
mod people;
mod progress;
mod wait;

pub use history::Said;
pub use people::{StoredBans, StoredConversation, StoredMember, StoredMembers};

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use chasqui_events::{RoomId, Seq};
use parking_lot::Mutex;

use crate::{
    Checkpoint, ReadError, RoomHeads, Settings, Store, StoredItem, Stream, Version,
    hot::Hot,
    version::Pointer,
    view::{
        audit::Audit, directs::Directs, members::Members, rooms::Rooms, sessions::Sessions,
        timeline::Timeline, users::Users,
    },
};

/// The read side of the projections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ReadModel(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    hot: Hot,
    active: Mutex<Active>,
    /// How far each stream is known to be projected: no answer shows less.
    promised: Mutex<HashMap<(Version, Stream), Seq>>,
    waits: wait::Waits,
}

#[derive(Debug)]
struct Active {
    version: Version,
    read_at: Instant,
}

/// How long the pointer to the active version is taken as read. A reader uses an old one at most three times as
/// long.
const POINTER_LIFE: Duration = Duration::from_secs(1);

/// Rooms that have moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadsSince {
    /// The list is complete up to here; it may hold some of what lies beyond.
    pub at: Seq,
    /// The rooms with a fact after the position that was asked for, with the heads of their lanes.
    pub rooms: Vec<(RoomId, RoomHeads)>,
}

/// A part of a room's timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// In log order.
    pub items: Vec<StoredItem>,
    /// There are no more after these.
    pub complete: bool,
    /// Nothing of the room is applied from here on; the log has it.
    pub held_at: Option<Seq>,
}

/// The part of a room's timeline that somebody may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visible {
    /// The first place.
    pub from: Seq,
    /// The last place; `None` for no end.
    pub until: Option<Seq>,
}

impl Visible {
    /// All of it.
    pub const ALL: Self = Self { from: 0, until: None };
}

impl ReadModel {
    /// Connects. MongoDB must answer; Redis may be down, and is asked again later.
    pub async fn connect(settings: &Settings) -> Result<Self, ReadError> {
        let store = Store::connect(settings).await?;
        let hot = Hot::new(settings)?;
        Self::over(store, hot).await
    }

    /// The read side of stores that are connected already.
    pub async fn over(store: Store, hot: Hot) -> Result<Self, ReadError> {
        let version = Pointer::load(&store).await?.map_or(Version::FIRST, |pointer| pointer.active);
        let active = Mutex::new(Active { version, read_at: Instant::now() });
        let inner = Inner { store, hot, active, promised: Mutex::default(), waits: wait::Waits::default() };
        let model = Self(Arc::new(inner));
        model.promise_stored(version).await?;
        Ok(model)
    }

    /// Asks MongoDB for a sign of life. Redis is not needed.
    pub async fn ping(&self) -> Result<(), ReadError> {
        self.0.store.ping().await
    }

    /// Whether Redis answered when it was last asked.
    #[must_use]
    pub fn hot_is_up(&self) -> bool {
        self.0.hot.is_up()
    }

    /// The connection to MongoDB, for the projector and for administration.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The connection to Redis, for the projector.
    #[must_use]
    pub fn hot(&self) -> &Hot {
        &self.0.hot
    }

    /// The version that is read. The pointer is read again every second, in the background as long as there are
    /// questions, before the answer when there were none for a while.
    pub async fn version(&self) -> Version {
        let (known, age) = {
            let mut active = self.0.active.lock();
            let age = active.read_at.elapsed();
            if age >= POINTER_LIFE {
                // Whoever comes meanwhile takes the known one.
                active.read_at = Instant::now();
            }
            (active.version, age)
        };
        if age < POINTER_LIFE {
            known
        } else if age < POINTER_LIFE * 3 {
            let model = self.clone();
            tokio::spawn(async move { model.follow_pointer(known).await });
            known
        } else {
            self.follow_pointer(known).await
        }
    }

    async fn follow_pointer(&self, known: Version) -> Version {
        match Pointer::load(&self.0.store).await {
            Ok(Some(pointer)) if pointer.active != known => {
                // From here on nothing shows less than what the new version has now.
                if self.promise_stored(pointer.active).await.is_err() {
                    return known;
                }
                self.0.active.lock().version = pointer.active;
                pointer.active
            }
            Ok(_) | Err(_) => known,
        }
    }

    async fn promise_stored(&self, version: Version) -> Result<(), ReadError> {
        for (stream, checkpoint) in Checkpoint::load_all(&self.0.store, version).await? {
            self.promise(version, stream, checkpoint.pos);
        }
        Ok(())
    }

    /// No answer shows less than this from now on.
    fn promise(&self, version: Version, stream: Stream, pos: Seq) {
        let mut promised = self.0.promised.lock();
        let known = promised.entry((version, stream)).or_default();
        *known = pos.max(*known);
    }

    fn promised(&self, version: Version, stream: Stream) -> Seq {
        self.0.promised.lock().get(&(version, stream)).copied().unwrap_or(0)
    }

    fn timeline(&self, version: Version) -> Timeline<'_> {
        Timeline { store: &self.0.store, version }
    }

    fn rooms(&self, version: Version) -> Rooms<'_> {
        Rooms { store: &self.0.store, version }
    }

    fn members_view(&self, version: Version) -> Members<'_> {
        Members { store: &self.0.store, version }
    }

    fn users(&self, version: Version) -> Users<'_> {
        Users { store: &self.0.store, version }
    }

    fn sessions(&self, version: Version) -> Sessions<'_> {
        Sessions { store: &self.0.store, version }
    }

    fn audit(&self, version: Version) -> Audit<'_> {
        Audit { store: &self.0.store, version }
    }

    fn directs(&self, version: Version) -> Directs<'_> {
        Directs { store: &self.0.store, version }
    }
}
