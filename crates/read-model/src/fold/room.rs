//! A room as the fold keeps it.

use std::collections::{HashMap, VecDeque};

use chasqui_domain::StateTrail;
use chasqui_events::{CommandId, RoomId, Seq, UserId, receipts::ReceiptEvent, room::RoomEvent};

use super::{Lane, Missing};
use crate::view::{
    members::{Known, Raise},
    rooms::RoomDoc,
};

/// A range of a state lane, read from the log.
#[derive(Clone, Debug)]
pub(crate) struct LaneRange {
    /// Complete after this.
    pub(super) after: Seq,
    /// Complete before this.
    pub(super) before: Seq,
    pub(super) facts: Vec<(Seq, RoomEvent)>,
}

/// A room's document, and what the fold must know beside it.
#[derive(Debug)]
pub(super) struct RoomRecord {
    pub(super) doc: RoomDoc,
    pub(super) trail: StateTrail,
    /// A part of the state lane from before the trail.
    pub(super) lane: Option<LaneRange>,
    pub(super) known: Known,
    /// Where messages of these ids are in the store; only what was asked for.
    pub(super) ids: HashMap<(UserId, CommandId), Option<Seq>>,
    /// The message counts at places that were asked for.
    pub(super) counts: HashMap<Seq, u64>,
    /// The last entries of the timeline with the message count at each: complete from the first one on.
    recent: VecDeque<(Seq, u64)>,
    /// The last fact that touched this record.
    pub(super) used: Seq,
}

/// So many recent entries are remembered at least.
const RECENT: usize = 64;
/// More known members than this are forgotten once they are committed.
const KNOWN: usize = 256;

impl RoomRecord {
    pub(super) fn new(doc: RoomDoc) -> Self {
        let trail = StateTrail::starting_after(doc.applied_state);
        let recent = VecDeque::from([(doc.top, doc.m)]);
        Self {
            doc,
            trail,
            lane: None,
            known: Known::new(),
            ids: HashMap::new(),
            counts: HashMap::new(),
            recent,
            used: 0,
        }
    }

    /// Notes that a fact was consumed, whatever became of it.
    pub(super) fn consume(&mut self, lane: Lane, seq: Seq) {
        let head = match lane {
            Lane::State => &mut self.doc.heads.state,
            Lane::Msg => &mut self.doc.heads.msg,
            Lane::Rcpt => &mut self.doc.heads.rcpt,
        };
        *head = seq.max(*head);
        self.used = self.used.max(seq);
    }

    /// Notes a new entry of the timeline, with the message count at it.
    pub(super) fn numbered(&mut self, seq: Seq, m: u64) {
        self.recent.push_back((seq, m));
    }

    /// How many messages there were at this place, as far as the record knows.
    pub(super) fn count_at(&self, seq: Seq) -> Option<u64> {
        match self.recent.front() {
            Some((first, _)) if seq >= *first => {
                let after = self.recent.partition_point(|(entry, _)| *entry <= seq);
                self.recent.get(after.checked_sub(1)?).map(|(_, m)| *m)
            }
            _ => self.counts.get(&seq).copied(),
        }
    }

    /// A mark cannot reach beyond what there is.
    pub(super) fn clamped(&self, seq: Seq) -> Seq {
        seq.min(self.doc.top)
    }

    /// What a receipt fact raises.
    pub(super) fn raises(&self, room: RoomId, event: &ReceiptEvent) -> Result<Vec<Raise>, Missing> {
        let ReceiptEvent::Moved(moved) = event;
        let raise = |mark: &chasqui_events::receipts::Mark| {
            let read = self.clamped(mark.read);
            let delivered = self.clamped(mark.delivered).max(read);
            let seen = if read == 0 { Some(0) } else { self.count_at(read) };
            let seen = seen.ok_or(Missing::Count(room, read))?;
            Ok(Raise { user: mark.user, delivered, read, seen })
        };
        moved.marks.iter().map(raise).collect()
    }

    /// Forgets what can be found in the store again.
    pub(super) fn committed(&mut self, pos: Seq) {
        while self.recent.len() > RECENT && self.recent.front().is_some_and(|(seq, _)| *seq <= pos) {
            self.recent.pop_front();
        }
        self.counts.clear();
        self.ids.clear();
        if self.known.len() > KNOWN && self.used <= pos {
            self.known.clear();
        }
    }
}
