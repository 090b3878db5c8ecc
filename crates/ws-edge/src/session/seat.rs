//! A session's place in one room: what was sent there, what was acknowledged, what is held back.

use std::collections::VecDeque;

use chasqui_events::{RoomId, Seq};

use crate::frame::Frame;

/// What a frame of a room's timeline means to the bookkeeping of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its place.
    pub(crate) seq: Seq,
    /// It was found only after entries with higher places had been let through.
    pub(crate) late: bool,
    /// It is a message of somebody else, so that its acknowledgement is a delivery.
    pub(crate) foreign: bool,
}

/// What is held back while a seat catches up.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// An entry.
    Entry(Entry, Frame),
    /// The caller left the room.
    Left(Frame),
    /// The caller entered it again.
    Entered(Seq, Frame),
}

impl Held {
    fn weight(&self) -> usize {
        match self {
            Self::Entry(_, frame) | Self::Left(frame) | Self::Entered(_, frame) => frame.weight(),
        }
    }
}

/// How a seat stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// What was missed is being read; what arrives is held.
    Catching,
    /// What arrives is sent.
    Live,
    /// The caller is out; kept until the last entry is acknowledged and the session's memberships were read again.
    Left,
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Send,
    Hold,
    Drop,
}

/// A session's place in one room.
#[derive(Debug)]
pub(crate) struct Seat {
    room: RoomId,
    standing: Standing,
    /// Everything up to here was sent, or is none of the session's business.
    done: Seq,
    /// The highest place sent.
    sent: Seq,
    /// The lowest place sent and not acknowledged; 0 for none.
    unacked: Seq,
    /// The highest place of a message by somebody else.
    foreign: Seq,
    /// The highest place for which a delivery was told.
    marked: Seq,
    /// The session was told of all of its user's comings and goings up to here.
    told: Seq,
    late: Option<Box<Late>>,
    held: Option<Box<Holding>>,
}

/// Entries that were sent after higher ones: an acknowledgement of a higher one may have been under way already,
/// and does not count for these.
#[derive(Debug)]
struct Late {
    /// The last late one.
    seq: Seq,
    /// The highest place sent before it.
    after: Seq,
}

#[derive(Debug, Default)]
struct Holding {
    events: VecDeque<Held>,
    bytes: usize,
    /// Something was dropped: what follows must be read again.
    lost: bool,
}

/// The most entries that a seat holds back; more are read again.
const MOST_HELD: usize = 256;
/// The most bytes that a seat holds back.
const MOST_HELD_BYTES: usize = 64 * 1024;

/// What a seat gives back when its catching up is over.
#[derive(Debug)]
pub(super) enum Release {
    /// Replay these, then all is live.
    Replay(VecDeque<Held>),
    /// Too much came meanwhile: read on from where the seat is.
    Again,
    /// Too much came meanwhile, with comings and goings among it.
    Lost,
}

impl Seat {
    /// A seat that begins live: nothing up to `done` concerns it.
    pub(super) const fn live(room: RoomId, done: Seq, marked: Seq) -> Self {
        Self {
            room,
            standing: Standing::Live,
            done,
            sent: done,
            unacked: 0,
            foreign: 0,
            marked,
            told: 0,
            late: None,
            held: None,
        }
    }

    /// A seat that first catches up from `done` on.
    pub(super) fn catching(room: RoomId, done: Seq, marked: Seq) -> Self {
        Self { standing: Standing::Catching, held: Some(Box::default()), ..Self::live(room, done, marked) }
    }

    /// Notes that the session was told of its user's comings and goings up to here.
    pub(super) fn tell(&mut self, upto: Seq) {
        self.told = self.told.max(upto);
    }

    pub(super) const fn told(&self) -> Seq {
        self.told
    }

    /// Goes on waiting for what an earlier seat waited for.
    pub(super) fn inherit(&mut self, earlier: &Self) {
        self.unacked = earlier.unacked;
        self.sent = self.sent.max(earlier.sent);
        self.foreign = earlier.foreign;
        self.marked = self.marked.max(earlier.marked);
        self.tell(earlier.told);
    }

    pub(super) const fn room(&self) -> RoomId {
        self.room
    }

    pub(super) fn is_left(&self) -> bool {
        self.standing == Standing::Left
    }

    pub(super) fn is_catching(&self) -> bool {
        self.standing == Standing::Catching
    }

    /// Nothing is left to wait for, and the session knows anyhow of all comings and goings up to `known`.
    pub(super) fn is_finished(&self, known: Seq) -> bool {
        self.is_left() && self.unacked == 0 && self.told <= known
    }

    /// No cursor may pass this place: something at or after it was not acknowledged, or not even sent.
    pub(super) fn barrier(&self) -> Option<Seq> {
        let unsent = self.is_catching().then_some(self.done + 1);
        let unacked = (self.unacked > 0).then_some(self.unacked);
        unsent.into_iter().chain(unacked).min()
    }

    /// What becomes of an entry that the room let through.
    pub(super) fn judge(&self, entry: Entry) -> Verdict {
        match self.standing {
            Standing::Catching => Verdict::Hold,
            Standing::Live if entry.seq <= self.done => Verdict::Drop,
            Standing::Live if entry.seq > self.sent || entry.late => Verdict::Send,
            Standing::Left | Standing::Live => Verdict::Drop,
        }
    }

    /// An entry is being sent.
    pub(super) fn note_sent(&mut self, entry: Entry) {
        if entry.seq <= self.sent {
            self.late = Some(Box::new(Late { seq: entry.seq, after: self.sent }));
        }
        self.sent = self.sent.max(entry.seq);
        self.unacked = if self.unacked == 0 { entry.seq } else { self.unacked.min(entry.seq) };
        if entry.foreign {
            self.foreign = self.foreign.max(entry.seq);
        }
    }

    /// An entry that was missed is being sent; false when it was sent before.
    pub(super) fn note_caught(&mut self, entry: Entry) -> bool {
        if entry.seq <= self.done {
            return false;
        }
        self.done = entry.seq;
        self.note_sent(entry);
        true
    }

    /// The client has everything up to `seq`, in the order in which it was sent. Gives the place up to which
    /// that is a delivery not told before.
    pub(super) fn ack(&mut self, seq: Seq) -> Option<Seq> {
        let mut upto = seq.min(self.sent);
        if let Some(late) = &self.late {
            if seq == late.seq {
                upto = late.after;
            } else if seq <= late.after {
                return self.delivery(upto);
            }
            self.late = None;
        }
        if self.unacked > 0 && upto >= self.unacked {
            self.unacked = if upto >= self.sent { 0 } else { upto + 1 };
        }
        self.delivery(upto)
    }

    fn delivery(&mut self, upto: Seq) -> Option<Seq> {
        let mark = upto.min(self.foreign);
        if mark > self.marked {
            self.marked = mark;
            return Some(mark);
        }
        None
    }

    /// Holds something back.
    pub(super) fn hold(&mut self, held: Held) {
        let Some(holding) = &mut self.held else { return };
        let control = !matches!(held, Held::Entry(..));
        holding.bytes += held.weight();
        if control || holding.events.len() < MOST_HELD && holding.bytes < MOST_HELD_BYTES {
            holding.events.push_back(held);
        } else {
            holding.lost = true;
        }
    }

    /// Everything up to `complete` was sent; gives what was held meanwhile.
    pub(super) fn release(&mut self, complete: Seq) -> Release {
        self.done = self.done.max(complete);
        self.tell(complete);
        let Some(holding) = self.held.take() else { return Release::Replay(VecDeque::new()) };
        if !holding.lost {
            self.standing = Standing::Live;
            return Release::Replay(holding.events);
        }
        if holding.events.iter().any(|held| !matches!(held, Held::Entry(..))) {
            return Release::Lost;
        }
        self.held = Some(Box::default());
        Release::Again
    }

    /// The caller is out: nothing is sent any more.
    pub(super) fn leave(&mut self) {
        self.standing = Standing::Left;
        self.held = None;
    }
}
