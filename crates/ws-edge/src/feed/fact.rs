//! A fact of a room as it comes from the log, read as far as a feed needs it.

use bytes::Bytes;
use chasqui_bus::subject::Lane;
use chasqui_events::{
    Envelope, Event, Import, RoomId, Seq, Timestamp,
    message::MessageEvent,
    receipts::ReceiptEvent,
    room::{
        Created, MemberBanned, MemberInvited, MemberJoined, MemberLeft, MemberMuted, MemberRemoved,
        MemberRoleChanged, MemberUnbanned, MemberUnmuted, Renamed, RoomEvent,
    },
};
use chasqui_protocol::{Happening, Item};

/// A fact as it was received or read.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) lane: Lane,
    pub(crate) seq: Seq,
    /// The one before it on its lane, 0 for the first; `None` when the range that it was read with proves that.
    pub(crate) prev: Option<Seq>,
    pub(crate) payload: Bytes,
    /// When the log stored it.
    pub(crate) time: Timestamp,
}

/// What a fact says.
#[derive(Clone, Debug)]
pub(super) enum Said {
    State(Envelope<RoomEvent>),
    Message(Envelope<MessageEvent>),
    Receipts(Envelope<ReceiptEvent>),
    /// It cannot be read by this version of the program.
    Poison(String),
}

impl Said {
    pub(super) fn read(raw: &Raw) -> Self {
        fn read<E: Event>(payload: &[u8], said: impl FnOnce(Envelope<E>) -> Said) -> Said {
            Envelope::decode(payload).map_or_else(|error| Said::Poison(error.to_string()), said)
        }
        match raw.lane {
            Lane::State => read(&raw.payload, Said::State),
            Lane::Msg => read(&raw.payload, Said::Message),
            Lane::Rcpt => read(&raw.payload, Said::Receipts),
        }
    }
}

/// The timeline entry that a message fact makes.
pub(crate) fn message_item(room: RoomId, seq: Seq, envelope: Envelope<MessageEvent>) -> Item {
    let Envelope { id, at, by, import, event, .. } = envelope;
    let MessageEvent::Posted(posted) = event;
    let what = Happening::Message { id, body: posted.body, replies_to: posted.replies_to };
    Item { room, seq, at, by, imported_by: import.map(|import: Import| import.by), what }
}

/// The timeline entry that a state fact makes.
pub(crate) fn state_item(room: RoomId, seq: Seq, envelope: &Envelope<RoomEvent>) -> Item {
    let what = match &envelope.event {
        RoomEvent::Created(Created { kind, name, members: _ }) => {
            Happening::Created { kind: *kind, name: name.clone() }
        }
        RoomEvent::Renamed(Renamed { name }) => Happening::Renamed { name: name.clone() },
        RoomEvent::MemberJoined(MemberJoined { user }) => Happening::Joined { user: *user },
        RoomEvent::MemberLeft(MemberLeft { user }) => Happening::Left { user: *user },
        RoomEvent::MemberInvited(MemberInvited { user }) => Happening::Invited { user: *user },
        RoomEvent::MemberRemoved(MemberRemoved { user, reason }) => {
            Happening::Removed { user: *user, reason: reason.clone() }
        }
        RoomEvent::MemberRoleChanged(MemberRoleChanged { user, role }) => {
            Happening::RoleChanged { user: *user, role: *role }
        }
        RoomEvent::MemberBanned(MemberBanned { user, until, reason }) => {
            Happening::Banned { user: *user, until: *until, reason: reason.clone() }
        }
        RoomEvent::MemberUnbanned(MemberUnbanned { user }) => Happening::Unbanned { user: *user },
        RoomEvent::MemberMuted(MemberMuted { user, until, reason }) => {
            Happening::Muted { user: *user, until: *until, reason: reason.clone() }
        }
        RoomEvent::MemberUnmuted(MemberUnmuted { user }) => Happening::Unmuted { user: *user },
    };
    let imported_by = envelope.import.map(|import| import.by);
    Item { room, seq, at: envelope.at, by: envelope.by, imported_by, what }
}
