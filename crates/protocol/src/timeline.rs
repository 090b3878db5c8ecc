//! A room's timeline: every message that stands and every change of the room, in log order.

use chasqui_events::{
    CommandId, RoomId, Seq, Timestamp, UserId,
    room::{Kind, Role},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One entry of a room's timeline.
///
/// `seq` orders the entries of a room and names one for ever; a client drops what is not above the last one that
/// it has of the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Item {
    /// The room.
    #[schema(value_type = uuid::Uuid)]
    pub room: RoomId,
    /// Its place in the room's partition; rises within a room, with gaps.
    pub seq: Seq,
    /// When it happened: milliseconds since the Unix epoch.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// Who did it.
    #[schema(value_type = uuid::Uuid)]
    pub by: UserId,
    /// Who brought it in from elsewhere; absent for what was said here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    pub imported_by: Option<UserId>,
    /// What happened.
    pub what: Happening,
}

/// What happened, as an object with one key that names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// Somebody said something.
    Message {
        /// The command id that its author gave it; unique together with room and author.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The text; empty when nobody can read it any more, see `erased` and `damaged`.
        body: String,
        /// The text was erased, with its author's words or with the room.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        erased: bool,
        /// What is recorded is not what was sealed; the operator's log says more.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        damaged: bool,
        /// The messages that it answers, by their ids.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schema(value_type = Vec<uuid::Uuid>)]
        replies_to: Vec<CommandId>,
    },
    /// The room came to be.
    Created {
        /// Public, private or direct.
        #[schema(value_type = String)]
        kind: Kind,
        /// Its name; empty for a direct conversation.
        name: String,
    },
    /// The room got another name.
    Renamed {
        /// The new name.
        name: String,
    },
    /// Somebody became a member.
    Joined {
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
    },
    /// Somebody stopped being a member, or declined an invitation.
    Left {
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
    },
    /// Somebody may now join.
    Invited {
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
    },
    /// Somebody was put out, or an invitation was taken back.
    Removed {
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Somebody has another role.
    RoleChanged {
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
        /// The new role.
        #[schema(value_type = String)]
        role: Role,
    },
    /// Somebody was put out and is kept out, or is kept out from now on.
    Banned {
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
        /// Until when, in milliseconds since the Unix epoch; absent for until it is lifted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<i64>)]
        until: Option<Timestamp>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Somebody may come in again.
    Unbanned {
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
    },
    /// Somebody may not post.
    Muted {
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
        /// Until when, in milliseconds since the Unix epoch; absent for until it is lifted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<i64>)]
        until: Option<Timestamp>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Somebody may post again.
    Unmuted {
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
    },
    /// Members post less often, or as often as they like again.
    SlowModeChanged {
        /// The time between two messages of one member, in seconds; 0 for none.
        seconds: u32,
    },
    /// The room was erased for good: nothing that was said in it can be read any more, and nothing is said in it.
    Erased {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}
