//! What somebody may take with them: everything of their own, line by line.
//!
//! An export is lines of JSON, each an object with one key that says what it is. `GET /v1/me/export/account` gives the line
//! `account`; `GET /v1/me/export` gives `profile`, then for each room `room` and the caller's messages in it, and `end`
//! last: an export without it was cut off.

use chasqui_events::{
    CommandId, RoomId, Seq, Timestamp, UserId,
    account::GlobalRole,
    room::{Kind, Role},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    command::{FactorKind, OwnPasskey},
    query::{OpenSession, Profile},
};

/// A line of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportLine {
    /// How one logs in.
    Account(ExportedAccount),
    /// Who one is to others.
    Profile(Profile),
    /// A room that one is in, or was.
    Room(ExportedRoom),
    /// A message that one has sent to the room of the line before.
    Message(ExportedMessage),
    /// There is nothing more.
    End(ExportEnd),
}

/// An account, as far as it is known to the server what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportedAccount {
    /// Whose.
    #[schema(value_type = uuid::Uuid)]
    pub user: UserId,
    /// When it was made: milliseconds since the Unix epoch.
    #[schema(value_type = i64)]
    pub created_at: Timestamp,
    /// What its user may do in the whole installation.
    #[schema(value_type = String)]
    pub role: GlobalRole,
    /// The verified e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What a login asks for beside the password.
    pub factors: Vec<FactorKind>,
    /// The passkeys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passkeys: Vec<OwnPasskey>,
    /// How many recovery codes are left.
    pub recovery_codes_left: usize,
    /// The open sessions, the one used last first.
    pub sessions: Vec<OpenSession>,
}

/// A room that one is in, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportedRoom {
    /// The room.
    #[schema(value_type = uuid::Uuid)]
    pub room: RoomId,
    /// Public, private or direct.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// Its name, for who is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The other side of a direct conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    pub peer: Option<UserId>,
    /// `joined`, `invited`, `left`, `removed` or `banned`.
    pub standing: String,
    /// The role, also the last one of who is gone.
    #[schema(value_type = String)]
    pub role: Role,
    /// A fact of the room cannot be read now: what was sent after this place is missing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_at: Option<Seq>,
}

/// A message that one has sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportedMessage {
    /// Where.
    #[schema(value_type = uuid::Uuid)]
    pub room: RoomId,
    /// Its place in the room.
    pub seq: Seq,
    /// When: milliseconds since the Unix epoch.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: CommandId,
    /// What it says; empty when it was erased, or is damaged.
    pub body: String,
    /// The messages that it replies to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<uuid::Uuid>)]
    pub replies_to: Vec<CommandId>,
}

/// The end of an export, to count by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportEnd {
    /// How many rooms there were.
    pub rooms: u64,
    /// How many messages.
    pub messages: u64,
}
