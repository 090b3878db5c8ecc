//! Who is here: the rooms that are followed and the connections, by user.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use chasqui_events::{RoomId, UserId};
use parking_lot::Mutex;

use crate::{connection::Connection, room::Room};

/// The rooms and the connections of an edge.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    rooms: Mutex<HashMap<RoomId, Arc<Room>>>,
    users: Mutex<HashMap<UserId, Vec<Arc<Connection>>>>,
    connections: Mutex<HashMap<u64, Arc<Connection>>>,
    count: AtomicUsize,
    next_id: AtomicU64,
}

impl Hub {
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// How many connections there are, those included that are still being made.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Takes a place among at most `most` connections. To be given back with [`Hub::gone`].
    pub(crate) fn take_place(&self, most: usize) -> bool {
        let taken = self.count.fetch_add(1, Ordering::Relaxed);
        if taken >= most {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        taken < most
    }

    pub(crate) fn came(&self, connection: &Arc<Connection>) {
        self.connections.lock().insert(connection.id, Arc::clone(connection));
    }

    pub(crate) fn gone(&self, connection: &Connection) {
        self.connections.lock().remove(&connection.id);
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    /// All connections, in no order.
    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        self.connections.lock().values().cloned().collect()
    }

    /// Adds a connection of a user. False when they have `most` here already; 0 is no bound.
    pub(crate) fn log_in(&self, user: UserId, connection: &Arc<Connection>, most: usize) -> bool {
        let mut users = self.users.lock();
        let own = users.entry(user).or_insert_with(|| Vec::with_capacity(1));
        if most > 0 && own.len() >= most {
            return false;
        }
        own.push(Arc::clone(connection));
        true
    }

    /// Removes a connection of a user. True when it was their last here.
    pub(crate) fn log_out(&self, user: UserId, connection: &Arc<Connection>) -> bool {
        let mut users = self.users.lock();
        let Entry::Occupied(mut own) = users.entry(user) else { return false };
        own.get_mut().retain(|other| !Arc::ptr_eq(other, connection));
        let last = own.get().is_empty();
        if last {
            own.remove();
        }
        last
    }

    pub(crate) fn is_here(&self, user: UserId) -> bool {
        self.users.lock().contains_key(&user)
    }

    /// The connections of a user.
    pub(crate) fn of_user(&self, user: UserId) -> Vec<Arc<Connection>> {
        self.users.lock().get(&user).cloned().unwrap_or_default()
    }

    pub(crate) fn room(&self, room: RoomId) -> Option<Arc<Room>> {
        self.rooms.lock().get(&room).cloned()
    }

    /// The room, or the one that `make` makes of it, which is then for the caller to open.
    pub(crate) fn room_or_new(&self, room: RoomId, make: impl FnOnce() -> Arc<Room>) -> (Arc<Room>, bool) {
        match self.rooms.lock().entry(room) {
            Entry::Occupied(known) if !known.get().is_closed() => (Arc::clone(known.get()), false),
            Entry::Occupied(mut closed) => {
                closed.insert(make());
                (Arc::clone(closed.get()), true)
            }
            Entry::Vacant(vacant) => (Arc::clone(vacant.insert(make())), true),
        }
    }

    pub(crate) fn rooms_of(&self, ids: &[RoomId]) -> Vec<Arc<Room>> {
        let rooms = self.rooms.lock();
        ids.iter().filter_map(|id| rooms.get(id).cloned()).collect()
    }

    pub(crate) fn rooms(&self) -> Vec<Arc<Room>> {
        self.rooms.lock().values().cloned().collect()
    }

    pub(crate) fn room_count(&self) -> usize {
        self.rooms.lock().len()
    }

    /// Forgets a room that was closed.
    pub(crate) fn forget(&self, room: &Arc<Room>) {
        let mut rooms = self.rooms.lock();
        if rooms.get(&room.id()).is_some_and(|known| Arc::ptr_eq(known, room)) {
            rooms.remove(&room.id());
        }
    }
}
