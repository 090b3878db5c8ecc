//! What rooms do to a session, and what its client says about rooms.

use std::collections::VecDeque;

use chasqui_events::{Partition, RoomId, Seq, Timestamp};
use chasqui_protocol::{CloseCode, Code, Problem};

use super::{
    Effect, Phase, Session,
    seat::{Entry, Held, Release, Seat, Verdict},
};
use crate::frame::Frame;

/// What came of attaching a session to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attached {
    /// Nothing was missed.
    Live,
    /// What was missed is to be sent, from the first place on; then [`Session::release`].
    Catching,
    /// It was there already.
    Already,
    /// The connection ends.
    Closed,
}

/// What came of the caller entering a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// The session is to hear the room from now on.
    Seated,
    /// The same, but first it must be told of earlier comings and goings that it may not know of: what happened
    /// after this place is held, see [`Session::begin_introduction`].
    Untold(Seq),
    /// It hears it already, or cannot now.
    Already,
}

/// What came of releasing what was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Released {
    /// The room is live.
    Live,
    /// Too much came meanwhile: read on from this place.
    Again(Seq),
    /// The connection ends, or the room was left.
    Over,
}

/// So many seats take no more memory than they need; beyond, it is doubled as usual.
const FEW: usize = 8;

/// The seats of a session, by room.
#[derive(Debug, Default)]
pub(super) struct Seats(Vec<Seat>);

impl Seats {
    fn find(&mut self, room: RoomId) -> Option<&mut Seat> {
        let at = self.0.binary_search_by_key(&room, Seat::room).ok()?;
        self.0.get_mut(at)
    }

    /// Takes a seat. What was not acknowledged of an earlier stay in the room is still waited for.
    fn put(&mut self, mut seat: Seat) {
        match self.0.binary_search_by_key(&seat.room(), Seat::room) {
            Ok(at) => {
                if let Some(place) = self.0.get_mut(at) {
                    seat.inherit(place);
                    *place = seat;
                }
            }
            Err(at) => {
                if self.0.len() < FEW {
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, seat);
            }
        }
    }

    /// Forgets seats of a partition that nothing is waited for, where everything up to `known` is known anyhow.
    pub(super) fn drop_finished(&mut self, partition: Partition, known: Seq) {
        self.0.retain(|seat| seat.room().partition() != partition || !seat.is_finished(known));
    }

    /// Whether the caller is in the room as far as this session knows.
    pub(super) fn is_seated(&self, room: RoomId) -> bool {
        self.get(room).is_some_and(|seat| !seat.is_left())
    }

    /// Whether the room still matters to the cursor.
    pub(super) fn has(&self, room: RoomId) -> bool {
        self.get(room).is_some()
    }

    fn get(&self, room: RoomId) -> Option<&Seat> {
        self.0.binary_search_by_key(&room, Seat::room).ok().and_then(|at| self.0.get(at))
    }

    /// No cursor may reach this place of a partition.
    pub(super) fn barrier(&self, partition: Partition) -> Option<Seq> {
        let of_partition = self.0.iter().filter(|seat| seat.room().partition() == partition);
        of_partition.filter_map(Seat::barrier).min()
    }

    /// Something was sent and not acknowledged.
    pub(super) fn awaits_acks(&self) -> bool {
        self.0.iter().any(|seat| seat.barrier().is_some())
    }

    pub(super) fn rooms(&self) -> Vec<RoomId> {
        self.0.iter().filter(|seat| !seat.is_left()).map(Seat::room).collect()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

impl Session {
    /// Takes a place in a room: everything after `after` concerns the session, of which `head` is the last now.
    /// `marked` is the caller's delivered mark; `announce` is said before anything of the room.
    pub(crate) fn attach(
        &mut self,
        room: RoomId,
        (after, head): (Seq, Seq),
        marked: Seq,
        announce: Option<Frame>,
        now: Timestamp,
    ) -> Attached {
        if self.closing().is_some() {
            return Attached::Closed;
        }
        if self.seats.is_seated(room) {
            return Attached::Already;
        }
        let (mut seat, attached) = if head <= after {
            (Seat::live(room, after, marked), Attached::Live)
        } else {
            (Seat::catching(room, after, marked), Attached::Catching)
        };
        seat.tell(head.max(after));
        self.seats.put(seat);
        if let Some(frame) = announce {
            self.push_written(frame, now);
        }
        attached
    }

    /// The caller enters a room with the entry at `from`. Whoever follows the room tells of everything after `began`.
    pub(crate) fn enter(
        &mut self,
        room: RoomId,
        from: Seq,
        began: Seq,
        frame: Frame,
        now: Timestamp,
    ) -> Entered {
        match self.seats.find(room) {
            Some(seat) if seat.is_catching() => {
                seat.hold(Held::Entered(from, frame));
                return Entered::Seated;
            }
            Some(seat) if !seat.is_left() => return Entered::Already,
            Some(_) | None => {}
        }
        match self.phase {
            Phase::Live if !self.is_held_back(room.partition()) => {}
            Phase::Live | Phase::Resuming => {
                if !self.deferred.contains(&room) {
                    self.deferred.push(room);
                }
                return Entered::Already;
            }
            Phase::Fresh | Phase::Authenticating | Phase::Closing(_) => return Entered::Already,
        }
        let told = self.told_of(room);
        if told < began {
            let mut seat = Seat::catching(room, told, 0);
            seat.hold(Held::Entered(from, frame));
            self.seats.put(seat);
            return Entered::Untold(told);
        }
        self.put_entered(room, from);
        self.push_written(frame, now);
        Entered::Seated
    }

    fn put_entered(&mut self, room: RoomId, from: Seq) {
        let mut seat = Seat::live(room, from.saturating_sub(1), 0);
        seat.tell(from);
        self.seats.put(seat);
    }

    /// Up to where the session was told of its user's comings and goings in a room.
    pub(crate) fn told_of(&self, room: RoomId) -> Seq {
        let known = self.known_of(room.partition());
        self.seats.get(room).map_or(known, |seat| known.max(seat.told()))
    }

    /// The session is about to be told of its user's comings and goings in a room that it does not hear: what happens
    /// there from now on is held. Gives up to where it was told before; `None` when it hears the room, or cannot.
    pub(crate) fn begin_introduction(&mut self, room: RoomId) -> Option<Seq> {
        if self.phase != Phase::Live || self.is_held_back(room.partition()) || self.seats.is_seated(room) {
            return None;
        }
        let told = self.told_of(room);
        self.seats.put(Seat::catching(room, told, 0));
        Some(told)
    }

    /// The session was told of its user's comings and goings up to `upto`, when they were not in the room.
    pub(crate) fn end_introduction_outside(&mut self, room: RoomId, upto: Seq, now: Timestamp) -> Released {
        let Some(seat) = self.seats.find(room).filter(|seat| seat.is_catching()) else {
            return Released::Over;
        };
        let held = seat.release(upto);
        seat.leave();
        self.drop_finished(room);
        match held {
            Release::Replay(events) => self.replay(room, events, now),
            // Entries only, and of a time outside.
            Release::Again => {}
            Release::Lost => self.close(CloseCode::Unavailable, now),
        }
        if self.seats.is_seated(room) { Released::Live } else { Released::Over }
    }

    /// The session could not be told; it is tried again when its memberships are looked at.
    pub(crate) fn give_up_introduction(&mut self, room: RoomId) {
        if let Some(seat) = self.seats.find(room).filter(|seat| seat.is_catching()) {
            seat.leave();
            self.drop_finished(room);
        }
    }

    fn drop_finished(&mut self, room: RoomId) {
        let partition = room.partition();
        self.seats.drop_finished(partition, self.known_of(partition));
    }

    /// The caller is out of a room: nothing of it follows. True while the session must still hear the room,
    /// because it is catching up and the caller may come back meanwhile.
    pub(crate) fn leave(&mut self, room: RoomId, frame: Frame, now: Timestamp) -> bool {
        let Some(seat) = self.seats.find(room) else { return false };
        if seat.is_catching() {
            seat.hold(Held::Left(frame));
            return true;
        }
        self.step_out(room, frame, now);
        false
    }

    /// What was missed of a room up to the caller's leaving at `until` was sent. Nothing else follows, unless they
    /// have come back meanwhile.
    pub(crate) fn depart(&mut self, room: RoomId, until: Seq, frame: Frame, now: Timestamp) -> Released {
        let Some(seat) = self.seats.find(room) else { return Released::Over };
        let held = seat.release(until);
        self.step_out(room, frame, now);
        match held {
            Release::Replay(events) => self.replay(room, events, now),
            // It is told by the next hello, which is not far.
            Release::Again | Release::Lost => self.close(CloseCode::Unavailable, now),
        }
        if self.seats.is_seated(room) { Released::Live } else { Released::Over }
    }

    fn step_out(&mut self, room: RoomId, frame: Frame, now: Timestamp) {
        let Some(seat) = self.seats.find(room) else { return };
        if !seat.is_left() {
            seat.leave();
            self.push_written(frame, now);
            self.drop_finished(room);
            self.stale_cursor();
        }
    }

    /// An entry of a room was let through. True when the cursor should be looked at, which was not known before.
    pub(crate) fn deliver(&mut self, room: RoomId, entry: Entry, frame: Frame, now: Timestamp) -> bool {
        let Some(seat) = self.seats.find(room) else { return false };
        match seat.judge(entry) {
            Verdict::Drop => false,
            Verdict::Hold => {
                seat.hold(Held::Entry(entry, frame));
                false
            }
            Verdict::Send => {
                seat.note_sent(entry);
                self.push_written(frame, now);
                self.stale_cursor()
            }
        }
    }

    /// Something about a room that is not of its timeline (receipts, typing): only to those who are in it, live.
    pub(crate) fn hint(&mut self, room: RoomId, frame: Frame, now: Timestamp) {
        let live = self.seats.get(room).is_some_and(|seat| !seat.is_left() && !seat.is_catching());
        if live {
            self.push_written(frame, now);
        }
    }

    /// An entry that was missed.
    pub(crate) fn catch(&mut self, room: RoomId, entry: Entry, frame: Frame, now: Timestamp) {
        if let Some(seat) = self.seats.find(room)
            && seat.is_catching()
            && seat.note_caught(entry)
        {
            self.push_written(frame, now);
        }
    }

    /// Everything that was missed of a room up to `complete` was sent.
    pub(crate) fn release(&mut self, room: RoomId, complete: Seq, now: Timestamp) -> Released {
        let Some(seat) = self.seats.find(room) else { return Released::Over };
        if !seat.is_catching() {
            return if seat.is_left() { Released::Over } else { Released::Live };
        }
        let events = match seat.release(complete) {
            Release::Again => return Released::Again(complete),
            Release::Lost => {
                self.close(CloseCode::Unavailable, now);
                return Released::Over;
            }
            Release::Replay(events) => events,
        };
        self.replay(room, events, now);
        if self.seats.is_seated(room) { Released::Live } else { Released::Over }
    }

    fn replay(&mut self, room: RoomId, events: VecDeque<Held>, now: Timestamp) {
        for event in events {
            match event {
                Held::Entry(entry, frame) => {
                    self.deliver(room, entry, frame, now);
                }
                Held::Left(frame) => self.step_out(room, frame, now),
                Held::Entered(from, frame) => {
                    let out = self.seats.get(room).is_none_or(Seat::is_left);
                    if out && self.closing().is_none() {
                        self.put_entered(room, from);
                        self.push_written(frame, now);
                    }
                }
            }
        }
    }

    /// An entry of a room that the caller is not in but that concerns them: an invitation, or its end. Nothing
    /// waits for its acknowledgement; the next hello tells of open invitations again.
    pub(crate) fn aside(&mut self, frame: Frame, now: Timestamp) {
        self.push_written(frame, now);
    }

    /// The rooms that the caller is in, or was in when the session was closed.
    pub(crate) fn rooms(&self) -> Vec<RoomId> {
        if self.closing().is_some() { self.left_behind.clone() } else { self.seats.rooms() }
    }

    pub(crate) fn is_seated(&self, room: RoomId) -> bool {
        self.seats.is_seated(room)
    }

    pub(crate) fn room_count(&self) -> usize {
        self.seats.len()
    }

    /// The client has everything of a room up to `seq`.
    pub(super) fn ack(&mut self, room: RoomId, seq: Seq, effects: &mut Vec<Effect>) {
        // An acknowledgement of a room that was just left, or of an entry outside any room, needs no answer.
        let Some(seat) = self.seats.find(room) else { return };
        if let Some(seq) = seat.ack(seq) {
            effects.push(Effect::Delivered { room, seq });
        }
        if seat.is_left() {
            self.drop_finished(room);
        }
    }

    pub(super) fn read(&mut self, room: RoomId, seq: Seq, effects: &mut Vec<Effect>) {
        if self.seats.is_seated(room) {
            effects.push(Effect::Read { room, seq });
        } else {
            let detail = "only a member can say that they have read something of a room";
            self.refuse(None, None, Problem::new(Code::NotAMember, detail));
        }
    }
}
