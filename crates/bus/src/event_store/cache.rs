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
    /// When the reads began that last agreed with the leader.
    checked: Instant,
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
        let state = State { room: None, checked: Instant::now(), seen: 0 };
        Self { state: Mutex::new(state), loading: tokio::sync::Mutex::new(()), check_after }
    }

    /// What is held. With `asked`, it is fresh only if it was read from the leader after that moment.
    pub(super) fn held(&self, asked: Option<Instant>) -> Held {
        let state = self.state.lock();
        let fresh = match asked {
            None => state.checked.elapsed() < self.check_after,
            Some(asked) => state.checked >= asked,
        };
        match &state.room {
            Some(room) if fresh => Held::Fresh(Arc::clone(room)),
            Some(room) => Held::Stale(Arc::clone(room)),
            None => Held::Nothing,
        }
    }

    pub(super) fn current(&self) -> Option<Arc<VersionedRoom>> {
        match self.held(None) {
            Held::Fresh(room) => Some(room),
            Held::Stale(_) | Held::Nothing => None,
        }
    }

    /// Puts a room that was read from the leader, by reads that began at `checked`. What is held then, which may be
    /// newer; `None` when a still newer fact has been seen live: read on.
    pub(super) fn put(&self, room: &Arc<VersionedRoom>, checked: Instant) -> Option<Arc<VersionedRoom>> {
        let mut state = self.state.lock();
        state.checked = state.checked.max(checked);
        let newest = state.room.as_ref().filter(|held| held.seq > room.seq).unwrap_or(room);
        let newest = (newest.seq >= state.seen).then(|| Arc::clone(newest));
        state.room.clone_from(&newest);
        newest
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

    /// What is held is not to be used any more.
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
        assert!(
            slot.put(&Arc::new(VersionedRoom { seq, count: 3, ..VersionedRoom::default() }), Instant::now())
                .is_some()
        );
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
        let read = |seq| Arc::new(VersionedRoom { seq, ..VersionedRoom::default() });
        assert!(slot.put(&read(7), Instant::now()).is_none());
        assert!(slot.current().is_none());
        assert!(slot.put(&read(9), Instant::now()).is_some());
        assert!(slot.current().is_some());
    }

    #[test]
    fn what_was_not_checked_for_long_is_stale() {
        let slot = Slot::new(Duration::ZERO);
        assert!(slot.put(&Arc::default(), Instant::now()).is_some());
        assert!(slot.current().is_none());
        assert!(matches!(slot.held(None), Held::Stale(_)));
    }

    #[test]
    fn what_was_read_before_one_asked_is_not_good_enough() {
        let (before, slot) = (Instant::now(), slot_at(7));
        assert!(matches!(slot.held(Some(before)), Held::Fresh(_)));
        assert!(matches!(slot.held(Some(Instant::now() + Duration::from_secs(1))), Held::Stale(_)));
    }

    #[test]
    fn what_was_read_late_does_not_replace_what_is_newer() {
        let slot = slot_at(7);
        slot.follow(9, 7, Some(&renamed("Plaza")));
        let late = Arc::new(VersionedRoom { seq: 7, ..VersionedRoom::default() });
        assert_eq!(slot.put(&late, Instant::now()).unwrap().seq, 9);
        assert_eq!(slot.current().unwrap().seq, 9);
    }
}
