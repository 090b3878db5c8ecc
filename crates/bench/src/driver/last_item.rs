//! An entry reaches everybody in a room with the same bytes: it is decoded for the first of them.

use bytes::Bytes;
use chasqui_events::{CommandId, RoomId, UserId};
use chasqui_protocol::{Happening, Item};

use crate::checker::Seq;

/// The entry decoded last, by anybody.
#[derive(Debug, Default)]
pub(super) struct LastItem {
    pub(super) bytes: Bytes,
    pub(super) entry: Option<Entry>,
}

/// What of an entry matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) room: RoomId,
    pub(super) seq: Seq,
    pub(super) by: UserId,
    pub(super) id: Option<CommandId>,
}

impl Entry {
    pub(super) fn of(item: &Item) -> Self {
        let id = match &item.what {
            Happening::Message { id, .. } => Some(*id),
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
            | Happening::Erased { .. } => None,
        };
        Self { room: item.room, seq: item.seq, by: item.by, id }
    }
}

impl LastItem {
    pub(super) fn of(&self, bytes: &Bytes) -> Option<Entry> {
        self.entry.filter(|_| self.bytes == *bytes)
    }
}
