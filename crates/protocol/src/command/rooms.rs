//! Commands in rooms.

use chasqui_events::{
    CommandId, RoomId, Seq, Timestamp, UserId,
    receipts::Mark,
    room::{Kind, Role},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::OnBehalf;

commands! {
    /// Open a public or private room; the caller owns it.
    CreateRoom {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// `public` or `private`.
        #[schema(value_type = String)]
        kind: Kind,
        /// Its name.
        name: String,
    }
    /// Erase a room for good: everything that was said in it, for everybody.
    EraseRoom {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The room.
        #[schema(value_type = uuid::Uuid)]
        room: RoomId,
        /// The room's name, to show that this one is meant.
        name: String,
        /// Why; an admin who does not own the room has to say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// Open the conversation with somebody; there is one per pair, whoever opens it.
    OpenDirect {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The other side.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
    }
    /// Give a room another name.
    RenameRoom {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The room.
        #[schema(value_type = uuid::Uuid)]
        room: RoomId,
        /// The new name.
        name: String,
    }
    /// Become a member of a room.
    Join {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The room.
        #[schema(value_type = uuid::Uuid)]
        room: RoomId,
        /// For importers: who joined, and when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on_behalf: Option<OnBehalf>,
    }
    /// Stop being a member of a room, or decline an invitation.
    Leave {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The room.
        #[schema(value_type = uuid::Uuid)]
        room: RoomId,
        /// For importers: who left, and when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on_behalf: Option<OnBehalf>,
    }
    /// Let somebody join a room.
    Invite {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The room.
        #[schema(value_type = uuid::Uuid)]
        room: RoomId,
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
    }
    /// Put somebody out of a room, or take an invitation back.
    Remove {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The room.
        #[schema(value_type = uuid::Uuid)]
        room: RoomId,
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String> => secret,
    }
    /// Give somebody another role in a room.
    ChangeRole {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The room.
        #[schema(value_type = uuid::Uuid)]
        room: RoomId,
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
        /// `guest`, `member`, `moderator` or `owner`.
        #[schema(value_type = String)]
        role: Role,
    }
    /// Put somebody out of a room, and keep them out.
    Ban {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The room.
        #[schema(value_type = uuid::Uuid)]
        room: RoomId,
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
        /// Until when, in milliseconds since the Unix epoch; absent for until it is lifted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<i64>)]
        until: Option<Timestamp>,
        /// Why, in at most 500 characters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String> => secret,
    }
    /// Let somebody in again who was banned.
    Unban {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The room.
        #[schema(value_type = uuid::Uuid)]
        room: RoomId,
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
    }
    /// Keep a member of a room from posting.
    Mute {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The room.
        #[schema(value_type = uuid::Uuid)]
        room: RoomId,
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
        /// Until when, in milliseconds since the Unix epoch; absent for until it is lifted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<i64>)]
        until: Option<Timestamp>,
        /// Why, in at most 500 characters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String> => secret,
    }
    /// Let somebody post again who was muted.
    Unmute {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The room.
        #[schema(value_type = uuid::Uuid)]
        room: RoomId,
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
    }
    /// Have members post less often, or as often as they like again.
    SetSlowMode {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The room.
        #[schema(value_type = uuid::Uuid)]
        room: RoomId,
        /// The time between two messages of one member, in seconds, at most 21,600; 0 for none.
        seconds: u32,
    }
    /// Say something in a room.
    Send {
        /// The command id, also the message's id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The room.
        #[schema(value_type = uuid::Uuid)]
        room: RoomId,
        /// The text.
        body: String => secret,
        /// The messages of the room that this one answers, by their ids.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schema(value_type = Vec<uuid::Uuid>)]
        replies_to: Vec<CommandId>,
        /// This may have been sent before, and its answer was not seen.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        retry: bool,
        /// For importers: who said it, and when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on_behalf: Option<OnBehalf>,
    }
    /// Everything of a room up to a message has reached one of the caller's devices.
    Delivered {
        /// The room.
        #[schema(value_type = uuid::Uuid)]
        room: RoomId,
        /// The message.
        seq: Seq,
    }
    /// The caller has read everything of a room up to a message.
    Read {
        /// The room.
        #[schema(value_type = uuid::Uuid)]
        room: RoomId,
        /// The message.
        seq: Seq,
    }
    /// From an edge, not from a client: the watermarks of one room that moved in one window.
    MoveReceipts {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The room.
        #[schema(value_type = uuid::Uuid)]
        room: RoomId,
        /// At most one per member.
        #[schema(value_type = Vec<Object>)]
        marks: Vec<Mark>,
    }
}
