//! How far the client has everything: the cursor that it resumes from, and up to where it was told of its memberships.

use chasqui_events::{Partition, RoomId, Seq, Timestamp};
use chasqui_protocol::ServerFrame;

use super::{Phase, Session};
use crate::{
    cursor::{Cursor, Floor},
    verified::Verified,
};

impl Session {
    /// Where the session begins: what its client showed, or what is verified now.
    pub(crate) fn set_cursor(&mut self, cursor: Cursor) {
        self.cursor = cursor;
    }

    /// Where the client resumes if the connection ends now.
    pub(crate) const fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Notes that everything was told about the caller's memberships up to these places.
    pub(crate) fn know_memberships(&mut self, upto: &[(Partition, Seq)]) {
        for (partition, seq) in upto {
            match self.known.iter_mut().find(|(known, _)| known == partition) {
                Some((_, known)) => *known = (*known).max(*seq),
                None => self.known.push((*partition, *seq)),
            }
            self.seats.drop_finished(*partition, self.known_of(*partition));
        }
    }

    pub(super) fn known_of(&self, partition: Partition) -> Seq {
        self.known.iter().find(|(known, _)| *known == partition).map_or(0, |(_, seq)| *seq)
    }

    /// Looks whether the cursor can rise, and queues it when it does. True while there is something to wait for.
    pub(crate) fn advance_cursor(&mut self, verified: &Verified, now: Timestamp) -> bool {
        if self.phase != Phase::Live {
            return self.phase == Phase::Resuming;
        }
        let raised = verified.raise(
            &self.cursor,
            |partition| self.seats.barrier(partition).into_iter().chain(self.held_from(partition)).min(),
            |room| self.seats.has(room),
        );
        if let Some(raised) = raised {
            self.cursor = raised;
            self.push_cursor(now);
        }
        self.cursor_stale = self.seats.awaits_acks();
        self.cursor_stale
    }

    /// Partitions that do not answer: what was missed there comes later. Until then their rooms are not entered, and
    /// the cursor does not move there.
    pub(crate) fn hold_back(&mut self, partitions: &[Partition]) {
        self.held = partitions.to_vec();
    }

    pub(super) fn is_held_back(&self, partition: Partition) -> bool {
        self.held.contains(&partition)
    }

    /// A partition answers, and what was missed there was sent; gives its rooms that were entered meanwhile.
    pub(crate) fn let_go(&mut self, partition: Partition) -> Vec<RoomId> {
        self.held.retain(|held| *held != partition);
        self.stale_cursor();
        self.take_deferred()
    }

    /// The rooms that were entered while they could not be, and can be now.
    pub(super) fn take_deferred(&mut self) -> Vec<RoomId> {
        let held = |room: &RoomId| self.held.contains(&room.partition());
        let (kept, free) = std::mem::take(&mut self.deferred).into_iter().partition(held);
        self.deferred = kept;
        free
    }

    fn held_from(&self, partition: Partition) -> Option<Seq> {
        let floor = self.cursor.floor(partition).map_or(0, |floor| floor.seq);
        self.is_held_back(partition).then_some(floor + 1)
    }

    /// Queues the cursor as it is.
    pub(crate) fn push_cursor(&mut self, now: Timestamp) {
        let floors = self.cursor.floors().iter();
        let floors = floors.map(|floor| Floor { known: self.known_of(floor.partition), ..*floor });
        let cursor = Cursor::new(floors.collect()).encode();
        self.push(&ServerFrame::Cursor { cursor }, now);
    }

    /// Takes note that the cursor should be looked at; false when that was known.
    pub(super) fn stale_cursor(&mut self) -> bool {
        !std::mem::replace(&mut self.cursor_stale, true)
    }
}
