//! Commands of those who keep order in the installation.

use chasqui_events::{CommandId, SessionId, Timestamp, UserId, account::GlobalRole};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

commands! {
    /// Keep somebody from logging in, and end their sessions. Needs the global role `moderator`, and a higher one than
    /// the other has.
    Suspend {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
        /// Until when, in milliseconds since the Unix epoch; absent for until they are reinstated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<i64>)]
        until: Option<Timestamp>,
        /// Why, in at most 500 characters. It is recorded.
        reason: String => secret,
    }
    /// End a suspension. Needs what suspending needs.
    Reinstate {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
        /// Why, in at most 500 characters. It is recorded.
        reason: String => secret,
    }
    /// Log somebody out everywhere.
    EndSessions {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
        /// Why, in at most 500 characters. It is recorded.
        reason: String => secret,
    }
    /// Give somebody another global role. Needs the global role `admin`.
    ChangeGlobalRole {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// Who.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
        /// `user`, `moderator` or `admin`.
        #[schema(value_type = String)]
        role: GlobalRole,
        /// Why, in at most 500 characters. It is recorded.
        reason: String => secret,
    }
    /// Make an account for a program. Nobody logs in to it with a password. Needs the global role `admin`.
    CreateService {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The user name.
        name: String,
        /// What to show instead of the name; may be empty.
        #[serde(default)]
        display_name: String,
        /// Why, in at most 500 characters. It is recorded.
        reason: String,
    }
    /// Give a program a token. Needs the global role `admin`.
    IssueToken {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The program.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
        /// What it is for, in at most 64 characters.
        name: String,
        /// What it allows: `read`, `post`, `rooms`, `moderate`, `import`.
        scopes: Vec<String>,
        /// When it ends, in milliseconds since the Unix epoch; absent for when it is revoked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<i64>)]
        expires_at: Option<Timestamp>,
        /// Why, in at most 500 characters. It is recorded.
        reason: String,
    }
    /// Take a token from a program; what it opened ends. Needs the global role `admin`.
    RevokeToken {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The program.
        #[schema(value_type = uuid::Uuid)]
        user: UserId,
        /// The token's id.
        #[schema(value_type = uuid::Uuid)]
        token: SessionId,
        /// Why, in at most 500 characters. It is recorded.
        reason: String,
    }
}
