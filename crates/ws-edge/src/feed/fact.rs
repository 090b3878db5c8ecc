//! A fact of a room as it comes from the log, read as far as a feed needs it.

use chasqui_bus::subject::Lane;
use chasqui_crypto::{Opened, Place};
use chasqui_events::{
    Envelope, Event, Import, RoomId, Sealed, Seq, Text, Timestamp,
    message::{MessageEvent, Posted},
    receipts::ReceiptEvent,
    room::{
        Created, Erased, MemberBanned, MemberInvited, MemberJoined, MemberLeft, MemberMuted, MemberRemoved,
        MemberRoleChanged, MemberUnbanned, MemberUnmuted, Renamed, RoomEvent, SlowModeChanged,
    },
};
use chasqui_protocol::{Happening, Item};
use chasqui_query_api::opening::with_body;

/// A fact as it was received or read.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) lane: Lane,
    pub(crate) seq: Seq,
    /// The one before it on its lane, 0 for the first; `None` when the range that it was read with proves that.
    pub(crate) prev: Option<Seq>,
    pub(crate) said: Said,
    /// How many bytes it took.
    pub(crate) bytes: usize,
    /// What the seal of a message held, once it was opened.
    pub(crate) opened: Option<Opened>,
    /// When the log stored it.
    pub(crate) time: Timestamp,
}

impl Raw {
    pub(crate) fn new(lane: Lane, seq: Seq, prev: Option<Seq>, payload: &[u8], time: Timestamp) -> Self {
        let said = Said::read(lane, payload);
        Self { lane, seq, prev, said, bytes: payload.len(), opened: None, time }
    }

    /// What is sealed in it and not opened yet, and where it belongs.
    pub(crate) fn sealed(&self, room: RoomId) -> Option<(Place, &Sealed)> {
        if self.opened.is_some() {
            return None;
        }
        let Said::Message(envelope) = &self.said else { return None };
        let MessageEvent::Posted(Posted { body: Text::Sealed(sealed), .. }) = &envelope.event else {
            return None;
        };
        Some((Place::Body { room, id: envelope.id, author: envelope.by }, sealed))
    }

    /// Something in it waits to be opened.
    pub(crate) const fn is_shut(&self) -> bool {
        self.opened.is_none()
            && matches!(
                &self.said,
                Said::Message(Envelope {
                    event: MessageEvent::Posted(Posted { body: Text::Sealed(_), .. }),
                    ..
                })
            )
    }
}

/// What a fact says.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    State(Envelope<RoomEvent>),
    Message(Envelope<MessageEvent>),
    Receipts(Envelope<ReceiptEvent>),
    /// It cannot be read by this version of the program.
    Poison(String),
}

impl Said {
    fn read(lane: Lane, payload: &[u8]) -> Self {
        fn read<E: Event>(payload: &[u8], said: impl FnOnce(Envelope<E>) -> Said) -> Said {
            Envelope::decode(payload).map_or_else(|error| Said::Poison(error.to_string()), said)
        }
        match lane {
            Lane::State => read(payload, Said::State),
            Lane::Msg => read(payload, Said::Message),
            Lane::Rcpt => read(payload, Said::Receipts),
        }
    }
}

/// The timeline entry that a message fact makes, with what its seal held.
pub(crate) fn message_item(
    room: RoomId,
    seq: Seq,
    envelope: Envelope<MessageEvent>,
    opened: Option<Opened>,
) -> Item {
    let Envelope { id, at, by, import, event, .. } = envelope;
    let MessageEvent::Posted(Posted { body, size: _, replies_to }) = event;
    let opened = match body {
        Text::Plain(body) => Opened::Text(body),
        // Nothing that is shut comes here.
        Text::Sealed(_) => opened.unwrap_or(Opened::Damaged),
    };
    let what = Happening::Message { id, body: String::new(), erased: false, damaged: false, replies_to };
    let item = Item { room, seq, at, by, imported_by: import.map(|import: Import| import.by), what };
    with_body(item, opened)
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
        RoomEvent::SlowModeChanged(SlowModeChanged { seconds }) => {
            Happening::SlowModeChanged { seconds: *seconds }
        }
        RoomEvent::Erased(Erased { reason }) => Happening::Erased { reason: reason.clone() },
    };
    let imported_by = envelope.import.map(|import| import.by);
    Item { room, seq, at: envelope.at, by: envelope.by, imported_by, what }
}
