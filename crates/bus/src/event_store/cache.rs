//! Rooms in memory.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chasqui_domain::room::VersionedRoom;
use chasqui_events::{RoomId, Seq, room::RoomEvent};
use parking_lot::Mutex;

/// The slots, one per room that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    slots: moka::sync::Cache<RoomId, Arc<Slot>>,
    check_after: Duration,
}

/// One room's place. It is there before the room is loaded, so that a fact that arrives meanwhile is noticed.
#[derive(Debug)]
pub(super) struct Slot {
    state: Mutex<State>,
    /// Held by whoever loads, so that the others wait for them.
    pub(super) loading: tokio::sync::Mutex<()>,
    check_after: Duration,
}

#[derive(Debug)]
struct State {
    room: Option<Arc<VersionedRoom>>,
    checked: Instant,
    /// It must be checked before it is used, however recent the last check was.
    due: bool,
    /// The newest state fact that was seen live.
    seen: Seq,
}

/// What a slot holds.
pub(super) enum Held {
    Fresh(Arc<VersionedRoom>),
    /// Not checked for a while.
    Stale(Arc<VersionedRoom>),
    Nothing,
}

impl Cache {
    pub(super) fn new(max_rooms: u64, check_after: Duration) -> Self {
        Self { slots: moka::sync::Cache::new(max_rooms), check_after }
    }

    pub(super) fn slot(&self, room: RoomId) -> Arc<Slot> {
        self.slots.get_with(room, || Arc::new(Slot::new(self.check_after)))
    }

    pub(super) fn known(&self, room: RoomId) -> Option<Arc<Slot>> {
        self.slots.get(&room)
    }

    /// Forgets everything. Loads under way end in slots that nobody finds any more.
    pub(super) fn clear(&self) {
        self.slots.invalidate_all();
    }

    pub(super) fn len(&self) -> u64 {
        self.slots.run_pending_tasks();
        self.slots.entry_count()
    }
}

impl Slot {
    fn new(check_after: Duration) -> Self {
        let state = State { room: None, checked: Instant::now(), due: false, seen: 0 };
        Self { state: Mutex::new(state), loading: tokio::sync::Mutex::new(()), check_after }
    }

    pub(super) fn held(&self) -> Held {
        let state = self.state.lock();
        match &state.room {
            Some(room) if !state.due && state.checked.elapsed() < self.check_after => {
                Held::Fresh(Arc::clone(room))
            }
            Some(room) => Held::Stale(Arc::clone(room)),
            None => Held::Nothing,
        }
    }

    pub(super) fn current(&self) -> Option<Arc<VersionedRoom>> {
        match self.held() {
            Held::Fresh(room) => Some(room),
            Held::Stale(_) | Held::Nothing => None,
        }
    }

    /// Puts a room that was read from the leader. `false` when a newer fact has been seen since: read on.
    pub(super) fn put(&self, room: &Arc<VersionedRoom>) -> bool {
        let mut state = self.state.lock();
        if state.room.as_ref().is_some_and(|held| held.seq > room.seq) {
            return true;
        }
        state.checked = Instant::now();
        state.due = false;
        state.room = Some(Arc::clone(room));
        if state.seen > room.seq {
            state.room = None;
            return false;
        }
        true
    }

    /// A fact of the state lane was seen live.
    pub(super) fn follow(&self, seq: Seq, prev: Seq, event: Option<&RoomEvent>) {
        let mut state = self.state.lock();
        state.seen = state.seen.max(seq);
        let Some(room) = &mut state.room else { return };
        if seq <= room.seq {
            return;
        }
        match event {
            Some(event) if prev == room.seq => {
                let room = Arc::make_mut(room);
                room.room.apply(event);
                room.seq = seq;
                room.count += 1;
            }
            _ => state.room = None,
        }
    }

    /// What is held must be checked before it is used again.
    pub(super) fn expire(&self) {
        let mut state = self.state.lock();
        state.due = true;
    }

    pub(super) fn forget(&self) {
        self.state.lock().room = None;
    }
}

#[cfg(test)]
mod tests {
    use chasqui_events::room::Renamed;

    use super::*;

    fn renamed(name: &str) -> RoomEvent {
        RoomEvent::Renamed(Renamed { name: name.to_owned() })
    }

    fn slot_at(seq: Seq) -> Slot {
        let slot = Slot::new(Duration::from_mins(1));
        assert!(slot.put(&Arc::new(VersionedRoom { seq, count: 3, ..VersionedRoom::default() })));
        slot
    }

    #[test]
    fn the_next_fact_is_folded() {
        let slot = slot_at(7);
        slot.follow(9, 7, Some(&renamed("Plaza")));
        let room = slot.current().unwrap();
        assert_eq!((room.seq, room.count, room.room.name.as_str()), (9, 4, "Plaza"));
        slot.follow(9, 7, Some(&renamed("again")));
        slot.follow(7, 5, Some(&renamed("old")));
        assert_eq!(slot.current().unwrap().room.name, "Plaza", "what is known already changes nothing");
    }

    #[test]
    fn a_hole_or_a_poison_fact_drops_the_room() {
        let slot = slot_at(7);
        slot.follow(12, 9, Some(&renamed("Plaza")));
        assert!(slot.current().is_none());
        let slot = slot_at(7);
        slot.follow(9, 7, None);
        assert!(slot.current().is_none());
    }

    #[test]
    fn a_fact_seen_while_loading_makes_the_loader_read_on() {
        let slot = Slot::new(Duration::from_mins(1));
        slot.follow(9, 7, Some(&renamed("Plaza")));
        assert!(!slot.put(&Arc::new(VersionedRoom { seq: 7, count: 3, ..VersionedRoom::default() })));
        assert!(slot.current().is_none());
        assert!(slot.put(&Arc::new(VersionedRoom { seq: 9, count: 4, ..VersionedRoom::default() })));
        assert!(slot.current().is_some());
    }

    #[test]
    fn what_was_not_checked_for_long_is_stale() {
        let slot = Slot::new(Duration::ZERO);
        assert!(slot.put(&Arc::new(VersionedRoom::default())));
        assert!(slot.current().is_none());
        assert!(matches!(slot.held(), Held::Stale(_)));
    }
}
