//! A session as a pure machine: what comes in, at what time, and what is to be done about it.
//!
//! No I/O and no clock. The socket feeds [`Session::handle`] and empties [`Session::next_frame`]; rooms call
//! [`Session::deliver`] and its neighbours. What the machine cannot do itself it asks for as an [`Effect`].
//!
//! What it keeps, whatever happens around it: entries of a room are queued in order and once (late ones, see
//! [`Entry`], excepted from order, not from once); nothing of a room follows its `room_left`; acknowledgements and
//! cursors only rise; what waits is bounded.

mod alive;
mod forwarding;
mod rooms;
mod seat;

#[cfg(test)]
mod tests;

use chasqui_auth::Identity;
use chasqui_events::{Partition, RoomId, Seq, Timestamp};
use chasqui_protocol::{
    ClientFrame, CloseCode, Code, Codec, Problem, ServerFrame,
    frame::{ErrorFrame, Hello, Welcome},
    query::{Freshness, Query},
};

pub(crate) use self::{
    alive::Timing,
    forwarding::{Forward, MOST_COMMANDS, Reply},
    rooms::{Attached, Entered, Released},
    seat::Entry,
};
use self::{
    alive::{Alive, Due},
    forwarding::InFlight,
    rooms::Seats,
};
use crate::{
    cursor::{Cursor, Floor},
    frame::Frame,
    outbox::Outbox,
    verified::Verified,
};

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
    Renew(String),
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

    /// Greets the client, once its cursor was looked at.
    pub(crate) fn welcome(&mut self, resumed: bool, now: Timestamp) {
        let Some(identity) = self.identity else { return };
        self.push(
            &ServerFrame::Welcome(Welcome {
                user: identity.user,
                session: identity.session,
                server_time: now,
                resumed,
                ping_interval_ms: u64::try_from(self.timing.ping).unwrap_or_default(),
                expires_at: identity.expires_at,
            }),
            now,
        );
    }

    /// What was missed has been sent; gives the rooms that were entered meanwhile.
    pub(crate) fn caught_up(&mut self, now: Timestamp) -> Vec<RoomId> {
        if self.phase == Phase::Resuming {
            self.push(&ServerFrame::CaughtUp {}, now);
            self.phase = Phase::Live;
            self.cursor_stale = true;
        }
        std::mem::take(&mut self.deferred)
    }

    /// Where the session begins: what its client showed, or what is verified now.
    pub(crate) fn set_cursor(&mut self, cursor: Cursor) {
        self.cursor = cursor;
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

    fn known_of(&self, partition: Partition) -> Seq {
        self.known.iter().find(|(known, _)| *known == partition).map_or(0, |(_, seq)| *seq)
    }

    /// Looks whether the cursor can rise, and queues it when it does. True while there is something to wait for.
    pub(crate) fn advance_cursor(&mut self, verified: &Verified, now: Timestamp) -> bool {
        if self.phase != Phase::Live {
            return self.phase == Phase::Resuming;
        }
        let raised = verified.raise(
            &self.cursor,
            |partition| self.seats.barrier(partition),
            |room| self.seats.has(room),
        );
        if let Some(raised) = raised {
            self.cursor = raised;
            self.push_cursor(now);
        }
        self.cursor_stale = self.seats.awaits_acks();
        self.cursor_stale
    }

    /// Queues the cursor as it is.
    pub(crate) fn push_cursor(&mut self, now: Timestamp) {
        let floors = self.cursor.floors().iter();
        let floors = floors.map(|floor| Floor { known: self.known_of(floor.partition), ..*floor });
        let cursor = Cursor::new(floors.collect()).encode();
        self.push(&ServerFrame::Cursor { cursor }, now);
    }

    /// Takes note that the cursor should be looked at; false when that was known.
    fn stale_cursor(&mut self) -> bool {
        !std::mem::replace(&mut self.cursor_stale, true)
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
            ClientFrame::Renew { token } => effects.push(Effect::Renew(token)),
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

    fn hello(&mut self, hello: Hello, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.phase == Phase::Fresh {
            self.phase = Phase::Authenticating;
            effects.push(Effect::Authenticate(hello));
        } else {
            let detail = "hello was said already on this connection; show a new token with renew";
            self.push(&error(None, None, Problem::new(Code::Malformed, detail)), now);
        }
    }

    fn verified(&mut self, verdict: Result<Identity, Problem>, now: Timestamp, effects: &mut Vec<Effect>) {
        match verdict {
            Ok(identity) => {
                self.identity = Some(identity);
                self.alive.authenticated(identity.expires_at);
                self.phase = Phase::Resuming;
                effects.push(Effect::Resume);
            }
            Err(problem) => {
                let code = match problem.code {
                    Code::Unavailable | Code::Internal => CloseCode::Unavailable,
                    _ => CloseCode::Unauthorized,
                };
                self.refuse(None, None, problem);
                self.close(code, now);
            }
        }
    }

    fn renewed(&mut self, verdict: Result<Identity, Problem>, now: Timestamp) {
        let new = match verdict {
            Ok(new) => new,
            Err(problem) => return self.refuse(None, None, problem),
        };
        let same = |old: &Identity| old.user == new.user && old.session == new.session;
        if self.identity.as_ref().is_some_and(same) {
            self.identity = Some(new);
            self.alive.authenticated(new.expires_at);
            self.welcome(true, now);
        } else {
            let detail = "the token is of another session; open another connection for it";
            self.refuse(None, None, Problem::new(Code::Forbidden, detail));
        }
    }

    fn command(&mut self, frame: &ClientFrame, forward: Forward, now: Timestamp, effects: &mut Vec<Effect>) {
        let before_hello =
            matches!(frame, ClientFrame::Register(_) | ClientFrame::Login(_) | ClientFrame::Refresh(_));
        let id = forward.id;
        if !before_hello && self.identity.is_none() {
            return self.refuse(Some(id), None, hello_first());
        }
        let most = if self.identity.is_some() { MOST_COMMANDS } else { MOST_STRANGER_COMMANDS };
        let flight = self.in_flight.get_or_insert_default();
        let taken =
            if flight.commands() < most { flight.command(forward) } else { Err(forwarding::TooMany(most)) };
        match taken {
            Ok(forward) => effects.extend(forward.map(Effect::Forward)),
            Err(forwarding::TooMany(most)) => {
                let detail =
                    format!("{most} commands of this connection await their answers; wait for one of them");
                self.push(&error(Some(id), None, Problem::new(Code::TooMany, detail)), now);
            }
        }
    }

    fn query(&mut self, reference: String, ask: Query, fresh: Freshness, effects: &mut Vec<Effect>) {
        if reference.len() > MOST_REFERENCE_BYTES {
            let detail = format!("a query's ref has at most {MOST_REFERENCE_BYTES} bytes");
            return self.refuse(None, None, Problem::new(Code::Size, detail));
        }
        match self.in_flight.get_or_insert_default().query() {
            Ok(()) => effects.push(Effect::Ask { reference, ask, fresh }),
            Err(forwarding::TooMany(most)) => {
                let detail =
                    format!("{most} queries of this connection await their answers; wait for one of them");
                self.refuse(None, Some(reference), Problem::new(Code::TooMany, detail));
            }
        }
    }

    fn refuse(&mut self, id: Option<chasqui_events::CommandId>, reference: Option<String>, problem: Problem) {
        // The time matters only for a client that reads too slowly, which then has the shortest time to leave.
        let now = self.alive.last_heard();
        self.push(&error(id, reference, problem), now);
    }

    fn drop_idle_flight(&mut self) {
        if self.in_flight.as_ref().is_some_and(|flight| flight.is_idle()) {
            self.in_flight = None;
        }
    }
}

/// The longest name of a query, in bytes.
pub(crate) const MOST_REFERENCE_BYTES: usize = 64;
/// The most commands under way before the hello.
const MOST_STRANGER_COMMANDS: usize = 2;

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

/// How often a session may say that its user is typing: a few at once, then one in a second.
#[derive(Debug, Default)]
struct Typing {
    full_at: Timestamp,
}

impl Typing {
    const EACH_MS: i64 = 1_000;
    const AT_ONCE: i64 = 5;

    fn allows(&mut self, now: Timestamp) -> bool {
        let full_at = self.full_at.max(now).plus_millis(Self::EACH_MS);
        let allowed = full_at.since(now) <= Self::EACH_MS * Self::AT_ONCE;
        if allowed {
            self.full_at = full_at;
        }
        allowed
    }
}
