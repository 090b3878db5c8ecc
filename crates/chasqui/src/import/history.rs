//! What a room already has: the fold of its timeline, as far as an import must know it. Pure.

use std::collections::{HashMap, HashSet};

use chasqui_events::{CommandId, Seq, Timestamp, UserId};
use chasqui_protocol::{Happening, Item};

/// Somebody entered or left the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Who.
    pub(crate) user: UserId,
    /// When.
    pub(crate) at: Timestamp,
    /// Entered, or left.
    pub(crate) entered: bool,
}

#[derive(Clone, Copy, Debug)]
struct Stored {
    seq: Seq,
    change: Change,
    by_this_importer: bool,
}

/// A room, as an importer has to know it.
#[derive(Debug, Default)]
pub(crate) struct Known {
    messages: HashMap<CommandId, Seq>,
    /// In order.
    changes: Vec<Stored>,
    head: Seq,
}

impl Known {
    /// Folds an entry of the room's timeline, for an importer who is `by`. Entries come in order.
    pub(crate) fn apply(&mut self, item: &Item, by: UserId) {
        self.head = item.seq;
        let by_this_importer = item.imported_by == Some(by);
        let (user, entered) = match &item.what {
            Happening::Message { id, .. } => {
                if by_this_importer {
                    self.messages.insert(*id, item.seq);
                }
                return;
            }
            Happening::Created { .. } => (item.by, true),
            Happening::Joined { user } => (*user, true),
            Happening::Left { user } | Happening::Removed { user, .. } | Happening::Banned { user, .. } => {
                (*user, false)
            }
            Happening::Renamed { .. }
            | Happening::Invited { .. }
            | Happening::RoleChanged { .. }
            | Happening::Unbanned { .. }
            | Happening::Muted { .. }
            | Happening::Unmuted { .. }
            | Happening::SlowModeChanged { .. }
            | Happening::Erased { .. } => return,
        };
        let change = Change { user, at: item.at, entered };
        self.changes.push(Stored { seq: item.seq, change, by_this_importer });
    }

    /// Takes note of a change that is about to be recorded.
    pub(crate) fn expect_change(&mut self, change: Change) {
        self.head += 1;
        self.changes.push(Stored { seq: self.head, change, by_this_importer: true });
    }

    /// Takes note of a message that is about to be recorded.
    pub(crate) fn expect_message(&mut self, id: CommandId) {
        self.head += 1;
        self.messages.insert(id, self.head);
    }

    /// Where a message of this importer's stands.
    pub(crate) fn message(&self, id: CommandId) -> Option<Seq> {
        self.messages.get(&id).copied()
    }

    /// This importer's changes after a place, in order, each with its own place.
    pub(crate) fn changes_after(&self, place: Seq) -> impl Iterator<Item = (Seq, Change)> {
        let after = self.changes.iter().filter(move |stored| stored.seq > place && stored.by_this_importer);
        after.map(|stored| (stored.seq, stored.change))
    }

    /// Who is in the room before a place.
    pub(crate) fn present_before(&self, place: Seq) -> HashSet<UserId> {
        let mut present = HashSet::new();
        for Stored { change, .. } in self.changes.iter().take_while(|stored| stored.seq < place) {
            if change.entered {
                present.insert(change.user);
            } else {
                present.remove(&change.user);
            }
        }
        present
    }
}
