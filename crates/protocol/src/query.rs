//! Queries: what a client asks to be told. They are answered from the projections.
//!
//! A query may demand that a position has been projected (`at_least`, the position that a command was accepted
//! at), or everything that was recorded when it was asked (`latest`); it then waits a bounded time, and is
//! answered with the problem `not-yet-projected` when that was not enough.

use std::net::IpAddr;

use chasqui_events::{
    CommandId, Position, RoomId, Seq, SessionId, Timestamp, UserId,
    receipts::Mark,
    room::{Kind, Role},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Item;

/// How fresh an answer must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// Whatever has been projected.
    #[default]
    Any,
    /// At least up to here.
    AtLeast(Position),
    /// Everything that was recorded when the query came in.
    Latest,
}

/// Where a page of history lies. Pages hold the entries next to the place, in log order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// The newest entries.
    #[default]
    Newest,
    /// The entries before this one, which is not among them.
    Before(Seq),
    /// The entries after this one, which is not among them.
    After(Seq),
    /// The entries on both sides of this one, and itself.
    Around(Seq),
}

/// What a client asks, as an object with one key that names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Query {
    /// The caller's rooms, the most recently active first; answered by [`Conversations`].
    Conversations {},
    /// One of the caller's rooms; answered by [`Conversation`].
    Conversation {
        /// Which.
        room: RoomId,
    },
    /// The public rooms by name; answered by [`PublicRooms`].
    PublicRooms {
        /// What their names begin with; empty for all.
        #[serde(default)]
        name: String,
    },
    /// Who is in a room; answered by [`Members`].
    Members {
        /// Which.
        room: RoomId,
        /// Only those after this one, by id: the last one of the page before.
        #[serde(default)]
        after: Option<UserId>,
        /// How many at the most.
        #[serde(default)]
        limit: Option<u32>,
    },
    /// Who is banned from a room; answered by [`Bans`]. For those who may ban.
    Bans {
        /// Which.
        room: RoomId,
        /// Only those after this one, by id: the last one of the page before.
        #[serde(default)]
        after: Option<UserId>,
        /// How many at the most.
        #[serde(default)]
        limit: Option<u32>,
    },
    /// A page of a room's timeline; answered by [`History`].
    History {
        /// Which.
        room: RoomId,
        /// Which page.
        #[serde(default)]
        page: Page,
        /// How many at the most.
        #[serde(default)]
        limit: Option<u32>,
    },
    /// One message by its author and id; answered by an [`Item`].
    Message {
        /// The room.
        room: RoomId,
        /// Who sent it.
        author: UserId,
        /// The command id that it was sent with.
        id: CommandId,
    },
    /// Who got and who read a message; answered by [`Receipts`].
    Receipts {
        /// The room.
        room: RoomId,
        /// The message.
        seq: Seq,
    },
    /// Somebody's profile; answered by [`Profile`].
    Profile {
        /// Who.
        user: UserId,
    },
    /// The user of this name; answered by [`Profile`].
    UserByName {
        /// The name, in any case.
        name: String,
    },
}

/// How somebody stands to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// A member.
    Joined,
    /// May join.
    Invited,
}

/// One of the caller's rooms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Conversation {
    /// The room.
    #[schema(value_type = uuid::Uuid)]
    pub room: RoomId,
    /// Public, private or direct.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// Its name; for a direct conversation empty, see `peer`.
    pub name: String,
    /// The time between two messages of one member, in seconds; absent for none. Moderators and owners do not wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_mode_s: Option<u32>,
    /// The other side of a direct conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    pub peer: Option<UserId>,
    /// It was erased: its name is gone, and nothing in it can be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
    /// Whether the caller is in it or only invited.
    pub standing: Standing,
    /// The caller's role.
    #[schema(value_type = String)]
    pub role: Role,
    /// How many members it has.
    pub members: u64,
    /// How many of its messages the caller has not read.
    pub unread: u64,
    /// The caller's own read mark.
    pub read: Seq,
    /// The last entry of the timeline that the projection has.
    pub head: Seq,
    /// The last message, when there is one and the caller may see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastMessage>,
}

/// The last message of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastMessage {
    /// Its place.
    pub seq: Seq,
    /// When.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// Who.
    #[schema(value_type = uuid::Uuid)]
    pub by: UserId,
    /// Its beginning, at most 120 characters.
    pub preview: String,
    /// What was said was erased, and the preview is empty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// Answers [`Query::Conversations`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Conversations {
    /// The most recently active first.
    pub conversations: Vec<Conversation>,
}

/// A room that anyone may join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicRoom {
    /// The room.
    #[schema(value_type = uuid::Uuid)]
    pub room: RoomId,
    /// Its name.
    pub name: String,
    /// How many members it has.
    pub members: u64,
}

/// Answers [`Query::PublicRooms`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicRooms {
    /// By name, at most 100.
    pub rooms: Vec<PublicRoom>,
}

/// One member of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomMember {
    /// Who.
    #[schema(value_type = uuid::Uuid)]
    pub user: UserId,
    /// Their name; empty when it was erased.
    pub name: String,
    /// In it or only invited.
    pub standing: Standing,
    /// Their role.
    #[schema(value_type = String)]
    pub role: Role,
    /// Set when they were muted and the mute was not lifted; it may have ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<Muted>,
}

/// How long a mute lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Muted {
    /// Until when, in milliseconds since the Unix epoch; absent for until it is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub until: Option<Timestamp>,
}

/// One who is banned from a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ban {
    /// Who.
    #[schema(value_type = uuid::Uuid)]
    pub user: UserId,
    /// Their name.
    pub name: String,
    /// Who banned them.
    #[schema(value_type = uuid::Uuid)]
    pub by: UserId,
    /// When.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// Until when, in milliseconds since the Unix epoch; absent for until it is lifted. It may be over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub until: Option<Timestamp>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Answers [`Query::Bans`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Bans {
    /// By id.
    pub bans: Vec<Ban>,
    /// There are more after the last one.
    pub more: bool,
}

/// One act: something that was decided about an account, or that an operator did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Act {
    /// Its place in the stream of identity facts.
    pub seq: Seq,
    /// When.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// The user who did it; absent where an operator did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    pub by: Option<UserId>,
    /// The operator who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Operator>,
    /// What was done, for example `user.suspended` or `topology apply`.
    pub act: String,
    /// Whom it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    pub about: Option<UserId>,
    /// More of what was done: the new role, the end of a suspension, arguments.
    pub details: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Somebody with the operator's credential, as their machine says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Operator {
    /// The user of the operating system.
    pub user: String,
    /// The machine.
    pub host: String,
}

/// Answers `GET /v1/admin/audit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Acts {
    /// In order.
    pub acts: Vec<Act>,
    /// There are more after the last one.
    pub more: bool,
}

/// Answers [`Query::Members`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Members {
    /// By id.
    pub members: Vec<RoomMember>,
    /// There are more after the last one.
    pub more: bool,
}

/// Answers [`Query::History`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// In log order.
    pub items: Vec<Item>,
    /// There are older ones before the first.
    pub older: bool,
    /// There are newer ones after the last.
    pub newer: bool,
    /// A fact of the room cannot be read, and the room is held at this place until an operator has mended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_at: Option<Seq>,
}

/// Answers [`Query::Receipts`]: the members whose marks reach the message, and all marks of the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipts {
    /// Whose devices have it.
    #[schema(value_type = Vec<uuid::Uuid>)]
    pub delivered: Vec<UserId>,
    /// Who has read it.
    #[schema(value_type = Vec<uuid::Uuid>)]
    pub read: Vec<UserId>,
    /// Every member's marks.
    #[schema(value_type = Vec<Object>)]
    pub marks: Vec<Mark>,
}

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Profile {
    /// Who.
    #[schema(value_type = uuid::Uuid)]
    pub user: UserId,
    /// The name that they go by, as typed; empty when it was erased.
    pub name: String,
    /// What to show; empty for the name itself.
    pub display_name: String,
    /// They have deactivated their account: they are not here for now.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub deactivated: bool,
    /// The account was erased, and nothing personal is left of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// One of the caller's sessions: everything that came from one login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenSession {
    /// The session.
    #[schema(value_type = uuid::Uuid)]
    pub session: SessionId,
    /// It is the one that asks.
    pub current: bool,
    /// What the client called itself at the login; may be empty.
    pub device: String,
    /// The address of the last login or refresh, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub address: Option<IpAddr>,
    /// When the login was: milliseconds since the Unix epoch.
    #[schema(value_type = i64)]
    pub opened_at: Timestamp,
    /// When it was last refreshed, which a client that is used does every few minutes.
    #[schema(value_type = i64)]
    pub used_at: Timestamp,
}

/// Answers `GET /v1/me/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenSessions {
    /// The one used last first.
    pub sessions: Vec<OpenSession>,
}
