//! What happens, as the application sees it.

use chasqui_events::{CommandId, RoomId, Seq, UserId, receipts::Mark};
use chasqui_protocol::{
    CloseCode, Item, Problem,
    frame::{ResetReason, Welcome},
};
use tokio::sync::mpsc;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Connected; sent once, before anything else.
    Connected(Welcome),
    /// An entry of a room's timeline. Each comes once, in order within its room.
    Item(Item),
    /// A change of a room that comes after messages with higher places: the server found out late that its push was
    /// lost. Sort it in by its place. Messages never come so.
    Late(Item),
    /// Watermarks of a room moved. They may come more than once; a lower one than known is old news.
    Receipts {
        /// The room.
        room: RoomId,
        /// Whose marks moved, and how far.
        marks: Vec<Mark>,
    },
    /// Somebody is typing, or has stopped.
    Typing {
        /// Where.
        room: RoomId,
        /// Who.
        user: UserId,
        /// Typing, or stopped.
        on: bool,
    },
    /// Somebody in a shared room came online or went away.
    Presence {
        /// Who.
        user: UserId,
        /// Here, or away.
        online: bool,
    },
    /// Somebody in a shared room was erased: drop what is kept of theirs.
    Erased {
        /// Who.
        user: UserId,
    },
    /// The user is in this room now.
    RoomEntered {
        /// The room.
        room: RoomId,
        /// The first place that may be sent.
        from: Seq,
    },
    /// The user is not in this room any more.
    RoomLeft {
        /// The room.
        room: RoomId,
    },
    /// What happened between two connections is not sent: read the rooms anew by queries.
    Reset {
        /// Why; `None` when the connection was lost before the server had given a first cursor.
        reason: Option<ResetReason>,
    },
    /// Everything that was missed has come; what follows is live.
    CaughtUp,
    /// A message does not stand. Usually it is the user's own, was accepted, and nobody sees it; in the rare case that
    /// it had been pushed already, everybody in the room is told to forget it.
    Void {
        /// Its id.
        id: CommandId,
        /// Its room.
        room: RoomId,
        /// Why.
        reason: String,
    },
    /// The server refused something that is neither a command nor a query.
    Refused(Problem),
    /// The connection was lost, or could not be made again. The client keeps trying.
    Disconnected {
        /// Why, for people.
        why: String,
        /// The pause before the next try, in milliseconds.
        retry_in_ms: u64,
    },
    /// Connected again.
    Reconnected {
        /// What was missed follows; otherwise [`Event::Reset`] does.
        resumed: bool,
    },
    /// The client has stopped and will not try again. The last event.
    Stopped {
        /// Why, for people.
        why: String,
        /// The server's code, when it closed for good.
        code: Option<CloseCode>,
    },
}

/// The stream of events, of bounded length.
///
/// When the application does not take them fast enough, the client stops taking timeline entries, and once half of
/// the space is free again it connects anew and resumes from its cursor: slower, but nothing is lost or held
/// without bound. Answers to commands and queries are not affected.
#[derive(Debug)]
pub struct Events {
    pub(crate) receiver: mpsc::Receiver<Event>,
}

impl Events {
    /// The next event; `None` after [`Event::Stopped`], or when every [`crate::Client`] has been dropped.
    pub async fn next(&mut self) -> Option<Event> {
        self.receiver.recv().await
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<Event> {
        self.receiver.try_recv().ok()
    }
}
