//! A batch while it is folded.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chasqui_events::{RoomId, Seq, UserId};

use super::room::RoomRecord;
use crate::{
    Notice, StoredItem, Stream,
    plan::{HotRoom, Plan, Tally, Writes},
    view::{
        members,
        parked::{self, Aggregate, Parked},
        sessions, users,
    },
};

/// What the facts of a batch have come to so far.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) writes: Writes,
    pub(super) members: members::Changes,
    pub(super) users: users::Changes,
    pub(super) sessions: sessions::Changes,
    pub(super) parked: BTreeSet<Aggregate>,
    pub(super) notices: Vec<(UserId, Notice)>,
    pub(super) tally: Tally,
    pub(super) poison: Vec<Parked>,
    rooms: BTreeMap<RoomId, Touched>,
}

#[derive(Debug)]
struct Touched {
    /// The last entry of the timeline before the batch.
    prev: Seq,
    items: Vec<StoredItem>,
}

impl Batch {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What could not be read and has parked its room, for the operator's log.
    #[must_use]
    pub fn poison(&self) -> &[Parked] {
        &self.poison
    }

    /// Notes that a room was touched; `top` is the last entry of its timeline before the fact.
    pub(super) fn touch(&mut self, room: RoomId, top: Seq) {
        self.rooms.entry(room).or_insert_with(|| Touched { prev: top, items: vec![] });
    }

    pub(super) fn add_item(&mut self, item: StoredItem) {
        if let Some(touched) = self.rooms.get_mut(&item.room) {
            touched.items.push(item);
        }
    }

    pub(super) fn plan(
        mut self,
        stream: Stream,
        rooms: &HashMap<RoomId, RoomRecord>,
        parked: &BTreeMap<Aggregate, Parked>,
    ) -> Plan {
        let mut hot = Vec::with_capacity(self.rooms.len());
        for (room, Touched { prev, items }) in self.rooms {
            if let Some(record) = rooms.get(&room) {
                record.doc.write(&mut self.writes);
                hot.push(HotRoom { room, heads: record.doc.heads, prev, items });
            }
        }
        self.members.write(&mut self.writes);
        self.users.write(&mut self.writes);
        self.sessions.write(&mut self.writes);
        for aggregate in &self.parked {
            match parked.get(aggregate) {
                Some(record) => record.write(stream, &mut self.writes),
                None => parked::remove(aggregate, &mut self.writes),
            }
        }
        Plan { writes: self.writes, hot, notices: self.notices, tally: self.tally }
    }
}
