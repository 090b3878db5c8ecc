//! The frames of the WebSocket. A frame is an object with exactly one key, its name.

use chasqui_events::{CommandId, RoomId, Seq, SessionId, Timestamp, UserId, receipts::Mark};
use serde::{Deserialize, Serialize};

use crate::{
    Accepted, Item, Problem,
    command::{
        Ban, ChangeProfile, ChangeRole, CreateRoom, EraseRoom, Invite, Join, Leave, Login, LoginSecondFactor,
        Logout, Mute, OpenDirect, Read, Refresh, Register, Remove, RenameRoom, SecondFactorAsked, Send,
        SetSlowMode, Tokens, Unban, Unmute,
    },
    query::{Freshness, Query},
};

/// From client to server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientFrame {
    /// Says who one is, and where one was. Everything but account commands needs it first.
    Hello(Hello),
    /// Shows a new access token on an open connection, before the old one expires.
    Renew(Renew),
    /// Acknowledges everything of a room up to a place: the cursor moves on, and the author learns of delivery.
    Ack {
        /// The room.
        room: RoomId,
        /// The place.
        seq: Seq,
    },
    /// Acknowledges several rooms at once.
    Acks(Vec<(RoomId, Seq)>),
    /// Says that the user has read a room up to a place.
    Read(Read),
    /// Says that the user is typing, or has stopped.
    Typing {
        /// Where.
        room: RoomId,
        /// Typing, or stopped.
        on: bool,
    },
    /// Asks for a [`ServerFrame::Pong`], which repeats the number.
    Ping(u64),
    /// A query. Its answer repeats `ref`.
    Query {
        /// The client's own name for the question, at most 64 bytes.
        #[serde(rename = "ref")]
        reference: String,
        /// The question.
        ask: Query,
        /// How fresh the answer must be.
        #[serde(default)]
        fresh: Freshness,
    },
    /// Creates an account. Works before the hello.
    Register(Register),
    /// Opens a session; answered by [`ServerFrame::Tokens`], or by [`ServerFrame::SecondFactor`] where the account has
    /// one. Works before the hello.
    Login(Request<Login>),
    /// Finishes a login that asks for a second factor; answered by [`ServerFrame::Tokens`]. Works before the hello.
    LoginSecondFactor(Request<LoginSecondFactor>),
    /// Exchanges a refresh token; answered by [`ServerFrame::Tokens`]. Works before the hello.
    Refresh(Request<Refresh>),
    /// Ends the session.
    Logout(Request<Logout>),
    /// Changes one's profile.
    ChangeProfile(ChangeProfile),
    /// Opens a room.
    CreateRoom(CreateRoom),
    /// Opens a direct conversation.
    OpenDirect(OpenDirect),
    /// Renames a room.
    RenameRoom(RenameRoom),
    /// Joins a room.
    Join(Join),
    /// Leaves a room.
    Leave(Leave),
    /// Invites somebody.
    Invite(Invite),
    /// Removes somebody.
    Remove(Remove),
    /// Changes somebody's role.
    ChangeRole(ChangeRole),
    /// Bans somebody.
    Ban(Ban),
    /// Lifts a ban.
    Unban(Unban),
    /// Mutes somebody.
    Mute(Mute),
    /// Lifts a mute.
    Unmute(Unmute),
    /// Slows a room down.
    SetSlowMode(SetSlowMode),
    /// Erases a room.
    EraseRoom(EraseRoom),
    /// Says something.
    Send(Send),
}

impl ClientFrame {
    /// The names of all client frames.
    pub const NAMES: &'static [&'static str] = &[
        "hello",
        "renew",
        "ack",
        "acks",
        "read",
        "typing",
        "ping",
        "query",
        "register",
        "login",
        "login_second_factor",
        "refresh",
        "logout",
        "change_profile",
        "create_room",
        "open_direct",
        "rename_room",
        "join",
        "leave",
        "invite",
        "remove",
        "change_role",
        "ban",
        "unban",
        "mute",
        "unmute",
        "set_slow_mode",
        "erase_room",
        "send",
    ];
}

/// A command that has no id of its own, with one for its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request<T> {
    /// The answer repeats it.
    pub id: CommandId,
    /// The command.
    pub body: T,
}

/// See [`ClientFrame::Renew`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renew {
    /// The new access token.
    pub token: String,
}

impl std::fmt::Debug for Renew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renew").finish_non_exhaustive()
    }
}

/// See [`ClientFrame::Hello`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// The access token; absent where the request for the connection carried one, in `Authorization` or a cookie.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub token: String,
    /// The last cursor that the client got; absent to begin with what happens from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// What the client calls itself, for logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

impl std::fmt::Debug for Hello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello").field("client", &self.client).finish_non_exhaustive()
    }
}

/// From server to client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerFrame {
    /// The hello was accepted; what was missed follows, then [`ServerFrame::CaughtUp`].
    Welcome(Welcome),
    /// The cursor cannot be used; what happened between is not sent. Read the rooms anew by queries.
    Reset {
        /// Why.
        reason: ResetReason,
    },
    /// Everything up to now has been sent; what follows is live.
    CaughtUp {},
    /// The caller is in this room now: entries of its timeline follow from here on.
    RoomEntered {
        /// The room.
        room: RoomId,
        /// The first place that may be sent.
        from: Seq,
    },
    /// The caller is not in this room any more; the entry that says why came before.
    RoomLeft {
        /// The room.
        room: RoomId,
    },
    /// An entry of a room's timeline. Acknowledge it with [`ClientFrame::Ack`].
    Item(Item),
    /// Watermarks of a room. They only rise; a lower one than known is old news.
    Receipts {
        /// The room.
        room: RoomId,
        /// Whose marks moved, and how far.
        marks: Vec<Mark>,
    },
    /// Where to resume: keep the last one and show it in the next hello.
    Cursor {
        /// Opaque.
        cursor: String,
    },
    /// A message of the caller's was recorded but does not stand: nobody sees it.
    Void {
        /// Its id.
        id: CommandId,
        /// Its room.
        room: RoomId,
        /// Why.
        reason: String,
    },
    /// Somebody is typing, or has stopped. Forget it after a few seconds.
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
    /// Somebody in a shared room was erased: what the client keeps of theirs, it drops.
    Erased {
        /// Who.
        user: UserId,
    },
    /// A command was accepted.
    Ok {
        /// The command.
        id: CommandId,
        /// What came of it.
        #[serde(flatten)]
        accepted: Accepted,
    },
    /// A login or a refresh was accepted.
    Tokens {
        /// The request.
        id: CommandId,
        /// The tokens.
        tokens: Tokens,
    },
    /// The password of a login is right, and a second factor is asked for.
    SecondFactor {
        /// The request.
        id: CommandId,
        /// What is asked for.
        second_factor: SecondFactorAsked,
    },
    /// A command, a query or a frame was refused.
    Error(ErrorFrame),
    /// The answer to a query.
    Result {
        /// The query.
        #[serde(rename = "ref")]
        reference: String,
        /// Its answer, of the shape that the query names.
        data: serde_json::Value,
    },
    /// Answers [`ClientFrame::Ping`].
    Pong(u64),
    /// The server will close the connection; see [`crate::CloseCode`].
    Bye {
        /// The close code that follows.
        code: u16,
        /// Whether to come back.
        reconnect: bool,
        /// Wait at least this long, in milliseconds.
        after_ms: u64,
    },
}

impl ServerFrame {
    /// The names of all server frames. A client passes over others: a newer server may have more.
    pub const NAMES: &'static [&'static str] = &[
        "welcome",
        "reset",
        "caught_up",
        "room_entered",
        "room_left",
        "item",
        "receipts",
        "cursor",
        "void",
        "typing",
        "presence",
        "erased",
        "ok",
        "tokens",
        "second_factor",
        "error",
        "result",
        "pong",
        "bye",
    ];
}

/// See [`ServerFrame::Welcome`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Who the token says one is.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// The server's clock; command ids may lie at most a minute ahead of it.
    pub server_time: Timestamp,
    /// The cursor was accepted: what was missed follows.
    pub resumed: bool,
    /// The server pings about this often, in milliseconds; silence of three times as long means a dead connection.
    pub ping_interval_ms: u64,
    /// When the access token expires; show a new one before.
    pub expires_at: Timestamp,
}

/// Why a cursor cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetReason {
    /// It is not a cursor of this server.
    Malformed,
    /// The log was recreated or shortened since.
    AnotherLog,
    /// More was missed than is sent by itself.
    TooOld,
}

/// See [`ServerFrame::Error`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorFrame {
    /// The command that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<CommandId>,
    /// The query that was refused.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Why.
    pub problem: Problem,
}
