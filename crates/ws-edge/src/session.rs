//! A session as a pure machine: what comes in, at what time, and what is to be done about it.
//!
//! No I/O and no clock. The socket feeds [`Session::handle`] and empties [`Session::next_frame`]; rooms call
//! [`Session::deliver`] and its neighbours. What the machine cannot do itself it asks for as an [`Effect`].
//!
//! What it keeps, whatever happens around it: entries of a room are queued in order and once (late ones, see
//! [`Entry`], excepted from order, not from once); nothing of a room follows its `room_left`; acknowledgements and
//! cursors only rise; what waits is bounded.

mod alive;
mod asking;
mod forwarding;
mod identity;
mod progress;
mod rooms;
mod seat;
mod typing;

#[cfg(test)]
mod tests;

use chasqui_auth::Identity;
use chasqui_events::{Partition, RoomId, Seq, Timestamp};
use chasqui_protocol::{
    ClientFrame, CloseCode, Code, Codec, Problem, ServerFrame,
    frame::{ErrorFrame, Hello, Renew},
    query::{Freshness, Query},
};

pub(crate) use self::{
    alive::Timing,
    asking::MOST_REFERENCE_BYTES,
    forwarding::{Forward, Reply},
    rooms::{Attached, Entered, Released},
    seat::Entry,
};
use self::{
    alive::{Alive, Due},
    forwarding::InFlight,
    rooms::Seats,
    typing::Typing,
};
use crate::{cursor::Cursor, frame::Frame, outbox::Outbox};

/// What can come in from the socket and from what was asked for.
#[derive(Debug)]
pub(crate) enum Input {
    /// A frame of the client.
    Frame(ClientFrame),
    /// Something that is no frame; `fatal` when the client does not speak this protocol at all.
    Undecodable { problem: Problem, fatal: bool },
    /// The client shows a sign of life.
    Heard,
    /// Time has passed.
    Time,
    /// The hello's token was looked at.
    Verified(Result<Identity, Problem>),
    /// The token of a renewal was looked at.
    Renewed(Result<Identity, Problem>),
    /// A command was answered.
    Replied { ordered_in: Option<RoomId>, frame: ServerFrame },
    /// A query was answered.
    Answered(ServerFrame),
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Look at a hello's token; answered by [`Input::Verified`].
    Authenticate(Hello),
    /// Look at a new token; answered by [`Input::Renewed`].
    Renew(Renew),
    /// Send what was missed; answered by [`Session::caught_up`].
    Resume,
    /// Ask the command side; answered by [`Input::Replied`].
    Forward(Forward),
    /// Answer a query; answered by [`Input::Answered`].
    Ask { reference: String, ask: Query, fresh: Freshness },
    /// The caller's devices have everything of a room up to here.
    Delivered { room: RoomId, seq: Seq },
    /// The caller has read everything of a room up to here.
    Read { room: RoomId, seq: Seq },
    /// Tell the room.
    Typing { room: RoomId, on: bool },
    /// Send a WebSocket ping.
    Ping,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No hello yet.
    Fresh,
    /// The hello's token is being looked at.
    Authenticating,
    /// What was missed is being sent.
    Resuming,
    /// Everything is live.
    Live,
    /// The last frames are on their way.
    Closing(CloseCode),
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Session {
    codec: Codec,
    timing: Timing,
    phase: Phase,
    identity: Option<Identity>,
    alive: Alive,
    outbox: Outbox,
    seats: Seats,
    /// Rooms that were entered while what was missed is still being sent.
    deferred: Vec<RoomId>,
    /// Partitions that did not answer when the session began.
    held: Vec<Partition>,
    /// The rooms that the caller was in when the session was closed: they are to be told of its end.
    left_behind: Vec<RoomId>,
    in_flight: Option<Box<InFlight>>,
    typing: Typing,
    cursor: Cursor,
    /// The caller's memberships were told up to these places.
    known: Vec<(Partition, Seq)>,
    /// Something was sent or acknowledged since the cursor was last looked at.
    cursor_stale: bool,
    close_by: Option<Timestamp>,
}

impl Session {
    pub(crate) fn new(codec: Codec, outbox_bytes: usize, timing: Timing, now: Timestamp) -> Self {
        Self {
            codec,
            timing,
            phase: Phase::Fresh,
            identity: None,
            alive: Alive::new(now, &timing),
            outbox: Outbox::new(outbox_bytes),
            seats: Seats::default(),
            deferred: Vec::new(),
            held: Vec::new(),
            left_behind: Vec::new(),
            in_flight: None,
            typing: Typing::default(),
            cursor: Cursor::default(),
            known: Vec::new(),
            cursor_stale: false,
            close_by: None,
        }
    }

    pub(crate) const fn codec(&self) -> Codec {
        self.codec
    }

    /// The close code, once the connection is to end.
    pub(crate) const fn closing(&self) -> Option<CloseCode> {
        match self.phase {
            Phase::Closing(code) => Some(code),
            _ => None,
        }
    }

    /// What was missed has been sent.
    pub(crate) fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// Commands that were taken and not answered yet.
    pub(crate) fn commands_in_flight(&self) -> usize {
        self.in_flight.as_ref().map_or(0, |flight| flight.commands())
    }

    /// When to call [`Session::handle`] with [`Input::Time`] at the latest.
    pub(crate) fn next_time(&self) -> Timestamp {
        self.close_by.unwrap_or_else(|| self.alive.next(&self.timing))
    }

    /// The time to close has run out: cut the connection.
    pub(crate) fn is_overdue(&self, now: Timestamp) -> bool {
        self.close_by.is_some_and(|by| by <= now)
    }

    /// The next frame for the socket.
    pub(crate) fn next_frame(&mut self) -> Option<Frame> {
        self.outbox.pop()
    }

    pub(crate) fn has_frames(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Half of the budget is free: what was missed may go on.
    pub(crate) fn has_room(&self) -> bool {
        self.outbox.bytes() <= self.outbox.limit() / 2
    }

    /// Takes one input.
    pub(crate) fn handle(&mut self, input: Input, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.closing().is_some() {
            return;
        }
        match input {
            Input::Frame(frame) => {
                self.alive.heard(now);
                self.frame(frame, now, effects);
            }
            Input::Undecodable { problem, fatal } => {
                self.alive.heard(now);
                self.refuse(None, None, problem);
                if fatal {
                    self.close(CloseCode::ProtocolError, now);
                }
            }
            Input::Heard => self.alive.heard(now),
            Input::Time => match self.alive.due(now, &self.timing) {
                Some(Due::Ping) => effects.push(Effect::Ping),
                Some(Due::Close(code)) => self.close(code, now),
                None => {}
            },
            Input::Verified(verdict) => self.verified(verdict, now, effects),
            Input::Renewed(verdict) => self.renewed(verdict, now),
            Input::Replied { ordered_in, frame } => {
                let flight = self.in_flight.get_or_insert_default();
                effects.extend(flight.replied(ordered_in).map(Effect::Forward));
                self.drop_idle_flight();
                self.push(&frame, now);
            }
            Input::Answered(frame) => {
                self.in_flight.get_or_insert_default().answered();
                self.drop_idle_flight();
                self.push(&frame, now);
            }
        }
    }

    /// Ends the connection with a code: what may still be told is told, then the socket closes.
    pub(crate) fn close(&mut self, code: CloseCode, now: Timestamp) {
        self.close_after(code, 0, now);
    }

    /// The same, and asks the client to wait before it comes back.
    pub(crate) fn close_after(&mut self, code: CloseCode, after_ms: u64, now: Timestamp) {
        if self.closing().is_some() {
            return;
        }
        // What waits is no longer the client's business, or it would not be read in time.
        if matches!(code, CloseCode::SessionRevoked | CloseCode::TokenExpired | CloseCode::SlowReader) {
            self.outbox.clear();
        }
        let reconnect = !matches!(code.reconnect(), chasqui_protocol::close::Reconnect::No);
        let bye = ServerFrame::Bye { code: code.code(), reconnect, after_ms };
        self.outbox.push_last(Frame::encode(self.codec, &bye));
        self.phase = Phase::Closing(code);
        self.left_behind = std::mem::take(&mut self.seats).rooms();
        self.deferred = Vec::new();
        self.close_by = Some(now.plus_millis(self.timing.close));
    }

    /// Queues a frame that does not belong to a room's timeline.
    pub(crate) fn push(&mut self, frame: &ServerFrame, now: Timestamp) {
        self.push_written(Frame::encode(self.codec, frame), now);
    }

    /// The same, written already in this session's codec.
    pub(crate) fn push_written(&mut self, frame: Frame, now: Timestamp) {
        if self.closing().is_none() && self.outbox.push(frame).is_err() {
            self.close(CloseCode::SlowReader, now);
        }
    }

    /// What was missed has been sent; gives the rooms that were entered meanwhile.
    pub(crate) fn caught_up(&mut self, now: Timestamp) -> Vec<RoomId> {
        if self.phase == Phase::Resuming {
            self.push(&ServerFrame::CaughtUp {}, now);
            self.phase = Phase::Live;
            self.cursor_stale = true;
        }
        self.take_deferred()
    }

    fn frame(&mut self, frame: ClientFrame, now: Timestamp, effects: &mut Vec<Effect>) {
        if let ClientFrame::Ping(number) = frame {
            return self.push(&ServerFrame::Pong(number), now);
        }
        if let Some(forward) = forwarding::command_of(&frame) {
            return self.command(&frame, forward, now, effects);
        }
        if let ClientFrame::Hello(hello) = frame {
            return self.hello(hello, now, effects);
        }
        if self.identity.is_none() {
            return self.refuse(None, reference_of(&frame), hello_first());
        }
        match frame {
            ClientFrame::Renew(renew) => effects.push(Effect::Renew(renew)),
            ClientFrame::Ack { room, seq } => self.ack(room, seq, effects),
            ClientFrame::Acks(acks) => acks.into_iter().for_each(|(room, seq)| self.ack(room, seq, effects)),
            ClientFrame::Read(read) => self.read(read.room, read.seq, effects),
            // Who is no member is not believed by those who hear it.
            ClientFrame::Typing { room, on } if self.typing.allows(now) => {
                effects.push(Effect::Typing { room, on });
            }
            ClientFrame::Query { reference, ask, fresh } => self.query(reference, ask, fresh, effects),
            _ => {}
        }
    }

    fn refuse(&mut self, id: Option<chasqui_events::CommandId>, reference: Option<String>, problem: Problem) {
        // The time matters only for a client that reads too slowly, which then has the shortest time to leave.
        let now = self.alive.last_heard();
        self.push(&error(id, reference, problem), now);
    }
}

fn error(id: Option<chasqui_events::CommandId>, reference: Option<String>, problem: Problem) -> ServerFrame {
    ServerFrame::Error(ErrorFrame { id, reference, problem })
}

fn hello_first() -> Problem {
    Problem::new(Code::Unauthorized, "say hello with an access token first")
}

fn reference_of(frame: &ClientFrame) -> Option<String> {
    match frame {
        ClientFrame::Query { reference, .. } => Some(reference.chars().take(MOST_REFERENCE_BYTES).collect()),
        _ => None,
    }
}
