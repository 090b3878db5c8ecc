//! The state lane of a room: `chat.<p>.room.<room>.state`. Who may be in it and as what.
//!
//! Appends here are conditional on the lane's last sequence, so that each was decided on the state it stands on.

use serde::{Deserialize, Serialize};

use crate::{Timestamp, UserId, envelope::family};

/// What a room is for, fixed at its creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Anyone may find and join it.
    Public,
    /// Entered by invitation only.
    Private,
    /// Two people, for ever; one per pair.
    Direct,
}

/// What a member may do in a room; each may do what the ones before it may. The table of permissions says what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads and posts.
    Guest,
    /// Also invites.
    Member,
    /// Also keeps order: removes, bans, mutes.
    Moderator,
    /// Also renames the room and gives roles.
    Owner,
}

impl Role {
    /// Every role, the lowest first.
    pub const ALL: [Self; 4] = [Self::Guest, Self::Member, Self::Moderator, Self::Owner];

    /// Its word, on the wire and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Member => "member",
            Self::Moderator => "moderator",
            Self::Owner => "owner",
        }
    }
}

/// A member from the first moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundingMember {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: Role,
}

/// `room.created`: always the first fact of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Created {
    /// Public, private or direct.
    pub kind: Kind,
    /// The room's name as shown; empty for a direct conversation, whose name is its other member.
    pub name: String,
    /// Its members at birth: the creator, or the two sides of a direct conversation.
    pub members: Vec<FoundingMember>,
}

/// `room.renamed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renamed {
    /// The new name.
    pub name: String,
}

/// `room.member_joined`: of their own will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberJoined {
    /// Who joined: as [`Role::Member`], or as [`Role::Owner`] where nobody was left in the room.
    pub user: UserId,
}

/// `room.member_left`: of their own will; also how an invitation is declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberLeft {
    /// Who left.
    pub user: UserId,
}

/// `room.member_invited`: not a member until they join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberInvited {
    /// Who may now join.
    pub user: UserId,
}

/// `room.member_removed`: by somebody else; also how an invitation is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberRemoved {
    /// Who was removed.
    pub user: UserId,
    /// Why, for the removed person and the room's owners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `room.member_role_changed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberRoleChanged {
    /// Whose role.
    pub user: UserId,
    /// The new role.
    pub role: Role,
}

/// `room.member_banned`: put out, and kept out. Also of somebody who is not in the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberBanned {
    /// Who.
    pub user: UserId,
    /// Until when; absent for until the ban is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `room.member_unbanned`: may come in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberUnbanned {
    /// Who.
    pub user: UserId,
}

/// `room.member_muted`: reads, but does not post. It outlasts leaving and coming back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberMuted {
    /// Who.
    pub user: UserId,
    /// Until when; absent for until the mute is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `room.member_unmuted`: may post again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberUnmuted {
    /// Who.
    pub user: UserId,
}

/// `room.slow_mode_changed`: members post less often, or as often as they like again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowModeChanged {
    /// The time between two messages of one member, in seconds; 0 for none.
    pub seconds: u32,
}

/// `room.erased`: for good. Its keys are destroyed after it, and nothing is said in it any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erased {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

family! {
    /// What can happen on a room's state lane.
    RoomEvent {
        /// The room came to be.
        Created(Created) = "room.created" v 1,
        /// Its name changed.
        Renamed(Renamed) = "room.renamed" v 1,
        /// Somebody joined.
        MemberJoined(MemberJoined) = "room.member_joined" v 1,
        /// Somebody left.
        MemberLeft(MemberLeft) = "room.member_left" v 1,
        /// Somebody was invited.
        MemberInvited(MemberInvited) = "room.member_invited" v 1,
        /// Somebody was removed.
        MemberRemoved(MemberRemoved) = "room.member_removed" v 1,
        /// Somebody's role changed.
        MemberRoleChanged(MemberRoleChanged) = "room.member_role_changed" v 1,
        /// Somebody was put out and is kept out.
        MemberBanned(MemberBanned) = "room.member_banned" v 1,
        /// Somebody may come in again.
        MemberUnbanned(MemberUnbanned) = "room.member_unbanned" v 1,
        /// Somebody may not post.
        MemberMuted(MemberMuted) = "room.member_muted" v 1,
        /// Somebody may post again.
        MemberUnmuted(MemberUnmuted) = "room.member_unmuted" v 1,
        /// Members post less often, or as often as they like again.
        SlowModeChanged(SlowModeChanged) = "room.slow_mode_changed" v 1,
        /// The room is no more.
        Erased(Erased) = "room.erased" v 1,
    }
}
