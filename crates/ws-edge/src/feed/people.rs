//! Who has to do with a room, and how far its lanes reach.

use std::collections::BTreeSet;

use chasqui_events::{
    Seq, UserId,
    room::{MemberBanned, MemberInvited, MemberJoined, MemberLeft, MemberRemoved, RoomEvent},
};

/// Who has to do with a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct People {
    pub(crate) members: BTreeSet<UserId>,
    pub(crate) invited: BTreeSet<UserId>,
}

impl People {
    /// Folds a state fact.
    pub(crate) fn apply(&mut self, event: &RoomEvent) {
        match event {
            RoomEvent::Created(created) => {
                self.members.extend(created.members.iter().map(|member| member.user));
            }
            RoomEvent::MemberJoined(MemberJoined { user }) => {
                self.invited.remove(user);
                self.members.insert(*user);
            }
            RoomEvent::MemberInvited(MemberInvited { user }) => {
                self.invited.insert(*user);
            }
            RoomEvent::MemberLeft(MemberLeft { user })
            | RoomEvent::MemberRemoved(MemberRemoved { user, .. })
            | RoomEvent::MemberBanned(MemberBanned { user, .. }) => {
                self.members.remove(user);
                self.invited.remove(user);
            }
            RoomEvent::Renamed(_)
            | RoomEvent::MemberRoleChanged(_)
            | RoomEvent::MemberUnbanned(_)
            | RoomEvent::MemberMuted(_)
            | RoomEvent::MemberUnmuted(_)
            | RoomEvent::SlowModeChanged(_)
            | RoomEvent::Erased(_) => {}
        }
    }
}

/// The last facts of a room's lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heads {
    pub(crate) state: Seq,
    pub(crate) msg: Seq,
    pub(crate) rcpt: Seq,
    /// The projector holds the room from this place on, because it cannot read the fact there.
    pub(crate) held_at: Option<Seq>,
}

impl Heads {
    pub(crate) fn timeline(&self) -> Seq {
        self.state.max(self.msg)
    }
}
