//! Commands: what a client asks to be done.
//!
//! Each carries an `id` (a UUID of version 7) that the client chooses. Sending the same command with the same id
//! again is a retry: it is done once. A command is answered with [`Accepted`], or a [`crate::Problem`].

use chasqui_events::{
    CommandId, RoomId, Seq, SessionId, Timestamp, UserId,
    account::GlobalRole,
    receipts::Mark,
    room::{Kind, Role},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

macro_rules! undisclosed {
    ($($name:ident)+) => { $(
        /// Without what it holds, which is secret.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )+ };
}

mod answer;

pub use answer::{
    Accepted, AccountShown, FactorKind, IssuedToken, LoggedIn, NewCodes, OwnFactors, OwnPasskey,
    PasskeyAsked, PasskeyEnrolment, SecondFactorAsked, ServiceSession, ServiceTokenShown, ServiceTokens,
    SuspensionShown, Tokens, TotpEnrolment,
};

/// A second factor, shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FactorProof {
    /// The code that the authenticator application shows.
    Code(String),
    /// A recovery code that was not used yet.
    RecoveryCode(String),
    /// What `navigator.credentials.get` gave, as JSON.
    Passkey(Value),
}

undisclosed! { FactorProof }

/// A field that is marked `=> secret` is not shown by `Debug`: whatever prints a command, to a log or in a panic, prints
/// neither secrets nor what people say.
macro_rules! commands {
    (@shown $value:expr) => { &$value };
    (@shown $value:expr, secret) => { &format_args!("***") };
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $ty:ty $(=> $secret:ident)?,)*
    })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
            #[serde(deny_unknown_fields)]
            pub struct $name { $($(#[$field_doc])* pub $field: $ty,)* }

            impl std::fmt::Debug for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.debug_struct(stringify!($name))
                        $(.field(stringify!($field), commands!(@shown self.$field $(, $secret)?)))*
                        .finish()
                }
            }
        )+
    };
}

/// In whose name, and when, an imported command originally happened. Needs the right to import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OnBehalf {
    /// The original author.
    #[schema(value_type = uuid::Uuid)]
    pub user: UserId,
    /// The original time: milliseconds since the Unix epoch.
    #[schema(value_type = i64)]
    pub at: Timestamp,
}

commands! {
    /// Create an account.
    Register {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The user name: letters, digits and `. _ -`. Case does not matter for who one is.
        name: String,
        /// What to show instead of the name; may be empty.
        #[serde(default)]
        display_name: String => secret,
        /// The password.
        password: String => secret,
        /// An e-mail address. A mail with a token goes there; it counts once `verify_email` has taken that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<String> => secret,
    }
    /// Create an account for the author of imported messages. It has no password, so nobody can log in to it.
    /// Needs the right to import.
    RegisterImported {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The user name.
        name: String,
        /// What to show instead of the name; may be empty.
        #[serde(default)]
        display_name: String => secret,
    }
    /// Open a session.
    Login {
        /// The user name.
        name: String,
        /// The password.
        password: String => secret,
        /// What the client calls itself.
        #[serde(default)]
        device: String => secret,
        /// Come back to an account that one has deactivated.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        reactivate: bool,
    }
    /// Finish a login that asks for a second factor.
    LoginSecondFactor {
        /// The handle that the login gave.
        handle: String => secret,
        /// The second factor: `{"code": "123456"}`, `{"recovery_code": "…"}` or `{"passkey": {…}}`.
        proof: FactorProof => secret,
    }
    /// Begin a login with a passkey alone.
    LoginPasskeyBegin {}
    /// Open a session with a passkey alone.
    LoginPasskey {
        /// The handle that `login_passkey_begin` gave.
        handle: String => secret,
        /// What `navigator.credentials.get` gave, as JSON.
        #[schema(value_type = Object)]
        credential: Value => secret,
        /// What the client calls itself.
        #[serde(default)]
        device: String => secret,
        /// Come back to an account that one has deactivated.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        reactivate: bool,
    }
    /// Begin to add a passkey.
    EnrolPasskey {
        /// The password; needed unless the login is recent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String> => secret,
    }
    /// Finish adding a passkey.
    ConfirmPasskey {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The handle that `enrol_passkey` gave.
        handle: String => secret,
        /// What `navigator.credentials.create` gave, as JSON.
        #[schema(value_type = Object)]
        credential: Value => secret,
        /// What to call it, for oneself.
        name: String => secret,
    }
    /// Call a passkey something else.
    RenamePasskey {
        /// The passkey's id.
        passkey: String,
        /// What to call it.
        name: String => secret,
    }
    /// Remove a passkey.
    RemovePasskey {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The passkey's id.
        passkey: String,
        /// The password.
        password: String => secret,
    }
    /// Give oneself another password; all other sessions end.
    ChangePassword {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The password until now.
        old_password: String => secret,
        /// The password from now on.
        new_password: String => secret,
    }
    /// Go by another name. The old one stays reserved.
    ChangeName {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The new user name.
        name: String,
    }
    /// Leave for now: nobody logs in to the account until its owner comes back by a login with `reactivate`.
    Deactivate {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The password.
        password: String => secret,
    }
    /// Give oneself an e-mail address, another one, or none. It counts once it is verified.
    ChangeEmail {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The address; absent for none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<String> => secret,
        /// The password; needed unless the login is recent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String> => secret,
    }
    /// Show that one reads the mails to an address.
    VerifyEmail {
        /// The token from the mail.
        token: String => secret,
    }
    /// Ask for a mail with which the password can be reset.
    RequestPasswordReset {
        /// The address.
        email: String => secret,
    }
    /// Set another password by the token from a mail.
    ResetPassword {
        /// The token from the mail.
        token: String => secret,
        /// The password from now on.
        new_password: String => secret,
    }
    /// Begin to set up an authenticator application.
    EnrolTotp {
        /// The password; needed unless the login is recent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String> => secret,
    }
    /// Finish setting up an authenticator application, by its first code.
    ConfirmTotp {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The code that it shows.
        code: String => secret,
    }
    /// Remove the authenticator application.
    RemoveTotp {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The password.
        password: String => secret,
    }
    /// Make new recovery codes; the old ones are good no more.
    RenewRecoveryCodes {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The password; needed unless the login is recent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String> => secret,
    }
    /// Exchange a refresh token for new tokens.
    Refresh {
        /// The refresh token of the last login or refresh.
        refresh_token: String => secret,
    }
    /// End the caller's session.
    Logout {}
    /// End one of the caller's sessions.
    RevokeSession {
        /// Which.
        #[schema(value_type = uuid::Uuid)]
        session: SessionId,
    }
    /// End all of the caller's sessions but the one that asks.
    RevokeOtherSessions {}
    /// End all of the caller's sessions, the one that asks among them.
    RevokeAllSessions {}
    /// Change one's own profile.
    ChangeProfile {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// The new display name; empty for the name itself.
        display_name: String => secret,
    }
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
    /// Exchange a program's token for an access token.
    ServiceLogin {
        /// The token, `chq_…`.
        token: String => secret,
    }
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
    /// Erase a user for good: oneself, or as an admin somebody else.
    EraseUser {
        /// The command id.
        #[schema(value_type = uuid::Uuid)]
        id: CommandId,
        /// Who; oneself without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<uuid::Uuid>)]
        user: Option<UserId>,
        /// One's own password, to erase oneself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String> => secret,
        /// Why, to erase somebody else.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prints_a_command_prints_no_secret() {
        let login = Login {
            name: "ana".into(),
            password: "canary".into(),
            device: "canary".into(),
            reactivate: false,
        };
        let refresh = Refresh { refresh_token: "canary".into() };
        let tokens = Tokens {
            user: UserId::new(Timestamp(0), [0; 10]),
            session: SessionId::new(Timestamp(0), [0; 10]),
            access_token: "canary".into(),
            expires_in: 1,
            refresh_token: "canary".into(),
        };
        let printed = format!("{login:?} {refresh:?} {tokens:#?} {:?}", Logout {});
        assert!(
            !printed.contains("canary") && printed.contains("***") && printed.contains("ana"),
            "{printed}"
        );
    }
}
