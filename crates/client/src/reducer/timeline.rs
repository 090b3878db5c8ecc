//! What the client has of each room, and where it resumes.

use std::collections::HashMap;

use chasqui_events::{RoomId, Seq};
use chasqui_protocol::{ClientFrame, Item, frame::Welcome};

use crate::Event;

#[derive(Debug)]
pub(super) struct Timeline {
    cursor: Option<String>,
    /// The last entry of each room that the application has.
    last: HashMap<RoomId, Seq>,
    /// What it has and the server does not know of yet.
    unacked: HashMap<RoomId, Seq>,
    connected_before: bool,
    behind: bool,
}

impl Timeline {
    pub(super) fn new(cursor: Option<String>) -> Self {
        Self {
            cursor,
            last: HashMap::new(),
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
        self.last.clear();
        self.unacked.clear();
    }

    pub(super) fn move_cursor(&mut self, cursor: String) {
        if !self.behind {
            self.cursor = Some(cursor);
        }
    }

    pub(super) fn item(&mut self, item: Item) -> Option<Event> {
        if self.last.get(&item.room).is_none_or(|last| item.seq > *last) {
            return Some(Event::Item(item));
        }
        // The application has it; that it comes again shows that the server does not know.
        raise(&mut self.unacked, item.room, item.seq);
        None
    }

    pub(super) fn handed_over(&mut self, room: RoomId, seq: Seq) {
        raise(&mut self.last, room, seq);
        raise(&mut self.unacked, room, seq);
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

fn raise(marks: &mut HashMap<RoomId, Seq>, room: RoomId, seq: Seq) {
    let mark = marks.entry(room).or_default();
    *mark = (*mark).max(seq);
}
