//! What all parts of an edge share.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use chasqui_auth::Verifier;
use chasqui_bus::{Bus, Log, live::Live};
use chasqui_crypto::Keyring;
use chasqui_events::{Partition, RoomId, Seq, UserId, receipts::Mark};
use chasqui_http::Crowd;
use chasqui_limiter::Rates;
use chasqui_protocol::ServerFrame;
use chasqui_query_api::Reader;
use chasqui_read_model::ReadModel;
use chasqui_runtime::health::Readiness;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, Semaphore, watch};

use crate::{
    barrier::Barrier, clock::Clock, connection::Connection, frame::Shared, hub::Hub, listening::Listening,
    meters::Meters, presence::Presence, receipts::Coalescer, settings::Settings, slices::Slices,
    verified::Verified,
};

/// An edge.
pub(crate) struct Edge {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) bus: Bus,
    pub(crate) live: Live,
    pub(crate) log: Log,
    pub(crate) read_model: ReadModel,
    pub(crate) verifier: Verifier,
    pub(crate) reader: Reader,
    pub(crate) rates: Rates,
    /// Opens what is sealed.
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) readiness: Readiness,
    pub(crate) hub: Hub,
    /// How many connections each address has.
    pub(crate) crowd: Crowd,
    pub(crate) listening: Listening,
    pub(crate) meters: Meters,
    pub(crate) verified: RwLock<Verified>,
    /// True once the first tick has told what is verified.
    pub(crate) ticked: watch::Sender<bool>,
    /// Wakes the tick before its time.
    pub(crate) tick_now: Notify,
    /// Rooms that the next tick compares although they may not have moved.
    watched: Mutex<BTreeSet<RoomId>>,
    /// Connections whose cursor the next tick looks at.
    stale: Mutex<Vec<Arc<Connection>>>,
    pub(crate) coalescer: Mutex<Coalescer>,
    /// A window of receipts has begun that ends before all others.
    pub(crate) receipts_due: Notify,
    pub(crate) presence: Mutex<Presence>,
    pub(crate) slices: Slices,
    barriers: Mutex<HashMap<Partition, Arc<Barrier>>>,
    /// Bounds the reads of history that resumes do at a time.
    pub(crate) reads: Semaphore,
    /// Bounds the reads of the log that fill holes at a time.
    pub(crate) fills: Semaphore,
    /// Cursors' places whose fact was compared with the log.
    pub(crate) checked_places: Mutex<HashMap<(Partition, Seq), u64>>,
    pub(crate) draining: watch::Sender<bool>,
}

/// Reads of history at a time.
const READS: usize = 16;
/// Holes filled at a time.
const FILLS: usize = 16;

/// What an edge is made of.
pub(crate) struct Made {
    pub(crate) settings: Settings,
    pub(crate) bus: Bus,
    pub(crate) read_model: ReadModel,
    pub(crate) verifier: Verifier,
    pub(crate) reader: Reader,
    pub(crate) rates: Rates,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) readiness: Readiness,
}

impl Edge {
    pub(crate) fn new(made: Made) -> Arc<Self> {
        let Made { settings, bus, read_model, verifier, reader, rates, keyring, readiness } = made;
        let window_ms = crate::settings::millis(settings.receipt_window);
        Arc::new(Self {
            clock: Clock::start(),
            live: Live::new(bus.clone()),
            log: Log::new(bus.clone()),
            bus,
            read_model,
            verifier,
            reader,
            rates,
            keyring,
            readiness,
            hub: Hub::default(),
            crowd: Crowd::new(settings.max_connections_per_address),
            listening: Listening::default(),
            meters: Meters::new(),
            verified: RwLock::default(),
            ticked: watch::Sender::new(false),
            tick_now: Notify::new(),
            watched: Mutex::default(),
            stale: Mutex::default(),
            coalescer: Mutex::new(Coalescer::new(window_ms)),
            receipts_due: Notify::new(),
            presence: Mutex::default(),
            slices: Slices::default(),
            barriers: Mutex::default(),
            reads: Semaphore::new(READS),
            fills: Semaphore::new(FILLS),
            checked_places: Mutex::default(),
            draining: watch::Sender::new(false),
            settings,
        })
    }

    /// The barrier of a partition, shared by all who need it at the same time.
    pub(crate) fn barrier(&self, partition: Partition) -> Arc<Barrier> {
        Arc::clone(self.barriers.lock().entry(partition).or_insert_with(|| Arc::new(Barrier::new(partition))))
    }

    /// The next tick looks at this connection's cursor.
    pub(crate) fn note_stale(&self, connection: &Arc<Connection>) {
        self.stale.lock().push(Arc::clone(connection));
    }

    pub(crate) fn take_stale(&self) -> Vec<Arc<Connection>> {
        std::mem::take(&mut self.stale.lock())
    }

    /// The next tick compares this room.
    pub(crate) fn watch(&self, room: RoomId) {
        self.watched.lock().insert(room);
    }

    pub(crate) fn take_watched(&self, partition: Partition) -> Vec<RoomId> {
        let mut watched = self.watched.lock();
        let taken: Vec<RoomId> =
            watched.iter().copied().filter(|room| room.partition() == partition).collect();
        for room in &taken {
            watched.remove(room);
        }
        taken
    }

    /// Something for all connections of a user here.
    pub(crate) fn tell_user(&self, user: UserId, frame: ServerFrame) {
        let now = self.clock.now();
        let mut shared = Shared::new(frame);
        for connection in self.hub.of_user(user) {
            let frame = shared.in_codec(connection.codec);
            connection.touch(|session| session.aside(frame, now));
        }
    }

    /// A member's watermarks rose: gathers what of it is news.
    pub(crate) fn mark(&self, room: RoomId, mark: Mark) {
        self.meters.marks_taken.increment(1);
        let Some(mark) = self.hub.room(room).and_then(|room| room.news(mark)) else { return };
        if self.coalescer.lock().mark(room, mark, self.clock.now()) {
            self.receipts_due.notify_one();
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edge").field("settings", &self.settings).finish_non_exhaustive()
    }
}
