//! What a batch changes of members, gathered so that each is written once.

use std::collections::BTreeMap;

use bson::{Document, doc};
use chasqui_events::{RoomId, Seq, UserId};

use super::{super::Collection, key, state::MemberState, state_fields};
use crate::{
    plan::{Write, Writes},
    stored,
};

/// A mark that a receipt fact moves, with the message count at what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Raise {
    pub(crate) user: UserId,
    pub(crate) delivered: Seq,
    pub(crate) read: Seq,
    pub(crate) seen: u64,
}

/// The changes of a batch: one write per member.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes(BTreeMap<(RoomId, UserId), Change>);

#[derive(Clone, Debug, Default)]
struct Change {
    state: Option<MemberState>,
    delivered: Seq,
    read: Seq,
    seen: u64,
}

impl Changes {
    pub(super) fn set(&mut self, room: RoomId, user: UserId, state: MemberState) {
        self.0.entry((room, user)).or_default().state = Some(state);
    }

    /// Marks from before somebody had to do with the room are nobody's, whether or not that was known then.
    pub(super) fn forget_marks(&mut self, room: RoomId, user: UserId) {
        self.0.remove(&(room, user));
    }

    pub(super) fn raise(&mut self, room: RoomId, raise: Raise) {
        let change = self.0.entry((room, raise.user)).or_default();
        change.delivered = change.delivered.max(raise.delivered);
        change.read = change.read.max(raise.read);
        change.seen = change.seen.max(raise.seen);
    }

    /// The member has seen so many messages of the room.
    pub(crate) fn see(&mut self, room: RoomId, user: UserId, seen: u64) {
        self.raise(room, Raise { user, delivered: 0, read: 0, seen });
    }

    pub(crate) fn write(self, writes: &mut Writes) {
        for ((room, user), change) in self.0 {
            writes.push(Collection::Members, key(room, user), change.write(room, user));
        }
    }
}

impl Change {
    fn write(self, room: RoomId, user: UserId) -> Write {
        let mut raise = doc! {};
        for (field, value) in [("delivered", self.delivered), ("read", self.read), ("seen", self.seen)] {
            // A new document has all of them from the beginning.
            if value > 0 || self.state.is_some() {
                raise.insert(field, stored::seq(value));
            }
        }
        let create = self.state.is_some();
        let set = self.state.map_or_else(Document::new, |state| state_fields(room, user, &state));
        Write::Change { set, raise, first: doc! {}, create }
    }
}
