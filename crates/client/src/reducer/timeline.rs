//! What the client has of each room, and where it resumes.

use std::collections::HashMap;

use chasqui_events::{RoomId, Seq};
use chasqui_protocol::{ClientFrame, Happening, Item, frame::Welcome};

use crate::Event;

#[derive(Debug)]
pub(super) struct Timeline {
    cursor: Option<String>,
    /// What the application has of each room.
    rooms: HashMap<RoomId, Had>,
    /// The entry of each room that came last, where the server does not know yet that it has.
    unacked: HashMap<RoomId, Seq>,
    connected_before: bool,
    behind: bool,
}

/// What the application has of a room: the last message, and the last entry of another kind. Messages come in order,
/// and so do the others; one of the others may come after messages that it belongs before, when its push was lost.
#[derive(Clone, Copy, Debug, Default)]
struct Had {
    message: Seq,
    other: Seq,
}

impl Had {
    fn of_the_kind_of(&mut self, item: &Item) -> &mut Seq {
        match item.what {
            Happening::Message { .. } => &mut self.message,
            Happening::Created { .. }
            | Happening::Renamed { .. }
            | Happening::Joined { .. }
            | Happening::Left { .. }
            | Happening::Invited { .. }
            | Happening::Removed { .. }
            | Happening::RoleChanged { .. }
            | Happening::Banned { .. }
            | Happening::Unbanned { .. }
            | Happening::Muted { .. }
            | Happening::Unmuted { .. }
            | Happening::SlowModeChanged { .. }
            | Happening::Erased { .. } => &mut self.other,
        }
    }
}

impl Timeline {
    pub(super) fn new(cursor: Option<String>) -> Self {
        Self {
            cursor,
            rooms: HashMap::new(),
            unacked: HashMap::new(),
            connected_before: false,
            behind: false,
        }
    }

    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    pub(super) fn connected(&mut self, welcome: Welcome) -> Vec<Event> {
        self.behind = false;
        if !self.connected_before {
            self.connected_before = true;
            return vec![Event::Connected(welcome)];
        }
        let mut events = vec![Event::Reconnected { resumed: welcome.resumed }];
        if self.cursor.is_none() {
            // The server cannot know that something was missed: it was shown no cursor.
            self.reset();
            events.push(Event::Reset { reason: None });
        }
        events
    }

    pub(super) fn disconnected(&mut self) {
        // Acknowledgements of a connection that is gone say nothing to the next one: what is not behind the
        // cursor is sent again there, dropped here, and acknowledged anew by `item`.
        self.unacked.clear();
    }

    pub(super) fn reset(&mut self) {
        self.rooms.clear();
        self.unacked.clear();
    }

    pub(super) fn move_cursor(&mut self, cursor: String) {
        if !self.behind {
            self.cursor = Some(cursor);
        }
    }

    pub(super) fn item(&mut self, item: Item) -> Option<Event> {
        let mut had = self.rooms.get(&item.room).copied().unwrap_or_default();
        if item.seq <= *had.of_the_kind_of(&item) {
            // That it comes again shows that the server does not know.
            self.unacked.insert(item.room, item.seq);
            return None;
        }
        let late = item.seq < had.message.max(had.other);
        Some(if late { Event::Late(item) } else { Event::Item(item) })
    }

    /// Acknowledging is "everything that was sent up to here", so that the entry that came last is what counts, and
    /// not the highest.
    pub(super) fn handed_over(&mut self, item: &Item) {
        *self.rooms.entry(item.room).or_default().of_the_kind_of(item) = item.seq;
        self.unacked.insert(item.room, item.seq);
    }

    pub(super) fn fall_behind(&mut self) {
        self.behind = true;
    }

    pub(super) fn is_behind(&self) -> bool {
        self.behind
    }

    pub(super) fn has_acks(&self) -> bool {
        !self.unacked.is_empty()
    }

    pub(super) fn take_acks(&mut self) -> Option<ClientFrame> {
        let mut acks: Vec<(RoomId, Seq)> = self.unacked.drain().collect();
        match acks.as_mut_slice() {
            [] => None,
            [(room, seq)] => Some(ClientFrame::Ack { room: *room, seq: *seq }),
            _ => {
                acks.sort_unstable_by_key(|(room, _)| *room);
                Some(ClientFrame::Acks(acks))
            }
        }
    }
}
