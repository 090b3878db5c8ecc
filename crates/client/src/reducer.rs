//! The rules of a client, without I/O: what is handed to the application and what is dropped, what is
//! acknowledged, what must be said again on a new connection.
//!
//! Frames, commands and moments go in; frames to send and [`Step`]s come out. In the words of the protocol:
//!
//! - An entry of a timeline is handed over once, and per room in order. One that comes again is dropped; one that
//!   comes for the first time after higher ones is told apart, as [`Event::Late`]. It is acknowledged only after it
//!   was handed over.
//! - A command is kept until it is answered. On a new connection all unanswered ones are sent again, in their
//!   order, with the same ids; messages say then that they are retries.
//! - A problem that says that the outcome is unknown, or that the server cannot right now, is no answer yet: the
//!   command is repeated after a pause, until the caller's patience is over.
//! - When the application is behind ([`Reducer::fall_behind`]), nothing is pushed to it until the next
//!   connection, which resumes from the cursor.

mod outbound;
mod timeline;

use chasqui_events::UserId;
use chasqui_protocol::{
    Accepted, ClientFrame, Item, Problem, ServerFrame,
    command::{SecondFactorAsked, Tokens},
    frame::{ErrorFrame, Welcome},
};

pub use outbound::Key;
use outbound::Outbound;
use timeline::Timeline;

use crate::Event;

/// What a frame from the server comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing is to be done.
    Nothing,
    /// Hand this to the application. After an entry of a timeline was taken, call [`Reducer::handed_over`].
    Event(Event),
    /// A command or a query has its answer.
    Answered(Key, Result<Reply, Problem>),
    /// The server will close, and wants the client to stay away for so many milliseconds.
    Bye {
        /// At least.
        after_ms: u64,
    },
}

/// A good answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// To a command.
    Accepted(Accepted),
    /// To a login or refresh.
    Tokens(Tokens),
    /// To a login whose password was right.
    SecondFactor(SecondFactorAsked),
    /// To a query.
    Data(serde_json::Value),
}

/// The state of a client across connections.
#[derive(Debug)]
pub struct Reducer {
    timeline: Timeline,
    outbound: Outbound,
    user: Option<UserId>,
    online: bool,
}

impl Reducer {
    /// A client that resumes at `cursor`, or begins with what happens from now on. Commands are repeated for
    /// `patience_ms` before their problem is handed on.
    #[must_use]
    pub fn new(cursor: Option<String>, patience_ms: i64) -> Self {
        let (timeline, outbound) = (Timeline::new(cursor), Outbound::new(patience_ms));
        Self { timeline, outbound, user: None, online: false }
    }

    /// The cursor to show in the next hello.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        self.timeline.cursor()
    }

    /// A connection said welcome. Returns what the application is to be told, and the frames to send again.
    pub fn connected(&mut self, welcome: Welcome) -> (Vec<Event>, Vec<ClientFrame>) {
        self.user = Some(welcome.user);
        self.online = true;
        (self.timeline.connected(welcome), self.outbound.everything_again())
    }

    /// The connection is gone.
    pub fn disconnected(&mut self) {
        self.online = false;
        self.timeline.disconnected();
    }

    /// Remembers a command, a query or a read mark until the server has answered or shown it. Returns the frame
    /// to send now; while there is no connection there is none, and what is remembered is sent on the next one.
    pub fn submit(&mut self, frame: ClientFrame, now_ms: i64) -> Option<ClientFrame> {
        self.outbound.submit(frame, self.online, now_ms)
    }

    /// Takes a frame from the server.
    pub fn receive(&mut self, frame: ServerFrame, now_ms: i64) -> Step {
        match frame {
            ServerFrame::Item(item) => self.pushed(|timeline| timeline.item(item)),
            ServerFrame::Receipts { room, marks } => {
                for own in marks.iter().filter(|mark| Some(mark.user) == self.user) {
                    self.outbound.read_confirmed(room, own.read);
                }
                self.push(Event::Receipts { room, marks })
            }
            ServerFrame::RoomEntered { room, from } => self.push(Event::RoomEntered { room, from }),
            ServerFrame::RoomLeft { room } => self.push(Event::RoomLeft { room }),
            ServerFrame::Void { id, room, reason } => self.push(Event::Void { id, room, reason }),
            ServerFrame::Typing { room, user, on } => self.push(Event::Typing { room, user, on }),
            ServerFrame::Presence { user, online } => self.push(Event::Presence { user, online }),
            ServerFrame::Erased { user } => self.push(Event::Erased { user }),
            ServerFrame::CaughtUp {} => self.push(Event::CaughtUp),
            ServerFrame::Reset { reason } => {
                self.timeline.reset();
                self.push(Event::Reset { reason: Some(reason) })
            }
            ServerFrame::Cursor { cursor } => {
                self.timeline.move_cursor(cursor);
                Step::Nothing
            }
            ServerFrame::Ok { id, accepted } => {
                self.outbound.answered(Key::Command(id), Ok(Reply::Accepted(accepted)), now_ms)
            }
            ServerFrame::SecondFactor { id, second_factor } => {
                self.outbound.answered(Key::Command(id), Ok(Reply::SecondFactor(second_factor)), now_ms)
            }
            ServerFrame::Tokens { id, tokens } => {
                self.outbound.answered(Key::Command(id), Ok(Reply::Tokens(tokens)), now_ms)
            }
            ServerFrame::Result { reference, data } => {
                self.outbound.answered(Key::Query(reference), Ok(Reply::Data(data)), now_ms)
            }
            ServerFrame::Error(ErrorFrame { id: Some(id), problem, .. }) => {
                self.outbound.answered(Key::Command(id), Err(problem), now_ms)
            }
            ServerFrame::Error(ErrorFrame { id: None, reference: Some(reference), problem }) => {
                self.outbound.answered(Key::Query(reference), Err(problem), now_ms)
            }
            ServerFrame::Error(ErrorFrame { id: None, reference: None, problem }) => {
                Step::Event(Event::Refused(problem))
            }
            ServerFrame::Bye { after_ms, .. } => Step::Bye { after_ms },
            // A second welcome only answers a renewed token; pongs are signs of life.
            ServerFrame::Welcome(_) | ServerFrame::Pong(_) => Step::Nothing,
        }
    }

    /// The application took this entry: it is to be acknowledged.
    pub fn handed_over(&mut self, item: &Item) {
        self.timeline.handed_over(item);
    }

    /// The application cannot take more: nothing is pushed until the next connection.
    pub fn fall_behind(&mut self) {
        self.timeline.fall_behind();
    }

    /// Whether the application is behind, so that a new connection is needed once it has caught up.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.timeline.is_behind()
    }

    /// The acknowledgements that have gathered, as one frame.
    pub fn take_acks(&mut self) -> Option<ClientFrame> {
        self.timeline.take_acks()
    }

    /// Whether there is something to acknowledge.
    #[must_use]
    pub fn has_acks(&self) -> bool {
        self.timeline.has_acks()
    }

    /// When the next command is to be repeated.
    #[must_use]
    pub fn next_repeat(&self) -> Option<i64> {
        self.outbound.next_repeat()
    }

    /// The commands that are to be repeated by now.
    pub fn take_repeats(&mut self, now_ms: i64) -> Vec<ClientFrame> {
        self.outbound.take_repeats(now_ms)
    }

    fn push(&mut self, event: Event) -> Step {
        self.pushed(|_| Some(event))
    }

    fn pushed(&mut self, event: impl FnOnce(&mut Timeline) -> Option<Event>) -> Step {
        if self.is_behind() {
            return Step::Nothing;
        }
        event(&mut self.timeline).map_or(Step::Nothing, Step::Event)
    }
}

#[cfg(test)]
mod tests;
