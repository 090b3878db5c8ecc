//! What the fold must know of the store, and how it gets it.

use std::collections::{HashMap, HashSet};

use chasqui_domain::judgement;
use chasqui_events::{
    CommandId, Fact, RoomId, Seq, UserId,
    message::{self, MessageEvent},
    receipts::ReceiptEvent,
    room::RoomEvent,
};

use super::{
    Fold, LogFact, Source,
    room::{LaneRange, RoomRecord},
};
use crate::view::{
    members::{self, MemberState},
    rooms::RoomDoc,
};

/// What a step cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A room's document.
    Room(RoomId),
    /// How somebody stands to a room.
    Member(RoomId, UserId),
    /// How many messages a room had at a place.
    Count(RoomId, Seq),
    /// Where a message of this author and id is stored.
    Id(RoomId, UserId, CommandId),
    /// The room's state lane after one sequence and before another, from the log.
    Lane {
        /// The room.
        room: RoomId,
        /// After this.
        after: Seq,
        /// Before this.
        before: Seq,
    },
}

/// What to load, all of one kind in one query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// These rooms.
    pub rooms: Vec<RoomId>,
    /// These members.
    pub members: Vec<(RoomId, UserId)>,
    /// The message counts at these places.
    pub counts: Vec<(RoomId, Seq)>,
    /// The places of messages with these ids.
    pub ids: HashMap<RoomId, Vec<(UserId, CommandId)>>,
}

impl Wants {
    /// There is nothing to load.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty() && self.members.is_empty() && self.counts.is_empty() && self.ids.is_empty()
    }
}

/// What was loaded: an answer for everything that was asked for, also where the store has nothing.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    pub(crate) rooms: HashMap<RoomId, Option<RoomDoc>>,
    pub(crate) members: HashMap<(RoomId, UserId), Option<MemberState>>,
    pub(crate) counts: HashMap<(RoomId, Seq), u64>,
    pub(crate) ids: HashMap<(RoomId, UserId, CommandId), Option<Seq>>,
    pub(crate) lanes: Vec<(RoomId, LaneRange)>,
}

impl Loaded {
    /// The facts of a room's state lane after one sequence and before another.
    #[must_use]
    pub fn lane(room: RoomId, after: Seq, before: Seq, facts: Vec<(Seq, RoomEvent)>) -> Self {
        Self { lanes: vec![(room, LaneRange { after, before, facts })], ..Self::default() }
    }
}

impl Fold {
    /// The rooms of these facts that are not at hand. To be asked and admitted before [`Fold::wants`].
    #[must_use]
    pub fn wants_rooms(&self, facts: &[LogFact]) -> Wants {
        let mut rooms = HashSet::new();
        for fact in facts {
            if let Source::Room(room, _) = fact.source
                && !self.rooms.contains_key(&room)
            {
                rooms.insert(room);
            }
        }
        Wants { rooms: rooms.into_iter().collect(), ..Wants::default() }
    }

    /// What folding these facts will need. A hint that saves queries, not a promise: see [`Missing`].
    #[must_use]
    pub fn wants(&self, facts: &[LogFact]) -> Wants {
        let mut wants = Wants::default();
        let mut seen = HashSet::new();
        for fact in facts {
            let (Source::Room(room, _), Ok(envelope)) = (&fact.source, &fact.body) else { continue };
            let Some(record) = self.rooms.get(room) else { continue };
            match &envelope.event {
                Fact::Room(event) => {
                    for user in members::touched(event) {
                        if !record.known.contains_key(&user) && seen.insert((*room, user)) {
                            wants.members.push((*room, user));
                        }
                    }
                }
                Fact::Message(MessageEvent::Posted(_)) => {
                    if self.suspicious || message::may_repeat(envelope.id, envelope.recorded_at()) {
                        wants.ids.entry(*room).or_default().push((envelope.by, envelope.id));
                    }
                }
                Fact::Receipt(ReceiptEvent::Moved(moved)) => {
                    for mark in &moved.marks {
                        if mark.read != 0
                            && mark.read < record.doc.top
                            && record.count_at(mark.read).is_none()
                        {
                            wants.counts.push((*room, mark.read));
                        }
                    }
                }
                Fact::Identity(_) | Fact::Account(_) => {}
            }
        }
        wants
    }

    /// What this one missing thing takes to load; `None` for what only the log can tell.
    #[must_use]
    pub fn wants_for(missing: Missing) -> Option<Wants> {
        let mut wants = Wants::default();
        match missing {
            Missing::Room(room) => wants.rooms.push(room),
            Missing::Member(room, user) => wants.members.push((room, user)),
            Missing::Count(room, seq) => wants.counts.push((room, seq)),
            Missing::Id(room, user, id) => {
                wants.ids.insert(room, vec![(user, id)]);
            }
            Missing::Lane { .. } => return None,
        }
        Some(wants)
    }

    /// Takes what was loaded. What the fold knows already is newer than the store, and stays.
    pub fn admit(&mut self, loaded: Loaded) {
        for (room, doc) in loaded.rooms {
            let record = || RoomRecord::new(doc.unwrap_or_else(|| RoomDoc::new(room)));
            self.rooms.entry(room).or_insert_with(record);
        }
        for ((room, user), state) in loaded.members {
            if let Some(record) = self.rooms.get_mut(&room) {
                record.known.entry(user).or_insert(state);
            }
        }
        for ((room, seq), count) in loaded.counts {
            if let Some(record) = self.rooms.get_mut(&room) {
                record.counts.insert(seq, count);
                self.touched.insert(room);
            }
        }
        for ((room, user, id), seq) in loaded.ids {
            if let Some(record) = self.rooms.get_mut(&room) {
                record.ids.insert((user, id), seq);
                self.touched.insert(room);
            }
        }
        for (room, mut lane) in loaded.lanes {
            if let Some(record) = self.rooms.get_mut(&room) {
                lane.facts.retain(|(_, event)| judgement::moves_posting(event));
                record.lane = Some(lane);
            }
        }
    }
}
