//! Holds every message against loss, doubling and order, at every receiver.
//!
//! A *seat* is one member's place in one room. What is checked is what `docs/protocol.md` promises a client that
//! follows its one rule, to drop what is not above the last place that it has of the room:
//!
//! - **missed**: a message that was accepted and did not reach a seat of its room;
//! - **doubled**: a message that reached a seat twice on one connection, or again at another place. What a
//!   resume sends again is dropped by the rule, and counted apart (`replayed`);
//! - **out of order**: an entry below one that the same connection had brought before, or one that only came
//!   after a later one had been shown, so that the rule drops it;
//! - **misplaced**: a message that came to another room, or stood at another place than its author was told;
//! - **unwanted**: a message that was refused, and came nevertheless;
//! - **overtaken**: a message that was sent after the answer to an earlier one of the same room, and stands
//!   before it.

mod bits;

use bits::Bits;
use serde::Serialize;

use crate::plan::Plan;

/// The place of a message in its room's partition.
pub type Seq = u64;

/// What the checker knows of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Unsent,
    /// No answer yet, or one that leaves the outcome open.
    Open,
    Accepted,
    Refused,
    /// Recorded, but it does not stand.
    Void,
}

#[derive(Clone, Copy, Debug, Default)]
struct Message {
    fate: Fate,
    /// Where it stands, once anybody has said so; 0 before.
    seq: Seq,
    /// The highest place in its room whose answer its author had when sending.
    after: Seq,
}

#[derive(Clone, Debug)]
struct Seat {
    room: u32,
    /// The last place shown, over all connections.
    last: Seq,
    /// The last place that this connection brought.
    last_here: Seq,
    /// By the messages' turns in their room.
    seen: Bits,
}

/// What an entry was to its seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// New, and shown.
    First,
    /// Sent again by a resume; the client's rule drops it.
    Replayed,
    /// One of the faults, see [`Verdict`].
    Fault,
}

/// What was found. Everything but the first group must be zero; see the module for the words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Messages sent.
    pub sent: u64,
    /// Messages accepted.
    pub accepted: u64,
    /// Messages whose outcome their author does not know.
    pub unknown: u64,
    /// Messages refused.
    pub refused: u64,
    /// Messages recorded that do not stand.
    pub void: u64,
    /// Entries shown at seats.
    pub delivered: u64,
    /// Entries sent again by resumes, and dropped.
    pub replayed: u64,

    /// Accepted messages that a seat did not get, by seat.
    pub missed: u64,
    /// Messages that a seat got twice, by seat.
    pub doubled: u64,
    /// Entries that came after a later one, by seat.
    pub out_of_order: u64,
    /// Entries at another place or in another room than they should be.
    pub misplaced: u64,
    /// Entries of messages that were refused.
    pub unwanted: u64,
    /// Messages that stand before one that was answered before they were sent.
    pub overtaken: u64,
}

impl Verdict {
    /// Nothing was lost, doubled, out of order or otherwise wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.faults() == 0
    }

    /// How many faults there are.
    #[must_use]
    pub const fn faults(&self) -> u64 {
        self.missed + self.doubled + self.out_of_order + self.misplaced + self.unwanted + self.overtaken
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Checker {
    plan: Plan,
    messages: Vec<Message>,
    seats: Vec<Seat>,
    /// The first seat of each room, and one past the last of the last room.
    first_seat: Vec<usize>,
    /// Entries that seats still have to get, by what is accepted.
    expected: u64,
    answered: u64,
    verdict: Verdict,
}

impl Checker {
    /// For the first `count` messages of a plan, in rooms of so many members each.
    #[must_use]
    pub fn new(plan: Plan, count: u32, members: &[usize]) -> Self {
        let mut first_seat = vec![0];
        let mut seats = Vec::new();
        for (room, &size) in (0u32..).zip(members) {
            let seat = Seat { room, last: 0, last_here: 0, seen: Bits::new(plan.messages_of(room, count)) };
            seats.extend(std::iter::repeat_n(seat, size));
            first_seat.push(seats.len());
        }
        Self {
            plan,
            messages: vec![Message::default(); count as usize],
            seats,
            first_seat,
            expected: 0,
            answered: 0,
            verdict: Verdict::default(),
        }
    }

    /// The seat of a room's member, both counted from 0.
    #[must_use]
    pub fn seat(&self, room: usize, member: usize) -> Option<usize> {
        let (from, to) = (self.first_seat.get(room)?, self.first_seat.get(room + 1)?);
        (from + member < *to).then_some(from + member)
    }

    /// Message `n` went out; `after` is the highest place in its room whose answer its author has, 0 for none.
    /// Sending again changes nothing.
    pub fn sent(&mut self, n: u32, after: Seq) {
        if let Some(message) = self.messages.get_mut(n as usize)
            && message.fate == Fate::Unsent
        {
            *message = Message { fate: Fate::Open, after, ..*message };
            self.verdict.sent += 1;
        }
    }

    /// Message `n` was accepted at a place. True the first time.
    pub fn accepted(&mut self, n: u32, seq: Seq) -> bool {
        let members = self.members(n);
        let Some(message) = self.messages.get_mut(n as usize) else { return false };
        if message.seq != 0 && message.seq != seq {
            self.verdict.misplaced += 1;
        }
        message.seq = seq;
        if message.fate != Fate::Open {
            return false;
        }
        message.fate = Fate::Accepted;
        if seq <= message.after {
            self.verdict.overtaken += 1;
        }
        self.verdict.accepted += 1;
        self.answered += 1;
        self.expected += members;
        true
    }

    /// Message `n` was refused, and is certainly not recorded.
    pub fn refused(&mut self, n: u32) {
        if self.end(n, Fate::Open, Fate::Refused) {
            self.verdict.refused += 1;
            self.answered += 1;
        }
    }

    /// Message `n` is recorded but does not stand.
    pub fn void(&mut self, n: u32) {
        if self.end(n, Fate::Accepted, Fate::Void) {
            self.verdict.accepted -= 1;
            self.expected = self.expected.saturating_sub(self.members(n));
            self.verdict.void += 1;
        } else if self.end(n, Fate::Open, Fate::Void) {
            self.verdict.void += 1;
            self.answered += 1;
        }
    }

    /// The connection of a seat is a new one.
    pub fn reconnected(&mut self, seat: usize) {
        if let Some(seat) = self.seats.get_mut(seat) {
            seat.last_here = 0;
        }
    }

    /// An entry that is not a message of this run came to a seat: only its order counts.
    pub fn heard_other(&mut self, seat: usize, seq: Seq) {
        let Some(seat) = self.seats.get_mut(seat) else { return };
        if seq <= seat.last_here {
            self.verdict.out_of_order += 1;
        }
        seat.last_here = seat.last_here.max(seq);
        seat.last = seat.last.max(seq);
    }

    /// Message `n` came to a seat, at a place.
    pub fn heard(&mut self, seat: usize, n: u32, seq: Seq) -> Heard {
        let (room, turn) = (self.plan.room(n), self.plan.turn(n));
        let (Some(message), Some(seat)) = (self.messages.get_mut(n as usize), self.seats.get_mut(seat))
        else {
            self.verdict.misplaced += 1;
            return Heard::Fault;
        };
        if seat.room != room || (message.seq != 0 && message.seq != seq) {
            self.verdict.misplaced += 1;
        }
        if message.seq == 0 {
            message.seq = seq;
        }
        if matches!(message.fate, Fate::Refused | Fate::Void) {
            self.verdict.unwanted += 1;
        }
        let known = seat.room == room && seat.seen.get(turn);
        let heard = match (known, seq <= seat.last_here, seq <= seat.last) {
            (false, false, false) => Heard::First,
            (true, false, true) => Heard::Replayed,
            (true, _, _) => {
                self.verdict.doubled += 1;
                Heard::Fault
            }
            (false, _, _) => {
                self.verdict.out_of_order += 1;
                Heard::Fault
            }
        };
        match heard {
            Heard::First => self.verdict.delivered += 1,
            Heard::Replayed => self.verdict.replayed += 1,
            Heard::Fault => {}
        }
        // Out of order is a fault of its own: it is not counted as missed as well.
        seat.seen.set(turn);
        seat.last_here = seat.last_here.max(seq);
        seat.last = seat.last.max(seq);
        heard
    }

    /// Whether every message sent was answered, and everything accepted was heard by as many as should.
    /// Cheap, and true too early when messages of unknown outcome were heard: [`Self::verdict`] decides.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.answered >= self.verdict.sent && self.verdict.delivered >= self.expected
    }

    /// Messages accepted so far.
    #[must_use]
    pub const fn accepted_so_far(&self) -> u64 {
        self.verdict.accepted
    }

    /// Messages sent and not answered.
    #[must_use]
    pub const fn unanswered(&self) -> u64 {
        self.verdict.sent.saturating_sub(self.answered)
    }

    /// What was found, counted at the end.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let mut verdict = self.verdict;
        verdict.unknown = self.unanswered();
        verdict.missed = self
            .messages
            .iter()
            .zip(0u32..)
            .filter(|(message, _)| message.fate == Fate::Accepted)
            .map(|(_, n)| self.seats_without(n))
            .sum();
        verdict
    }

    fn seats_without(&self, n: u32) -> u64 {
        let turn = self.plan.turn(n);
        self.seats_of(n).iter().map(|seat| u64::from(!seat.seen.get(turn))).sum()
    }

    fn seats_of(&self, n: u32) -> &[Seat] {
        let room = self.plan.room(n) as usize;
        let range = self.first_seat.get(room).zip(self.first_seat.get(room + 1));
        range.and_then(|(from, to)| self.seats.get(*from..*to)).unwrap_or_default()
    }

    fn members(&self, n: u32) -> u64 {
        self.seats_of(n).len() as u64
    }

    fn end(&mut self, n: u32, from: Fate, to: Fate) -> bool {
        match self.messages.get_mut(n as usize) {
            Some(message) if message.fate == from => {
                message.fate = to;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
